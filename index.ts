// The program: settings -> relay -> proxies -> records -> outputs.
import * as pulumi from "@pulumi/pulumi";
import { MailDomain } from "./components/dns/mailDomain";
import { openZone, REAL_DNS, type DnsWorld } from "./components/dns/openZone";
import { spfAdvice } from "./components/dns/spf";
import { managementKey } from "./components/hosts/managementKey";
import { operatorError } from "./components/operatorError";
import { outputValue } from "./components/outputValue";
import { proveFromHere, type Prover } from "./components/proof/prove";
import { ProxyRelay } from "./components/proxyRelay";
import { Relay } from "./components/relay";
import { announce, provenAddresses, readmePage } from "./components/report";
import { readSettings } from "./components/settings";
import { findAgent, type Agent } from "./components/settings/agent";
import { formatComplaints } from "./components/settings/check";
import { planTunnel } from "./components/tunnel/addressPlan";

/** What the program meets outside the engine: the operator's machine, and the internet as seen from there. */
interface World {
  readonly agent: () => Promise<Agent>;
  readonly prove: Prover;
  readonly dns?: DnsWorld;
}

async function main({ agent, prove, dns: dnsWorld = REAL_DNS }: World = { agent: findAgent, prove: proveFromHere }): Promise<pulumi.Inputs> {
  const settings = readSettings(await agent());
  const { mailDomain, dns } = settings;
  const labels = { "managed-by": "chatmail-proxy", stack: pulumi.getStack() };
  const planned = settings.proxies.map((entry) => ({ entry, plan: planTunnel(entry, settings.tunnel) }));

  // Nothing is bought before the zone and the relay are known to be there, and the plan to fit the relay.
  const zone = await openZone(settings, labels, dnsWorld);
  const relay = new Relay("relay", { settings: settings.relay, privateKey: settings.relaySshPrivateKey, plans: planned.map(({ plan }) => plan) });
  const conflicts = (await outputValue(relay.conflicts)) ?? [];
  if (conflicts.length > 0) throw operatorError(formatComplaints(conflicts, pulumi.getProject()));

  const key = managementKey("management-key", labels);
  const proxies = planned.map(
    ({ entry, plan }) =>
      new ProxyRelay(entry.name, { settings: entry, shared: settings, plan, relay, zone, dnsName: `${entry.name}.${dns.proxySubdomain}.${dns.zone}`, key, labels, prove }),
  );

  const reports = await outputValue(pulumi.all(proxies.map(({ report }) => report)));
  const records = new MailDomain("mail-domain", { mailDomain, zone, proven: reports && provenAddresses(reports), proxies });
  relay.checkOutbound(records);

  const spf = spfAdvice({
    mailDomain,
    senders: [...new Set(reports?.flatMap(({ relayAddress }) => relayAddress ?? []))],
    texts: zone.existing.find((set) => set.name === mailDomain && set.type === "TXT")?.values,
  });
  const advice = [...records.advice, ...(spf ? [spf] : []), ...((await zone.byHand?.advice()) ?? [])];
  await announce(reports ?? [], records.published, advice);

  return {
    mailDomain,
    published: records.published,
    proxies: Object.fromEntries(
      proxies.map(({ name, dnsName, ipv4, ipv6, sshHostKey, wireGuardPublicKey, relayPublicKey }) => [name, { dnsName, ipv4, ipv6, sshHostKey, wireGuardPublicKey, relayPublicKey }]),
    ),
    readme: reports ? readmePage({ stack: pulumi.getStack(), mailDomain, proxies: reports, published: records.published, advice }) : pulumi.unknown,
    ...(zone.byHand && { zoneLines: zone.byHand.lines }),
    managementPrivateKey: key.privateKey,
  };
}

export = main;
