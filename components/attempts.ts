// When a proxy's set-up is begun anew: its commands are remembered as done, also those that failed, and are run again only
// when something in them changes. Pure.
import type { Attempts } from "./lastRun";

/**
 * By proxy: when its set-up was last begun anew. That is now if something differs there from what was brought in (`drifted`),
 * if it failed in the last run, or the proxy did not work after it
 * (a host or the relay may have been set back to an earlier day); or if that run had another way to the relay, and may have
 * cleared away on the host what the engine still takes for done.
 */
export const whenBegun = (
  before: Attempts | undefined,
  proxies: readonly string[],
  way: NonNullable<Attempts["way"]>,
  now: Date,
  drifted: ReadonlySet<string> = new Set(),
): Attempts["at"] =>
  Object.fromEntries(
    proxies.flatMap((proxy) => {
      const anew =
        drifted.has(proxy) || before?.failed.includes(proxy) || (before?.way !== undefined && before.way !== way);
      const at = anew ? now.toISOString() : before?.at[proxy];
      return at === undefined ? [] : [[proxy, at]];
    }),
  );
