// scripts/lab/hetzner/rrsets.ts: the record sets of a zone, each found by its name and type.
import { actionReply, presentAction } from "./actions";
import type { Cloud } from "./cloud";
import { ApiError, invalidField, notFound, protectedResource } from "./errors";
import { listing } from "./listing";
import { rrsetNameComplaint, rrsetTypes, type RrsetType } from "./recordValues";
import { formOf, type Call, type Reply, type Route } from "./router";
import { readNewRrset, readRecords, readRecordValues, refuseConflicts, ttlRange } from "./rrsetForms";
import type { StoredRecord, StoredRrset, StoredZone } from "./state";
import { changeZone, findPrimaryZone } from "./zones";

const idOf = (rrset: StoredRrset) => `${rrset.name}/${rrset.type}`;

const present = (zone: StoredZone, rrset: StoredRrset) => ({
  id: idOf(rrset),
  name: rrset.name,
  type: rrset.type,
  ttl: rrset.ttl,
  labels: rrset.labels,
  protection: { change: rrset.changeProtection },
  records: rrset.records.map(({ value, comment }) => (comment === "" ? { value } : { value, comment })),
  zone: zone.id,
});

interface Found {
  zone: StoredZone;
  rrset: StoredRrset;
}

function find(cloud: Cloud, call: Call): Found {
  const zone = findPrimaryZone(cloud, call);
  const id = `${call.params["name"] ?? ""}/${call.params["type"] ?? ""}`;
  const rrset = zone.rrsets.find((one) => idOf(one) === id);
  if (!rrset) throw notFound("RRSet", id);
  return { zone, rrset };
}

/** For a change of its records or TTL. */
function findChangeable(cloud: Cloud, call: Call): Found {
  const found = find(cloud, call);
  refuseChange(found.rrset);
  return found;
}

function refuseChange(rrset: StoredRrset): void {
  if (rrset.changeProtection) throw protectedResource("RRSet");
  if (rrset.type === "SOA") throw invalidField("type", "SOA records are managed by the API");
}

function create(cloud: Cloud, call: Call): Reply {
  const zone = findPrimaryZone(cloud, call);
  const form = formOf(call);
  const rrset = readNewRrset(form, zone.name, cloud.now());
  form.done();
  refuseConflicts(zone, rrset);
  zone.rrsets.push(rrset);
  const action = changeZone(cloud, zone, "create_rrset");
  return { status: 201, body: { rrset: present(zone, rrset), action: presentAction(action) } };
}

function update(cloud: Cloud, call: Call): Reply {
  const { zone, rrset } = find(cloud, call);
  if (call.body["records"] !== undefined)
    throw new ApiError("invalid_input", "can't update records with this endpoint");
  const form = formOf(call);
  const labels = form.labels();
  form.done();
  rrset.labels = labels ?? rrset.labels;
  return { status: 200, body: { rrset: present(zone, rrset) } };
}

function remove(cloud: Cloud, call: Call): Reply {
  const { zone, rrset } = findChangeable(cloud, call);
  drop(zone, rrset);
  return actionReply(changeZone(cloud, zone, "delete_rrset"));
}

function drop(zone: StoredZone, rrset: StoredRrset): void {
  if (idOf(rrset) === "@/NS") throw invalidField("type", "the zone's own NS records cannot be deleted");
  zone.rrsets.splice(zone.rrsets.indexOf(rrset), 1);
}

function setRecords(cloud: Cloud, call: Call): Reply {
  const { zone, rrset } = findChangeable(cloud, call);
  const form = formOf(call);
  const records = readRecords(form, rrset.type as RrsetType);
  form.done();
  rrset.records = records;
  return actionReply(changeZone(cloud, zone, "set_rrset_records"));
}

/** Makes the record set when there is none yet. */
function addRecords(cloud: Cloud, call: Call): Reply {
  const zone = findPrimaryZone(cloud, call);
  const [name, wantedType] = [call.params["name"] ?? "", call.params["type"] ?? ""];
  const type = rrsetTypes.find((one) => one === wantedType);
  if (!type) throw notFound("RRSet", `${name}/${wantedType}`);
  const complaint = rrsetNameComplaint(name, zone.name);
  if (complaint) throw invalidField("name", complaint);
  const existing = zone.rrsets.find((one) => one.name === name && one.type === type);
  if (existing) refuseChange(existing);
  const form = formOf(call);
  const records = readRecords(form, type);
  const ttl = form.optionalInteger("ttl", ttlRange) ?? null;
  if (ttl !== null && existing && existing.ttl !== null && existing.ttl !== ttl)
    form.complain("ttl", "must be the TTL that the RRSet has");
  if (existing && records.some(({ value }) => existing.records.some((record) => record.value === value)))
    form.complain("records", "must not contain values that the RRSet has");
  if (existing && type === "CNAME") form.complain("records", "a CNAME must be the only record");
  form.done();
  const rrset = existing ?? { name, type, ttl, records: [], labels: {}, changeProtection: false, created: cloud.now() };
  if (!existing) {
    refuseConflicts(zone, rrset);
    zone.rrsets.push(rrset);
  }
  rrset.records.push(...records);
  rrset.ttl = ttl ?? rrset.ttl;
  return actionReply(changeZone(cloud, zone, "add_rrset_records"));
}

/** Drops the record set with its last record. */
function removeRecords(cloud: Cloud, call: Call): Reply {
  const { zone, rrset } = findChangeable(cloud, call);
  const values = knownRecords(call, rrset).map(({ value }) => value);
  const left = rrset.records.filter(({ value }) => !values.includes(value));
  if (left.length === 0) drop(zone, rrset);
  else rrset.records = left;
  return actionReply(changeZone(cloud, zone, "remove_rrset_records"));
}

/** Changes comments; the one change that answers 200. */
function updateRecords(cloud: Cloud, call: Call): Reply {
  const { zone, rrset } = findChangeable(cloud, call);
  for (const { value, comment } of knownRecords(call, rrset)) {
    const record = rrset.records.find((one) => one.value === value);
    if (record) record.comment = comment;
  }
  return { ...actionReply(changeZone(cloud, zone, "update_rrset_records")), status: 200 };
}

function knownRecords(call: Call, rrset: StoredRrset): StoredRecord[] {
  const form = formOf(call);
  const records = readRecordValues(form);
  form.done();
  for (const { value } of records)
    if (!rrset.records.some((record) => record.value === value)) throw notFound("record", value);
  return records;
}

function changeTtl(cloud: Cloud, call: Call): Reply {
  const { zone, rrset } = findChangeable(cloud, call);
  const form = formOf(call);
  // null is a value here: back to the zone's default.
  if (call.body["ttl"] === undefined) form.complain("ttl", "Missing data for required field.");
  const ttl = form.optionalInteger("ttl", ttlRange) ?? null;
  form.done();
  rrset.ttl = ttl;
  return actionReply(changeZone(cloud, zone, "change_rrset_ttl"));
}

function changeProtection(cloud: Cloud, call: Call): Reply {
  const { zone, rrset } = find(cloud, call);
  const form = formOf(call);
  const wanted = form.boolean("change", rrset.changeProtection);
  form.done();
  rrset.changeProtection = wanted;
  return actionReply(
    cloud.runner.start({ command: "change_rrset_protection", resources: [{ id: zone.id, type: "zone" }] }),
  );
}

function list(cloud: Cloud, call: Call): Reply {
  const zone = findPrimaryZone(cloud, call);
  const types = call.query.getAll("type");
  const rrsets = zone.rrsets.filter((rrset) => types.length === 0 || types.includes(rrset.type));
  return listing(
    call,
    "rrsets",
    rrsets.map((rrset) => present(zone, rrset)),
    { maxPerPage: 100 },
  );
}

export function rrsetRoutes(cloud: Cloud): Route[] {
  const all = "/zones/:id/rrsets";
  const path = `${all}/:name/:type`;
  const action = (name: string, handle: (call: Call) => Reply): Route => ({
    method: "POST",
    path: `${path}/actions/${name}`,
    handle,
  });
  const get = (call: Call): Reply => {
    const { zone, rrset } = find(cloud, call);
    return { status: 200, body: { rrset: present(zone, rrset) } };
  };
  return [
    { method: "GET", path: all, handle: (call) => list(cloud, call) },
    { method: "POST", path: all, handle: (call) => create(cloud, call) },
    { method: "GET", path, handle: get },
    { method: "PUT", path, handle: (call) => update(cloud, call) },
    { method: "DELETE", path, handle: (call) => remove(cloud, call) },
    action("set_records", (call) => setRecords(cloud, call)),
    action("add_records", (call) => addRecords(cloud, call)),
    action("remove_records", (call) => removeRecords(cloud, call)),
    action("update_records", (call) => updateRecords(cloud, call)),
    action("change_ttl", (call) => changeTtl(cloud, call)),
    action("change_protection", (call) => changeProtection(cloud, call)),
  ];
}
