// From the settings to the relay's part in the stack: reached over SSH, set up by a person with a script, or, without a
// tunnel, only looked at.
import * as pulumi from "@pulumi/pulumi";
import type { Knock } from "./hosts/silentHosts";
import type { Before } from "./lastRun";
import { operatorError } from "./operatorError";
import { outputValue } from "./outputValue";
import { stackMark, type ProxyRelayArgs } from "./proxyRelay";
import { outboundOnly, Relay, relayFactsOnly, type ReachableRelay } from "./relay";
import { ScriptedRelay } from "./relayScript";
import type { RelayFacts } from "./remote/facts";
import { refuse, type ProxySettings, type StackSettings } from "./settings";
import { formatComplaints, type Complaint } from "./settings/check";
import { planTunnel, REBOOT_SLOTS, slotOf, type TunnelPlan } from "./tunnel/addressPlan";
import { relayConflicts } from "./tunnel/relayConflicts";

export interface OpenedRelay {
  readonly relay: Relay | ScriptedRelay | undefined;
  /** What the relay says of itself, where it could be asked. */
  readonly facts: RelayFacts | undefined;
  /** Those facts are not the remembered ones, which are to be had anew. */
  readonly stale: boolean;
  /** What is wrong with the relay, its way out on port 25 among it: sentences. None where it cannot be asked. */
  readonly faults: () => pulumi.Output<readonly string[]>;
  /** How a proxy reaches the relay. */
  readonly wayFor: (proxy: ProxySettings) => ProxyRelayArgs["way"];
}

export interface RelayLook {
  /** When the relay is asked what it has. */
  readonly asked: string | undefined;
  /** When this run began. */
  readonly began: Date;
  readonly before: Before | undefined;
  readonly knock: Knock;
}

/** Throws a RunError when the relay already uses what the plan needs: nothing should be made before that is known. */
export async function openRelay(
  { relay: settings, tunnel, proxies, udpPorts, relaySshPrivateKey }: StackSettings,
  { asked, began, before, knock }: RelayLook,
): Promise<OpenedRelay> {
  const reachable = settings.ssh ? (settings as ReachableRelay) : undefined;
  if (tunnel === "none") {
    const silent = reachable && !settings.gone && !(await knock(reachable.ssh.host, reachable.ssh.port));
    if (silent)
      await pulumi.log.warn(
        `The relay's SSH (${reachable.ssh.host}) does not answer from here, so nothing on it is looked at in this run: neither its postfix's limits and trusted networks, nor its way out on port 25.`,
      );
    const there = silent || settings.gone ? undefined : reachable;
    const facts = there && (await outputValue(relayFactsOnly(there, relaySshPrivateKey, asked)));
    const faults = () => (there ? outboundOnly(there, relaySshPrivateKey, asked, began) : NOTHING_FOUND);
    return {
      relay: undefined,
      facts,
      stale: false,
      faults,
      wayFor: (proxy) => ({ kind: "direct", slot: slotOf(proxy, REBOOT_SLOTS) }),
    };
  }
  const plans = proxies.map((entry) => planTunnel(entry, tunnel));
  if (settings.setup === "script" || !reachable) {
    const relay = new ScriptedRelay({ outboundCheck: settings.outboundCheck, udpPorts });
    return {
      relay,
      facts: undefined,
      stale: false,
      faults: () => NOTHING_FOUND,
      wayFor: (proxy) => ({ kind: "tunnel", settings: tunnel, plan: planTunnel(proxy, tunnel), relay }),
    };
  }
  // One that never answered is another matter: nothing should be made before it does.
  const silent =
    before?.relay.setup === "ssh" && !settings.gone && !(await knock(reachable.ssh.host, reachable.ssh.port));
  if (silent)
    await pulumi.log.warn(
      `The relay's SSH (${reachable.ssh.host}) does not answer from here, so nothing is changed on it in this run, nor in the proxies' tunnels and packet filters, which have to fit it; a later run catches up with what is to be.`,
    );
  if (silent) refuse(newOnes(proxies, before));
  const relay = new Relay("relay", { settings: reachable, privateKey: relaySshPrivateKey, plans, asked, silent });
  const remembered = await outputValue(relay.facts);
  // One that was never set up: nothing is made before it can be.
  const hopeless =
    remembered === undefined && before?.relay.setup !== "ssh"
      ? ((await outputValue(relay.setUpFaults(began))) ?? [])
      : [];
  if (hopeless.length > 0) throw operatorError(hopeless.map((fault) => `relay: ${fault}`).join("\n"));
  const conflicts = remembered && !settings.gone && !silent ? relayConflicts(plans, remembered, stackMark()) : [];
  const facts = conflicts.length > 0 ? await withoutConflicts(relay, plans, conflicts) : remembered;
  return {
    relay,
    facts,
    stale: facts !== remembered,
    faults: () => relay.faults(began),
    wayFor: (proxy) => ({ kind: "tunnel", settings: tunnel, plan: planTunnel(proxy, tunnel), relay }),
  };
}

const NOTHING_FOUND: pulumi.Output<readonly string[]> = pulumi.output([]);

/** Complaints about proxies that are new: their tunnels would have no other end. */
const newOnes = (proxies: readonly ProxySettings[], before: Before): Complaint[] =>
  proxies.flatMap(({ name }, i) =>
    before.proxies[name]
      ? []
      : [
          {
            key: `proxies[${i}]`,
            text: `${name} is new, and the relay does not answer now: nothing is made before its end of the tunnel can be. Leave ${name} out until it does.`,
          },
        ],
  );

/**
 * What was found in an earlier run may have been mended since, by the very hands that were told to: a new look decides.
 * A preview cannot look, and must not stop the `up` that can.
 */
async function withoutConflicts(
  relay: Relay,
  plans: readonly TunnelPlan[],
  remembered: readonly Complaint[],
): Promise<RelayFacts | undefined> {
  if (pulumi.runtime.isDryRun()) {
    await pulumi.log.warn(
      `When the relay was last looked at, it was so; pulumi up looks again:\n${formatComplaints(remembered, pulumi.getProject())}`,
    );
    return undefined;
  }
  const facts = await outputValue(relay.factsNow(new Date()));
  if (facts) refuse(relayConflicts(plans, facts, stackMark()));
  return facts;
}
