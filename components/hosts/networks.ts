// Which network each proxy stands in: several proxies help against the loss of one network only if they stand in several.
import type { ProxySettings } from "../settings";

/** Autonomous systems of Hetzner Cloud's locations (RIPE and ARIN, 2025). Those in Germany and Finland share one. */
const HETZNER: Readonly<Record<string, number>> = { fsn1: 24940, nbg1: 24940, hel1: 24940, ash: 213230, hil: 212317, sin: 215859 };

export const autonomousSystem = (proxy: ProxySettings): number | undefined => (proxy.host === "hetzner" ? HETZNER[proxy.location] : proxy.autonomousSystem);

/** A sentence when all of several published proxies are known to stand in one autonomous system. */
export function networkAdvice(published: readonly ProxySettings[]): string | undefined {
  const systems = new Set(published.map(autonomousSystem));
  const [only] = systems;
  if (published.length < 2 || systems.size > 1 || only === undefined) return undefined;
  const names = published.map(({ name }) => name).join(", ");
  return `All published proxies (${names}) stand in one network, AS${only}: a fault there takes all of them. Put one elsewhere: Hetzner's locations ash, hil and sin are networks of their own, and so is another provider.`;
}
