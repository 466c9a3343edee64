// Which hosts that exist already do not answer on their SSH port: nothing is run on them, so that a dead proxy holds up
// neither the records nor the other proxies.
import type { ProxySettings } from "../settings";
import type { Door } from "./host";
import { kindOf } from "./kindOf";

/** Whether an SSH server greets on a TCP port. */
export type Knock = (host: string, port: number) => Promise<boolean>;

/** Where SSH is on the hosts that exist, by proxy. A server that is yet to be bought is none of them. */
export async function findDoors(
  proxies: readonly ProxySettings[],
  labels: Record<string, string>,
): Promise<ReadonlyMap<string, Door>> {
  const kinds = [...new Set(proxies.map(kindOf))];
  const found = await Promise.all(
    kinds.map((kind) =>
      kind.doors(
        proxies.filter((proxy) => kindOf(proxy) === kind),
        labels,
      ),
    ),
  );
  return new Map(found.flatMap((doors) => [...doors]));
}

/** Names of the proxies whose hosts are silent. */
export async function silentHosts(doors: ReadonlyMap<string, Door>, knock: Knock): Promise<ReadonlySet<string>> {
  const silent = await Promise.all(
    [...doors].map(async ([name, { host, ports }]) =>
      (await Promise.all(ports.map((port) => knock(host, port)))).some(Boolean) ? [] : [name],
    ),
  );
  return new Set(silent.flat());
}
