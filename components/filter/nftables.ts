// A proxy's filter as one nft file. Knows no Pulumi, no SSH.
//
// The file replaces our own table in one transaction and touches no other: other tables of the host stay as they
// are. A packet must pass every base chain of its hook, so a drop here is final and an accept is not; a firewall
// that was there before goes on filtering what we accept.
import { familyOf } from "../addresses";
import { SMTP_PORT, TABLE, type Direct, type ProxyFilter, type Tunnelled } from "./spec";
import { ascending, rangeText } from "../ports";

// Of several chains that translate, the first that has a rule for a packet decides, and of two with one priority the one that
// was loaded last comes first: ours today, another's (Docker's, k3s', a guide's) after a reboot. All of theirs are at
// dstnat and srcnat, so ours come first in any order of loading. hostctl's check_translations refuses before that to take a
// port from somebody else.
export const NAT_FIRST = { prerouting: "dstnat - 10", output: "-110", postrouting: "srcnat - 10" } as const;

export function renderProxyFilter(filter: ProxyFilter): string {
  const wan = `{ ${filter.wan.map((name) => `"${name}"`).join(", ")} }`;
  // iifname, not iif: iif is an index, so one missing interface fails the whole load.
  const fromWan = `iifname ${wan}`;
  const forwarded = ["tcp dport @mail_ports", ...(filter.udpPorts.length > 0 ? ["udp dport @udp_ports"] : [])];
  const { to } = filter;
  const masqueraded = masquerades(to, wan);
  return table(TABLE, [
    portSet("mail_ports", ascending(filter.ports).map(String)),
    ...(filter.udpPorts.length > 0
      ? [
          portSet(
            "udp_ports",
            filter.udpPorts.map((range) => rangeText(range)),
            "flags interval",
          ),
        ]
      : []),
    chain("prerouting", `type nat hook prerouting priority ${NAT_FIRST.prerouting}; policy accept;`, [
      // fib: only what is addressed to this host; what is merely routed through it is not ours to redirect.
      ...forwarded.flatMap((ports) =>
        targets(to).map(({ nat, address }) => `${fromWan} fib daddr type local ${ports} dnat ${nat} to ${address}`),
      ),
    ]),
    ...(masqueraded.length > 0
      ? [
          chain(
            "postrouting",
            `type nat hook postrouting priority ${NAT_FIRST.postrouting}; policy accept;`,
            masqueraded,
          ),
        ]
      : []),
    ...(filter.closed ? [input(filter)] : strays(filter, fromWan)),
    chain("forward", `type filter hook forward priority filter; policy ${filter.closed ? "drop" : "accept"};`, [
      ...(filter.closed ? [] : notOurs(to)),
      // Both directions: the tunnel's MTU is smaller than the path's on either side of it.
      "tcp flags syn tcp option maxseg size set rt mtu",
      "ct state established,related accept",
      "ct state invalid drop",
      ...forwarded.map(
        (ports) =>
          `${fromWan} oifname ${to.kind === "tunnel" ? `"${to.interface}"` : wan} ct status dnat ${ports} accept`,
      ),
      ...(to.kind === "tunnel" && to.egress
        ? [`iifname "${to.interface}" oifname ${wan} tcp dport ${SMTP_PORT} accept`]
        : []),
      ...(filter.closed ? [] : ["drop"]),
    ]),
  ]);
}

const input = ({ ssh, to }: ProxyFilter) =>
  chain("input", "type filter hook input priority filter; policy drop;", [
    'iifname "lo" accept',
    "ct state established,related accept",
    "ct state invalid drop",
    ...acceptIcmp,
    ...acceptDhcp,
    ...acceptSsh(ssh),
    ...(to.kind === "tunnel" ? [`udp dport ${to.port} accept comment "tunnel"`] : []),
  ]);

// After a restart nothing is known here of connections that go on. A packet of the relay's that comes before one of the
// client's does would be taken for one to this host: answered by a reset, and remembered as such. Dropped, it is sent again;
// the client's next packet is redirected, and the connection goes on. So it is with another mail server's packet, where the
// relay's own mail leaves through here.
function strays({ to, udpPorts }: ProxyFilter, fromWan: string): string[][] {
  const opensNothing = "tcp flags & (syn | rst) == 0 ct state new,invalid drop";
  const rules =
    to.kind === "direct"
      ? targets(to).flatMap(({ nat, address }) => [
          `${nat} saddr ${address} tcp sport @mail_ports ${opensNothing}`,
          ...(udpPorts.length > 0 ? [`${nat} saddr ${address} udp sport @udp_ports ct state new drop`] : []),
        ])
      : to.egress
        ? [`${fromWan} tcp sport ${SMTP_PORT} ${opensNothing}`]
        : [];
  return rules.length > 0 ? [chain("input", "type filter hook input priority filter; policy accept;", rules)] : [];
}

/** What others forward on this host passes as if we were not there. */
function notOurs(to: Tunnelled | Direct): string[] {
  if (to.kind === "tunnel")
    return [
      // While the tunnel's interface is away, what was redirected must not leave by another.
      `ip daddr ${to.relay.ipv4} ct status dnat oifname != "${to.interface}" drop`,
      `ip6 daddr ${to.relay.ipv6} ct status dnat oifname != "${to.interface}" drop`,
      `iifname != "${to.interface}" oifname != "${to.interface}" accept`,
    ];
  const { ipv4, ipv6 } = to.relay;
  return [
    ipv4 ? `ip daddr != ${ipv4} ip saddr != ${ipv4} accept` : "meta nfproto ipv4 accept",
    ipv6 ? `ip6 daddr != ${ipv6} ip6 saddr != ${ipv6} accept` : "meta nfproto ipv6 accept",
  ];
}

function targets({ relay }: Tunnelled | Direct): { nat: "ip" | "ip6"; address: string }[] {
  return [
    ...(relay.ipv4 ? [{ nat: "ip" as const, address: relay.ipv4 }] : []),
    ...(relay.ipv6 ? [{ nat: "ip6" as const, address: relay.ipv6 }] : []),
  ];
}

function masquerades(to: Tunnelled | Direct, wan: string): string[] {
  // Without a tunnel the relay's answers would go straight to the client, who knows nothing of the relay.
  if (to.kind === "direct")
    return targets(to).map(({ nat, address }) => `oifname ${wan} ${nat} daddr ${address} ct status dnat masquerade`);
  return to.egress ? [`iifname "${to.interface}" oifname ${wan} tcp dport ${SMTP_PORT} masquerade`] : [];
}

function acceptSsh({ port, from }: ProxyFilter["ssh"]): string[] {
  if (from.length === 0) return [`tcp dport ${port} accept comment "SSH"`];
  const of = (family: 4 | 6) => from.filter((network) => familyOf(network.split("/")[0] ?? "") === family);
  const rule = (key: string, networks: string[]) =>
    networks.length > 0 ? [`${key} saddr { ${networks.join(", ")} } tcp dport ${port} accept comment "SSH"`] : [];
  return [...rule("ip", of(4)), ...rule("ip6", of(6))];
}

// Without packet-too-big a connection hangs on its first full-sized packet; without neighbour discovery there is
// no IPv6 at all. Router advertisements must reach hosts that learn their default route from them.
const acceptIcmp = [
  "icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept",
  "icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
  "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept",
];

// Answers to a broadcast or a multicast come from an address that was never asked, so they count as new. A host that
// loses its lease is locked out too, only later.
const acceptDhcp = [
  'udp sport 67 udp dport 68 accept comment "DHCP"',
  'ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept comment "DHCPv6"',
];

const portSet = (name: string, elements: readonly string[], ...flags: string[]) =>
  block(`set ${name}`, ["type inet_service", ...flags, `elements = { ${elements.join(", ")} }`]);

/** A whole file for one table: declared, deleted, defined, so that it loads whether or not the table is there. */
export function table(name: string, parts: readonly string[][]): string {
  return [
    "#!/usr/sbin/nft -f",
    "# Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.",
    "",
    `table inet ${name}`,
    `delete table inet ${name}`,
    "",
    ...block(
      `table inet ${name}`,
      parts.flatMap((part, i) => (i > 0 ? ["", ...part] : part)),
    ),
    "",
  ].join("\n");
}

export const chain = (name: string, head: string, rules: readonly string[]) => block(`chain ${name}`, [head, ...rules]);

const block = (head: string, lines: readonly string[]) => [
  `${head} {`,
  ...lines.map((line) => (line ? `\t${line}` : "")),
  "}",
];
