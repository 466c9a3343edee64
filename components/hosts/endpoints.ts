// Where SSH is on the hosts that exist.
import type { SshEndpoint } from "./host";
import { kindOf } from "./kindOf";
import type { ProxySettings } from "./kinds";

/** By proxy. A server that is yet to be bought is none of them. */
export async function findEndpoints(
  proxies: readonly ProxySettings[],
  labels: Record<string, string>,
): Promise<ReadonlyMap<string, SshEndpoint>> {
  const kinds = [...new Set(proxies.map(kindOf))];
  const found = await Promise.all(
    kinds.map((kind) =>
      kind.findEndpoints(
        proxies.filter((proxy) => kindOf(proxy) === kind),
        labels,
      ),
    ),
  );
  return new Map(found.flatMap((endpoints) => [...endpoints]));
}
