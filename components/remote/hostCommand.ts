// A command on a host over SSH: what every one of ours has in common.
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { framed } from "./frame";
import { hostctl, type Become } from "./hostctl";

/** How to reach a host. The host key is not optional: without one the provider would talk to anybody. */
export interface Reach {
  readonly host: pulumi.Input<string>;
  readonly port: number;
  readonly user: string;
  /** Public host key, as a line of known_hosts without the name. */
  readonly hostKey: pulumi.Input<string>;
  /** Private key; without one the SSH agent is asked. */
  readonly privateKey?: pulumi.Input<string> | undefined;
}

export interface HostCommandArgs {
  readonly reach: Reach;
  readonly become: Become;
  /** hostctl's verb and its arguments. Never secrets: they would stand in every process list and error. */
  readonly words: readonly (string | number)[];
  /** What hostctl reads. The place for secrets, as pulumi.secret. */
  readonly stdin?: pulumi.Input<string>;
  /** The output could repeat a secret: it is not shown. */
  readonly quiet?: boolean;
  /** A value that changes when the machine is another one, and all must be installed again. */
  readonly machine?: pulumi.Input<string>;
  /**
   * silent: the machine exists and does not answer: nothing is run on it, whatever has changed; a later run catches up.
   * gone: neither now nor when the resource goes, since the machine never comes back.
   */
  readonly absent?: "silent" | "gone" | undefined;
  /** How many attempts to reach the host; some 5 s each when it refuses, 15 s when it is silent. Default 24. */
  readonly attempts?: number;
  /** Command line that undoes this one when the resource goes. */
  readonly undo?: string;
}

/** One verb of hostctl as a resource: run when it is new and whenever its input changes. */
export function hostCommand(
  name: string,
  args: HostCommandArgs,
  opts: pulumi.CustomResourceOptions,
): command.remote.Command {
  return remoteCommand(name, { ...args, line: hostctl(args.become, ...args.words) }, opts);
}

/** Any command line as a resource, with the same precautions. */
export function remoteCommand(
  name: string,
  args: Omit<HostCommandArgs, "words"> & { readonly line: pulumi.Input<string> },
  opts: pulumi.CustomResourceOptions,
): command.remote.Command {
  return new command.remote.Command(
    name,
    {
      connection: connection(args.reach, args.attempts ?? ATTEMPTS),
      create: args.line,
      ...(args.stdin === undefined ? {} : { stdin: args.stdin }),
      ...(args.undo === undefined ? {} : { delete: args.undo }),
      ...(args.machine === undefined ? {} : { triggers: [args.machine] }),
      // stdout is data for us; what a person wants to see goes to stderr.
      logging: args.quiet ? "none" : "stderr",
      // It would need AcceptEnv on the host, and warns where that is missing.
      addPreviousOutputInEnv: false,
    },
    // A replacement happens when the machine is another one; the old one must not be asked after the new one is set
    // up, which may well answer at the same address.
    {
      ...opts,
      deleteBeforeReplace: true,
      ...(args.absent ? { ignoreChanges: WHAT_RUNS } : {}),
      ...(args.absent === "gone" ? { retainOnDelete: true } : {}),
    },
  );
}

// A host that has just answered, and now refuses, most likely limits new connections: as long as such limits last (a minute or
// two), and no longer than an impatient operator does.
const ATTEMPTS = 24;

/** What the host said, or `failed` and why that is not known. */
export const saidBy = ({ stdout, create }: command.remote.Command): pulumi.Output<string> =>
  // In a preview, the answer is still the one to the command line of the last run.
  pulumi.all([stdout, create]).apply(([said, line]) => framed(said, pulumi.runtime.isDryRun() ? "" : (line ?? "")));

// Not `triggers`: another machine is set up whatever the old one did.
const WHAT_RUNS = ["create", "stdin", "delete", "connection", "logging"];

// Exactly these fields: the provider answers an unknown one by printing the whole connection, private key included.
function connection(reach: Reach, attempts: number): command.types.input.remote.ConnectionArgs {
  return {
    host: reach.host,
    port: reach.port,
    user: reach.user,
    hostKey: reach.hostKey,
    ...(reach.privateKey === undefined ? {} : { privateKey: reach.privateKey }),
    dialErrorLimit: attempts,
    perDialTimeout: 10,
  };
}
