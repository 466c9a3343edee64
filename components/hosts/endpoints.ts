// Where SSH is on the hosts that exist.
import type { SshEndpoint } from "./host";
import { propertiesOf, providerOf } from "./providerOf";
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

/** The same without asking a provider: servers that were bought are at the addresses of the last run, by proxy. */
export async function knownEndpoints(
  proxies: readonly ProxySettings[],
  addresses: Readonly<Record<string, readonly string[]>>,
): Promise<ReadonlyMap<string, SshEndpoint>> {
  const bought = proxies.flatMap((entry) => {
    const host = addresses[entry.name]?.[0];
    if (providerOf(entry).operatorKey || host === undefined) return [];
    const { sshPort } = propertiesOf(entry);
    return [[entry.name, { machine: host, host, ports: [sshPort], user: "root", hostKey: undefined }] as const];
  });
  const own = await findEndpoints(
    proxies.filter((entry) => providerOf(entry).operatorKey),
    {},
  );
  return new Map([...own, ...bought]);
}
