// The relay itself, as far as all tunnels share it: hostctl on it, what it uses already, the packages it needs. What
// belongs to one tunnel is in tunnel/relayEnd.ts.
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { parseRelayFacts, type RelayFacts } from "./remote/facts";
import { hostCommand, remoteCommand, type Reach } from "./remote/hostCommand";
import { hostctlIfThere, hostctlProgram, installHostctl, type Become } from "./remote/hostctl";
import { relayConflicts } from "./tunnel/relayConflicts";
import type { TunnelPlan } from "./tunnel/addressPlan";
import type { Complaint } from "./settings/check";
import type { RelaySettings } from "./settings";

export interface RelayArgs {
  readonly settings: RelaySettings;
  /** The operator's private key for the relay; without one the SSH agent is asked. */
  readonly privateKey: pulumi.Output<string> | undefined;
  /** The tunnels that are to end here. */
  readonly plans: readonly TunnelPlan[];
}

/** Debian packages that the relay's end of a tunnel needs. */
const PACKAGES = ["wireguard-tools", "nftables", "iproute2", "iputils-ping", "procps"];

export class Relay extends pulumi.ComponentResource {
  readonly reach: Reach;
  readonly become: Become;
  readonly facts: pulumi.Output<RelayFacts>;
  /** What of the plan is taken on the relay; nothing should be made before this is known to be empty. */
  readonly conflicts: pulumi.Output<Complaint[]>;
  /** After this, tunnels can be installed. */
  readonly prepared: command.remote.Command;
  /**
   * Tries the relay's own way out on port 25, after `after`: what it finds is not for this program to mend, so it
   * comes last and holds up nothing.
   */
  readonly checkOutbound: (after: pulumi.Resource) => void;

  constructor(name: string, args: RelayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:index:Relay", name, {}, opts);
    const child = { parent: this };
    const { ssh } = args.settings;
    this.reach = { host: ssh.host, port: ssh.port, user: ssh.user, hostKey: ssh.hostKey, privateKey: args.privateKey };
    this.become = ssh.user === "root" ? "root" : "sudo";
    const common = { reach: this.reach, become: this.become };

    const tool = remoteCommand(
      `${name}-hostctl`,
      { ...common, attempts: 3, line: installHostctl(this.become), stdin: hostctlProgram(), undo: hostctlIfThere(this.become, "uninstall") },
      child,
    );

    // The plan is no input of the command, but a new one is a reason to look again.
    const look = hostCommand(`${name}-facts`, { ...common, words: ["relay-facts"], stdin: planLines(args.plans) }, { ...child, dependsOn: tool });
    this.facts = look.stdout.apply(parseRelayFacts);
    this.conflicts = this.facts.apply((facts) => relayConflicts(args.plans, facts));

    this.prepared = hostCommand(`${name}-prepare`, { ...common, words: ["prepare", ...PACKAGES] }, { ...child, dependsOn: look });
    this.checkOutbound = (after) => {
      if (args.settings.outboundCheck === false) return;
      hostCommand(`${name}-outbound`, { ...common, words: ["outbound", args.settings.outboundCheck] }, { ...child, dependsOn: [this.prepared, after] });
    };
    this.registerOutputs({});
  }
}

const planLines = (plans: readonly TunnelPlan[]) =>
  plans.map(({ relayInterface, relay, proxy, routingTable }) => `${relayInterface} ${relay.ipv4} ${relay.ipv6} ${proxy.ipv4} ${proxy.ipv6} ${routingTable}\n`).sort().join("");
