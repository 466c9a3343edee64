// A zone that is changed by the driver: what rfc2136 and Cloudflare have in common.
import * as pulumi from "@pulumi/pulumi";
import type { Access, FarewellJob, SetJob } from "./driver/job";
import { farewellCommand, recordSetCommand } from "./driverCommand";
import { relayIn, type DnsZone, type Farewell } from "./zone";
import type { ZoneView } from "./zoneView";

export interface DrivenZoneArgs {
  readonly access: pulumi.Input<Access>;
  readonly zone: string;
  /** In seconds. */
  readonly ttl: number;
  readonly stack: string;
  readonly view: ZoneView;
  readonly farewell: Farewell;
}

export function drivenZone({ access, zone, ttl, stack, view, farewell }: DrivenZoneArgs): DnsZone {
  return {
    existing: view.existing,
    recordSet(resourceName, { name, type, values, farewell: isMailDomain }, opts) {
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
        { ...opts, retainOnDelete: isMailDomain === true && farewell.kind === "keep" },
      );
    },
    farewell(resourceName, { name, unwanted }, opts) {
      // Only sets that are kept are not dropped as resources when they are not wanted any more.
      const left = farewell.kind === "keep" ? unwanted : [];
      const job = pulumi.all([access, left]).apply(([known, types]): FarewellJob => ({
        access: known,
        stack,
        name,
        ttl,
        unwanted: types,
        ...relayIn(farewell),
      }));
      farewellCommand(resourceName, farewell, job, { zone, name }, opts);
    },
  };
}
