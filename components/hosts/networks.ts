// Which network each proxy is in: if all are in one, one outage takes all of them.
import type { ProxySettings } from "./providers";
import { propertiesOf } from "./providerOf";

/** A message when all of several published proxies are known to be in one autonomous system. */
export function networkAdvice(published: readonly ProxySettings[]): string | undefined {
  const systems = new Set(published.map((proxy) => propertiesOf(proxy).autonomousSystem));
  const [only] = systems;
  if (published.length < 2 || systems.size > 1 || only === undefined) return undefined;
  const names = published.map(({ name }) => name).join(", ");
  return `All published proxies (${names}) stand in one network, AS${only}: a fault there takes all of them. Put one elsewhere: Hetzner's locations ash, hil and sin are networks of their own, and so is another provider.`;
}
