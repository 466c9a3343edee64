// A proxy's packet filter and kernel settings on its host, brought in so that a mistake cannot lock anybody out.
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { bundle, type HostSet } from "../remote/bundle";
import { hostCommand, type HostCommandArgs } from "../remote/hostCommand";

/** Seconds within which new rules must be confirmed over a new SSH connection, or the host goes back. */
export const CONFIRM_WITHIN = 60;

// Tries until well after the host has gone back by itself, so that its own word on it is heard: 10 s an attempt and
// 5 s between them when packets are dropped.
const CONFIRM_ATTEMPTS = 12;

export interface GuardedFilterArgs {
  readonly host: Pick<HostCommandArgs, "reach" | "become" | "machine" | "absent">;
  readonly set: pulumi.Input<HostSet>;
}

/**
 * Three connections: the first loads the rules and starts the host's timer, the second confirms them. The third finds
 * them confirmed, or, where an earlier run was cut off between the first two, confirms what the second loaded again.
 * Returns the last.
 */
export function guardedFilter(name: string, args: GuardedFilterArgs, opts: pulumi.CustomResourceOptions): command.remote.Command {
  const made = pulumi.output(args.set).apply(bundle);
  const armed = hostCommand(name, { ...args.host, words: ["arm", "filter", CONFIRM_WITHIN], stdin: made.text }, opts);
  const confirm = (suffix: string, words: string[], after: pulumi.Resource) =>
    hostCommand(`${name}-${suffix}`, { ...args.host, words: ["confirm", "filter", CONFIRM_WITHIN, ...words], stdin: pulumi.interpolate`${made.digest}\n`, attempts: CONFIRM_ATTEMPTS }, { ...opts, dependsOn: after });
  return confirm("in-force", ["final"], confirm("confirm", [], armed));
}
