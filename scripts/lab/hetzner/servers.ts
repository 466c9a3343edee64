// scripts/lab/hetzner/servers.ts: servers: listed, renamed, deleted. Creating one is in serverCreation.ts, what is done
// to one in serverActions.ts.
import { presentAction } from "./actions";
import type { Cloud } from "./cloud";
import { invalidField, notFound, notUnique, protectedResource } from "./errors";
import { detachFirewalls } from "./firewalls";
import type { Form } from "./form";
import { imageById } from "./images";
import { listing } from "./listing";
import { location } from "./locations";
import { firewallsOf, primaryIpOf, serverQueue, tellFirewall } from "./machines";
import { releasePrimaryIps } from "./primaryIps";
import { formOf, idOf, type Call, type Reply, type Route } from "./router";
import { findServerType, includedTraffic, presentServerType } from "./serverTypes";
import type { StoredAction, StoredServer } from "./state";

const hostName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

export const readServerName = (form: Form) =>
  form.string("name", { pattern: hostName, hint: "must be a valid hostname as per RFC 1123" });

export function refuseTakenServerName(cloud: Cloud, name: string, besides?: number): void {
  if (cloud.state.servers.some((server) => server.name === name && server.id !== besides))
    throw notUnique("server name is already used", "name");
}

export function findServer(cloud: Cloud, call: Call): StoredServer {
  const id = idOf(call, "server");
  const server = cloud.state.servers.find((one) => one.id === id);
  if (!server) throw notFound("server", id);
  return server;
}

export function presentServer(cloud: Cloud, server: StoredServer) {
  const type = findServerType(server.serverType);
  if (!type) throw invalidField("server_type", `'${server.serverType}' does not exist`);
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    created: server.created,
    public_net: presentPublicNet(cloud, server),
    private_net: [],
    server_type: presentServerType(type),
    location: location(server.location),
    image: imageById(server.imageId),
    iso: null,
    rescue_enabled: false,
    locked: cloud.runner.isRunning((action) => action.locks && concerns(action, server.id)),
    backup_window: server.backupWindow,
    outgoing_traffic: 0,
    ingoing_traffic: 0,
    included_traffic: includedTraffic(server.location),
    protection: server.protection,
    labels: server.labels,
    volumes: [],
    load_balancers: [],
    primary_disk_size: server.diskSize,
    placement_group: null,
  };
}

const concerns = (action: StoredAction, id: number, type = "server") =>
  action.resources.some((ref) => ref.type === type && ref.id === id);

function presentPublicNet(cloud: Cloud, server: StoredServer) {
  const ipv4 = primaryIpOf(cloud.state, server.id, "ipv4");
  const ipv6 = primaryIpOf(cloud.state, server.id, "ipv6");
  const pending = (firewallId: number) =>
    cloud.runner.isRunning(
      (action) =>
        action.command === "apply_firewall" && concerns(action, server.id) && concerns(action, firewallId, "firewall"),
    );
  return {
    ipv4: ipv4 ? { id: ipv4.id, ip: ipv4.ip, blocked: false, dns_ptr: ipv4.dnsPtr[ipv4.ip] ?? "" } : null,
    ipv6: ipv6
      ? {
          id: ipv6.id,
          ip: ipv6.ip,
          blocked: false,
          dns_ptr: Object.entries(ipv6.dnsPtr).map(([ip, name]) => ({ ip, dns_ptr: name })),
        }
      : null,
    floating_ips: [],
    firewalls: firewallsOf(cloud.state, server).map(({ id }) => ({ id, status: pending(id) ? "pending" : "applied" })),
  };
}

function update(cloud: Cloud, call: Call): Reply {
  const server = findServer(cloud, call);
  const form = formOf(call);
  const name = form.has("name") ? readServerName(form) : undefined;
  const labels = form.labels();
  form.done();
  if (name !== undefined) refuseTakenServerName(cloud, name, server.id);
  server.name = name ?? server.name;
  server.labels = labels ?? server.labels;
  // Other labels may match other firewalls' selectors.
  if (labels)
    cloud.runner.background(serverQueue(server.id), `firewall of server ${server.id}`, () =>
      tellFirewall(cloud, server.id),
    );
  return { status: 200, body: { server: presentServer(cloud, server) } };
}

/** It is gone from the API at once; its addresses are free once the room has erased it, so that no two machines bear one. */
function remove(cloud: Cloud, call: Call): Reply {
  const server = findServer(cloud, call);
  if (server.protection.delete) throw protectedResource("server");
  cloud.runner.refuseLocked(server.id);
  cloud.state.servers.splice(cloud.state.servers.indexOf(server), 1);
  detachFirewalls(cloud, server.id);
  const action = cloud.runner.start({
    command: "delete_server",
    resources: [{ id: server.id, type: "server" }],
    queue: serverQueue(server.id),
    locks: true,
    work: () => cloud.room.erase(server.id),
    done: () => releasePrimaryIps(cloud, server.id),
    failed: () => releasePrimaryIps(cloud, server.id),
  });
  return { status: 200, body: { action: presentAction(action) } };
}

function list(cloud: Cloud, call: Call): Reply {
  const statuses = call.query.getAll("status");
  const servers = cloud.state.servers.filter((server) => statuses.length === 0 || statuses.includes(server.status));
  return listing(
    call,
    "servers",
    servers.map((server) => presentServer(cloud, server)),
  );
}

export function serverRoutes(cloud: Cloud): Route[] {
  const path = "/servers/:id";
  return [
    { method: "GET", path: "/servers", handle: (call) => list(cloud, call) },
    {
      method: "GET",
      path,
      handle: (call) => ({ status: 200, body: { server: presentServer(cloud, findServer(cloud, call)) } }),
    },
    { method: "PUT", path, handle: (call) => update(cloud, call) },
    { method: "DELETE", path, handle: (call) => remove(cloud, call) },
  ];
}
