// A proxy's filter as the rules of one pf anchor (FreeBSD 14 and 15). Knows no Pulumi, no SSH.
//
// How pf reads a packet: a known state passes it, without any rule; else translation takes the first match, and the
// filter, which sees the translated packet, the last match or the first `quick`. A packet that is forwarded goes
// through all of it twice: in on one interface, out on the other. What no rule matches passes WITHOUT state, so that
// its answer is blocked.
//
// Our anchor comes before the host's own rules. What is ours is `quick`; the defaults of a host that is ours alone
// are not, so that rules of the operator's own, which come after, still decide on anything else.
import { SMTP_PORT, TABLE, type ProxyFilter } from "./spec";
import { ascending, rangeText } from "../ports";

/** Name of our anchor in pf.conf. */
export const ANCHOR = TABLE;

// Tags say what we have redirected, which addresses alone do not: others in the WAN's own network could send
// packets to the relay's tunnel address.
const MAIL = "chatmail_proxy";
const EGRESS = "chatmail_egress";

/** The whole file for `pfctl -a chatmail_proxy -f`. */
export function renderPf(filter: ProxyFilter): string {
  const parts = [
    translation(filter),
    ...(filter.closed ? [defaults] : []),
    mail(filter),
    ...tunnel(filter),
    filter.closed ? own(filter) : session(filter),
  ];
  return [
    "# Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.",
    ...parts.flatMap((part) => ["", ...part]),
    "",
  ].join("\n");
}

function translation(filter: ProxyFilter): string[] {
  const { to } = filter;
  return filter.wan.flatMap((wan) =>
    targets(filter).flatMap(({ af, address }) => [
      // Without a tunnel the relay's answers would go straight to the client, who knows nothing of the relay.
      ...(to.kind === "direct" ? [`nat on ${wan} ${af} from any to ${address} tagged ${MAIL} -> (${wan}:0)`] : []),
      ...(to.kind === "tunnel" && to.egress
        ? [`nat on ${wan} ${af} proto tcp from ${address} to any port ${SMTP_PORT} tagged ${EGRESS} -> (${wan}:0)`]
        : []),
      ...forwarded(filter).map(
        ({ proto, port }) =>
          `rdr on ${wan} ${af} proto ${proto} from any to (${wan}) port ${port} tag ${MAIL} -> ${address}`,
      ),
    ]),
  );
}

const defaults = [
  "# What nobody names, here or in rules of your own further down, is closed.",
  // log: seen by tcpdump on pflog0, where the operator turns pflog on.
  "block drop in log all",
  // The host's own connections, first those that are older than these rules, the session that loads them above all. Of
  // such a one pf has not seen the window scale: a state that checks windows would drop what follows. sloppy checks none.
  "pass out proto tcp all flags any keep state (sloppy)",
  "pass out all flags S/SA keep state",
  "pass quick on lo0 all no state",
];

/** Each packet is filtered in on the WAN, and once more on its way out. */
function mail(filter: ProxyFilter): string[] {
  const { to } = filter;
  return [
    "# Mail: what was redirected above, and only to where it belongs.",
    ...targets(filter).flatMap(({ af, address, header }) =>
      forwarded(filter).flatMap(({ proto, port, syn }) => {
        const what = `${af} proto ${proto} from any to ${address} port ${port} tagged ${MAIL} ${syn}keep state`;
        // The tunnel carries smaller packets than the client's network; the MSS is lowered for both directions.
        const scrub = proto === "tcp" && to.kind === "tunnel" ? ` scrub (max-mss ${to.mtu - header})` : "";
        return [
          `pass in quick on ${list(filter.wan)} ${what}`,
          `pass out quick on ${to.kind === "tunnel" ? to.interface : list(filter.wan)} ${what}${scrub}`,
        ];
      }),
    ),
    // While the tunnel is down its addresses have no route of their own, and would leave by the default route.
    `block drop out quick all tagged ${MAIL}`,
  ];
}

function tunnel(filter: ProxyFilter): string[][] {
  const { to } = filter;
  if (to.kind === "direct") return [];
  const wg = to.interface;
  return [
    [
      "# The tunnel: its outer packets, and what may come out of it.",
      ...filter.wan.map((wan) => `pass in quick on ${wan} proto udp from any to (${wan}) port ${to.port} keep state`),
      ...targets(filter).map(
        ({ af, address, icmp }) =>
          `pass in quick on ${wg} ${af} proto ${icmp} from ${address} to (${wg}) ${icmpType[icmp]} echoreq keep state`,
      ),
      ...(to.egress
        ? targets(filter).map(
            ({ af, address }) =>
              `pass in quick on ${wg} ${af} proto tcp from ${address} to ! (self) port ${SMTP_PORT} tag ${EGRESS} flags S/SA keep state`,
          )
        : []),
      // As the host's own elsewhere; here the first of the two that matches decides.
      `pass out quick on ${wg} from (${wg}) to any flags S/SA keep state`,
      `pass out quick on ${wg} proto tcp from (${wg}) to any flags any keep state (sloppy)`,
      `block drop quick on ${wg} all`,
      ...(to.egress
        ? [
            `pass out quick on ${list(filter.wan)} proto tcp from any to any port ${SMTP_PORT} tagged ${EGRESS} flags S/SA keep state`,
            `block drop out quick all tagged ${EGRESS}`,
          ]
        : []),
    ],
  ];
}

/** What the host itself needs when it is ours alone. */
function own({ wan, ssh }: ProxyFilter): string[] {
  const from = ssh.from.length > 0 ? list(ssh.from) : "any";
  return [
    "# The host itself. Without packet-too-big a connection hangs on its first full-sized packet; without neighbour",
    "# discovery there is no IPv6 at all, and a default route may come from router advertisements.",
    "pass in quick inet proto icmp from any to (self) icmp-type { echoreq, echorep, unreach, timex, paramprob } keep state",
    "pass in quick inet6 proto ipv6-icmp from any to (self) icmp6-type { echoreq, echorep, unreach, toobig, timex, paramprob } keep state",
    "pass quick inet6 proto ipv6-icmp all icmp6-type { routersol, routeradv, neighbrsol, neighbradv } no state",
    "# Multicast listener reports (numbers: not all have names) carry an option; switches ask for them.",
    "pass quick inet6 proto ipv6-icmp all icmp6-type { 130, 131, 132, 143 } no state allow-opts",
    // Answers to a broadcast or a multicast come from an address that was never asked, so they match no state.
    `pass in quick on ${list(wan)} inet proto udp from any port 67 to any port 68 keep state`,
    `pass in quick on ${list(wan)} inet6 proto udp from fe80::/10 port 547 to any port 546 keep state`,
    "# SSH. The second rule takes up sessions that are older than these rules, the one that loads them above all.",
    `pass in quick proto tcp from ${from} to (self) port ${ssh.port} flags S/SA keep state`,
    `pass in quick proto tcp from ${from} to (self) port ${ssh.port} flags any keep state (sloppy)`,
  ];
}

/**
 * Where others decide who reaches SSH: a session that is older than pf itself, such as the one that turns pf on, has no
 * state, and rules that look at a connection's first packet alone would cut it off. New ones are none of ours: no state is
 * made, by which a packet that pretends to belong to a session would open the way for one.
 */
const session = ({ ssh }: ProxyFilter): string[] => [
  "# SSH sessions that are under way go on. Whether new ones are let in is for other rules to say.",
  `pass in quick proto tcp from any to (self) port ${ssh.port} flags A/SA no state`,
  `pass out quick proto tcp from (self) port ${ssh.port} to any flags A/SA no state`,
];

interface Target {
  readonly af: "inet" | "inet6";
  readonly address: string;
  /** Bytes of an IP and a TCP header without options. */
  readonly header: number;
  readonly icmp: "icmp" | "ipv6-icmp";
}

const icmpType = { icmp: "icmp-type", "ipv6-icmp": "icmp6-type" } as const;

/** The relay's addresses, one a family. */
function targets({ to: { relay } }: ProxyFilter): Target[] {
  return [
    ...(relay.ipv4 ? [{ af: "inet", address: relay.ipv4, header: 40, icmp: "icmp" } as const] : []),
    ...(relay.ipv6 ? [{ af: "inet6", address: relay.ipv6, header: 60, icmp: "ipv6-icmp" } as const] : []),
  ];
}

/** Ports that go to the relay. `syn`: only the first packet of a TCP connection makes a state. */
function forwarded({ ports, udpPorts }: ProxyFilter): { proto: "tcp" | "udp"; port: string; syn: string }[] {
  return [
    { proto: "tcp", port: list(ascending(ports).map(String)), syn: "flags S/SA " },
    ...(udpPorts.length > 0
      ? [{ proto: "udp" as const, port: list(udpPorts.map((range) => rangeText(range, ":"))), syn: "" }]
      : []),
  ];
}

const list = (items: readonly string[]) => (items.length === 1 ? String(items[0]) : `{ ${items.join(", ")} }`);
