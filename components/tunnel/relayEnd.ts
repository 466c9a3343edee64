// One tunnel's end on the relay: its keys, its interface, its routes and what may come in by it.
import * as pulumi from "@pulumi/pulumi";
import { bundle } from "../remote/bundle";
import { hostctlIfThere } from "../remote/hostctl";
import { step, type Step } from "../remote/step";
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
  /** The proxy's own end: where it could not be brought in, this one stays as it is. */
  readonly after: readonly Step[];
  /** See StepHost. */
  readonly again: string | undefined;
}

export class RelayTunnelEnd extends pulumi.ComponentResource {
  /** After the last, the interface is up. */
  readonly steps: readonly Step[];

  constructor(name: string, args: RelayTunnelEndArgs, relay: Relay, opts?: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:tunnel:RelayTunnelEnd", name, {}, opts);
    const host = { ...relay.host, absent: relay.host.absent ?? args.absent, again: args.again };
    const set = `tunnel-${args.proxy}`;

    const keys = step(
      `${name}-keys`,
      {
        ...host,
        words: ["install", `keys-${args.proxy}`],
        stdin: pulumi.secret(args.keys.apply((pair) => bundle(keysSet(args.interfaceName, pair)).text)),
        quiet: true,
        undo: hostctlIfThere(host.become, "remove", `keys-${args.proxy}`),
        after: [...args.after, relay.prepared],
      },
      { parent: this },
    );
    const end = step(
      name,
      {
        ...host,
        words: ["install", set],
        stdin: args.end.apply((known) => bundle(relayEndSet(known)).text),
        undo: hostctlIfThere(host.become, "remove", set),
        after: [keys],
      },
      { parent: this },
    );
    this.steps = [keys, end];
    this.registerOutputs({});
  }
}
