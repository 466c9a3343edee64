// Which hosts that exist already do not answer on their SSH port: nothing is run on them, so that a dead proxy holds up
// neither the records nor the other proxies.
import type { ProxySettings } from "../settings";
import { kindOf } from "./kindOf";

/** Whether an SSH server greets on a TCP port. */
export type Knock = (host: string, port: number) => Promise<boolean>;

/** Names of the proxies whose hosts are silent. A server that is yet to be bought is none of them. */
export async function silentHosts(proxies: readonly ProxySettings[], labels: Record<string, string>, knock: Knock): Promise<ReadonlySet<string>> {
  const kinds = [...new Set(proxies.map(kindOf))];
  const doors = await Promise.all(kinds.map((kind) => kind.doors(proxies.filter((proxy) => kindOf(proxy) === kind), labels)));
  const silent = await Promise.all(
    doors.flatMap((found) => [...found]).map(async ([name, { host, ports }]) => ((await Promise.all(ports.map((port) => knock(host, port)))).some(Boolean) ? [] : [name])),
  );
  return new Set(silent.flat());
}
