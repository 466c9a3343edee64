// A document on a host, as a resource: the only place that runs commands on hosts. It runs when the document or its
// generation changes, and its outcome is data: one host's failure is a verdict on that host, and not the end of the run.
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { StillThere } from "../hosts/ssh";
import { generationOf, type HostStatus } from "../hosts/status";
import { failedWith, SKIPPED, parseApplied, WELL, type Applied } from "./applied";
import type { HostDocumentText } from "./document";
import { framed } from "./frame";
import { apply, bring, type Become } from "./hostctl";

/** How to reach a host. The host key is not optional: without one the provider would talk to anybody. */
export interface SshConnection {
  readonly host: pulumi.Input<string>;
  readonly port: number;
  readonly user: string;
  /** Public host key, as a line of known_hosts without the name. */
  readonly hostKey: pulumi.Input<string>;
  /** Private key; without one the SSH agent is asked. */
  readonly privateKey?: pulumi.Input<string> | undefined;
}

export interface DocumentHost {
  readonly ssh: SshConnection;
  readonly become: Become;
  /** A value that changes when the machine is another one, and all must be installed again. */
  readonly machine?: pulumi.Input<string> | undefined;
  /**
   * for now: nothing is run on it in this run; a later run catches up.
   * permanently: neither now nor when the resource goes, since the machine never comes back.
   */
  readonly unreachable: "for now" | "permanently" | undefined;
  /** It is not the machine that could not be reached, but one that takes its place in this run. */
  readonly replaced: pulumi.Output<boolean>;
  /** What this very machine said of itself at the beginning of the run; undefined where it was not asked, or is a new one. */
  readonly there: pulumi.Output<HostStatus | undefined>;
  /** Whether the machine that was asked answers now; undefined where none was. */
  readonly stillThere: StillThere | undefined;
  /** The generation of what is brought in by this run. */
  readonly fresh: string;
}

/** What must have gone well before. */
export interface Requirement {
  readonly result: pulumi.Output<Applied>;
  readonly resource?: pulumi.Input<pulumi.Resource>;
}

/** A preview takes it that all will go well, and so shows what will change; it cannot know the outcome of anything new. */
export const allWentWell = (requires: readonly Requirement[]): pulumi.Output<boolean> =>
  pulumi.runtime.isDryRun()
    ? pulumi.output(true)
    : pulumi.all(requires.map(({ result }) => result)).apply((all) => all.every(({ ok }) => ok));

export interface HostDocumentArgs {
  readonly host: DocumentHost;
  /** Its name on the host. Never a secret: it is seen in every process list. */
  readonly document: string;
  /** What hostctl reads. The place for secrets, as pulumi.secret. */
  readonly content: pulumi.Output<HostDocumentText>;
  /** It is in place only when it has been confirmed, by a command of its own. */
  readonly toConfirm?: boolean;
  /** hostctl itself, which comes before the document; undefined where the host has it by then. */
  readonly program?: string;
  readonly requires: readonly Requirement[];
  /** How many attempts to reach the host; some 5 s each when it refuses, 15 s when it is silent. */
  readonly attempts?: number;
}

export class HostDocument implements Requirement {
  readonly resource: command.remote.Command;
  readonly result: pulumi.Output<Applied>;
  readonly generation: pulumi.Output<string>;

  constructor(name: string, args: HostDocumentArgs, opts: pulumi.CustomResourceOptions) {
    const { host, document, content, program, toConfirm = false } = args;
    // A digest of 256-bit keys reveals nothing of them.
    const wanted = pulumi.unsecret(content.apply(({ digest, sets }) => ({ name: document, digest, sets, toConfirm })));
    this.generation = pulumi
      .all([wanted, host.there])
      .apply(([known, there]) => generationOf(known, there, host.fresh));
    const line = (generation: string) => (program === undefined ? apply : bring)(host.become, document, generation);
    const { resource, result } = hostCommand(
      name,
      {
        ...args,
        line: this.generation.apply(line),
        stdin: content.apply(({ text }) => (program ?? "") + text),
        pending: this.generation.apply((generation) => generation === host.fresh),
      },
      opts,
    );
    this.resource = resource;
    this.result = result;
  }
}

export interface HostCommandArgs extends Pick<HostDocumentArgs, "host" | "requires" | "attempts"> {
  readonly line: pulumi.Output<string>;
  readonly stdin: pulumi.Output<string>;
  /** It is going to run now, so that what a preview knows of its last outcome says nothing. */
  readonly pending: pulumi.Output<boolean>;
}

/** Any command line that answers like hostctl's `apply`. */
export function hostCommand(
  name: string,
  { host, requires, attempts = ATTEMPTS, line, stdin, pending }: HostCommandArgs,
  opts: pulumi.CustomResourceOptions,
): { readonly resource: command.remote.Command; readonly result: pulumi.Output<Applied> } {
  const ready = allWentWell(requires);
  const able = host.unreachable === undefined ? pulumi.output(true) : host.replaced;
  const lost = pulumi.all([ready, able, pending, host.there]).apply(async ([go, can, now, there]) => {
    if (pulumi.runtime.isDryRun() || !host.stillThere || !(go && can && now && there)) return false;
    return !(await host.stillThere());
  });
  const resource = new command.remote.Command(
    name,
    {
      connection: connection(host.ssh, attempts),
      // Without a command the provider runs nothing and does not connect: it keeps the last output.
      create: pulumi
        .all([ready, able, lost, line])
        .apply(([go, can, no, text]) => (go && can && !no ? text : undefined)) as pulumi.Output<string>,
      stdin,
      ...(host.machine === undefined ? {} : { triggers: [host.machine] }),
      // stdout is data for us; what a person wants to see goes to stderr.
      logging: "stderr",
      // It would need AcceptEnv on the host, and warns where that is missing.
      addPreviousOutputInEnv: false,
    },
    {
      ...opts,
      // A replacement happens when the machine is another one; the old one must not be asked after the new one is set
      // up, which may well answer at the same address.
      deleteBeforeReplace: true,
      dependsOn: requires.flatMap((each) => each.resource ?? []),
      ...(host.unreachable ? { ignoreChanges: WHAT_RUNS } : {}),
      ...(host.unreachable === "permanently" ? { retainOnDelete: true } : {}),
    },
  );
  // The provider takes what a host says for a secret, since the connection is one; a preview would then show no line of
  // whatever follows from it. What has no command is not known to have none in a preview.
  const said = pulumi.unsecret(
    pulumi.runtime.isDryRun()
      ? resource.stdout.apply((stdout) => outcome(stdout, ""))
      : pulumi.all([resource.stdout, resource.create]).apply(([stdout, create]) => outcome(stdout, create ?? "")),
  );
  const result = host.unreachable
    ? pulumi.all([said, able]).apply(([known, can]) => (known.ok || can ? known : WELL))
    : pulumi.runtime.isDryRun()
      ? // Apart from what was said, which is not known of what is going to run.
        pending.apply((now) => (now ? pulumi.output<Applied>(WELL) : said))
      : pulumi.all([ready, lost, said]).apply(([go, no, known]) => (no ? LOST : go ? known : SKIPPED));
  return { resource, result };
}

/** A host that does not answer would end the run, so the provider is not sent there. */
const LOST = failedWith("it has stopped answering since this run looked at it; run pulumi up again when it answers");

/** A command that was never run has no output, and did not fail. */
const outcome = (stdout: string | undefined, line: string): Applied =>
  stdout || line !== "" ? parseApplied(framed(stdout ?? "", line)) : WELL;

// A host that has just answered, and now refuses, most likely limits new connections: tried for as long as such limits last (a
// minute or two).
const ATTEMPTS = 24;

// Not `triggers`: a machine that takes the place of another is set up, whatever the old one did. The engine ignores nothing then.
const WHAT_RUNS = ["create", "stdin", "delete", "connection", "logging"];

/** Exactly these fields: the provider answers an unknown one by printing the whole connection, private key included. */
function connection(ssh: SshConnection, attempts: number): command.types.input.remote.ConnectionArgs {
  return {
    host: ssh.host,
    port: ssh.port,
    user: ssh.user,
    hostKey: ssh.hostKey,
    ...(ssh.privateKey === undefined ? {} : { privateKey: ssh.privateKey }),
    dialErrorLimit: attempts,
    perDialTimeout: 10,
  };
}
