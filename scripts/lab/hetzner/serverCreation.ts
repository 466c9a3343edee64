// scripts/lab/hetzner/serverCreation.ts: creates a server: reads the order, checks all of it, then changes the state
// and has the machine booted.
import { randomBytes } from "node:crypto";
import { presentAction } from "./actions";
import type { Cloud } from "./cloud";
import { ApiError, invalidField, limitExceeded } from "./errors";
import { checkFirewallIds } from "./firewalls";
import type { Form } from "./form";
import { findImage, type Image } from "./images";
import { findLocation } from "./locations";
import { machineOf, serverQueue, tellFirewall } from "./machines";
import { addPrimaryIp, dropPrimaryIp } from "./primaryIps";
import { formOf, type Call, type Reply, type Route } from "./router";
import { presentServer, readServerName, refuseTakenServerName } from "./servers";
import { findServerType, isUnavailable, type ServerType } from "./serverTypes";
import { findSshKey } from "./sshKeys";
import type { StoredFirewall, StoredPrimaryIp, StoredServer } from "./state";

const maxUserData = 32 * 1024;

/** For each family: a primary IP of the project, "new" for one that is made with the server, null for none. */
interface PublicNet {
  ipv4: number | "new" | null;
  ipv6: number | "new" | null;
}

interface Order {
  name: string;
  type: ServerType;
  image: Image;
  location: string;
  userData: string;
  sshKeys: string[];
  firewalls: StoredFirewall[];
  ipv4: StoredPrimaryIp | "new" | null;
  ipv6: StoredPrimaryIp | "new" | null;
  labels: Record<string, string>;
  start: boolean;
}

export function readUserData(form: Form): string | undefined {
  const userData = form.optionalString("user_data");
  if (userData !== undefined && Buffer.byteLength(userData) > maxUserData)
    form.complain("user_data", `must be at most ${maxUserData} bytes long`);
  return userData;
}

function readOrder(cloud: Cloud, call: Call): Order {
  const form = formOf(call);
  const name = readServerName(form);
  const wantedType = form.idOrName("server_type");
  const wantedImage = form.idOrName("image");
  const wantedLocation = form.optionalIdOrName("location");
  if (form.has("datacenter")) form.complain("datacenter", "was removed; use location");
  for (const other of ["volumes", "networks"])
    if (form.list(other).length > 0) form.complain(other, "are not part of the fake Hetzner Cloud");
  if (form.has("placement_group")) form.complain("placement_group", "is not part of the fake Hetzner Cloud");
  const userData = readUserData(form) ?? "";
  const labels = form.labels() ?? {};
  const start = form.boolean("start_after_create", true);
  const net = form.inner("public_net", readPublicNet) ?? { ipv4: "new", ipv6: "new" };
  if (start && net.ipv4 === null && net.ipv6 === null)
    form.complain("public_net", "a server needs a network interface to be started");
  const firewallIds = form.forms("firewalls", (entry) => entry.integer("firewall"));
  const sshKeys = form.list("ssh_keys").flatMap((wanted) => {
    const key = findSshKey(cloud, String(wanted));
    if (!key) form.complain("ssh_keys", `SSH key '${String(wanted)}' does not exist`);
    return key?.publicKey ?? [];
  });
  const type = findServerType(wantedType);
  if (!type && wantedType !== "") form.complain("server_type", `server type '${wantedType}' does not exist`);
  const image = type && findImage(wantedImage, type.architecture);
  if (type && !image && wantedImage !== "")
    form.complain("image", `image '${wantedImage}' does not exist for architecture ${type.architecture}`);
  const place = wantedLocation === undefined ? undefined : findLocation(wantedLocation);
  if (wantedLocation !== undefined && !place) form.complain("location", `location '${wantedLocation}' does not exist`);
  form.done();
  if (!type || !image) throw invalidField("image", "does not fit the server type");
  refuseTakenServerName(cloud, name);
  const ipv4 = freeIp(cloud, net.ipv4, "ipv4");
  const ipv6 = freeIp(cloud, net.ipv6, "ipv6");
  const location = place?.name ?? [ipv4, ipv6].map(placeOf).find((one) => one !== undefined) ?? type.locations[0] ?? "";
  return {
    name,
    type,
    image,
    location,
    userData,
    sshKeys,
    firewalls: checkFirewallIds(cloud, firewallIds),
    ipv4,
    ipv6,
    labels,
    start,
  };
}

function readPublicNet(form: Form): PublicNet {
  const read = (family: "ipv4" | "ipv6") => {
    const enabled = form.boolean(`enable_${family}`, true);
    const id = form.optionalInteger(family);
    if (id !== undefined && !enabled) form.complain(family, `must not be set while enable_${family} is false`);
    return enabled ? (id ?? "new") : null;
  };
  return { ipv4: read("ipv4"), ipv6: read("ipv6") };
}

const placeOf = (ip: StoredPrimaryIp | "new" | null) => (ip !== null && ip !== "new" ? ip.location : undefined);

function freeIp(cloud: Cloud, wanted: number | "new" | null, type: "ipv4" | "ipv6"): StoredPrimaryIp | "new" | null {
  if (wanted === null || wanted === "new") return wanted;
  const ip = cloud.state.primaryIps.find((one) => one.id === wanted);
  if (!ip) throw invalidField(`public_net.${type}`, `primary IP ${wanted} does not exist`);
  if (ip.type !== type)
    throw new ApiError("primary_ip_version_mismatch", `primary IP ${wanted} is not of type ${type}`);
  if (ip.assigneeId !== null)
    throw new ApiError("primary_ip_assigned", "primary ip already assigned to another server");
  return ip;
}

function refuseUnavailable(cloud: Cloud, order: Order): void {
  if (isUnavailable(order.type))
    throw new ApiError("resource_unavailable", `server type ${order.type.name} can no longer be ordered`);
  if (!order.type.locations.includes(order.location))
    throw invalidField("location", "unsupported location for server type");
  for (const ip of [order.ipv4, order.ipv6])
    if ((placeOf(ip) ?? order.location) !== order.location)
      throw new ApiError("primary_ip_datacenter_mismatch", "primary IP and server are in different locations");
  if (cloud.state.servers.length >= cloud.settings.limits.servers) throw limitExceeded("server_limit");
}

function create(cloud: Cloud, call: Call): Reply {
  const order = readOrder(cloud, call);
  refuseUnavailable(cloud, order);
  const server: StoredServer = {
    id: cloud.nextId(),
    name: order.name,
    status: "initializing",
    built: false,
    serverType: order.type.name,
    imageId: order.image.id,
    location: order.location,
    userData: order.userData,
    sshKeys: order.sshKeys,
    diskSize: order.type.disk,
    backupWindow: null,
    protection: { delete: false, rebuild: false },
    labels: order.labels,
    created: cloud.now(),
  };
  assignIps(cloud, order, server.id);
  cloud.state.servers.push(server);
  for (const firewall of order.firewalls) firewall.appliedTo.push({ type: "server", serverId: server.id });
  const creation = cloud.runner.start({
    command: "create_server",
    resources: [{ id: server.id, type: "server" }],
    queue: serverQueue(server.id),
    locks: true,
    work: async () => {
      await tellFirewall(cloud, server.id);
      server.status = order.start ? "starting" : "off";
    },
    failed: () => (server.status = "off"),
  });
  const next = order.start ? [startServer(cloud, server)] : [];
  return {
    status: 201,
    body: {
      server: presentServer(cloud, server),
      action: presentAction(creation),
      next_actions: next.map(presentAction),
      root_password: order.sshKeys.length > 0 ? null : randomBytes(10).toString("hex"),
    },
  };
}

/** Both or none: when the second cannot be had, the first goes back. */
function assignIps(cloud: Cloud, order: Order, serverId: number): void {
  const made: StoredPrimaryIp[] = [];
  try {
    for (const type of ["ipv4", "ipv6"] as const) {
      if (order[type] === "new")
        made.push(addPrimaryIp(cloud, { type, location: order.location, autoDelete: true, labels: {} }));
    }
  } catch (error) {
    for (const ip of made) dropPrimaryIp(cloud, ip);
    throw error;
  }
  for (const ip of [...made, order.ipv4, order.ipv6]) if (ip !== null && ip !== "new") ip.assigneeId = serverId;
}

/** The first start builds the machine, later ones only switch it on. */
export function startServer(cloud: Cloud, server: StoredServer) {
  return cloud.runner.start({
    command: "start_server",
    resources: [{ id: server.id, type: "server" }],
    queue: serverQueue(server.id),
    locks: true,
    work: async () => {
      if (server.status === "running") return;
      server.status = "starting";
      if (server.built) await cloud.room.power(server.id, "on");
      else await cloud.room.boot(machineOf(cloud.state, server));
      server.built = true;
    },
    done: () => (server.status = "running"),
    failed: () => (server.status = "off"),
  });
}

export function serverCreationRoutes(cloud: Cloud): Route[] {
  return [{ method: "POST", path: "/servers", handle: (call) => create(cloud, call) }];
}
