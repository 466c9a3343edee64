// scripts/lab/hetzner/rrsetForms.ts: reads record sets and records from requests and checks them against their zone. Changes nothing.
import { invalidField, notUnique } from "./errors";
import type { Form } from "./form";
import { recordComplaint, rrsetNameComplaint, rrsetTypes, type RrsetType } from "./recordValues";
import type { StoredRecord, StoredRrset, StoredZone } from "./state";

/** In seconds. */
export const ttlRange = { min: 60, max: 2147483647 };
const maxRecords = 50;

/** A record set that is to be made. */
export function readNewRrset(form: Form, zoneName: string, created: string): StoredRrset {
  const type = form.oneOf("type", rrsetTypes);
  const name = form.string("name");
  const complaint = name === "" ? undefined : rrsetNameComplaint(name, zoneName);
  if (complaint) form.complain("name", complaint);
  if (type === "SOA") form.complain("type", "SOA records are managed by the API");
  const ttl = form.optionalInteger("ttl", ttlRange) ?? null;
  return {
    name,
    type,
    ttl,
    records: readRecords(form, type),
    labels: form.labels() ?? {},
    changeProtection: false,
    created,
  };
}

/** The body's `records`: at least one, all distinct, valid for the type. */
export function readRecords(form: Form, type: RrsetType): StoredRecord[] {
  const records = form.forms("records", (entry) => {
    const value = entry.string("value");
    const complaint = value === "" ? undefined : recordComplaint(type, value);
    if (complaint) entry.complain("value", complaint);
    return { value, comment: entry.has("comment") ? readComment(entry) : "" };
  });
  refuseListSize(form, records);
  if (type === "CNAME" && records.length > 1) form.complain("records", "a CNAME must be the only record");
  return records;
}

/** Records that are named only by their value, which exists already. */
export function readRecordValues(form: Form): StoredRecord[] {
  const records = form.forms("records", (entry) => ({
    value: entry.string("value"),
    comment: entry.has("comment") ? readComment(entry) : "",
  }));
  refuseListSize(form, records);
  return records;
}

/** Unlike other strings, a comment may be empty. */
const readComment = (entry: Form) => entry.text("comment", 255);

function refuseListSize(form: Form, records: StoredRecord[]): void {
  if (records.length === 0) form.complain("records", "must not be empty");
  if (records.length > maxRecords) form.complain("records", `at most ${maxRecords} records are allowed`);
  if (new Set(records.map(({ value }) => value)).size < records.length)
    form.complain("records", "must only contain distinct values");
}

/** Whether the record set can stand beside those which the zone has. */
export function refuseConflicts(zone: StoredZone, rrset: StoredRrset): void {
  const sameName = zone.rrsets.filter((other) => other.name === rrset.name);
  if (sameName.some((other) => other.type === rrset.type))
    throw notUnique(`RRSet ${rrset.name}/${rrset.type} already exists`, "name");
  const clash = rrset.type === "CNAME" ? sameName[0] : sameName.find((other) => other.type === "CNAME");
  if (clash) throw invalidField("type", `${rrset.type} cannot stand beside ${clash.type} at '${rrset.name}'`);
  if (rrset.type === "CNAME" && rrset.name === "@")
    throw invalidField("type", "CNAME is not allowed at the zone's own name");
}
