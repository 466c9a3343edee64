// What a run reports at its end: faults, warnings, and what is left to do.
import { advice, faultyOnes, foreignAddresses, senders, type Situation } from "./advice";
import type { MailDomain } from "./dns/mailDomain";
import { reverseAdvice } from "./dns/reverse";
import { spfAdvice, textPlace, textsOf } from "./dns/spf";
import type { DnsZone } from "./dns/zone";
import { allKnown, reportsOf, type ProxyHealth } from "./proxyHealth";
import type { Before, ScriptState } from "./lastRun";
import { stackMark } from "./ownerMark";
import type { ProxySetup } from "./proxySetup";
import type { RelaySetup } from "./relaySetup";
import { NO_INTERRUPTIONS, scriptChanged, ScriptedRelay } from "./relayScript";
import type { RelayFacts } from "./remote/facts";
import { reportFindings, type ProxyReport } from "./report";
import type { StackSettings } from "./settings";
import { sshHostAdvice, sshHostsOf } from "./sshHosts";
import { leftBehind } from "./transitions";
import type { World } from "./world";

export interface WholeRun {
  readonly settings: StackSettings;
  readonly before: Before | undefined;
  readonly began: Date;
  readonly zone: DnsZone;
  readonly relay: RelaySetup | ScriptedRelay | undefined;
  readonly facts: RelayFacts | undefined;
  readonly proxies: readonly ProxySetup[];
  readonly health: readonly ProxyHealth[];
  /** What is wrong with the relay itself: messages. */
  readonly onRelay: readonly string[];
  readonly records: MailDomain;
  readonly world: Pick<World, "reverse" | "resolve" | "fail">;
}

export interface RunReport {
  /** What is wrong: messages. */
  readonly faults: readonly string[];
  /** Undefined in a preview of what is new. */
  readonly reports: readonly ProxyReport[] | undefined;
  readonly advice: readonly string[];
  /** Proxies whose set-up failed, or has yet to begin. */
  readonly failed: readonly string[];
  /** The relay's script that was announced. */
  readonly script: ScriptState | undefined;
}

export async function reportRun(run: WholeRun): Promise<RunReport> {
  const { settings, before, began, zone, proxies, health, records, world } = run;
  const reports = reportsOf(health);
  const situation: Situation = { settings, facts: run.facts, reports, published: records.published };
  const failed = proxies.flatMap(({ name }, i) => {
    const stillNot = health[i]?.unreached && (!before?.proxies[name] || before.failed.includes(name));
    return health[i]?.failed || stillNot ? [name] : [];
  });
  const scripted = run.relay instanceof ScriptedRelay ? run.relay : undefined;
  const newest = await scripted?.state(before?.script, began);
  const interruptions = (await scripted?.interruptions(before?.script)) ?? NO_INTERRUPTIONS;
  const reverse = await reverseAdvice(foreignAddresses(situation), world.reverse);
  const lines = [
    ...records.advice,
    ...spfLine(run, situation),
    ...advice(situation),
    ...(await sshHostAdvice(sshHostsOf(settings), namesAndAddresses(run), world.resolve)),
    ...reverse.warnings,
    ...((await zone.manual?.advice()) ?? []),
    ...leftBehind(before, settings, stackMark()),
    ...scriptChanged(before?.script, newest, failed, interruptions),
  ];
  const faults = await reportFindings({
    proxies: faultyOnes(situation),
    onRelay: run.onRelay,
    published: records.published,
    unknownAddresses: records.unknownAddresses,
    advice: lines,
    fail: world.fail,
  });
  return {
    faults,
    reports: allKnown(health) ? reports : undefined,
    advice: [...lines, ...reverse.notes],
    failed,
    // Until all proxies' own ends are in, it stays the one that was announced.
    script: failed.length + interruptions.frozen.length > 0 ? (before?.script ?? newest) : newest,
  };
}

function spfLine({ settings: { mailDomain }, zone, records }: WholeRun, situation: Situation): string[] {
  const answered = zone.manual?.answered ?? zone.existing;
  const spf = spfAdvice({
    mailDomain,
    senders: senders(situation),
    published: records.published,
    texts: textsOf(mailDomain, { existing: zone.existing, answered, published: records.published }),
  });
  return spf ? [`${spf}${textPlace(mailDomain, zone.existing, answered)}`] : [];
}

/** Of this run where they are known, else of the last one. */
function namesAndAddresses({ settings: { mailDomain }, before, proxies, health }: WholeRun) {
  const now = proxies.flatMap(({ name }, i) => {
    const addresses = health[i]?.addresses ?? [];
    return addresses.length > 0 ? [[name, addresses] as const] : [];
  });
  return {
    mailDomain,
    names: Object.fromEntries(proxies.map(({ name, dnsName }) => [name, dnsName])),
    addresses: { ...before?.addresses, ...Object.fromEntries(now) },
  };
}
