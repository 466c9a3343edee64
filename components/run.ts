// A run, in order: look at what is there, decide, set up, check, publish, report. The ready-made program (index.ts) and
// programs of others (api/) do all of this here, with settings that were read and checked before.
import type * as pulumi from "@pulumi/pulumi";
import { MailDomain } from "./dns/mailDomain";
import { openZone } from "./dns/openZone";
import { proxyDnsName } from "./dns/proxyDnsName";
import { MANAGED_BY } from "./dns/zone";
import { checkProxies, mailDomainArgs } from "./proxyHealth";
import { findEndpoints } from "./hosts/endpoints";
import { managementKey, type ManagementKey } from "./hosts/managementKey";
import { readLastRun } from "./lastRun";
import { askProxy, lookAround, warnOfConflicts, warnOfDrift, warnOfRemarks } from "./look";
import { openRelay } from "./openRelay";
import { stackOutputs, type StackOutputs } from "./outputs";
import { ProxySetup } from "./proxySetup";
import { relayFaults } from "./relayFaults";
import { RelaySetup } from "./relaySetup";
import { egressOf, throwOnFaults, type ProxySettings, type StackSettings } from "./settings";
import { unsafeTransitions, checkStillNamed } from "./transitions";
import { reportRun } from "./runReport";
import type { World } from "./world";

/** Where in a program its resources go, and under which names. */
export interface Place {
  /** The relay's name in the stack. */
  readonly relay: string;
  /** In front of the names of what belongs to no proxy and not to the relay itself. */
  readonly prefix: string;
  /** How the stack is marked on what it has at cloud and DNS providers, where others may have theirs, too. */
  readonly owner: string;
  /** The component below which the relay's parts go; asked for where it has any. */
  relayComponent(): pulumi.ComponentResource;
  proxyComponent(name: string): pulumi.ComponentResource;
  /** Called when all resources of the proxies are registered; what runs on their hosts may still be going on. */
  registered(proxies: readonly ProxySetup[]): void;
}

/** Throws an error in words for the operator, before anything is made, when the settings do not fit what is there. */
export async function runStack(settings: StackSettings, world: World, place: Place): Promise<StackOutputs> {
  const before = await readLastRun(place.relay);
  throwOnFaults(unsafeTransitions(before, settings));

  const labels = { [MANAGED_BY]: "chatmail-proxy", stack: place.owner };
  let key: ManagementKey | undefined;
  const stacksKey = () => (key ??= managementKey(place.prefix, labels));

  // Read-only, in previews too: the hosts that exist, the relay, the zone. Nothing is bought before all of it is known.
  const began = world.now();
  const endpoints = await findEndpoints(settings.proxies, labels);
  const around = { settings, before, endpoints, key: () => stacksKey().privateKey };
  const [seen, zone] = await Promise.all([lookAround(around, world.ask), openZone(settings, labels, world.dns)]);
  if (zone.manual) throwOnFaults(checkStillNamed(before, settings, zone.manual.answered));

  const fresh = began.toISOString();
  const { relay, facts, modeFor } = await openRelay(settings, { seen: seen.relay, before, fresh }, place);
  const proxies = settings.proxies.map((entry) => {
    const askAgain = () => askProxy(entry, around, world.ask);
    const known = { zone, key: stacksKey, labels, seen: seen.proxies.get(entry.name), askAgain, fresh };
    return new ProxySetup(place.proxyComponent(entry.name), {
      ...known,
      ...settingsOf(entry, settings),
      mode: modeFor(entry),
      healthCheck: world.healthCheck,
      sshAnswers: world.sshAnswers,
    });
  });
  place.registered(proxies);
  const overSsh = relay instanceof RelaySetup ? relay : undefined;
  await warnOfDrift(seen, before, proxies, overSsh);
  await warnOfConflicts(seen, proxies);
  await warnOfRemarks(seen, proxies, overSsh, began);

  const health = await checkProxies(proxies, settings, seen, facts);
  // Before the records, so that no report waits for them.
  const onRelay = await relayFaults(settings, overSsh, seen.relay, world.ask);
  const records = new MailDomain(
    `${place.prefix}mail-domain`,
    mailDomainArgs(settings.mailDomain, zone, proxies, health),
  );

  const found = { settings, before, began, zone, relay, facts, proxies, health, onRelay, records };
  return stackOutputs({ ...found, key, ...(await reportRun({ ...found, world })) });
}

const settingsOf = (entry: ProxySettings, settings: StackSettings) => ({
  settings: entry,
  shared: settings,
  egress: egressOf(entry.name, settings),
  dnsName: proxyDnsName(entry.name, settings.dns),
  operatorKey: settings.hostSshPrivateKey,
});
