// What a run tells its operator at its end: faults, warnings, and what is left to do.
import { advice, faultyOnes, foreignAddresses, senders, type Situation } from "./advice";
import type { MailDomain } from "./dns/mailDomain";
import { reverseAdvice } from "./dns/reverse";
import { spfAdvice, textPlace, textsOf } from "./dns/spf";
import type { DnsZone } from "./dns/zone";
import { allKnown, reportsOf, type Examined } from "./examine";
import type { Before, ScriptWord } from "./lastRun";
import { stackMark } from "./ownerMark";
import type { ProxySetup } from "./proxySetup";
import type { RelaySetup } from "./relaySetup";
import { NO_STOPS, scriptChanged, ScriptedRelay } from "./relayScript";
import type { RelayFacts } from "./remote/facts";
import { announce, type ProxyReport } from "./report";
import type { StackSettings } from "./settings";
import { sshHostAdvice, sshHostsOf } from "./sshHosts";
import { leftBehind } from "./steps";
import type { World } from "./world";

export interface WholeRun {
  readonly settings: StackSettings;
  readonly before: Before | undefined;
  readonly began: Date;
  readonly zone: DnsZone;
  readonly relay: RelaySetup | ScriptedRelay | undefined;
  readonly facts: RelayFacts | undefined;
  readonly proxies: readonly ProxySetup[];
  readonly examined: readonly Examined[];
  /** What is wrong with the relay itself: sentences. */
  readonly onRelay: readonly string[];
  readonly records: MailDomain;
  readonly world: Pick<World, "reverse" | "resolve" | "fail">;
}

export interface Told {
  /** There was no fault. */
  readonly well: boolean;
  /** Undefined in a preview of what is new. */
  readonly reports: readonly ProxyReport[] | undefined;
  readonly advice: readonly string[];
  /** Proxies whose set-up failed, or has yet to begin. */
  readonly failed: readonly string[];
  /** The relay's script as people should know it. */
  readonly script: ScriptWord | undefined;
}

export async function tell(run: WholeRun): Promise<Told> {
  const { settings, before, began, zone, proxies, examined, records, world } = run;
  const reports = reportsOf(examined);
  const situation: Situation = { settings, facts: run.facts, reports, published: records.published };
  const failed = proxies.flatMap(({ name }, i) => {
    const stillNot = examined[i]?.unreached && (!before?.proxies[name] || before.failed.includes(name));
    return examined[i]?.failed || stillNot ? [name] : [];
  });
  const scripted = run.relay instanceof ScriptedRelay ? run.relay : undefined;
  const newest = await scripted?.word(before?.script, began);
  const stops = (await scripted?.stops(before?.script)) ?? NO_STOPS;
  const reverse = await reverseAdvice(foreignAddresses(situation), world.reverse);
  const lines = [
    ...records.advice,
    ...spfLine(run, situation),
    ...advice(situation),
    ...(await sshHostAdvice(sshHostsOf(settings), namesAndAddresses(run), world.resolve)),
    ...reverse.warnings,
    ...((await zone.byHand?.advice()) ?? []),
    ...leftBehind(before, settings, stackMark()),
    ...scriptChanged(before?.script, newest, failed, stops),
  ];
  const well = await announce({
    proxies: faultyOnes(situation),
    onRelay: run.onRelay,
    published: records.published,
    strangers: records.strangers,
    advice: lines,
    fail: world.fail,
  });
  return {
    well,
    reports: allKnown(examined) ? reports : undefined,
    advice: [...lines, ...reverse.notes],
    failed,
    // Until all proxies' own ends are in, it stays the one that people know.
    script: failed.length + stops.frozen.length > 0 ? (before?.script ?? newest) : newest,
  };
}

function spfLine({ settings: { mailDomain }, zone, records }: WholeRun, situation: Situation): string[] {
  const answered = zone.byHand?.answered ?? zone.existing;
  const spf = spfAdvice({
    mailDomain,
    senders: senders(situation),
    published: records.published,
    texts: textsOf(mailDomain, { existing: zone.existing, answered, published: records.published }),
  });
  return spf ? [`${spf}${textPlace(mailDomain, zone.existing, answered)}`] : [];
}

/** Of this run where they are known, else of the last one. */
function namesAndAddresses({ settings: { mailDomain }, before, proxies, examined }: WholeRun) {
  const now = proxies.flatMap(({ name }, i) => {
    const addresses = examined[i]?.addresses ?? [];
    return addresses.length > 0 ? [[name, addresses] as const] : [];
  });
  return {
    mailDomain,
    names: Object.fromEntries(proxies.map(({ name, dnsName }) => [name, dnsName])),
    addresses: { ...before?.addresses, ...Object.fromEntries(now) },
  };
}
