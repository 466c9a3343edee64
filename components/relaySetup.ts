// The relay itself over SSH: hostctl on it, the packages it needs, and the ends of all tunnels. They come in two documents for
// all proxies together, keys and the rest, since limits on new connections (`ufw limit`, sshd's penalties) count every one of
// them. A relay that is set up by a script is in relayScript.ts.
import * as pulumi from "@pulumi/pulumi";
import type { StillThere } from "./hosts/ssh";
import { isInPlace, liveDigest, type HostStatus } from "./hosts/status";
import { stackMark } from "./ownerMark";
import { appliedSet, WELL, type Applied, type Failure } from "./remote/applied";
import { bundle } from "./remote/bundle";
import { document, setLines } from "./remote/document";
import { allWentWell, HostDocument, type DocumentHost, type Requirement } from "./remote/hostDocument";
import { becomeOf, hostctlIfThere, hostctlProgram } from "./remote/hostctl";
import { leaveCommand } from "./remote/leave/leaveCommand";
import type { RelaySettings } from "./settings";
import { keysSet, relayEndSet, type RelayEnd, type TunnelKeys } from "./tunnel/wireguard";

/** One tunnel's end on the relay, as its proxy asks for it. */
export interface TunnelEndArgs {
  /** Known without waiting: names of sets and files. */
  readonly proxy: string;
  readonly interfaceName: string;
  readonly end: pulumi.Output<RelayEnd>;
  readonly keys: pulumi.Output<TunnelKeys>;
  /** The proxy cannot be reached: its end here is left unchanged, since both must match. */
  readonly keep: boolean;
  /** The proxy's own part, where there is one already: while that cannot be brought in, this end is left unchanged. */
  readonly requires: readonly Requirement[];
  /** The proxy, whose child the end is in the stack. */
  readonly parent: pulumi.Resource;
}

/** A tunnel's end that this program brings in. */
export interface TunnelEnd extends Requirement {
  /** It was there already, and nothing of it is written in this run. */
  readonly untouched: pulumi.Output<boolean>;
}

/** What proxies need of the relay: their tunnels' other ends. */
export interface RelayEnds {
  /** A person sets up the relay, in their own time. */
  readonly manual: boolean;
  /** It cannot be reached: its ends stay unchanged, and so must the proxies'. */
  readonly unreachable: boolean;
  /** Undefined where the end is not brought in by this run, but by a person. */
  addTunnel(args: TunnelEndArgs): TunnelEnd | undefined;
}

/** A relay that can be reached over SSH. */
export type ReachableRelay = RelaySettings & { readonly ssh: NonNullable<RelaySettings["ssh"]> };

export interface RelaySetupArgs {
  readonly settings: ReachableRelay;
  /** The operator's private key for the relay; without one the SSH agent is asked. */
  readonly privateKey: pulumi.Output<string> | undefined;
  /** It cannot be reached now: what is there stays unchanged until it can. */
  readonly unreachable: boolean;
  /** What it says of itself; undefined where it was not asked. */
  readonly there: HostStatus | undefined;
  /** Whether it answers now; undefined where that cannot be asked. */
  readonly stillThere: StillThere | undefined;
  /** The generation of what is brought in by this run. */
  readonly fresh: string;
}

/** Debian packages that the relay's end of a tunnel needs. */
export const RELAY_PACKAGES = ["wireguard-tools", "nftables", "iproute2", "iputils-ping", "procps"];

export class RelaySetup implements RelayEnds {
  readonly manual = false;
  readonly unreachable: boolean;
  private readonly host: DocumentHost;
  private readonly tunnels: TunnelEndArgs[] = [];
  private readonly documents: Promise<{ readonly keys: HostDocument; readonly ends: HostDocument }>;
  private installed = false;

  constructor(
    /** The relay as a whole, with all its parts below it. */
    readonly component: pulumi.ComponentResource,
    private readonly name: string,
    private readonly args: RelaySetupArgs,
  ) {
    const { ssh, gone } = args.settings;
    this.unreachable = args.unreachable;
    this.host = {
      ssh: { host: ssh.host, port: ssh.port, user: ssh.user, hostKey: ssh.hostKey, privateKey: args.privateKey },
      become: becomeOf(ssh.user),
      unreachable: gone ? "permanently" : args.unreachable ? "for now" : undefined,
      replaced: pulumi.output(false),
      there: pulumi.output(args.there),
      stillThere: args.stillThere,
      fresh: args.fresh,
    };
    // Once all proxies have asked for their ends, which they do one after the other, with nothing awaited in between.
    this.documents = new Promise((resolve, reject) => {
      setImmediate(() => {
        try {
          resolve(this.install());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  addTunnel(args: TunnelEndArgs): TunnelEnd {
    if (this.installed)
      throw new Error(
        `${args.proxy}: all proxies of a relay are to be made in one go, with nothing waited for in between`,
      );
    this.tunnels.push(args);
    const { keys, ends } = this.later();
    const sets = [`keys-${args.proxy}`, `tunnel-${args.proxy}`] as const;
    return {
      resource: pulumi.output(this.documents.then((both) => both.ends.resource)),
      result: pulumi.all([keys.result, ends.result]).apply(([first, second]): Applied => {
        const one = appliedSet(first, sets[0]);
        return one.ok ? appliedSet(second, sets[1]) : one;
      }),
      untouched: pulumi
        .all([args.keys, args.end])
        .apply(
          ([pair, end]) =>
            this.host.unreachable !== undefined ||
            (isInPlace(this.args.there, sets[0], bundle(keysSet(args.interfaceName, pair)).digest) &&
              isInPlace(this.args.there, sets[1], bundle(relayEndSet(end)).digest)),
        ),
    };
  }

  /** Why its set-up failed: each with its step. */
  get failures(): pulumi.Output<Failure[]> {
    if (this.host.unreachable) return pulumi.output([]);
    const { keys, ends } = this.later();
    return pulumi
      .all([keys.result, ends.result])
      .apply((results) =>
        results.flatMap((result, i) =>
          result.ok || result.skipped || result.reason === ""
            ? []
            : [{ step: `${this.name}-${i === 0 ? "host" : "tunnels"}`, reason: result.reason }],
        ),
      );
  }

  /** Something of it is written in this run. */
  get touched(): pulumi.Output<boolean> {
    if (this.host.unreachable) return pulumi.output(false);
    const { keys, ends } = this.later();
    return pulumi.all([keys.generation, ends.generation]).apply((all) => all.includes(this.args.fresh));
  }

  private later() {
    const of = (which: "keys" | "ends") => ({
      result: pulumi.output(this.documents.then((both) => both[which].result)) as pulumi.Output<Applied>,
      generation: pulumi.output(this.documents.then((both) => both[which].generation)),
    });
    return { keys: of("keys"), ends: of("ends") };
  }

  private install() {
    this.installed = true;
    const { name, host } = this;
    const release = leaveCommand(
      `${name}-leave`,
      { name, host, command: hostctlIfThere(host.become, "release", stackMark()) },
      { parent: this.component },
    );
    // Sorted, so that another order of the settings changes nothing on the relay.
    const tunnels = [...this.tunnels].sort((a, b) => (a.proxy < b.proxy ? -1 : 1));
    const keys = this.bringKeys(tunnels, release);
    const ends = this.bringEnds(tunnels, keys);
    for (const { proxy, parent } of this.tunnels) this.endOf(proxy, parent, release);
    return { keys, ends };
  }

  /** Our program and its packages, and the keys of all tunnels. */
  private bringKeys(tunnels: readonly TunnelEndArgs[], release: pulumi.Resource): HostDocument {
    const { name, host } = this;
    const id = `relay@${projectAndStack()}`;
    const content = pulumi
      .all(tunnels.map((tunnel) => pulumi.all([tunnel.keys, allWentWell(tunnel.requires)])))
      .apply((known) =>
        document(id, [
          "setup",
          ...RELAY_PACKAGES.map((each) => `package ${each}`),
          "independent",
          ...known.flatMap(([pair, able], i) => {
            const { proxy, interfaceName, keep } = tunnels[i] as TunnelEndArgs;
            return this.setLines(`keys-${proxy}`, keysSet(interfaceName, pair), keep || !able);
          }),
        ]),
      );
    return new HostDocument(
      `${name}-host`,
      {
        host,
        attempts: 3,
        document: id,
        program: hostctlProgram(),
        content: pulumi.secret(content),
        requires: [{ resource: release, result: pulumi.output(WELL) }],
      },
      { parent: this.component, aliases: [{ name: `${name}-hostctl` }] },
    );
  }

  /** The relay's end of each tunnel whose keys are there. */
  private bringEnds(tunnels: readonly TunnelEndArgs[], keys: HostDocument): HostDocument {
    const { name, host } = this;
    const id = `tunnels@${projectAndStack()}`;
    const content = pulumi
      .all(
        tunnels.map(({ proxy, end, requires }) =>
          pulumi.all([
            end,
            allWentWell(requires),
            keys.result.apply((all) => appliedSet(all, `keys-${proxy}`).ok || pulumi.runtime.isDryRun()),
          ]),
        ),
      )
      .apply((known) =>
        document(id, [
          "independent",
          ...known.flatMap(([end, able, keyed], i) => {
            const { proxy, keep } = tunnels[i] as TunnelEndArgs;
            return this.setLines(`tunnel-${proxy}`, relayEndSet(end), keep || !able || !keyed);
          }),
        ]),
      );
    // Keys of single tunnels that could not be brought in hold up those tunnels alone.
    const result = keys.result.apply((all): Applied =>
      all.ok || all.skipped || all.reason !== "" ? all : { ok: true },
    );
    return new HostDocument(
      `${name}-tunnels`,
      { host, document: id, content, requires: [{ resource: keys.resource, result }] },
      { parent: this.component },
    );
  }

  private setLines(set: string, files: Parameters<typeof setLines>[1], keep: boolean) {
    return setLines(set, files, { keep, live: liveDigest(this.args.there, set) });
  }

  /** Removes the proxy's end when the proxy goes; does nothing before. */
  private endOf(proxy: string, parent: pulumi.Resource, whole: pulumi.Resource) {
    leaveCommand(
      `${proxy}-relay-end`,
      { name: this.name, host: this.host, command: hostctlIfThere(this.host.become, "drop", `tunnel-${proxy}`) },
      // When the stack goes, all of its ends go at once.
      { parent, deletedWith: whole },
    );
  }
}

const projectAndStack = () => `${pulumi.getProject()}@${pulumi.getStack()}`;
