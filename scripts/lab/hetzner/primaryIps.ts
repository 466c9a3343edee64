// scripts/lab/hetzner/primaryIps.ts: primary IPs: made, changed, assigned to servers and taken from them.
import { actionReply, presentAction } from "./actions";
import { takeAddress } from "./addresses";
import type { Cloud } from "./cloud";
import { ApiError, invalidField, invalidInput, limitExceeded, notFound, notUnique, protectedResource } from "./errors";
import { listing } from "./listing";
import { findLocation, location } from "./locations";
import { primaryIpOf, serverQueue, tellAddresses } from "./machines";
import { changeDnsPtr, defaultPtr, publishPtrsOf } from "./reverseNames";
import { formOf, idOf, type Call, type Reply, type Route } from "./router";
import type { Labels, StoredAction, StoredPrimaryIp, StoredServer } from "./state";

const present = (ip: StoredPrimaryIp) => ({
  id: ip.id,
  name: ip.name,
  type: ip.type,
  ip: ip.ip,
  labels: ip.labels,
  location: location(ip.location),
  assignee_id: ip.assigneeId,
  // "unassigned" since 1 August 2026; before, always "server".
  assignee_type: ip.assigneeId === null ? "unassigned" : "server",
  auto_delete: ip.autoDelete,
  blocked: false,
  dns_ptr: Object.entries(ip.dnsPtr).map(([address, name]) => ({ ip: address, dns_ptr: name })),
  protection: { delete: ip.deleteProtection },
  created: ip.created,
});

export function findPrimaryIp(cloud: Cloud, call: Call): StoredPrimaryIp {
  const id = idOf(call, "primary IP");
  const ip = cloud.state.primaryIps.find((one) => one.id === id);
  if (!ip) throw notFound("primary IP", id);
  return ip;
}

interface NewPrimaryIp {
  name?: string;
  type: "ipv4" | "ipv6";
  location: string;
  autoDelete: boolean;
  labels: Labels;
}

/** Takes an address; assigned to nobody yet. Without a name it is called after its id. */
export function addPrimaryIp(cloud: Cloud, wanted: NewPrimaryIp): StoredPrimaryIp {
  const { state, settings } = cloud;
  if (state.primaryIps.length >= settings.limits.primary_ips) throw limitExceeded("primary_ip_limit");
  const address = takeAddress(state, wanted.type, wanted.type === "ipv4" ? settings.ipv4Range : settings.ipv6Range);
  const id = cloud.nextId();
  const ip: StoredPrimaryIp = {
    id,
    name: wanted.name ?? `primary_ip-${id}`,
    type: wanted.type,
    ip: address,
    location: wanted.location,
    assigneeId: null,
    autoDelete: wanted.autoDelete,
    dnsPtr: wanted.type === "ipv4" ? { [address]: defaultPtr(address) } : {},
    deleteProtection: false,
    labels: wanted.labels,
    created: cloud.now(),
  };
  state.primaryIps.push(ip);
  publishPtrsOf(cloud, Object.keys(ip.dnsPtr));
  return ip;
}

/** The address goes back into the range and loses its reverse names. */
export function dropPrimaryIp(cloud: Cloud, ip: StoredPrimaryIp): void {
  cloud.state.primaryIps.splice(cloud.state.primaryIps.indexOf(ip), 1);
  publishPtrsOf(cloud, Object.keys(ip.dnsPtr));
}

/** What a deleted server leaves behind: its primary IPs become free, or go with it. */
export function releasePrimaryIps(cloud: Cloud, serverId: number): void {
  for (const ip of cloud.state.primaryIps.filter((one) => one.assigneeId === serverId)) {
    if (ip.autoDelete) dropPrimaryIp(cloud, ip);
    else ip.assigneeId = null;
  }
}

function refuseTakenName(cloud: Cloud, name: string, besides?: number): void {
  if (cloud.state.primaryIps.some((ip) => ip.name === name && ip.id !== besides))
    throw notUnique("primary IP name is already used", "name");
}

/** The server that may get a primary IP of this type now. */
function assignee(cloud: Cloud, id: number, type: "ipv4" | "ipv6"): StoredServer {
  const server = cloud.state.servers.find((one) => one.id === id);
  if (!server) throw notFound("server", id);
  cloud.runner.refuseLocked(id);
  if (server.status !== "off") throw new ApiError("server_not_stopped", "the server needs to be powered off");
  if (primaryIpOf(cloud.state, id, type))
    throw new ApiError(`server_has_${type}`, `server already has a primary ${type}`);
  return server;
}

function assignTo(cloud: Cloud, ip: StoredPrimaryIp, serverId: number): StoredAction {
  ip.assigneeId = serverId;
  return moveAction(cloud, "assign_primary_ip", ip, serverId);
}

function moveAction(cloud: Cloud, command: string, ip: StoredPrimaryIp, serverId: number): StoredAction {
  const resources = [
    { id: serverId, type: "server" },
    { id: ip.id, type: "primary_ip" },
  ];
  return cloud.runner.start({
    command,
    resources,
    locks: true,
    queue: serverQueue(serverId),
    work: () => tellAddresses(cloud, serverId),
  });
}

function create(cloud: Cloud, call: Call): Reply {
  const form = formOf(call);
  const name = form.string("name", { max: 250 });
  const type = form.oneOf("type", ["ipv4", "ipv6"]);
  const assigneeId = form.optionalInteger("assignee_id");
  if (assigneeId !== undefined && form.has("assignee_type")) form.oneOf("assignee_type", ["server"]);
  const wantedLocation = form.optionalIdOrName("location");
  const autoDelete = form.boolean("auto_delete", false);
  const labels = form.labels() ?? {};
  const place = wantedLocation === undefined ? undefined : findLocation(wantedLocation);
  if (wantedLocation !== undefined && !place) form.complain("location", `location '${wantedLocation}' does not exist`);
  form.done();
  // A `datacenter` is no longer looked at, so a request with nothing else ends here.
  if ((assigneeId === undefined) === (wantedLocation === undefined)) {
    const messages = [
      assigneeId === undefined
        ? "either assignee_id or location must be provided"
        : "assignee_id and location must not be provided together",
    ];
    throw invalidInput([
      { name: "assignee_id", messages },
      { name: "location", messages },
    ]);
  }
  refuseTakenName(cloud, name);
  const server = assigneeId === undefined ? undefined : assignee(cloud, assigneeId, type);
  const ip = addPrimaryIp(cloud, { name, type, location: server?.location ?? place?.name ?? "", autoDelete, labels });
  const action = server && assignTo(cloud, ip, server.id);
  return { status: 201, body: { primary_ip: present(ip), ...(action && { action: presentAction(action) }) } };
}

function update(cloud: Cloud, call: Call): Reply {
  const ip = findPrimaryIp(cloud, call);
  const form = formOf(call);
  const name = form.optionalString("name", { max: 250 });
  const labels = form.labels();
  const autoDelete = form.boolean("auto_delete", ip.autoDelete);
  if (autoDelete && ip.deleteProtection)
    form.complain("auto_delete", "must be false while the primary IP is protected against deletion");
  form.done();
  if (name !== undefined) refuseTakenName(cloud, name, ip.id);
  ip.name = name ?? ip.name;
  ip.labels = labels ?? ip.labels;
  ip.autoDelete = autoDelete;
  return { status: 200, body: { primary_ip: present(ip) } };
}

function remove(cloud: Cloud, call: Call): Reply {
  const ip = findPrimaryIp(cloud, call);
  if (ip.deleteProtection) throw protectedResource("primary IP");
  // Before May 2026 it was taken from a stopped server silently.
  if (ip.assigneeId !== null)
    throw new ApiError("must_be_unassigned", "primary IP must be unassigned before it can be deleted");
  dropPrimaryIp(cloud, ip);
  return { status: 204 };
}

function assign(cloud: Cloud, call: Call): Reply {
  const ip = findPrimaryIp(cloud, call);
  const form = formOf(call);
  const serverId = form.integer("assignee_id");
  form.oneOf("assignee_type", ["server"]);
  form.done();
  if (ip.assigneeId !== null) throw new ApiError("primary_ip_already_assigned", "primary IP is already assigned");
  const server = assignee(cloud, serverId, ip.type);
  if (server.location !== ip.location)
    throw new ApiError("primary_ip_datacenter_mismatch", "primary IP and server are in different locations");
  return actionReply(assignTo(cloud, ip, serverId));
}

function unassign(cloud: Cloud, call: Call): Reply {
  const ip = findPrimaryIp(cloud, call);
  if (ip.assigneeId === null) throw invalidField("assignee_id", "primary IP is not assigned");
  const serverId = ip.assigneeId;
  cloud.runner.refuseLocked(serverId);
  const server = cloud.state.servers.find((one) => one.id === serverId);
  if (server && server.status !== "off") throw new ApiError("server_not_stopped", "the server needs to be powered off");
  ip.assigneeId = null;
  return actionReply(moveAction(cloud, "unassign_primary_ip", ip, serverId));
}

function changeProtection(cloud: Cloud, call: Call): Reply {
  const ip = findPrimaryIp(cloud, call);
  const form = formOf(call);
  if (!form.has("delete")) form.complain("delete", "Missing data for required field.");
  const wanted = form.boolean("delete", false);
  if (wanted && ip.autoDelete) form.complain("delete", "can only be enabled while auto_delete is false");
  form.done();
  ip.deleteProtection = wanted;
  return actionReply(
    cloud.runner.start({ command: "change_protection", resources: [{ id: ip.id, type: "primary_ip" }] }),
  );
}

function list(cloud: Cloud, call: Call): Reply {
  const wanted = call.query.get("ip");
  // An IPv6 primary IP is found by its network's first address, too.
  const ips = cloud.state.primaryIps.filter((ip) => !wanted || ip.ip === wanted || ip.ip === `${wanted}/64`);
  return listing(call, "primary_ips", ips.map(present), { sort: ["id", "created"] });
}

export function primaryIpRoutes(cloud: Cloud): Route[] {
  const path = "/primary_ips/:id";
  const action = (name: string, handle: (call: Call) => Reply): Route => ({
    method: "POST",
    path: `${path}/actions/${name}`,
    handle,
  });
  return [
    { method: "GET", path: "/primary_ips", handle: (call) => list(cloud, call) },
    { method: "POST", path: "/primary_ips", handle: (call) => create(cloud, call) },
    {
      method: "GET",
      path,
      handle: (call) => ({ status: 200, body: { primary_ip: present(findPrimaryIp(cloud, call)) } }),
    },
    { method: "PUT", path, handle: (call) => update(cloud, call) },
    { method: "DELETE", path, handle: (call) => remove(cloud, call) },
    action("assign", (call) => assign(cloud, call)),
    action("unassign", (call) => unassign(cloud, call)),
    action("change_protection", (call) => changeProtection(cloud, call)),
    action("change_dns_ptr", (call) => {
      const ip = findPrimaryIp(cloud, call);
      return changeDnsPtr(cloud, call, [ip], { id: ip.id, type: "primary_ip" });
    }),
  ];
}
