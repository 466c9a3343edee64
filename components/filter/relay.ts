// What a proxy may reach on the relay through its tunnel, as one nft file: the mail ports, and nothing else of the
// relay or of the network behind it. A table per tunnel, so that tunnels come and go without touching each other.
import type { TunnelPlan } from "../tunnel/addressPlan";
import { chain, NAT_FIRST, table } from "./nftables";
import { familyOf } from "../addresses";
import { SMTP_PORT, TABLE } from "./spec";
import { ascending, rangeText, type PortRange } from "../ports";

export interface RelayFilter {
  /** The proxy's name. */
  readonly proxy: string;
  readonly plan: TunnelPlan;
  readonly ports: readonly number[];
  readonly udpPorts: readonly PortRange[];
  /** The proxy's public addresses. */
  readonly publicAddresses: readonly string[];
  /** Defined when the relay's own mail may leave through this proxy. */
  readonly egress: unknown;
}

export const relayTable = (proxy: string) => `${TABLE}_${proxy}`;

// Sources that no client on the internet has. A captured proxy could otherwise send packets that seem to come from
// the home network, which mail servers tend to trust (postfix: mynetworks).
const NO_CLIENT_IPV4 =
  "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3";
const NO_CLIENT_IPV6 = "::/128, ::1/128, ::ffff:0:0/96, fc00::/7, fe80::/10, ff00::/8";

/** Networks that nobody on a tunnel's other end can pretend to be in. */
export const NO_CLIENTS: readonly string[] = [NO_CLIENT_IPV4, NO_CLIENT_IPV6].flatMap((list) => list.split(", "));

const ICMP_ERRORS = "destination-unreachable, time-exceeded, parameter-problem";
const ICMPV6_ERRORS = "destination-unreachable, packet-too-big, time-exceeded, parameter-problem";

export function renderRelayFilter(filter: RelayFilter): string {
  const { proxy, plan, egress } = filter;
  const tunnel = `"${plan.relayInterface}"`;
  return table(relayTable(proxy), [
    fromProxy(tunnel, filter),
    chain("forward", "type filter hook forward priority filter; policy accept;", [
      `iifname ${tunnel} drop`,
      `oifname ${tunnel} drop`,
    ]),
    fromRelay(tunnel, filter),
    ...(egress === undefined ? [] : [ownMailFitted(tunnel, plan)]),
    ...hairpin(filter),
  ]);
}

const fromProxy = (tunnel: string, { plan, ports, udpPorts, egress }: RelayFilter) =>
  chain("input", "type filter hook input priority filter; policy accept;", [
    `iifname != ${tunnel} accept`,
    ...(egress === undefined ? [] : ownMailAnswered(plan)),
    // Anything but the tunnel's own address (the relay's address in the home network, say) is none of a proxy's business.
    `meta nfproto ipv4 ip daddr != ${plan.relay.ipv4} drop`,
    `meta nfproto ipv6 ip6 daddr != ${plan.relay.ipv6} drop`,
    // The report of a packet of ours that did not get through comes from a router on its way, many of which have no public
    // address. Without it a connection hangs where the path to a client has a smaller MTU than the tunnel.
    `ct state related icmp type { ${ICMP_ERRORS} } accept`,
    `ct state related icmpv6 type { ${ICMPV6_ERRORS} } accept`,
    `ip saddr != ${plan.proxy.ipv4} ip saddr { ${NO_CLIENT_IPV4} } drop`,
    `ip6 saddr != ${plan.proxy.ipv6} ip6 saddr { ${NO_CLIENT_IPV6} } drop`,
    "ct state established,related accept",
    `icmp type { echo-request, ${ICMP_ERRORS} } accept`,
    `icmpv6 type { echo-request, ${ICMPV6_ERRORS} } accept`,
    `tcp dport { ${ascending(ports).join(", ")} } accept`,
    ...(udpPorts.length > 0 ? [`udp dport { ${udpPorts.map((range) => rangeText(range)).join(", ")} } accept`] : []),
    "drop",
  ]);

// Nothing of the relay's own starts here. In a home without IPv6 the kernel would otherwise do so: finding no route
// for a connection, it takes the only global address it has, the tunnel's, asks again, and our routing rule answers;
// every IPv6 attempt (postfix's to another server's AAAA, say) would hang in the tunnel until it times out. Refused,
// it fails at once, and IPv4 is tried.
const fromRelay = (tunnel: string, { plan, egress }: RelayFilter) =>
  chain("output", "type filter hook output priority filter; policy accept;", [
    `oifname != ${tunnel} accept`,
    "ct state established,related accept",
    `ip daddr ${plan.proxy.ipv4} accept`,
    `ip6 daddr ${plan.proxy.ipv6} accept`,
    ...(egress === undefined ? [] : [`tcp dport ${SMTP_PORT} accept`]),
    // The kernel takes its time with ICMPv6 to itself (1 s, seen); a reset is there at once.
    "meta l4proto tcp reject with tcp reset",
    "reject with icmpx no-route",
  ]);

// A relay with a global address of its own would get its packets to the proxy back with itself as their sender, and
// its answers would never pass the proxy again. What it sends to its own public name stays here instead. From behind
// NAT the route through the proxy works, and is taken.
function hairpin({ plan, ports, publicAddresses }: RelayFilter): string[][] {
  if (publicAddresses.length === 0) return [];
  const toPorts = `tcp dport { ${ascending(ports).join(", ")} }`;
  const rules = publicAddresses.map((address) =>
    familyOf(address) === 4
      ? `ip saddr != { ${NO_CLIENT_IPV4} } ip daddr ${address} ${toPorts} dnat ip to ${plan.relay.ipv4}`
      : `ip6 saddr != { ${NO_CLIENT_IPV6} } ip6 daddr ${address} ${toPorts} dnat ip6 to ${plan.relay.ipv6}`,
  );
  return [chain("hairpin", `type nat hook output priority ${NAT_FIRST.output}; policy accept;`, rules)];
}

// A mail server may bind itself to an address of its own (postfix: smtp_bind_address, which chatmail sets from addr_v4 and
// addr_v6). The proxy takes nothing from the tunnel but the relay's address there, so what leaves gets that one. Masquerade
// rather than snat: a connection whose route moves to another tunnel or to the home line then ends at once, where it would
// otherwise go on there under this tunnel's address, unanswered, until it times out.
const ownMailFitted = (tunnel: string, { relay }: TunnelPlan) =>
  chain("postrouting", `type nat hook postrouting priority ${NAT_FIRST.postrouting}; policy accept;`, [
    `oifname ${tunnel} ip saddr != ${relay.ipv4} tcp dport ${SMTP_PORT} masquerade`,
    `oifname ${tunnel} ip6 saddr != ${relay.ipv6} tcp dport ${SMTP_PORT} masquerade`,
  ]);

// Answers to those have the bound address again by the time they come to the input chain. Only they were sent to the
// tunnel's address, in answer to what the relay began.
const ownMailAnswered = ({ relay }: TunnelPlan) => [
  `ct state established,related ct direction reply ct reply ip daddr ${relay.ipv4} accept`,
  `ct state established,related ct direction reply ct reply ip6 daddr ${relay.ipv6} accept`,
];
