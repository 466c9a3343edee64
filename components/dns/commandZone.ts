// A zone that is changed by the driver: what rfc2136 and Cloudflare have in common.
import * as pulumi from "@pulumi/pulumi";
import type { Access, SetJob } from "./driver/job";
import { onDestroyCommand, recordSetCommand } from "./driverCommand";
import type { DnsZone, OnDestroy } from "./zone";
import type { ZoneView } from "./zoneView";

export interface CommandZoneArgs {
  readonly access: pulumi.Input<Access>;
  readonly zone: string;
  /** In seconds. */
  readonly ttl: number;
  readonly stack: string;
  readonly view: ZoneView;
  readonly onDestroy: OnDestroy;
}

export function commandZone({ access, zone, ttl, stack, view, onDestroy }: CommandZoneArgs): DnsZone {
  return {
    existing: view.existing,
    recordSet(resourceName, { name, type, values, isMailDomain }, opts) {
      // Part of the job only while it is so: another job is what makes the engine run it again.
      const changedByHand = view.changedByHand(name, type);
      const job = pulumi.all([access, pulumi.all(values)]).apply(([known, all]): SetJob => ({
        access: known,
        stack,
        name,
        type,
        ttl,
        values: [...all].sort(),
        ...(changedByHand && { changedByHand }),
      }));
      return recordSetCommand(
        resourceName,
        job,
        { zone, name, type },
        { ...opts, retainOnDelete: isMailDomain === true && onDestroy.kind === "keep" },
      );
    },
    onDestroy(resourceName, { name, unwanted }, opts) {
      // Only sets that are kept are not dropped as resources when they are not wanted any more.
      const left = onDestroy.kind === "keep" ? unwanted : [];
      onDestroyCommand(resourceName, { access, stack, zone, name, ttl, unwanted: left, onDestroy }, opts);
    },
  };
}
