// What a run tells its operator: faults that make it fail, warnings, and a page on what now stands.
import * as pulumi from "@pulumi/pulumi";
import type { Verdict } from "./proof/verdict";

export interface ProxyReport {
  readonly name: string;
  readonly dnsName: string;
  readonly publish: boolean;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly verdict: Verdict;
  /** The public address from which the relay reaches this proxy. */
  readonly relayAddress: string | undefined;
}

/** Addresses that belong into the mail domain's records: wanted there, and answered by the relay. */
export function provenAddresses(proxies: readonly ProxyReport[]): string[] {
  return proxies.filter(({ publish }) => publish).flatMap(({ ipv4, ipv6, verdict }) => [...(verdict[4].proven ? [ipv4] : []), ...(verdict[6].proven ? [ipv6] : [])]);
}

export interface Findings {
  /** Each makes `pulumi up` end with an error, after all else is done. */
  readonly faults: string[];
  readonly warnings: string[];
}

/** A fault for each proxy that is wanted in DNS and does not work; everything else of note is a warning. */
export function findings(proxies: readonly ProxyReport[]): Findings {
  const faults: string[] = [];
  const warnings: string[] = [];
  for (const proxy of proxies) {
    for (const [family, address] of [[4, proxy.ipv4], [6, proxy.ipv6]] as const) {
      const verdict = proxy.verdict[family];
      const where = `${proxy.name} (${address})`;
      for (const fault of verdict.faults) (proxy.publish ? faults : warnings).push(`${where}: ${fault}`);
      for (const note of verdict.notes) warnings.push(`${where}: ${note}`);
    }
  }
  return { faults, warnings };
}

export function faultMessage(faults: readonly string[], published: readonly string[]): string {
  const dns = published.length > 0 ? `The mail domain's records hold: ${published.join(", ")}.` : "Nothing is published under the mail domain by this stack.";
  return [`Not everything works yet (all else of this run is done; mend it and run pulumi up again):`, ...faults.map((fault) => `  - ${fault}`), dns].join("\n");
}

/** Says it all. Faults are logged as an error, not thrown: everything is made and recorded, and the run still fails. */
export async function announce(proxies: readonly ProxyReport[], published: readonly string[], advice: readonly string[]): Promise<void> {
  const { faults, warnings } = findings(proxies);
  for (const warning of [...warnings, ...advice]) await pulumi.log.warn(warning);
  if (faults.length > 0) await pulumi.log.error(faultMessage(faults, published));
}

export interface PageFacts {
  readonly stack: string;
  readonly mailDomain: string;
  readonly proxies: readonly ProxyReport[];
  readonly published: readonly string[];
  readonly advice: readonly string[];
}

/** The stack output `readme`, in Markdown. */
export function readmePage({ stack, mailDomain, proxies, published, advice }: PageFacts): string {
  const state = ({ verdict, publish }: ProxyReport) => (verdict[4].proven || verdict[6].proven ? (publish ? "works, published" : "works, drained") : "does not work");
  return [
    `# Proxies of ${mailDomain} (stack ${stack})`,
    "",
    "| proxy | name | IPv4 | IPv6 | state |",
    "| --- | --- | --- | --- | --- |",
    ...proxies.map((proxy) => `| ${proxy.name} | ${proxy.dnsName} | ${proxy.ipv4} | ${proxy.ipv6} | ${state(proxy)} |`),
    "",
    `The mail domain's A and AAAA hold: ${published.join(", ") || "nothing of this stack"}.`,
    "",
    "## What to do next",
    ...(advice.length > 0 ? advice.map((line) => `- ${line}`) : ["- Nothing."]),
    "",
    "## By hand",
    ...proxies.map(({ name, dnsName }) => `- Log in to ${name}: \`ssh root@${dnsName}\` (with a key from adminKeys)`),
    `- chatmail's own cmdeploy connects to the mail domain, which is now a proxy: give it \`--ssh-host\` with the relay's own address.`,
    "",
  ].join("\n");
}
