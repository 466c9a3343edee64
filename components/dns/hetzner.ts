// DNS at Hetzner Cloud: record sets in a zone that is there already. A set that somebody else made is adopted, not fought.
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import { operatorError } from "../operatorError";
import type { Access } from "./driver/job";
import { onDestroyCommand } from "./driverCommand";
import type { ExistingSet } from "./recordSets";
import { MANAGED_BY, type DnsZone, type OnDestroy } from "./zone";

export interface HetznerZoneArgs {
  readonly zone: string;
  /** Names whose A and AAAA this program changes. */
  readonly names: readonly string[];
  /** In seconds. */
  readonly ttl: number;
  /** Marks a record set as this stack's own. */
  readonly labels: Record<string, string>;
  readonly stack: string;
  /** Where the API is, and its token: for what the provider has no resource for. */
  readonly api: string;
  readonly token: pulumi.Input<string>;
  readonly onDestroy: OnDestroy;
}

/** Reads the zone. Throws a RunError when the token's project does not hold it, or one of our sets cannot be changed. */
export async function openHetznerZone(args: HetznerZoneArgs): Promise<DnsZone> {
  const { zone, ttl, labels, stack, api, token, onDestroy } = args;
  const existing = await readSets(args);
  return {
    existing,
    recordSet(resourceName, { name, type, values, isMailDomain }, opts) {
      const label = name === zone ? "@" : name.slice(0, -zone.length - 1);
      const there = existing.find((set) => set.name === name && set.type === type);
      // Only what is not ours yet: asked to import a set that it already holds, the engine would replace it, that is,
      // delete the mail domain's addresses.
      const adopt = there !== undefined && !there.ours ? { import: `${zone}/${label}/${type}` } : {};
      return new hcloud.ZoneRrset(
        resourceName,
        { zone, name: label, type, ttl, labels, records: values.map((value) => ({ value })) },
        {
          ...opts,
          ...adopt,
          // Such a set must outlive the stack. Sets that go while the stack stays are deleted by onDestroy's command.
          retainOnDelete: isMailDomain === true && onDestroy.kind !== "delete",
        },
      );
    },
    onDestroy(resourceName, { name, unwanted }, opts) {
      const access = pulumi.output(token).apply((known): Access => ({ provider: "hetzner", zone, api, token: known }));
      onDestroyCommand(resourceName, { access, stack, zone, name, ttl, unwanted, onDestroy }, opts);
    },
  };
}

async function readSets({ zone, names, labels }: HetznerZoneArgs): Promise<ExistingSet[]> {
  const sets = await hcloud.getZoneRrsets({ zone }).then(
    ({ rrsets }) => rrsets,
    (error: Error) => {
      throw operatorError(
        `dns.zone: the zone ${zone} could not be read at Hetzner Cloud: ${error.message}\nIs it in the same project as hcloud:token, and made there as a zone of mode "primary"?`,
      );
    },
  );
  const locked = sets.filter(
    ({ name, type, changeProtection }) =>
      changeProtection && (type === "A" || type === "AAAA") && names.includes(nameIn(zone, name)),
  );
  if (locked.length > 0) {
    const which = locked.map(({ name, type }) => `${nameIn(zone, name)} ${type}`).join(" and ");
    throw operatorError(
      `dns: ${which} in the zone ${zone} cannot be changed: change protection is switched on. Switch it off at Hetzner Cloud, at that record, then run pulumi up again.`,
    );
  }
  return sets.map((set) => ({
    name: nameIn(zone, set.name),
    type: set.type,
    values: set.records.map(({ value }) => value),
    // Not by the stack's label: a stack may be renamed, and its sets are still its own.
    ours: set.labels[MANAGED_BY] === labels[MANAGED_BY],
  }));
}

const nameIn = (zone: string, label: string) => (label === "@" ? zone : `${label}.${zone}`);
