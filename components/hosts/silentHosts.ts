// Which hosts that exist already do not answer on their SSH port: nothing is run on them, so that a dead proxy holds up
// neither the records nor the other proxies.
import * as hcloud from "@pulumi/hcloud";
import type { ProxySettings } from "../settings";
import { STANDARD_SSH_PORT } from "./cloudInit";
import { sshHost } from "./existing";

/** Whether an SSH server greets on a TCP port. */
export type Knock = (host: string, port: number) => Promise<boolean>;

/** Names of the proxies whose hosts are silent. A server that is yet to be bought is none of them. */
export async function silentHosts(proxies: readonly ProxySettings[], labels: Record<string, string>, knock: Knock): Promise<ReadonlySet<string>> {
  const servers = proxies.some(({ host }) => host === "hetzner") ? await boughtServers(labels) : new Map<string, BoughtServer>();
  const silent = await Promise.all(
    proxies.map(async (proxy) => {
      const server = servers.get(proxy.name);
      const host = proxy.host === "hetzner" ? server?.address : sshHost(proxy);
      if (host === undefined) return [];
      // A server that is to be replaced for the sake of another SSH port answers on the old one.
      const ports = proxy.host === "hetzner" ? [...new Set([proxy.sshPort, server?.sshPort ?? STANDARD_SSH_PORT])] : [proxy.ssh.port];
      return (await Promise.all(ports.map((port) => knock(host, port)))).some(Boolean) ? [] : [proxy.name];
    }),
  );
  return new Set(silent.flat());
}

interface BoughtServer {
  readonly address: string;
  readonly sshPort: number;
}

/** This stack's servers, by proxy. */
async function boughtServers(labels: Record<string, string>): Promise<Map<string, BoughtServer>> {
  const withSelector = Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(",");
  const { servers } = await hcloud.getServers({ withSelector });
  return new Map(servers.map((server) => [server.labels.proxy ?? "", { address: server.ipv4Address, sshPort: Number(server.labels.sshport ?? STANDARD_SSH_PORT) }]));
}
