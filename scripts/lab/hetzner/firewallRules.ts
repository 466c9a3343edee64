// scripts/lab/hetzner/firewallRules.ts: reads and checks the rules of a firewall.
import { canonicalBlock } from "./addresses";
import type { Form } from "./form";
import type { FirewallRule } from "./world";

const maxRules = 50;
const maxEffectiveRules = 500;
const maxBlocks = 100;

/** The body's `rules`; complaints go to the form. */
export function readRules(form: Form): FirewallRule[] {
  const rules = form.forms("rules", readRule);
  if (rules.length > maxRules) form.complain("rules", `at most ${maxRules} rules are allowed`);
  const effective = rules.reduce((sum, rule) => sum + rule.sourceIps.length + rule.destinationIps.length, 0);
  if (effective > maxEffectiveRules)
    form.complain("rules", `${effective} effective rules; at most ${maxEffectiveRules} are allowed`);
  return rules;
}

function readRule(entry: Form): FirewallRule {
  const direction = entry.oneOf("direction", ["in", "out"]);
  const protocol = entry.oneOf("protocol", ["tcp", "udp", "icmp", "esp", "gre"]);
  const port = entry.optionalString("port") ?? null;
  const hasPorts = protocol === "tcp" || protocol === "udp";
  if (hasPorts && port === null) entry.complain("port", `is required for protocol ${protocol}`);
  if (!hasPorts && port !== null) entry.complain("port", `is not allowed for protocol ${protocol}`);
  if (hasPorts && port !== null && !isPort(port))
    entry.complain("port", `'${port}' is neither a port from 1 to 65535, nor a range, nor any`);
  const [used, unused] = direction === "in" ? ["source_ips", "destination_ips"] : ["destination_ips", "source_ips"];
  const blocks = readBlocks(entry, used ?? "");
  if (blocks.length === 0) entry.complain(used ?? "", `is required for direction ${direction}`);
  if (entry.list(unused ?? "").length > 0) entry.complain(unused ?? "", `is not allowed for direction ${direction}`);
  return {
    direction,
    protocol,
    port,
    sourceIps: direction === "in" ? blocks : [],
    destinationIps: direction === "out" ? blocks : [],
    description: entry.optionalString("description", { max: 255 }) ?? null,
  };
}

function readBlocks(entry: Form, name: string): string[] {
  const texts = entry.list(name);
  if (texts.length > maxBlocks) entry.complain(name, `at most ${maxBlocks} CIDR blocks are allowed`);
  return texts.flatMap((text) => {
    const block = typeof text === "string" ? canonicalBlock(text) : undefined;
    if (block === undefined) entry.complain(name, `${JSON.stringify(text)} is not a CIDR block without host bits`);
    return block ?? [];
  });
}

function isPort(text: string): boolean {
  if (text === "any") return true;
  const [, from = "", to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  return Number(from) >= 1 && Number(from) <= Number(to) && Number(to) <= 65535;
}

export const presentRule = (rule: FirewallRule) => ({
  direction: rule.direction,
  protocol: rule.protocol,
  port: rule.port,
  source_ips: rule.sourceIps,
  destination_ips: rule.destinationIps,
  description: rule.description,
});
