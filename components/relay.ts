// The relay itself over SSH, as far as all tunnels share it: hostctl on it, what it uses already, the packages it needs.
// What belongs to one tunnel is in tunnel/relayEnd.ts; a relay that is set up by a script is in relayScript.ts.
import * as pulumi from "@pulumi/pulumi";
import { parseRelayFacts, warningsIn, type RelayFacts } from "./remote/facts";
import { operatorError } from "./operatorError";
import { hostCommand, remoteCommand, saidBy, type HostCommandArgs } from "./remote/hostCommand";
import {
  attemptInstall,
  becomeOf,
  hostctlIfThere,
  hostctlProgram,
  runWithoutInstalling,
  type Become,
} from "./remote/hostctl";
import { failureOf, failuresOf, step, stepOf, wentWell, type Step } from "./remote/step";
import type { RelaySettings } from "./settings";
import type { TunnelPlan } from "./tunnel/addressPlan";
import { RelayTunnelEnd, type RelayTunnelEndArgs } from "./tunnel/relayEnd";

/** What proxies need of the relay: somewhere to put their tunnels' other ends. */
export interface RelayEnds {
  /** A person sets up the relay, in their own time. */
  readonly byHand: boolean;
  /** It does not answer: its ends stay as they are, and so must the proxies'. */
  readonly silent: boolean;
  /** None where the end is not installed by this run, but by a person. */
  addTunnel(name: string, args: RelayTunnelEndArgs, opts: pulumi.ComponentResourceOptions): readonly Step[];
}

/** A relay that can be reached over SSH. */
export type ReachableRelay = RelaySettings & { readonly ssh: NonNullable<RelaySettings["ssh"]> };

export interface RelayArgs {
  readonly settings: ReachableRelay;
  /** The operator's private key for the relay; without one the SSH agent is asked. */
  readonly privateKey: pulumi.Output<string> | undefined;
  /** The tunnels that are to end here. */
  readonly plans: readonly TunnelPlan[];
  /** It was there, and does not answer now: what stands on it stays as it is until it does. */
  readonly silent: boolean;
  /** When the relay was asked what it has: another time, and it is asked again. */
  readonly asked: string | undefined;
}

/** Debian packages that the relay's end of a tunnel needs. */
export const RELAY_PACKAGES = ["wireguard-tools", "nftables", "iproute2", "iputils-ping", "procps"];

export class Relay extends pulumi.ComponentResource implements RelayEnds {
  readonly byHand = false;
  readonly silent: boolean;
  /** What it has; undefined where it could not be asked, which `faults` tells. */
  readonly facts: pulumi.Output<RelayFacts | undefined>;
  /** Once it has gone well, tunnels can be installed. */
  readonly prepared: Step;
  /** How commands of others reach it. */
  readonly host: RelayHost;
  private readonly tool: Step;
  private readonly look: Step;

  constructor(
    name: string,
    private readonly args: RelayArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("chatmail-proxy:index:Relay", name, {}, opts);
    const child = { parent: this };
    const host = (this.host = relayHost(args.settings, args.privateKey, args.silent));
    this.silent = args.silent;

    // Again whenever the relay is asked anew: it may have been set back to an earlier day.
    const again = args.asked;
    this.tool = stepOf(
      `${name}-hostctl`,
      attemptInstall(host.become, again),
      { ...host, again, attempts: 3, stdin: hostctlProgram(), undo: hostctlIfThere(host.become, "leave"), after: [] },
      child,
    );

    // Neither is read there, but a new one is a reason to look again.
    this.look = step(
      `${name}-facts`,
      {
        ...host,
        again: undefined,
        words: ["relay-facts"],
        stdin: planLines(args.plans) + askedLine(args.asked),
        after: [],
        behind: [this.tool.resource],
      },
      child,
    );
    this.facts = this.look.stdout.apply((stdout) => (wentWell(stdout) ? parseRelayFacts(stdout) : undefined));
    this.prepared = step(
      `${name}-prepare`,
      { ...host, again, words: ["prepare", ...RELAY_PACKAGES], after: [this.tool], behind: [this.look.resource] },
      child,
    );
    this.registerOutputs({});
  }

  addTunnel(name: string, args: RelayTunnelEndArgs, opts: pulumi.ComponentResourceOptions): readonly Step[] {
    return new RelayTunnelEnd(name, args, this, opts).steps;
  }

  /** What it has at this very moment: the other facts may be of an earlier run, and since mended. */
  factsNow(now: Date): pulumi.Output<RelayFacts> {
    return factsFrom(
      hostCommand(
        "relay-facts-now",
        { ...this.host, words: ["relay-facts"], stdin: askedLine(now.toISOString()) },
        { parent: this },
      ),
    );
  }

  /** Steps of its own set-up that failed: sentences. */
  setUpFaults(began: Date): pulumi.Output<string[]> {
    return failuresOf([this.tool, this.look, this.prepared], began).apply((failures) =>
      failures.map(({ step: name, reason }) => `its set-up failed at ${name}: ${reason}`),
    );
  }

  /**
   * What is wrong with it: sentences. Its own set-up, which holds up nothing that is there, and its way out on port 25, which
   * is not for this program to mend. A relay that is not there now is no news.
   */
  faults(began: Date): pulumi.Output<readonly string[]> {
    if (this.host.absent) return pulumi.output([]);
    const { settings, asked } = this.args;
    const setUp = this.setUpFaults(began);
    if (settings.outboundCheck === false) return setUp;
    const check = step(
      "relay-outbound",
      {
        ...this.host,
        again: undefined,
        words: ["outbound", settings.outboundCheck],
        stdin: askedLine(asked),
        after: [],
        behind: [this.prepared.resource],
      },
      { parent: this },
    );
    return pulumi.all([setUp, reasonsOf(check, began)]).apply((all) => all.flat());
  }
}

/** Why mail does not leave; where only one family is shut, a warning. */
const reasonsOf = (check: Step, began: Date) =>
  pulumi.all([check.stdout, failuresOf([check], began)]).apply(async ([said, failures]) => {
    for (const warning of warningsIn(said)) await pulumi.log.warn(`relay: ${warning}`);
    return failures.map(({ reason }) => reason);
  });

type RelayHost = Pick<HostCommandArgs, "reach" | "become" | "absent"> & { readonly become: Become };

function relayHost(
  { ssh, gone }: ReachableRelay,
  privateKey: pulumi.Output<string> | undefined,
  silent = false,
): RelayHost {
  return {
    reach: { host: ssh.host, port: ssh.port, user: ssh.user, hostKey: ssh.hostKey, privateKey },
    become: becomeOf(ssh.user),
    absent: gone ? "gone" : silent ? "silent" : undefined,
  };
}

/** A look at a relay on which nothing is to be installed. */
export function relayFactsOnly(
  settings: ReachableRelay,
  privateKey: pulumi.Output<string> | undefined,
  asked: string | undefined,
): pulumi.Output<RelayFacts> {
  const host = relayHost(settings, privateKey);
  return factsFrom(
    remoteCommand(
      "relay-look",
      { ...host, attempts: 3, line: runWithoutInstalling(host.become, "relay-facts"), stdin: programLines(asked) },
      {},
    ),
  );
}

/** Facts without which the run cannot go on. */
const factsFrom = (look: Parameters<typeof saidBy>[0]): pulumi.Output<RelayFacts> =>
  saidBy(look).apply((said) => {
    const reason = failureOf(said);
    if (reason !== undefined) throw operatorError(`relay: ${reason}`);
    return parseRelayFacts(said);
  });

/** The same for its own way out on port 25: why mail does not leave. */
export function outboundOnly(
  settings: ReachableRelay,
  privateKey: pulumi.Output<string> | undefined,
  asked: string | undefined,
  began: Date,
): pulumi.Output<readonly string[]> {
  if (settings.outboundCheck === false) return pulumi.output([]);
  const host = relayHost(settings, privateKey);
  const line = runWithoutInstalling(host.become, "way-out", settings.outboundCheck);
  return reasonsOf(
    stepOf(
      "relay-outbound",
      line,
      { ...host, again: undefined, attempts: 3, stdin: programLines(asked), after: [] },
      {},
    ),
    began,
  );
}

const programLines = (asked: string | undefined) => `${hostctlProgram()}# ${askedLine(asked)}`;

const askedLine = (asked: string | undefined) => (asked ? `look of ${asked}\n` : "\n");

const planLines = (plans: readonly TunnelPlan[]) =>
  plans
    .map(
      ({ relayInterface, relay, proxy, routingTable }) =>
        `${relayInterface} ${relay.ipv4} ${relay.ipv6} ${proxy.ipv4} ${proxy.ipv6} ${routingTable}\n`,
    )
    .sort()
    .join("");
