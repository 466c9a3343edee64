// When hosts are asked again what they see. Their answers are remembered with their commands, and asked after anew only
// when an input of those changes; what nobody sees from here (mail on its way out, a firewall, an address at home) would
// else be asked once and never more. Pure.
import type { Looks } from "./lastRun";
import type { ProxyReport } from "./report";
import { OWN_LINE } from "./settings/check";

/** The relay's name among the hosts; no proxy may have it. */
export const RELAY = OWN_LINE;

const DAY_MS = 24 * 3600 * 1000;

/**
 * By host: when its answer is from. It is asked now if it never was, a day has passed, it did not see all well last time, or
 * something differs there from what was brought in (`drifted`).
 * A preview asks nobody, so a day that has passed changes nothing there: else it would show changes where nothing has
 * changed, and `--expect-no-changes` would never pass again.
 */
export function whenToLook(
  before: Looks | undefined,
  hosts: readonly string[],
  now: Date,
  { preview = false, drifted = [] }: { readonly preview?: boolean; readonly drifted?: readonly string[] } = {},
): Looks["at"] {
  const dayHasPassed = (last: string) => !preview && now.getTime() - Date.parse(last) >= DAY_MS;
  const due = (host: string, last: string | undefined) =>
    last === undefined || before?.unwell.includes(host) || drifted.includes(host) || dayHasPassed(last);
  return Object.fromEntries(
    hosts.map((host) => {
      const last = before?.at[host];
      return [host, due(host, last) ? now.toISOString() : (last as string)];
    }),
  );
}

/** Hosts to be asked by the next run whatever happens; `relay` if what was found on it itself is among the reasons. */
export const unwellHosts = (reports: readonly ProxyReport[], relay: boolean): string[] => [
  ...reports.filter(({ outbound }) => outbound.some(({ open }) => !open)).map(({ name }) => name),
  ...(relay || reports.some(({ families }) => families.some(({ verdict }) => verdict.faults.length > 0))
    ? [RELAY]
    : []),
];
