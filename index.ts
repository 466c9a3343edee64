// The program: settings -> relay -> proxies -> records -> outputs.
import * as pulumi from "@pulumi/pulumi";
import {
  advice,
  faultyOnes,
  foreignAddresses,
  notWorking,
  openRelay as openRelayAdvice,
  publicTrust,
  senders,
} from "./components/advice";
import { whenBegun } from "./components/attempts";
import { MailDomain } from "./components/dns/mailDomain";
import { openZone, REAL_DNS, type DnsWorld } from "./components/dns/openZone";
import { proxyDnsName } from "./components/dns/proxyDnsName";
import { reverseAdvice, reverseFromHere, type ReverseLookup } from "./components/dns/reverse";
import { spfAdvice, textPlace, textsOf } from "./components/dns/spf";
import { MANAGED_BY } from "./components/dns/zone";
import { examine } from "./components/examine";
import { managementKey, type ManagementKey } from "./components/hosts/managementKey";
import { findDoors, silentHosts, type Knock } from "./components/hosts/silentHosts";
import { readLastRun, standingAfter, standingDespite } from "./components/lastRun";
import { askFromHere, lookAround, tellDrift, type AskHost } from "./components/look";
import { RELAY, unwellHosts, whenToLook } from "./components/looks";
import { openRelay } from "./components/openRelay";
import { outputValue } from "./components/outputValue";
import { knockFromHere } from "./components/proof/knock";
import { proveFromHere, type Prover } from "./components/proof/prove";
import { ProxyRelay, stackMark } from "./components/proxyRelay";
import { NO_STOPS, scriptChanged, ScriptedRelay } from "./components/relayScript";
import { announce, failingFamilies, provenAddresses, readmePage } from "./components/report";
import { readSettings, refuse } from "./components/settings";
import { findAgent, type Agent } from "./components/settings/agent";
import { OWN_LINE } from "./components/settings/check";
import { resolveFromHere, sshHostAdvice, sshHostsOf, type Resolve } from "./components/sshHosts";
import { checkAgainst, checkStillNamed, leftBehind } from "./components/steps";

/** What the program meets outside the engine: the operator's machine, and the internet as seen from there. */
interface World {
  readonly agent: () => Promise<Agent>;
  readonly prove: Prover;
  readonly knock: Knock;
  readonly ask: AskHost;
  readonly dns: DnsWorld;
  readonly reverse: ReverseLookup;
  readonly resolve: Resolve;
  readonly now: () => Date;
  /** Makes the run fail, though all of it is done. */
  readonly fail: () => void;
}

/** The exit code by which the engine knows that the program has said itself what is wrong. */
const SAID_ALREADY = 32;

const HERE: World = {
  agent: findAgent,
  prove: proveFromHere,
  knock: knockFromHere,
  ask: askFromHere,
  dns: REAL_DNS,
  reverse: reverseFromHere,
  resolve: resolveFromHere,
  now: () => new Date(),
  fail: () => void (process.exitCode = SAID_ALREADY),
};

async function main(world: World = HERE): Promise<pulumi.Inputs> {
  const settings = readSettings(await world.agent());
  const { mailDomain, dns } = settings;
  const began = world.now();
  const before = await readLastRun();
  refuse(checkAgainst(before, settings));
  const names = settings.proxies.map(({ name }) => name);
  const way = settings.tunnel === "none" ? "none" : "tunnel";
  const labels = { [MANAGED_BY]: "chatmail-proxy", stack: pulumi.getStack() };

  const doors = await findDoors(settings.proxies, labels);
  const silent = await silentHosts(doors, world.knock);
  let key: ManagementKey | undefined;
  const stacksKey = () => (key ??= managementKey("management-key", labels));
  const seen = await lookAround({ settings, before, doors, silent, key: () => stacksKey().privateKey }, world.ask);
  const anew = whenBegun(before?.attempts, names, way, began, seen.drifted);
  const asked = whenToLook(before?.looks, [RELAY, ...names], began, {
    preview: pulumi.runtime.isDryRun(),
    drifted: (seen.relay ?? []).length > 0 ? [RELAY] : [],
  });

  // Nothing is bought before the zone and the relay are known to be there, and the plan to fit the relay.
  const zone = await openZone(settings, labels, world.dns);
  if (zone.byHand) refuse(checkStillNamed(before, settings, zone.byHand.answered));
  const { relay, facts, stale, faults, wayFor } = await openRelay(settings, {
    asked: asked[RELAY],
    began,
    before,
    knock: world.knock,
  });
  const egress = settings.egress.filter((name) => name !== OWN_LINE);
  const proxies = settings.proxies.map(
    (entry) =>
      new ProxyRelay(entry.name, {
        settings: entry,
        shared: settings,
        way: wayFor(entry),
        egress: egress.includes(entry.name)
          ? { place: egress.indexOf(entry.name), ownLine: settings.egress.includes(OWN_LINE) }
          : undefined,
        zone,
        dnsName: proxyDnsName(entry.name, dns),
        key: stacksKey,
        operatorKey: settings.hostSshPrivateKey,
        labels,
        prove: world.prove,
        silent: silent.has(entry.name),
        asked: asked[entry.name],
        began,
        again: anew[entry.name],
      }),
  );

  await tellDrift(seen, proxies, relay instanceof ScriptedRelay ? undefined : relay);
  const examined = await Promise.all(
    proxies.map((proxy, i) =>
      examine(proxy, {
        publish: settings.proxies[i]?.publish ?? true,
        silent: silent.has(proxy.name),
        onRelay: facts?.firewalls ?? [],
      }),
    ),
  );
  const reports = examined.flatMap(({ report }) => report ?? []);
  // Now, since its way out may lead through a proxy, and before the records, since nothing of what is told should wait for them.
  const onRelay = (await outputValue(faults())) ?? [];
  // A preview knows nothing yet of what it would make.
  const known = reports.length === proxies.length || !pulumi.runtime.isDryRun();
  const records = new MailDomain("mail-domain", {
    mailDomain,
    zone,
    proven: known ? provenAddresses(reports) : undefined,
    unexamined: examined.flatMap(({ unknown }) => unknown),
    own: examined.flatMap(({ addresses }) => addresses),
    failing: failingFamilies(reports),
    proxies: proxies.filter((_, i) => !known || examined[i]?.whole),
  });

  const failed = proxies.flatMap(({ name }, i) => (examined[i]?.failed ? [name] : []));
  const scripted = relay instanceof ScriptedRelay ? relay : undefined;
  const newest = await scripted?.word(before?.script, began);
  const stops = (await scripted?.stops(before?.script)) ?? NO_STOPS;
  // Until all proxies' own ends are in, it stays the one that people know.
  const script = failed.length + stops.frozen.length > 0 ? (before?.script ?? newest) : newest;
  const situation = { settings, facts, reports, published: records.published };
  const answered = zone.byHand?.answered ?? zone.existing;
  const spf = spfAdvice({
    mailDomain,
    senders: senders(situation),
    published: records.published,
    texts: textsOf(mailDomain, { existing: zone.existing, answered, published: records.published }),
  });
  const reverse = await reverseAdvice(foreignAddresses(situation), world.reverse);
  const reached = await sshHostAdvice(
    sshHostsOf(settings),
    {
      mailDomain,
      names: Object.fromEntries(proxies.map(({ name, dnsName }) => [name, dnsName])),
      addresses: {
        ...before?.addresses,
        ...Object.fromEntries(
          examined.flatMap(({ addresses }, i) => (addresses.length > 0 ? [[names[i] ?? "", addresses]] : [])),
        ),
      },
    },
    world.resolve,
  );
  const lines = [
    ...records.advice,
    ...(spf ? [`${spf}${textPlace(mailDomain, zone.existing, answered)}`] : []),
    ...advice(situation),
    ...reached,
    ...reverse.warnings,
    ...((await zone.byHand?.advice()) ?? []),
    ...leftBehind(before, settings, stackMark()),
    ...scriptChanged(before?.script, newest, failed, stops),
  ];
  const well = await announce({
    proxies: faultyOnes(situation),
    onRelay,
    published: records.published,
    strangers: records.strangers,
    advice: lines,
    fail: world.fail,
  });

  return {
    mailDomain,
    published: records.published,
    proxies: Object.fromEntries(
      proxies.map(({ name, dnsName, ipv4, ipv6, sshHostKey, wireGuardPublicKey, relayPublicKey }) => [
        name,
        { dnsName, ipv4, ipv6, sshHostKey, wireGuardPublicKey, relayPublicKey },
      ]),
    ),
    lastRun: {
      ...(well ? standingAfter(settings) : standingDespite(before, standingAfter(settings))),
      looks: {
        at: asked,
        unwell: unwellHosts(
          reports,
          stale || openRelayAdvice(situation).length > 0 || publicTrust(situation).length > 0 || onRelay.length > 0,
        ),
      },
      attempts: { at: anew, failed: [...new Set([...failed, ...notWorking(situation)])], way },
      ...(script && { script }),
    },
    readme: known
      ? readmePage({
          stack: pulumi.getStack(),
          mailDomain,
          proxies: reports,
          published: records.published,
          advice: [...lines, ...reverse.notes],
          script,
          stackMark: stackMark(),
        })
      : pulumi.unknown,
    ...(zone.byHand && { zoneLines: zone.byHand.lines }),
    ...(key && { managementPrivateKey: key.privateKey }),
    ...(scripted && { relayScript: scripted.script }),
  };
}

export = main;
