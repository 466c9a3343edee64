// The health check of a proxy from the operator's machine. It never fails: what it finds is data, so that one bad proxy
// does not block the records of the others.
import * as pulumi from "@pulumi/pulumi";
import type { Family } from "../addresses";
import type { Requirement } from "../remote/hostDocument";
import type { InsideView } from "../remote/facts";
import { probe, type ProbeTarget } from "./probe";
import type { OutsideView } from "./verdict";

/** An address to check, and for how long to try again until something answers, in ms. */
export type HealthTarget = ProbeTarget & { readonly patience: number };

/** Checks one address from outside. */
export type HealthCheck = (target: HealthTarget) => Promise<OutsideView>;

/** Checks with real connections from this machine. */
export const healthCheckFromHere: HealthCheck = (target) =>
  probe(
    target,
    // A preview reports the present state, and waits for nothing.
    pulumi.runtime.isDryRun() ? { attempt: 3000, total: 0 } : { attempt: 5000, total: target.patience },
  );

/** After a change a tunnel comes up within seconds; a relay that has just restarted may take 15. */
const LONGEST = 30_000;

/** What a proxy has seen of the relay in this run. */
export interface SeenInside {
  readonly view: InsideView | undefined;
  /** It had waited for the relay to call. */
  readonly waited: boolean;
}

/** For how long an answer from outside is worth waiting for, in ms. */
export function patienceFor({ view, waited }: SeenInside): number {
  if (view === undefined) return LONGEST;
  // Who has waited for the relay in vain need not be waited for a second time.
  if (view.tunnel === "silent") return waited ? 0 : LONGEST;
  // Whatever is in the way when all answers inside goes away by no waiting. The relay's services may be about to start.
  return view.ports.length > 0 && view.ports.every(({ open }) => open) ? 10_000 : 20_000;
}

export type OutsideViews = Readonly<Partial<Record<Family, OutsideView>>>;

export interface HealthCheckArgs {
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  readonly ports: readonly number[];
  readonly mailDomain: string;
  /** For how long to try again until something answers, in ms. */
  readonly patience: pulumi.Output<number>;
  /** Comes first. Where it failed, the check does not wait for an answer. */
  readonly after: readonly Requirement[];
}

export function checkFromOutside(healthCheck: HealthCheck, args: HealthCheckArgs): pulumi.Output<OutsideViews> {
  return pulumi
    .all([args.ipv4, args.ipv6, args.patience, pulumi.all(args.after.map(({ result }) => result))])
    .apply(async ([ipv4, ipv6, longest, outcomes]) => {
      const patience = outcomes.every(({ ok }) => ok) ? longest : 0;
      const check = (address: string | undefined) =>
        address === undefined
          ? undefined
          : healthCheck({ address, ports: args.ports, mailDomain: args.mailDomain, patience });
      const [four, six] = await Promise.all([check(ipv4), check(ipv6)]);
      return { ...(four ? { 4: four } : {}), ...(six ? { 6: six } : {}) };
    });
}
