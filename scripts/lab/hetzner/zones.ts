// scripts/lab/hetzner/zones.ts: zones: made with their SOA and NS records, changed, published to the name servers,
// withdrawn. Their other records are in rrsets.ts.
import { isIP } from "node:net";
import { actionReply, presentAction } from "./actions";
import type { Cloud } from "./cloud";
import { ApiError, limitExceeded, notFound, notUnique, protectedResource, unsupported } from "./errors";
import type { Form } from "./form";
import { listing } from "./listing";
import { zoneNameComplaint } from "./recordValues";
import { formOf, type Call, type Reply, type Route } from "./router";
import { readNewRrset, refuseConflicts, ttlRange } from "./rrsetForms";
import type { PrimaryNameserver, StoredAction, StoredZone } from "./state";
import type { PublishedZone } from "./world";

const defaultTtl = 3600;

const present = (cloud: Cloud, zone: StoredZone) => ({
  id: zone.id,
  name: zone.name,
  created: zone.created,
  mode: zone.mode,
  ttl: zone.ttl,
  labels: zone.labels,
  primary_nameservers: zone.primaryNameservers,
  protection: { delete: zone.deleteProtection },
  record_count: zone.rrsets.reduce((sum, rrset) => sum + rrset.records.length, 0),
  authoritative_nameservers: {
    assigned: cloud.settings.nameServers,
    delegated: cloud.settings.delegated,
    delegation_last_check: zone.created,
    delegation_status: delegationStatus(cloud.settings),
  },
  registrar: "other",
  status: cloud.runner.isRunning((action) => action.resources.some((ref) => ref.type === "zone" && ref.id === zone.id))
    ? "updating"
    : "ok",
});

function delegationStatus({ nameServers, delegated }: Pick<Cloud["settings"], "nameServers" | "delegated">): string {
  if (delegated.length === 0) return "unregistered";
  return delegated.some((name) => nameServers.includes(name)) ? "valid" : "invalid";
}

export function findZone(cloud: Cloud, call: Call): StoredZone {
  const idOrName = call.params["id"] ?? "";
  const zone = cloud.state.zones.find((one) => one.name === idOrName || String(one.id) === idOrName);
  if (!zone) throw notFound("zone", idOrName);
  return zone;
}

/** A zone whose records are kept here, not fetched from other name servers. */
export function findPrimaryZone(cloud: Cloud, call: Call): StoredZone {
  const zone = findZone(cloud, call);
  refuseMode(zone, "secondary");
  return zone;
}

function refuseMode(zone: StoredZone, mode: StoredZone["mode"]): void {
  if (zone.mode === mode) throw new ApiError("incorrect_zone_mode", `not supported for a zone in ${mode} mode`);
}

/** Raises the SOA's serial, YYYYMMDDnn, as every change of a record does. */
function raiseSerial(cloud: Cloud, zone: StoredZone): void {
  const today = Number(cloud.now().slice(0, 10).replaceAll("-", "")) * 100;
  zone.serial = Math.max(zone.serial + 1, today);
  const soa = zone.rrsets.find((rrset) => rrset.type === "SOA");
  if (soa)
    soa.records = [
      {
        value: `${cloud.settings.nameServers[0] ?? "."} dns.hetzner.com. ${zone.serial} 86400 10800 3600000 3600`,
        comment: "",
      },
    ];
}

export function publishedZone(zone: StoredZone): PublishedZone {
  const soaFirst = [...zone.rrsets].sort((a, b) => Number(b.type === "SOA") - Number(a.type === "SOA"));
  const records = soaFirst.flatMap(({ name, type, ttl, records: values }) =>
    values.map(({ value }) => ({ name, type, ttl: ttl ?? zone.ttl, value })),
  );
  return { name: zone.name, ttl: zone.ttl, records };
}

/** Tells the name servers the zone as it is now; nothing when it is gone or is not ours to fill. */
export async function publishZone(cloud: Cloud, name: string): Promise<void> {
  const zone = cloud.state.zones.find((one) => one.name === name && one.mode === "primary");
  if (zone) await cloud.names.publish(publishedZone(zone));
}

/** An action that changes what the name servers say; it ends when they say it. */
export function changeZone(cloud: Cloud, zone: StoredZone, command: string): StoredAction {
  if (zone.mode === "primary") raiseSerial(cloud, zone);
  return cloud.runner.start({
    command,
    resources: [{ id: zone.id, type: "zone" }],
    queue: `zone:${zone.name}`,
    work: () => publishZone(cloud, zone.name),
  });
}

function readNameserver(entry: Form): PrimaryNameserver {
  const address = entry.string("address");
  if (address !== "" && isIP(address) === 0) entry.complain("address", "must be an IPv4 or IPv6 address");
  const server: PrimaryNameserver = { address, port: entry.optionalInteger("port", { min: 1, max: 65535 }) ?? 53 };
  if (entry.has("tsig_algorithm"))
    server.tsig_algorithm = entry.oneOf("tsig_algorithm", ["hmac-md5", "hmac-sha1", "hmac-sha256"]);
  const key = entry.optionalString("tsig_key", { pattern: /^[A-Za-z0-9+/]+={0,2}$/, hint: "must be base64" });
  return key === undefined ? server : { ...server, tsig_key: key };
}

function create(cloud: Cloud, call: Call): Reply {
  const form = formOf(call);
  const name = form.string("name", { max: 255 });
  const complaint = name === "" ? undefined : zoneNameComplaint(name);
  if (complaint) form.complain("name", complaint);
  const mode = form.oneOf("mode", ["primary", "secondary"]);
  const ttl = form.optionalInteger("ttl", ttlRange) ?? defaultTtl;
  const labels = form.labels() ?? {};
  const primaryNameservers = form.forms("primary_nameservers", readNameserver);
  if (mode === "secondary" && primaryNameservers.length === 0)
    form.complain("primary_nameservers", "is required for mode secondary");
  const rrsets = form.forms("rrsets", (entry) => readNewRrset(entry, name, cloud.now()));
  form.done();
  if (form.has("zonefile")) throw unsupported("the import of a zone file");
  if (cloud.state.zones.some((zone) => zone.name === name)) throw notUnique("zone name is already used", "name");
  if (cloud.state.zones.length >= cloud.settings.limits.zones) throw limitExceeded("zone_limit");
  const zone: StoredZone = {
    id: cloud.nextId(),
    name,
    mode,
    ttl,
    serial: 0,
    primaryNameservers: mode === "secondary" ? primaryNameservers : [],
    rrsets: [],
    deleteProtection: false,
    labels,
    created: cloud.now(),
  };
  if (mode === "primary") {
    const apex = { name: "@", ttl: null, changeProtection: false, labels: {}, created: zone.created };
    zone.rrsets.push({ ...apex, type: "SOA", records: [] });
    zone.rrsets.push({
      ...apex,
      type: "NS",
      records: cloud.settings.nameServers.map((value) => ({ value, comment: "" })),
    });
    for (const rrset of rrsets) {
      refuseConflicts(zone, rrset);
      zone.rrsets.push(rrset);
    }
  }
  cloud.state.zones.push(zone);
  const action = changeZone(cloud, zone, "create_zone");
  return { status: 201, body: { zone: present(cloud, zone), action: presentAction(action) } };
}

function update(cloud: Cloud, call: Call): Reply {
  const zone = findZone(cloud, call);
  const form = formOf(call);
  const labels = form.labels();
  form.done();
  zone.labels = labels ?? zone.labels;
  return { status: 200, body: { zone: present(cloud, zone) } };
}

function remove(cloud: Cloud, call: Call): Reply {
  const zone = findZone(cloud, call);
  if (zone.deleteProtection) throw protectedResource("zone");
  cloud.state.zones.splice(cloud.state.zones.indexOf(zone), 1);
  const work = () => cloud.names.withdraw(zone.name);
  return actionReply(
    cloud.runner.start({
      command: "delete_zone",
      resources: [{ id: zone.id, type: "zone" }],
      queue: `zone:${zone.name}`,
      work,
    }),
  );
}

function changeTtl(cloud: Cloud, call: Call): Reply {
  const zone = findPrimaryZone(cloud, call);
  const form = formOf(call);
  const ttl = form.integer("ttl", ttlRange);
  form.done();
  zone.ttl = ttl;
  return actionReply(changeZone(cloud, zone, "change_ttl"));
}

function changePrimaryNameservers(cloud: Cloud, call: Call): Reply {
  const zone = findZone(cloud, call);
  refuseMode(zone, "primary");
  const form = formOf(call);
  const servers = form.forms("primary_nameservers", readNameserver);
  if (servers.length === 0) form.complain("primary_nameservers", "must not be empty");
  form.done();
  zone.primaryNameservers = servers;
  return actionReply(changeZone(cloud, zone, "change_primary_nameservers"));
}

function changeProtection(cloud: Cloud, call: Call): Reply {
  const zone = findZone(cloud, call);
  const form = formOf(call);
  const wanted = form.boolean("delete", zone.deleteProtection);
  form.done();
  zone.deleteProtection = wanted;
  return actionReply(cloud.runner.start({ command: "change_protection", resources: [{ id: zone.id, type: "zone" }] }));
}

function exportZonefile(cloud: Cloud, call: Call): Reply {
  const { name, ttl, records } = publishedZone(findPrimaryZone(cloud, call));
  const lines = records.map((record) => `${record.name}\t${record.ttl}\tIN\t${record.type}\t${record.value}`);
  return { status: 200, body: { zonefile: `$ORIGIN\t${name}.\n$TTL\t${ttl}\n\n${lines.join("\n")}\n` } };
}

function list(cloud: Cloud, call: Call): Reply {
  const mode = call.query.get("mode");
  const zones = cloud.state.zones.filter((zone) => !mode || zone.mode === mode);
  return listing(
    call,
    "zones",
    zones.map((zone) => present(cloud, zone)),
  );
}

export function zoneRoutes(cloud: Cloud): Route[] {
  const path = "/zones/:id";
  const action = (name: string, handle: (call: Call) => Reply): Route => ({
    method: "POST",
    path: `${path}/actions/${name}`,
    handle,
  });
  return [
    { method: "GET", path: "/zones", handle: (call) => list(cloud, call) },
    { method: "POST", path: "/zones", handle: (call) => create(cloud, call) },
    { method: "GET", path, handle: (call) => ({ status: 200, body: { zone: present(cloud, findZone(cloud, call)) } }) },
    { method: "PUT", path, handle: (call) => update(cloud, call) },
    { method: "DELETE", path, handle: (call) => remove(cloud, call) },
    { method: "GET", path: `${path}/zonefile`, handle: (call) => exportZonefile(cloud, call) },
    action("change_ttl", (call) => changeTtl(cloud, call)),
    action("change_primary_nameservers", (call) => changePrimaryNameservers(cloud, call)),
    action("change_protection", (call) => changeProtection(cloud, call)),
    action("import_zonefile", () => {
      throw unsupported("the import of a zone file");
    }),
  ];
}
