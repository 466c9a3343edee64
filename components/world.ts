// What the program meets outside the engine: the operator's machine, and hosts and the internet as seen from there. Tests put
// their own in its place.
import { REAL_DNS, type DnsWorld } from "./dns/openZone";
import { reverseFromHere, type ReverseLookup } from "./dns/reverse";
import { askFromHere, type AskHost } from "./look";
import { sshAnswersFromHere } from "./health/sshAnswers";
import { healthCheckFromHere, type HealthCheck } from "./health/healthCheck";
import type { SshAnswers } from "./proxySetup";
import { findAgent, type Agent } from "./settings/agent";
import { resolveFromHere, type Resolve } from "./sshHosts";

export interface World {
  readonly agent: () => Promise<Agent>;
  readonly healthCheck: HealthCheck;
  readonly ask: AskHost;
  readonly sshAnswers: SshAnswers;
  readonly dns: DnsWorld;
  readonly reverse: ReverseLookup;
  readonly resolve: Resolve;
  readonly now: () => Date;
  /** Makes the run fail, though all of it is done. */
  readonly fail: () => void;
}

/** The exit code by which the engine knows that the program has said itself what is wrong. */
const SAID_ALREADY = 32;

export const OPERATORS_MACHINE: World = {
  agent: findAgent,
  healthCheck: healthCheckFromHere,
  ask: askFromHere,
  sshAnswers: sshAnswersFromHere,
  dns: REAL_DNS,
  reverse: reverseFromHere,
  resolve: resolveFromHere,
  now: () => new Date(),
  fail: () => void (process.exitCode = SAID_ALREADY),
};
