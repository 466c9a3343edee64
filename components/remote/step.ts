// A step of a proxy's set-up: a command whose failure is a verdict on this proxy, and not the end of the run. What builds on
// it is held back; other proxies, and the records of those that work, go on.
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { remoteCommand, saidBy, type HostCommandArgs } from "./hostCommand";
import { attemptHostctl, HOLD } from "./hostctl";

export interface Step {
  readonly name: string;
  readonly resource: command.remote.Command;
  /** What the host said, out of its frame. */
  readonly stdout: pulumi.Output<string>;
}

/** What all steps on one host share. */
export type StepHost = Pick<HostCommandArgs, "reach" | "become" | "machine" | "absent"> & {
  /** Another value than at the last run: every step is taken again, whatever has changed. */
  readonly again: string | undefined;
};

export interface StepArgs extends StepHost, Pick<HostCommandArgs, "stdin" | "quiet" | "attempts" | "undo"> {
  /** Steps that must have gone well before; if one has not, this one is not taken. */
  readonly after: readonly Step[];
  /** What comes before, and need not have gone well. */
  readonly behind?: readonly pulumi.Resource[];
}

/** One verb of hostctl as a step. */
export const step = (
  name: string,
  args: StepArgs & Pick<HostCommandArgs, "words">,
  opts: pulumi.CustomResourceOptions,
): Step => stepOf(name, attemptHostctl(args.become, args.again, ...args.words), args, opts);

/** Any command line as a step, which must say itself on stdout when it has failed. */
export function stepOf(
  name: string,
  line: string,
  { after, behind = [], again: _, ...args }: StepArgs,
  opts: pulumi.CustomResourceOptions,
): Step {
  // HOLD is another command than the step's own, so that the step is taken as soon as what it waits for has gone well.
  // A preview takes it that all will go well, and so shows what will change; it cannot know the outcome of anything new.
  const create = pulumi.runtime.isDryRun()
    ? line
    : pulumi.all(after.map(({ stdout }) => stdout)).apply((outcomes) => (outcomes.every(wentWell) ? line : HOLD));
  const resource = remoteCommand(
    name,
    { ...args, line: create },
    { ...opts, dependsOn: [...after.map((each) => each.resource), ...behind] },
  );
  return { name, resource, stdout: saidBy(resource) };
}

/** Whether a step was taken, and went well. */
export const wentWell = (stdout: string): boolean => failureOf(stdout) === undefined && stdout.trim() !== "held";

/** Why a step failed, where it did, and when: the word of attempt.sh. `began`: the run that asks; an earlier one's word is remembered too. */
export function failureOf(stdout: string, began?: Date): string | undefined {
  const [, time, reason] = /^failed (?:(\S+Z) )?(.*)$/m.exec(stdout) ?? [];
  if (reason === undefined || time === undefined) return reason;
  // By the host's clock, which may be wrong.
  const maybeOld = began && Date.parse(time) < began.getTime();
  return `${reason} (at ${time}${maybeOld ? "; if that was before this run, it is tried again by the next pulumi up" : ""})`;
}

/** A step that failed, and why. */
export interface Failure {
  readonly step: string;
  readonly reason: string;
}

export const failuresOf = (steps: readonly Step[], began: Date): pulumi.Output<Failure[]> =>
  pulumi.all(steps.map(({ stdout }) => stdout)).apply((outcomes) =>
    outcomes.flatMap((stdout, i) => {
      const reason = failureOf(stdout, began);
      return reason === undefined ? [] : [{ step: steps[i]?.name ?? "", reason }];
    }),
  );
