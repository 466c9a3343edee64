// When a proxy's set-up is begun anew: its commands are remembered as done, also those that failed, and are run again only
// when something in them changes. Pure.
import type { Attempts } from "./lastRun";

/** By proxy: when its set-up was last begun anew after a failure; that is now, if it failed in the last run. */
export const whenBegun = (before: Attempts | undefined, proxies: readonly string[], now: Date): Attempts["at"] =>
  Object.fromEntries(
    proxies.flatMap((proxy) => {
      const at = before?.failed.includes(proxy) ? now.toISOString() : before?.at[proxy];
      return at === undefined ? [] : [[proxy, at]];
    }),
  );
