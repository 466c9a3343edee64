// The proof of one proxy as outputs: what the operator's machine sees, joined with what the proxy sees. It never
// fails; what it finds is data, so that one bad proxy holds up nobody else's records.
import * as pulumi from "@pulumi/pulumi";
import type { InsideView } from "../remote/facts";
import { probe, type ProbePatience, type ProbeTarget } from "./probe";
import { judge, summary, type OutsideView, type Verdict } from "./verdict";

/** Looks at one address from outside. */
export type Prover = (target: ProbeTarget) => Promise<OutsideView>;

const PATIENCE: Record<"preview" | "update", ProbePatience> = {
  // A preview says how things are, and waits for nothing.
  preview: { attempt: 3000, total: 0 },
  // After a change a tunnel comes up within seconds; a relay that has just restarted may take 15.
  update: { attempt: 5000, total: 60_000 },
};

/** Looks with real connections from this machine. */
export const proveFromHere: Prover = (target) => probe(target, PATIENCE[pulumi.runtime.isDryRun() ? "preview" : "update"]);

export interface ProofArgs {
  readonly ipv4: pulumi.Output<string>;
  readonly ipv6: pulumi.Output<string>;
  readonly ports: readonly number[];
  readonly mailDomain: string;
  /** Outputs of what must be installed first. */
  readonly after: readonly pulumi.Output<unknown>[];
}

export interface Proof {
  /** What was seen from outside, in words that change only when it does. */
  readonly summary: pulumi.Output<string>;
  verdict(inside: pulumi.Output<InsideView>): pulumi.Output<Verdict>;
}

export function proveProxy(prove: Prover, args: ProofArgs): Proof {
  const views = pulumi.all([args.ipv4, args.ipv6, pulumi.all(args.after as pulumi.Output<unknown>[])]).apply(async ([ipv4, ipv6]) => {
    const look = (address: string) => prove({ address, ports: args.ports, mailDomain: args.mailDomain });
    const [four, six] = await Promise.all([look(ipv4), look(ipv6)]);
    return { 4: four, 6: six };
  });
  return {
    summary: views.apply(summary),
    verdict: (inside) => pulumi.all([views, inside]).apply(([seen, view]) => ({ 4: judge(4, seen[4], view), 6: judge(6, seen[6], view) })),
  };
}
