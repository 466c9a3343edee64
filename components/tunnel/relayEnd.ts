// One tunnel's end on the relay: its keys, its interface, its routes and what may come in by it.
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { bundle } from "../remote/bundle";
import { hostCommand } from "../remote/hostCommand";
import { hostctlIfThere } from "../remote/hostctl";
import type { Relay } from "../relay";
import { keysSet, relayEndSet, type RelayEnd, type TunnelKeys } from "./wireguard";

export interface RelayTunnelEndArgs {
  readonly end: pulumi.Output<RelayEnd>;
  /** Known without waiting: names of sets and files. */
  readonly proxy: string;
  readonly interfaceName: string;
  readonly keys: pulumi.Output<TunnelKeys>;
  /** The proxy does not answer: its other end here stays as it is too, lest the two no longer fit. */
  readonly absent?: "silent" | undefined;
}

export class RelayTunnelEnd extends pulumi.ComponentResource {
  /** Done when the interface is up. */
  readonly installed: command.remote.Command;

  constructor(name: string, args: RelayTunnelEndArgs, relay: Relay, opts?: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:tunnel:RelayTunnelEnd", name, {}, opts);
    const host = { ...relay.host, absent: relay.host.absent ?? args.absent };
    const set = `tunnel-${args.proxy}`;

    const keys = hostCommand(
      `${name}-keys`,
      {
        ...host,
        words: ["install", `keys-${args.proxy}`],
        stdin: pulumi.secret(args.keys.apply((pair) => bundle(keysSet(args.interfaceName, pair)).text)),
        quiet: true,
        undo: hostctlIfThere(host.become, "remove", `keys-${args.proxy}`),
      },
      { parent: this, dependsOn: relay.prepared },
    );
    this.installed = hostCommand(
      name,
      {
        ...host,
        words: ["install", set],
        stdin: args.end.apply((end) => bundle(relayEndSet(end)).text),
        undo: hostctlIfThere(host.become, "remove", set),
      },
      { parent: this, dependsOn: keys },
    );
    this.registerOutputs({});
  }
}
