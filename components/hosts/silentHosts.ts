// Which hosts that exist already do not answer on their SSH port: nothing is run on them, so that a dead proxy holds up
// neither the records nor the other proxies.
import * as hcloud from "@pulumi/hcloud";
import type { ProxySettings } from "../settings";
import { sshHost } from "./existing";

/** Whether something accepts connections on a TCP port. */
export type Knock = (host: string, port: number) => Promise<boolean>;

/** Names of the proxies whose hosts are silent. A server that is yet to be bought is none of them. */
export async function silentHosts(proxies: readonly ProxySettings[], labels: Record<string, string>, knock: Knock): Promise<ReadonlySet<string>> {
  const servers = proxies.some(({ host }) => host === "hetzner") ? await boughtServers(labels) : new Map<string, string>();
  const silent = await Promise.all(
    proxies.map(async (proxy) => {
      const [host, port] = proxy.host === "hetzner" ? [servers.get(proxy.name), proxy.sshPort] : [sshHost(proxy), proxy.ssh.port];
      return host === undefined || (await knock(host, port)) ? [] : [proxy.name];
    }),
  );
  return new Set(silent.flat());
}

/** Addresses of this stack's servers, by proxy. */
async function boughtServers(labels: Record<string, string>): Promise<Map<string, string>> {
  const withSelector = Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(",");
  const { servers } = await hcloud.getServers({ withSelector });
  return new Map(servers.map((server) => [server.labels.proxy ?? "", server.ipv4Address]));
}
