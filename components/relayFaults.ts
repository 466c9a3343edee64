// What is wrong with the relay itself: its part of the set-up, and outgoing port 25.
import * as pulumi from "@pulumi/pulumi";
import { askRelay, outboundRequest, refusal, statusOf, type AskHost, type HostSeen } from "./look";
import { outputValue } from "./outputValue";
import type { RelaySetup } from "./relaySetup";
import type { StackSettings } from "./settings";

/** Messages. That nothing answers there is reported elsewhere. */
export async function relayFaults(
  settings: StackSettings,
  relay: RelaySetup | undefined,
  seen: HostSeen | undefined,
  ask: AskHost,
): Promise<string[]> {
  const failures = relay ? ((await outputValue(relay.failures)) ?? []) : [];
  const setUp = failures.map(({ step, reason }) => `its set-up failed at ${step}: ${reason}`);
  const lines = await outboundLines(settings, relay, seen, ask);
  for (const warning of told(lines, "warning")) await pulumi.log.warn(`relay: ${warning}`);
  const refused = refusal(seen);
  return [
    ...(refused === undefined
      ? []
      : [`its SSH cannot be used from here: ${refused}. Nothing was changed on it in this run`]),
    ...setUp,
    ...told(lines, "fault"),
  ];
}

/** Seconds: a tunnel with new keys is up by then, and the relay has looked at it twice. */
const EGRESS_HEARD_WITHIN = 15;

async function outboundLines(
  settings: StackSettings,
  relay: RelaySetup | undefined,
  seen: HostSeen | undefined,
  ask: AskHost,
): Promise<readonly string[]> {
  const first = statusOf(seen)?.outbound ?? [];
  if (pulumi.runtime.isDryRun() || settings.relay.outboundCheck === false) return first;
  const failed = told(first, "fault").length > 0;
  const changed = relay && (await outputValue(relay.touched));
  // Where mail leaves through tunnels, this run may have changed those, and they may have come up since: machines may just have
  // restarted. Else only what did not work can be other by now: a run that was cut off may have left rules that this one took away.
  const again = settings.egress.length > 0 ? changed || failed : changed && failed;
  if (!again) return first;
  const now = await askRelay(settings, outboundRequest(settings.relay.outboundCheck, EGRESS_HEARD_WITHIN), ask);
  return statusOf(now)?.outbound ?? first;
}

/** The sentences of one kind in what a relay says of its way out. Pure. */
export const told = (lines: readonly string[], word: "fault" | "warning"): string[] =>
  lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
