// Where SSH is on the hosts that exist.
import type { SshEndpoint } from "./host";
import { providerOf } from "./providerOf";
import type { ProxySettings } from "./providers";

/** By proxy. A server that is yet to be bought is none of them. */
export async function findEndpoints(
  proxies: readonly ProxySettings[],
  labels: Record<string, string>,
): Promise<ReadonlyMap<string, SshEndpoint>> {
  const providers = [...new Set(proxies.map(providerOf))];
  const found = await Promise.all(
    providers.map((provider) =>
      provider.findEndpoints(
        proxies.filter((proxy) => providerOf(proxy) === provider),
        labels,
      ),
    ),
  );
  return new Map(found.flatMap((endpoints) => [...endpoints]));
}
