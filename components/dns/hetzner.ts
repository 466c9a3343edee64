// DNS at Hetzner Cloud: record sets in a zone that is there already. A set that somebody else made is adopted, not fought.
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { operatorError } from "../operatorError";
import type { ExistingSet, RecordType } from "./recordSets";

export interface RecordSetSpec {
  /** Fully qualified, without a final dot; lies in the zone. */
  readonly name: string;
  readonly type: RecordType;
  readonly values: pulumi.Input<string>[];
}

/** What the program needs of a DNS provider: what stands in the zone, and a way to put a record set there. */
export interface DnsZone {
  readonly existing: readonly ExistingSet[];
  recordSet(resourceName: string, spec: RecordSetSpec, opts: pulumi.CustomResourceOptions): pulumi.Resource;
}

export interface HetznerZoneArgs {
  readonly zone: string;
  readonly mailDomain: string;
  /** In seconds. */
  readonly ttl: number;
  /** Marks a record set as this stack's own. */
  readonly labels: Record<string, string>;
}

/** The label by which a set is known as ours. Not the stack's: a stack may be renamed, and its sets are its own still. */
const OWNER = "managed-by";

/** Reads the zone. Throws a RunError when the token's project does not hold it. */
export async function hetznerZone({ zone, mailDomain, ttl, labels }: HetznerZoneArgs): Promise<DnsZone> {
  const sets = await hcloud.getZoneRrsets({ zone }).then(
    ({ rrsets }) => rrsets,
    (error: Error) => {
      throw operatorError(`dns.zone: the zone ${zone} could not be read at Hetzner Cloud: ${error.message}\nIs it in the same project as hcloud:token, and made there as a zone of mode "primary"?`);
    },
  );
  const existing = sets.map((set): ExistingSet => ({
    name: set.name === "@" ? zone : `${set.name}.${zone}`,
    type: set.type,
    values: set.records.map(({ value }) => value),
    ours: set.labels[OWNER] === labels[OWNER],
  }));

  const alias = existing.find(({ name, type }) => name === mailDomain && type === "CNAME");
  if (alias) throw operatorError(`dns.zone: ${mailDomain} is a CNAME of ${alias.values.join(", ")} in ${zone}, and a name with a CNAME can have no A or AAAA. Delete it there, and give ${mailDomain} its present addresses as A and AAAA instead; they are then adopted.`);

  return {
    existing,
    recordSet(resourceName, { name, type, values }, opts) {
      const label = name === zone ? "@" : name.slice(0, -zone.length - 1);
      const there = existing.find((set) => set.name === name && set.type === type);
      // Only what is not ours yet: asked to import a set that it already holds, the engine would replace it, that is,
      // delete the mail domain's addresses.
      const adopt = there !== undefined && !there.ours ? { import: `${zone}/${label}/${type}` } : {};
      return new hcloud.ZoneRrset(resourceName, { zone, name: label, type, ttl, labels, records: values.map((value) => ({ value })) }, { ...opts, ...adopt });
    },
  };
}
