// scripts/lab/hetzner/machines.ts: what the machine room is told about a server: its machine, its addresses, its
// firewall. Reads the state, changes nothing in it.
import type { Cloud } from "./cloud";
import { imageById } from "./images";
import { parseSelector } from "./labels";
import type { FirewallTarget, State, StoredFirewall, StoredPrimaryIp, StoredServer } from "./state";
import type { Addresses, FirewallRule, Machine } from "./world";

export const serverQueue = (serverId: number) => `server:${serverId}`;

export const primaryIpOf = (state: State, serverId: number, type: "ipv4" | "ipv6"): StoredPrimaryIp | undefined =>
  state.primaryIps.find((ip) => ip.assigneeId === serverId && ip.type === type);

export function addressesOf(state: State, serverId: number): Addresses {
  return {
    ipv4: primaryIpOf(state, serverId, "ipv4")?.ip ?? null,
    ipv6Network: primaryIpOf(state, serverId, "ipv6")?.ip ?? null,
  };
}

export function machineOf(state: State, server: StoredServer): Machine {
  return {
    id: server.id,
    name: server.name,
    image: imageById(server.imageId).name,
    location: server.location,
    userData: server.userData,
    sshKeys: server.sshKeys,
    ...addressesOf(state, server.id),
  };
}

export function targetCovers(target: FirewallTarget, server: StoredServer): boolean {
  return target.type === "server" ? target.serverId === server.id : parseSelector(target.selector)(server.labels);
}

export const firewallsOf = (state: State, server: StoredServer): StoredFirewall[] =>
  state.firewalls.filter((firewall) => firewall.appliedTo.some((target) => targetCovers(target, server)));

/** The rules of all firewalls together; null when there is none, which is not the same as a firewall without rules. */
export function effectiveRules(state: State, server: StoredServer): FirewallRule[] | null {
  const firewalls = firewallsOf(state, server);
  return firewalls.length === 0 ? null : firewalls.flatMap((firewall) => firewall.rules);
}

/** Tells the room the server's rules as they are now; nothing when the server is gone. */
export async function tellFirewall(cloud: Cloud, serverId: number): Promise<void> {
  const server = cloud.state.servers.find((one) => one.id === serverId);
  if (server) await cloud.room.setFirewall(serverId, effectiveRules(cloud.state, server));
}

/** Tells the room the server's addresses as they are now; a server that was never booted gets them with its boot. */
export async function tellAddresses(cloud: Cloud, serverId: number): Promise<void> {
  const server = cloud.state.servers.find((one) => one.id === serverId);
  if (server?.built) await cloud.room.setAddresses(serverId, addressesOf(cloud.state, serverId));
}
