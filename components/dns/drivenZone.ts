// A zone that is changed by the driver: what rfc2136 and Cloudflare have in common.
import * as pulumi from "@pulumi/pulumi";
import type { Access, FarewellJob, SetJob } from "./driver/job";
import { farewellCommand, recordSetCommand } from "./driverCommand";
import type { RecordType } from "./recordSets";
import type { DnsZone } from "./zone";
import type { ZoneView } from "./zoneView";

export interface DrivenZoneArgs {
  readonly access: pulumi.Input<Access>;
  readonly zone: string;
  /** In seconds. */
  readonly ttl: number;
  readonly stack: string;
  readonly view: ZoneView;
  /** The relay's own addresses, where they are to come back when the stack goes. */
  readonly relay: Readonly<Record<RecordType, readonly string[]>> | undefined;
}

export function drivenZone({ access, zone, ttl, stack, view, relay }: DrivenZoneArgs): DnsZone {
  return {
    existing: view.existing,
    recordSet(resourceName, { name, type, values }, opts) {
      // Part of the job only while it is so: another job is what makes the engine run it again.
      const changedByHand = view.changedByHand(name, type);
      const job = pulumi.all([access, pulumi.all(values)]).apply(([known, all]): SetJob => ({ access: known, stack, name, type, ttl, values: [...all].sort(), ...(changedByHand && { changedByHand }) }));
      return recordSetCommand(resourceName, job, { zone, name, type }, opts);
    },
    farewell(resourceName, { name }, opts) {
      // What is not wanted any more was dropped as a resource: nothing is left over to hold.
      const job = relay && pulumi.output(access).apply((known): FarewellJob => ({ access: known, stack, name, ttl, unwanted: [], relay }));
      farewellCommand(resourceName, job, { zone, name }, opts);
    },
  };
}
