// The health check of a proxy from the operator's machine. It never fails: what it finds is data, so that one bad proxy
// does not block the records of the others.
import * as pulumi from "@pulumi/pulumi";
import type { Family } from "../addresses";
import type { Requirement } from "../remote/hostDocument";
import { probe, type ProbeTimeouts, type ProbeTarget } from "./probe";
import type { OutsideView } from "./verdict";

/** Checks one address from outside. */
export type HealthCheck = (target: ProbeTarget) => Promise<OutsideView>;

const TIMEOUTS: Record<"preview" | "update" | "once", ProbeTimeouts> = {
  // A preview reports the present state, and waits for nothing.
  preview: { attempt: 3000, total: 0 },
  // After a change a tunnel comes up within seconds; a relay that has just restarted may take 15.
  update: { attempt: 5000, total: 30_000 },
  once: { attempt: 5000, total: 0 },
};

/** Checks with real connections from this machine. */
export const healthCheckFromHere: HealthCheck = (target) =>
  probe(target, TIMEOUTS[pulumi.runtime.isDryRun() ? "preview" : target.retry === false ? "once" : "update"]);

export type OutsideViews = Readonly<Partial<Record<Family, OutsideView>>>;

export interface HealthCheckArgs {
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  readonly ports: readonly number[];
  readonly mailDomain: string;
  /** Whether to try again until something answers. */
  readonly retry: pulumi.Output<boolean>;
  /** Comes first. Where it failed, the check does not wait for an answer. */
  readonly after: readonly Requirement[];
}

export function checkFromOutside(healthCheck: HealthCheck, args: HealthCheckArgs): pulumi.Output<OutsideViews> {
  return pulumi
    .all([args.ipv4, args.ipv6, args.retry, pulumi.all(args.after.map(({ result }) => result))])
    .apply(async ([ipv4, ipv6, worthIt, outcomes]) => {
      const retry = worthIt && outcomes.every(({ ok }) => ok);
      const check = (address: string | undefined) =>
        address === undefined
          ? undefined
          : healthCheck({ address, ports: args.ports, mailDomain: args.mailDomain, retry });
      const [four, six] = await Promise.all([check(ipv4), check(ipv6)]);
      return { ...(four ? { 4: four } : {}), ...(six ? { 6: six } : {}) };
    });
}
