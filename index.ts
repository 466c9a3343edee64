// The program, in order: read the settings, look at what is there, decide, set up, publish, report.
import * as pulumi from "@pulumi/pulumi";
import { MailDomain } from "./components/dns/mailDomain";
import { openZone } from "./components/dns/openZone";
import { proxyDnsName } from "./components/dns/proxyDnsName";
import { MANAGED_BY } from "./components/dns/zone";
import { examineAll, mailDomainArgs } from "./components/examine";
import { findDoors } from "./components/hosts/doors";
import { managementKey, type ManagementKey } from "./components/hosts/managementKey";
import { readLastRun } from "./components/lastRun";
import { askProxy, lookAround, tellConflicts, tellDrift, tellRemarks } from "./components/look";
import { openRelay } from "./components/openRelay";
import { stackOutputs } from "./components/outputs";
import { ProxyRelay } from "./components/proxyRelay";
import { Relay } from "./components/relay";
import { relayFaults } from "./components/relayFaults";
import { egressOf, readSettings, refuse } from "./components/settings";
import { checkAgainst, checkStillNamed } from "./components/steps";
import { tell } from "./components/tell";
import { OPERATORS_MACHINE, type World } from "./components/world";

async function main(world: World = OPERATORS_MACHINE): Promise<pulumi.Inputs> {
  const settings = readSettings(await world.agent());
  const before = await readLastRun();
  refuse(checkAgainst(before, settings));
  const labels = { [MANAGED_BY]: "chatmail-proxy", stack: pulumi.getStack() };
  let key: ManagementKey | undefined;
  const stacksKey = () => (key ??= managementKey("management-key", labels));

  // Read-only, in previews too: the hosts that exist, the relay, the zone. Nothing is bought before all of it is known.
  const began = world.now();
  const doors = await findDoors(settings.proxies, labels);
  const around = { settings, before, doors, key: () => stacksKey().privateKey };
  const [seen, zone] = await Promise.all([lookAround(around, world.ask), openZone(settings, labels, world.dns)]);
  if (zone.byHand) refuse(checkStillNamed(before, settings, zone.byHand.answered));

  const fresh = began.toISOString();
  const { relay, facts, modeFor } = await openRelay(settings, { seen: seen.relay, before, fresh });
  const proxies = settings.proxies.map(
    (entry) =>
      new ProxyRelay(entry.name, {
        settings: entry,
        shared: settings,
        mode: modeFor(entry),
        egress: egressOf(entry.name, settings),
        zone,
        dnsName: proxyDnsName(entry.name, settings.dns),
        key: stacksKey,
        operatorKey: settings.hostSshPrivateKey,
        labels,
        prove: world.prove,
        sshAnswers: world.sshAnswers,
        seen: seen.proxies.get(entry.name),
        askAgain: () => askProxy(entry, around, world.ask),
        fresh,
      }),
  );
  const overSsh = relay instanceof Relay ? relay : undefined;
  await tellDrift(seen, before, proxies, overSsh);
  await tellConflicts(seen, proxies);
  await tellRemarks(seen, proxies, overSsh, began);

  const examined = await examineAll(proxies, settings, seen, facts);
  // Before the records, since nothing of what is told should wait for them.
  const onRelay = await relayFaults(settings, overSsh, seen.relay, world.ask);
  const records = new MailDomain("mail-domain", mailDomainArgs(settings.mailDomain, zone, proxies, examined));

  const told = await tell({ settings, before, began, zone, relay, facts, proxies, examined, onRelay, records, world });
  return stackOutputs({ settings, before, zone, relay, proxies, records, key, ...told });
}

export = main;
