// A proxy's packet filter and kernel settings on its host, brought in so that a mistake cannot lock anybody out.
import * as pulumi from "@pulumi/pulumi";
import { bundle, type HostSet } from "../remote/bundle";
import { step, type Step, type StepHost } from "../remote/step";

/** Seconds within which new rules must be confirmed over a new SSH connection, or the host goes back. */
export const CONFIRM_WITHIN = 60;

// Tries until well after the host has gone back by itself, so that its own word on it is heard: 10 s an attempt and
// 5 s between them when packets are dropped.
const CONFIRM_ATTEMPTS = 12;

export interface GuardedFilterArgs {
  readonly host: StepHost;
  readonly set: pulumi.Input<HostSet>;
  readonly after: readonly Step[];
}

/**
 * Three connections: the first loads the rules and starts the host's timer, the second confirms them. The third finds
 * them confirmed, or, where an earlier run was cut off between the first two, confirms what the second loaded again.
 */
export function guardedFilter(
  name: string,
  { host, set, after }: GuardedFilterArgs,
  opts: pulumi.CustomResourceOptions,
): [Step, Step, Step] {
  const made = pulumi.output(set).apply(bundle);
  const armed = step(name, { ...host, words: ["arm", "filter", CONFIRM_WITHIN], stdin: made.text, after }, opts);
  const confirm = (suffix: string, words: string[], before: Step) =>
    step(
      `${name}-${suffix}`,
      {
        ...host,
        words: ["confirm", "filter", CONFIRM_WITHIN, ...words],
        stdin: pulumi.interpolate`${made.digest}\n`,
        attempts: CONFIRM_ATTEMPTS,
        after: [before],
      },
      opts,
    );
  const confirmed = confirm("confirm", [], armed);
  return [armed, confirmed, confirm("in-force", ["final"], confirmed)];
}
