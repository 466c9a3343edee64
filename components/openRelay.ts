// From the settings to the relay's part in the stack: reached over SSH, set up by a person with a script, or, without a
// tunnel, only looked at.
import { outputValue } from "./outputValue";
import { stackMark, type ProxyRelayArgs } from "./proxyRelay";
import { Relay, relayFactsOnly, type ReachableRelay } from "./relay";
import { ScriptedRelay } from "./relayScript";
import type { RelayFacts } from "./remote/facts";
import { refuse, type ProxySettings, type StackSettings } from "./settings";
import { planTunnel, slotOf } from "./tunnel/addressPlan";
import { relayConflicts } from "./tunnel/relayConflicts";

export interface OpenedRelay {
  readonly relay: Relay | ScriptedRelay | undefined;
  /** What the relay says of itself, where it could be asked. */
  readonly facts: RelayFacts | undefined;
  /** How a proxy reaches the relay. */
  readonly wayFor: (proxy: ProxySettings) => ProxyRelayArgs["way"];
}

/** Throws a RunError when the relay already uses what the plan needs: nothing should be made before that is known. */
export async function openRelay({ relay: settings, tunnel, proxies, relaySshPrivateKey }: StackSettings, lookAgain: string | undefined): Promise<OpenedRelay> {
  const reachable = settings.ssh ? (settings as ReachableRelay) : undefined;
  if (tunnel === "none") {
    const facts = reachable && (await outputValue(relayFactsOnly(reachable, relaySshPrivateKey)));
    return { relay: undefined, facts, wayFor: (proxy) => ({ kind: "direct", slot: slotOf(proxy, REBOOT_SLOTS) }) };
  }
  const plans = proxies.map((entry) => planTunnel(entry, tunnel));
  if (settings.setup === "script" || !reachable) {
    const relay = new ScriptedRelay();
    return { relay, facts: undefined, wayFor: (proxy) => ({ kind: "tunnel", settings: tunnel, plan: planTunnel(proxy, tunnel), relay }) };
  }
  const relay = new Relay("relay", { settings: reachable, privateKey: relaySshPrivateKey, plans, lookAgain });
  const facts = await outputValue(relay.facts);
  if (facts) refuse(relayConflicts(plans, facts, stackMark()));
  return { relay, facts, wayFor: (proxy) => ({ kind: "tunnel", settings: tunnel, plan: planTunnel(proxy, tunnel), relay }) };
}

/** Without tunnels a slot only spreads the times of restarts. */
const REBOOT_SLOTS = 4096;
