// From the settings to the relay's part in the stack: reached over SSH, set up by a person with a script, or, without a
// tunnel, only looked at.
import * as pulumi from "@pulumi/pulumi";
import type { Before } from "./lastRun";
import { statusOf, stillThereOf, type HostSeen } from "./look";
import { operatorError } from "./operatorError";
import { stackMark } from "./ownerMark";
import type { ProxySetupArgs } from "./proxySetup";
import { RelaySetup, type ReachableRelay } from "./relaySetup";
import { ScriptedRelay } from "./relayScript";
import { parseRelayFacts, type RelayFacts } from "./remote/facts";
import { throwOnFaults, type ProxySettings, type StackSettings } from "./settings";
import type { SettingFault } from "./settings/fault";
import { planTunnel, REBOOT_SLOTS, slotOf } from "./tunnel/addressPlan";
import { relayConflicts } from "./tunnel/relayConflicts";

export interface OpenedRelay {
  readonly relay: RelaySetup | ScriptedRelay | undefined;
  /** What the relay says of itself, where it could be asked. */
  readonly facts: RelayFacts | undefined;
  /** How a proxy reaches the relay. */
  readonly modeFor: (proxy: ProxySettings) => ProxySetupArgs["mode"];
}

export interface RelaySeen {
  /** What was seen of the relay; undefined where it is not to be asked. */
  readonly seen: HostSeen | undefined;
  readonly before: Before | undefined;
  /** The generation of what is brought in by this run. */
  readonly fresh: string;
}

/** Its name in the stack, and the component below which its parts go. */
interface RelayPlace {
  readonly relay: string;
  relayComponent(): pulumi.ComponentResource;
}

/** Throws a RunError when the relay already uses what the plan needs, or never answered: nothing is made before that is known. */
export async function openRelay(
  { relay: settings, tunnel, proxies, udpPorts, relaySshPrivateKey }: StackSettings,
  { seen, before, fresh }: RelaySeen,
  place: RelayPlace,
): Promise<OpenedRelay> {
  const reachable = settings.ssh ? (settings as ReachableRelay) : undefined;
  const there = statusOf(seen);
  const facts = there?.relay ? parseRelayFacts(there.relay.join("\n")) : undefined;
  const where = reachable ? `The relay (${reachable.ssh.host})` : "The relay";
  const reason = seen && !seen.reachable ? seen.reason : undefined;
  if (tunnel === "none") {
    if (reason !== undefined)
      await pulumi.log.warn(
        `${where} cannot be reached by SSH from here (${reason}), so nothing on it is looked at in this run: neither its postfix's limits and trusted networks, nor its way out on port 25.`,
      );
    return { relay: undefined, facts, modeFor: (proxy) => ({ kind: "direct", slot: slotOf(proxy, REBOOT_SLOTS) }) };
  }
  if (settings.setup === "script" || !reachable) {
    const relay = new ScriptedRelay({ outboundCheck: settings.outboundCheck, udpPorts });
    return {
      relay,
      facts: undefined,
      modeFor: (proxy) => ({ kind: "tunnel", settings: tunnel, plan: planTunnel(proxy, tunnel), relay }),
    };
  }
  const known = before?.relay.setup === "ssh";
  if (reason !== undefined && !known) {
    // Nothing is made before it is known that its end can be.
    const text = `relay: ${reachable.ssh.host} cannot be reached by SSH from here: ${reason}`;
    if (!pulumi.runtime.isDryRun()) throw operatorError(text);
    await pulumi.log.warn(`${text}. pulumi up will make nothing before it can.`);
  }
  if (before && known && !before.documents && !before.relay.gone && (reason !== undefined || settings.gone)) {
    // Their steps go at the end of this run, and would take the tunnels with them where no document names these.
    const text = `relay: the last run was one of an earlier version, and the first of this one must reach ${reachable.ssh.host}${reason === undefined ? ", without relay.gone" : `, which it cannot: ${reason}`}. Run pulumi up again when it can. To let go of a relay that is lost: relay.gone: true, and pulumi up by the earlier version`;
    if (!pulumi.runtime.isDryRun()) throw operatorError(text);
    await pulumi.log.warn(`${text}. Until then pulumi up changes nothing.`);
  }
  const unreachable = reason !== undefined && known;
  if (unreachable) {
    await pulumi.log.warn(
      `${where} cannot be reached by SSH from here (${reason}), so this run changes nothing on it, nor in the proxies' tunnels and packet filters, which have to fit it. Run pulumi up again when it can.`,
    );
    throwOnFaults(newOnes(proxies, before));
  }
  const plans = proxies.map((entry) => planTunnel(entry, tunnel));
  if (facts) throwOnFaults(relayConflicts(plans, facts, stackMark()));
  const relay = new RelaySetup(place.relayComponent(), place.relay, {
    settings: reachable,
    privateKey: relaySshPrivateKey,
    unreachable,
    there,
    stillThere: stillThereOf(seen),
    fresh,
  });
  return {
    relay,
    facts,
    modeFor: (proxy) => ({ kind: "tunnel", settings: tunnel, plan: planTunnel(proxy, tunnel), relay }),
  };
}

/** Faults of proxies that are new: their tunnels would have no other end. */
const newOnes = (proxies: readonly ProxySettings[], before: Before): SettingFault[] =>
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
