// What a run reports to its operator: faults that make it fail, warnings, and a page on the present state.
import * as pulumi from "@pulumi/pulumi";
import type { Family } from "./addresses";
import { judge, type FamilyVerdict, type Inside, type OutsideView } from "./health/verdict";
import type { ScriptState } from "./lastRun";
import { FETCH_SCRIPT } from "./relayScript";
import type { InsideView } from "./remote/facts";
import type { Failure } from "./remote/applied";
import { HOSTCTL } from "./remote/hostctl";

export interface ProxyReport {
  readonly name: string;
  readonly dnsName: string;
  readonly publish: boolean;
  /** One entry for each family that the proxy has. */
  readonly families: readonly { readonly family: Family; readonly address: string; readonly verdict: FamilyVerdict }[];
  /** Whether the relay has called; undefined where the proxy was not asked. */
  readonly tunnel: InsideView["tunnel"] | undefined;
  /** The public address from which the relay reaches this proxy. */
  readonly relayAddress: string | undefined;
  /** Steps of its set-up that failed. */
  readonly failures: readonly Failure[];
  /** For a proxy through which the relay's own mail leaves: whether another mail server's port 25 answers there, by family. */
  readonly outbound: readonly { readonly family: Family; readonly open: boolean }[];
  /** Connections that it keeps track of, and how many it can. */
  readonly tracked: InsideView["tracked"];
}

export interface Seen {
  readonly name: string;
  readonly dnsName: string;
  readonly publish: boolean;
  readonly addresses: Readonly<Partial<Record<Family, string>>>;
  readonly outside: Readonly<Partial<Record<Family, OutsideView>>>;
  readonly inside: Inside;
  /** Others' firewalls on the relay: messages. */
  readonly onRelay: readonly string[];
  readonly failures: readonly Failure[];
}

export function reportOn({ name, dnsName, publish, addresses, outside, inside, onRelay, failures }: Seen): ProxyReport {
  const view = typeof inside === "string" || "unreachable" in inside ? undefined : inside;
  const families = ([4, 6] as const).flatMap((family) => {
    const address = addresses[family];
    return address === undefined
      ? []
      : [{ family, address, verdict: judge(family, outside[family] ?? [], inside, onRelay) }];
  });
  return {
    name,
    dnsName,
    publish,
    families,
    failures,
    tunnel: view?.tunnel,
    relayAddress: view?.relayAddress,
    outbound: view?.outbound ?? [],
    tracked: view?.tracked,
  };
}

/** Addresses that belong into the mail domain's records: wanted there, and answered by the relay. */
export const healthyAddresses = (proxies: readonly ProxyReport[]): string[] =>
  proxies
    .filter(({ publish }) => publish)
    .flatMap(({ families }) => families.filter(({ verdict }) => verdict.healthy).map(({ address }) => address));

/** Families that some published proxy should serve, and none does. */
export function failingFamilies(proxies: readonly ProxyReport[]): Family[] {
  return ([4, 6] as const).filter((family) => {
    const verdicts = proxies
      .filter(({ publish }) => publish)
      .flatMap(({ families, failures }) =>
        families
          .filter((each) => each.family === family)
          // A proxy that is not set up is not healthy, even if something answers there.
          .map(({ verdict }) => ({ ...verdict, healthy: verdict.healthy && failures.length === 0 })),
      );
    return verdicts.some(({ notOffered }) => !notOffered) && verdicts.every(({ healthy }) => !healthy);
  });
}

export interface Findings {
  /** Each makes `pulumi up` end with an error, after all else is done. */
  readonly faults: string[];
  readonly warnings: string[];
}

/** A fault for each proxy that could not be set up, or is wanted in DNS and does not work; everything else of note is a warning. */
export function findings(proxies: readonly ProxyReport[]): Findings {
  const faults: string[] = [];
  const warnings: string[] = [];
  for (const proxy of proxies) {
    // Drained ones too: their set-up failed all the same.
    for (const { step, reason } of proxy.failures)
      faults.push(`${proxy.name}: its set-up failed at ${step}: ${reason}`);
    for (const { address, verdict } of proxy.families) {
      const where = `${proxy.name} (${address})`;
      // Most likely what does not work is a consequence of what could not be set up.
      for (const fault of verdict.faults)
        (proxy.publish && proxy.failures.length === 0 ? faults : warnings).push(`${where}: ${fault}`);
      for (const note of verdict.notes) warnings.push(`${where}: ${note}`);
    }
    for (const { family } of proxy.outbound.filter((each) => !each.open)) {
      const some = proxy.outbound.some((each) => each.open);
      const text = `${proxy.name}: no other mail server's port 25 answers from there over IPv${family}, so mail cannot leave through it${some ? " by this family" : ""}. Providers block port 25 on new accounts (Hetzner until the first paid invoice; then ask in its console to open it). Until then, take it out of egress.`;
      (some ? warnings : faults).push(text);
    }
  }
  return { faults, warnings };
}

export function faultMessage(faults: readonly string[], published: readonly string[], preview: boolean): string {
  const dns =
    published.length > 0
      ? `The mail domain's records ${preview ? "will hold" : "hold"}: ${published.join(", ")}.`
      : "Nothing is published under the mail domain by this stack.";
  return [
    preview
      ? "Some checks fail now. Fix the following, unless pulumi up is to do so:"
      : "Some checks failed; everything else was set up. (Proxies that were removed from the settings are deleted by the next run without failures.) Fix the following, then run pulumi up again:",
    ...faults.map((fault) => `  - ${fault}`),
    dns,
  ].join("\n");
}

export interface RunFindings {
  readonly proxies: readonly ProxyReport[];
  /** What is wrong with the relay itself: messages. */
  readonly onRelay: readonly string[];
  readonly published: readonly string[];
  /** Published addresses that belong to no proxy. */
  readonly unknownAddresses: readonly string[];
  readonly advice: readonly string[];
  readonly fail: () => void;
}

/**
 * Reports all findings. Faults are logged as an error, not thrown: everything is made and recorded, and `fail` makes the run
 * fail nevertheless. In a preview they are warnings: an error there would stop the `up` that is to fix them. The faults.
 */
export async function reportFindings({
  proxies,
  onRelay,
  published,
  unknownAddresses,
  advice,
  fail,
}: RunFindings): Promise<string[]> {
  const found = findings(proxies);
  const { warnings } = found;
  // Failing also keeps the engine from deleting what those addresses belong to.
  const kept =
    unknownAddresses.length > 0
      ? [
          `the mail domain's records still hold ${unknownAddresses.join(", ")}, which is none of the proxies in the settings, because none of those is published and works. Publish one (publish: true), or fix it`,
        ]
      : [];
  const faults = [...found.faults, ...onRelay.map((fault) => `relay: ${fault}`), ...kept];
  for (const warning of [...warnings, ...advice]) await pulumi.log.warn(warning);
  if (faults.length === 0) return faults;
  if (pulumi.runtime.isDryRun()) {
    await pulumi.log.warn(faultMessage(faults, published, true));
    return faults;
  }
  await pulumi.log.error(faultMessage(faults, published, false));
  fail();
  return faults;
}

export interface PageFacts {
  readonly stack: string;
  readonly mailDomain: string;
  readonly proxies: readonly ProxyReport[];
  /** What is wrong, of the relay too: messages. */
  readonly faults: readonly string[];
  readonly published: readonly string[];
  readonly advice: readonly string[];
  /** The script that sets the relay up, where a person runs one. */
  readonly script: ScriptState | undefined;
  /** How the stack is marked on the relay. */
  readonly stackMark: string;
}

/** The stack output `readme`, in Markdown. */
export function readmePage({
  stack,
  mailDomain,
  proxies,
  faults,
  published,
  advice,
  script,
  stackMark,
}: PageFacts): string {
  const state = ({ families, publish, failures }: ProxyReport) => {
    const works = families.some(({ verdict }) => verdict.healthy);
    const inDns = families.some(({ address }) => published.includes(address));
    return [
      ...(failures.length > 0 ? ["set-up failed"] : []),
      works ? "works" : "does not work",
      inDns ? (publish || !works ? "published" : "still published: there is no other") : "not published",
    ].join(", ");
  };
  const address = ({ families }: ProxyReport, family: Family) =>
    families.find((each) => each.family === family)?.address ?? "none";
  return [
    `# Proxies of ${mailDomain} (stack ${stack})`,
    "",
    "| proxy | name | IPv4 | IPv6 | state |",
    "| --- | --- | --- | --- | --- |",
    ...proxies.map(
      (proxy) => `| ${proxy.name} | ${proxy.dnsName} | ${address(proxy, 4)} | ${address(proxy, 6)} | ${state(proxy)} |`,
    ),
    "",
    `The mail domain's A and AAAA hold: ${published.join(", ") || "nothing of this stack"}.`,
    ...(faults.length > 0 ? ["", "## What is wrong", ...faults.map((fault) => `- ${fault}`)] : []),
    "",
    "## What to do next",
    ...(advice.length > 0 ? advice.map((line) => `- ${line}`) : ["- Nothing."]),
    "",
    "## By hand",
    ...proxies.map(({ name, dnsName }) => `- Log in to ${name}: \`ssh root@${dnsName}\` (with a key from adminKeys)`),
    ...(script
      ? [
          `- The relay's script is of ${script.since}. If it was last run there before that, run it again: ${FETCH_SCRIPT}`,
          `- After \`pulumi destroy\`, run on the relay, as root: \`${HOSTCTL} release ${stackMark}\``,
        ]
      : []),
    `- chatmail's own cmdeploy connects to the mail domain, which is now a proxy: give it \`--ssh-host\` with the relay's own address.`,
    "",
  ].join("\n");
}
