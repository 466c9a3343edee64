// What the operator's machine sees of a proxy. It never fails; what it finds is data, so that one bad proxy holds up
// nobody else's records.
import * as pulumi from "@pulumi/pulumi";
import type { Family } from "../addresses";
import type { Requirement } from "../remote/hostDocument";
import { probe, type ProbePatience, type ProbeTarget } from "./probe";
import type { OutsideView } from "./verdict";

/** Looks at one address from outside. */
export type Prover = (target: ProbeTarget) => Promise<OutsideView>;

const PATIENCE: Record<"preview" | "update" | "once", ProbePatience> = {
  // A preview says how things are, and waits for nothing.
  preview: { attempt: 3000, total: 0 },
  // After a change a tunnel comes up within seconds; a relay that has just restarted may take 15.
  update: { attempt: 5000, total: 30_000 },
  once: { attempt: 5000, total: 0 },
};

/** Looks with real connections from this machine. */
export const proveFromHere: Prover = (target) =>
  probe(target, PATIENCE[pulumi.runtime.isDryRun() ? "preview" : target.patient === false ? "once" : "update"]);

export type OutsideViews = Readonly<Partial<Record<Family, OutsideView>>>;

export interface ProofArgs {
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  readonly ports: readonly number[];
  readonly mailDomain: string;
  /** Whether it is worth waiting for an answer. */
  readonly patient: pulumi.Output<boolean>;
  /** Comes first. Where it did not go well, nothing is waited for. */
  readonly after: readonly Requirement[];
}

export function lookFromOutside(prove: Prover, args: ProofArgs): pulumi.Output<OutsideViews> {
  return pulumi
    .all([args.ipv4, args.ipv6, args.patient, pulumi.all(args.after.map(({ result }) => result))])
    .apply(async ([ipv4, ipv6, worthIt, outcomes]) => {
      const patient = worthIt && outcomes.every(({ ok }) => ok);
      const look = (address: string | undefined) =>
        address === undefined ? undefined : prove({ address, ports: args.ports, mailDomain: args.mailDomain, patient });
      const [four, six] = await Promise.all([look(ipv4), look(ipv6)]);
      return { ...(four ? { 4: four } : {}), ...(six ? { 6: six } : {}) };
    });
}
