// lab/text/cloudFirewall.ts: the cloud's firewalls as one nft file for the internet router. Pure; loads nothing.
//
// Each machine's link has two chains, to it and from it. Answers to what was let through pass first, as at Hetzner.
// A silenced machine is one whose network is dead: nothing passes, and nobody is told.
import type { FirewallRule } from "../hetzner/world";

export interface LinkRules {
  /** The router's interface towards the machine. */
  readonly link: string;
  /** null: no firewall attached, all open. */
  readonly rules: readonly FirewallRule[] | null;
  readonly silenced: boolean;
}

export const CLOUD_TABLE = "inet cpl_cloud";

export function renderCloudFirewall(links: readonly LinkRules[]): string {
  const sorted = [...links].sort((a, b) => a.link.localeCompare(b.link));
  const guarded = sorted.filter((link) => link.rules !== null);
  const silenced = sorted.filter((link) => link.silenced).map((link) => `"${link.link}"`);
  const set = [
    "\tset silenced {",
    "\t\ttype ifname",
    ...(silenced.length > 0 ? [`\t\telements = { ${silenced.join(", ")} }`] : []),
    "\t}",
  ];
  const lines = [
    `table ${CLOUD_TABLE}`,
    `delete table ${CLOUD_TABLE}`,
    `table ${CLOUD_TABLE} {`,
    ...set,
    ...guarded.flatMap(chains),
    ...chain("forward", [
      "type filter hook forward priority filter; policy accept;",
      "iifname @silenced drop",
      "oifname @silenced drop",
      "ct state established,related accept",
      ...guarded.map(({ link }) => `oifname "${link}" jump ${inbound(link)}`),
      ...guarded.map(({ link }) => `iifname "${link}" jump ${outbound(link)}`),
    ]),
    ...chain("input", ["type filter hook input priority filter; policy accept;", "iifname @silenced drop"]),
    ...chain("output", ["type filter hook output priority filter; policy accept;", "oifname @silenced drop"]),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

const inbound = (link: string): string => `in-${link}`;
const outbound = (link: string): string => `out-${link}`;

function chains({ link, rules }: LinkRules): string[] {
  const of = (direction: "in" | "out") => (rules ?? []).filter((rule) => rule.direction === direction);
  const out = of("out");
  return [
    ...chain(inbound(link), [...of("in").flatMap((rule) => passes(rule, "saddr", rule.sourceIps)), "drop"]),
    // Without a rule for outbound everything may leave; the first one closes the rest.
    ...chain(
      outbound(link),
      out.length === 0 ? ["return"] : [...out.flatMap((rule) => passes(rule, "daddr", rule.destinationIps)), "drop"],
    ),
  ];
}

/** One line per block: an nft set refuses blocks that overlap, a cloud firewall does not. */
function passes(rule: FirewallRule, field: "saddr" | "daddr", blocks: readonly string[]): string[] {
  return blocks.map((block) => `${block.includes(":") ? "ip6" : "ip"} ${field} ${block} ${service(rule)} return`);
}

function service({ protocol, port }: FirewallRule): string {
  switch (protocol) {
    case "tcp":
    case "udp":
      return port === null || port === "any" ? `meta l4proto ${protocol}` : `${protocol} dport ${port}`;
    case "icmp":
      return "meta l4proto { icmp, ipv6-icmp }";
    case "esp":
    case "gre":
      return `meta l4proto ${protocol}`;
    default:
      return unreachable(protocol);
  }
}

function unreachable(value: never): never {
  throw new Error(`protocol ${String(value)} has no rule here`);
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`\tchain ${name} {`, ...rules.map((rule) => `\t\t${rule}`), "\t}"];
}
