// The stack's outputs, with what the next run must know of this one.
import * as pulumi from "@pulumi/pulumi";
import type { MailDomain } from "./dns/mailDomain";
import type { DnsZone } from "./dns/zone";
import type { ManagementKey } from "./hosts/managementKey";
import { snapshotOf, snapshotAfterFailure, type Before, type LastRun } from "./lastRun";
import { stackMark } from "./ownerMark";
import type { ProxySetup } from "./proxySetup";
import type { RelaySetup } from "./relaySetup";
import { ScriptedRelay } from "./relayScript";
import { readmePage } from "./report";
import type { StackSettings } from "./settings";
import type { RunReport } from "./runReport";

export interface OutputFacts extends RunReport {
  readonly settings: StackSettings;
  readonly before: Before | undefined;
  readonly zone: DnsZone;
  readonly relay: RelaySetup | ScriptedRelay | undefined;
  readonly proxies: readonly ProxySetup[];
  readonly records: MailDomain;
  /** The stack's key, where it has one. */
  readonly key: ManagementKey | undefined;
}

export interface StackOutputs {
  readonly outputs: pulumi.Inputs;
  /** Apart, since an object with a secret in it is one as a whole. */
  readonly secrets: {
    readonly managementPrivateKey?: pulumi.Output<string>;
    readonly relayScript?: pulumi.Output<string>;
  };
}

export function stackOutputs(facts: OutputFacts): StackOutputs {
  const { settings, zone, relay, proxies, records, key } = facts;
  const outputs = {
    mailDomain: settings.mailDomain,
    published: records.published,
    proxies: Object.fromEntries(
      proxies.map(({ name, dnsName, ipv4, ipv6, sshHostKey, wireGuardPublicKey, relayPublicKey }) => [
        name,
        { dnsName, ipv4, ipv6, sshHostKey, wireGuardPublicKey, relayPublicKey },
      ]),
    ),
    lastRun: lastRunOf(facts),
    readme: page(facts),
    ...(zone.manual && { zoneLines: zone.manual.lines }),
  };
  const secrets = {
    ...(key && { managementPrivateKey: key.privateKey }),
    ...(relay instanceof ScriptedRelay && { relayScript: relay.script }),
  };
  return { outputs, secrets };
}

function lastRunOf({ settings, before, faults, failed, script }: OutputFacts): LastRun {
  const now = snapshotOf(settings);
  const well = faults.length === 0;
  return {
    ...(well ? now : snapshotAfterFailure(before, now)),
    failed: [...failed],
    // After a run with faults the engine deletes nothing.
    documents: well || (before?.documents ?? true),
    ...(script && { script }),
  };
}

function page({ settings, records, reports, faults, advice, script }: OutputFacts): pulumi.Input<string> {
  if (!reports) return pulumi.unknown as string;
  return readmePage({
    stack: pulumi.getStack(),
    mailDomain: settings.mailDomain,
    proxies: reports,
    faults,
    published: records.published,
    advice,
    script,
    stackMark: stackMark(),
  });
}
