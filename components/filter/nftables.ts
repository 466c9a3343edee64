// A proxy's filter as one nft file. Knows no Pulumi, no SSH.
//
// The file replaces our own table in one transaction and touches no other: other tables of the host stay as they
// are. A packet must pass every base chain of its hook, so a drop here is final and an accept is not; a firewall
// that was there before goes on filtering what we accept.
import { ascending, TABLE, type ProxyFilter } from "./spec";

export function renderProxyFilter(filter: ProxyFilter): string {
  const { ipv4, ipv6 } = filter.tunnel.relay;
  return table(TABLE, [
    portSet(filter.ports),
    chain("prerouting", "type nat hook prerouting priority dstnat; policy accept;", [
      // fib: only what is addressed to this host; what is merely routed through it is not ours to redirect.
      `iifname ${wan(filter)} fib daddr type local tcp dport @mail_ports dnat ip to ${ipv4}`,
      `iifname ${wan(filter)} fib daddr type local tcp dport @mail_ports dnat ip6 to ${ipv6}`,
    ]),
    chain("input", "type filter hook input priority filter; policy drop;", [
      'iifname "lo" accept',
      "ct state established,related accept",
      "ct state invalid drop",
      ...acceptIcmp,
      ...acceptDhcp,
      `tcp dport ${filter.sshPort} accept comment "SSH"`,
      `udp dport ${filter.tunnel.port} accept comment "tunnel"`,
    ]),
    chain("forward", "type filter hook forward priority filter; policy drop;", [
      // Both directions: the tunnel's MTU is smaller than the path's on either side of it.
      "tcp flags syn tcp option maxseg size set rt mtu",
      "ct state established,related accept",
      "ct state invalid drop",
      `iifname ${wan(filter)} oifname "${filter.tunnel.interface}" ct status dnat tcp dport @mail_ports accept`,
    ]),
  ]);
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

// iifname, not iif: iif is an index, so one missing interface fails the whole load.
const wan = ({ wan }: ProxyFilter) => `{ ${wan.map((name) => `"${name}"`).join(", ")} }`;

const portSet = (ports: readonly number[]) =>
  block("set mail_ports", ["type inet_service", `elements = { ${ascending(ports).join(", ")} }`]);

/** A whole file for one table: declared, deleted, defined, so that it loads whether or not the table is there. */
export function table(name: string, parts: readonly string[][]): string {
  return [
    "#!/usr/sbin/nft -f",
    "# Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.",
    "",
    `table inet ${name}`,
    `delete table inet ${name}`,
    "",
    ...block(`table inet ${name}`, parts.flatMap((part, i) => (i > 0 ? ["", ...part] : part))),
    "",
  ].join("\n");
}

export const chain = (name: string, head: string, rules: readonly string[]) => block(`chain ${name}`, [head, ...rules]);

const block = (head: string, lines: readonly string[]) => [`${head} {`, ...lines.map((line) => (line ? `\t${line}` : "")), "}"];
