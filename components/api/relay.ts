// A relay, for programs of others: it collects the proxies that are made in front of it, and once the program has run, does with
// them what the ready-made program does with its settings.
import * as pulumi from "@pulumi/pulumi";
import { RELAY, RELAY_TYPE } from "../componentTypes";
import { operatorError } from "../operatorError";
import type { StackOutputs } from "../outputs";
import type { ProxySetup } from "../proxySetup";
import { runStack, type Place } from "../run";
import { checkGiven, faultsIn } from "../settings";
import { OPERATORS_MACHINE } from "../world";
import type { RelayArgs } from "./relayArgs";
import {
  conflicts,
  differences,
  formatArgumentFaults,
  givenSettings,
  type Wanted,
  type WantedProxy,
} from "./arguments";

/** Of resources for hosts and zones the stack's own providers are used, since they are asked before anything is made, too. */
export type ComponentOptions = Omit<pulumi.ComponentResourceOptions, "provider" | "providers">;

/**
 * A chatmail relay. It, its proxies and its mail domain are set up together once the program has run: make all its proxies in one go,
 * with nothing awaited in between.
 * @example
 * const relay = new Relay("relay", { ssh: { host: "192.168.1.10", hostKey: "ssh-ed25519 AAAA…" } });
 */
export class Relay extends pulumi.ComponentResource {
  readonly #name: string;
  readonly #args: RelayArgs;
  readonly #proxies: { readonly wanted: WantedProxy; readonly component: pulumi.ComponentResource }[] = [];
  readonly #setUp: Promise<readonly ProxySetup[]>;
  readonly #whole: Promise<StackOutputs>;
  #started = false;
  #remembered = false;

  constructor(name: string, args: RelayArgs, opts?: ComponentOptions) {
    super(RELAY_TYPE, name, {}, opts);
    this.#name = name;
    this.#args = args;
    let registered: Place["registered"] = () => undefined;
    const all = new Promise<readonly ProxySetup[]>((resolve) => (registered = resolve));
    // When all proxies have been made: each is a line of the program, one after the other.
    this.#whole = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#run(registered));
    // Either may come first: a run that fails does so before anything is registered, as a rule.
    this.#setUp = Promise.race([all, this.#whole.then(() => all)]);
    for (const each of [this.#setUp, this.#whole]) each.catch(() => undefined);
    // The engine would else take the program for done while hosts are being asked.
    const done = pulumi.runtime.rpcKeepAlive();
    this.#whole.then(done, done);
  }

  // Outputs are made as they are asked for: the SDK tells of every one that fails and that nobody waits for.

  /** Addresses that the mail domain's A and AAAA hold after this run. */
  get published(): pulumi.Output<string[]> {
    return this.#output("published") as pulumi.Output<string[]>;
  }

  /** What is set up, and what is left to do, in Markdown. */
  get readme(): pulumi.Output<string> {
    return this.#output("readme") as pulumi.Output<string>;
  }

  /** With `manualZone`: the lines for the zone. */
  get zoneLines(): pulumi.Output<string | undefined> {
    return this.#output("zoneLines") as pulumi.Output<string | undefined>;
  }

  /** With `setup: "script"`: the script that a person runs on the relay; secret. */
  get relayScript(): pulumi.Output<string | undefined> {
    return pulumi.output(this.#whole.then(({ secrets }) => secrets.relayScript));
  }

  /** The private key for the servers that were bought, in OpenSSH's form; secret. */
  get managementPrivateKey(): pulumi.Output<string | undefined> {
    return pulumi.output(this.#whole.then(({ secrets }) => secrets.managementPrivateKey));
  }

  /**
   * What the next run must know of this one. A program should export it, under any name; without it, it cannot refuse
   * changes that would cut users off, and sets up bought servers again in each run.
   * @example export const chatmailProxy = relay.outputs;
   */
  get outputs(): pulumi.Output<object> {
    this.#remembered = true;
    return pulumi.output(this.#whole.then(({ outputs }) => ({ relay: this.#name, ...outputs })));
  }

  /** @internal What is set up for a proxy in front of it, whose parts are put below `component`. */
  add(wanted: WantedProxy, component: pulumi.ComponentResource): Promise<ProxySetup> {
    if (this.#started)
      throw operatorError(
        `ProxyRelay "${wanted.name}" comes too late: all proxies of Relay "${this.#name}" are set up together. Make them in one go with it, with nothing awaited in between.`,
      );
    const index = this.#proxies.push({ wanted, component }) - 1;
    return this.#setUp.then((all) => all[index] as ProxySetup);
  }

  /** Whoever depends on the relay waits until all is set up and published. */
  protected override async initialize(): Promise<void> {
    // Called by the SDK's constructor, before ours.
    await Promise.resolve();
    await this.#whole;
    const { published } = this;
    this.registerOutputs({ published });
  }

  #output(key: string): pulumi.Output<unknown> {
    return pulumi.output(this.#whole.then(({ outputs }): unknown => outputs[key]));
  }

  async #run(registered: Place["registered"]): Promise<StackOutputs> {
    this.#started = true;
    const [name, args] = [this.#name, this.#args];
    const [first, ...others] = this.#proxies.map(({ wanted }) => wanted);
    if (!first)
      throw operatorError(
        `Relay "${name}" has no ProxyRelay: nobody would find it any more. To take all of it away, use pulumi destroy.`,
      );
    const wanted: Wanted = { name, args, proxies: [first, ...others] };
    try {
      const given = await givenSettings(wanted);
      const faults = [...given.faults, ...differences(wanted), ...conflicts(wanted, othersBeside(wanted))];
      const settings = checkGiven({ ...given, faults }, await OPERATORS_MACHINE.agent());
      const outputs = await runStack(settings, OPERATORS_MACHINE, this.#place(registered));
      await this.#remind();
      return outputs;
    } catch (error) {
      const faults = faultsIn(error);
      throw faults ? operatorError(formatArgumentFaults(faults, wanted)) : error;
    }
  }

  #place(registered: Place["registered"]): Place {
    const [project, stack] = [pulumi.getProject(), pulumi.getStack()];
    return {
      relay: this.#name,
      prefix: this.#name === RELAY ? "" : `${this.#name}-`,
      // Stacks of other programs may have the same name, as "prod" is. The ready-made one's is left as it is.
      owner: project === "chatmail-proxy" ? stack : `${project}.${stack}`,
      relayComponent: () => this,
      proxyComponent: (proxy) => {
        const found = this.#proxies.find(({ wanted }) => wanted.name === proxy);
        if (!found) throw new Error(`no ProxyRelay has the name ${proxy}`);
        return found.component;
      },
      registered,
    };
  }

  async #remind(): Promise<void> {
    if (this.#remembered) return;
    await pulumi.log.warn(
      `Relay "${this.#name}": the program does not keep what its next run must know of this one. Without it, changes that would cut users off are not refused, and servers that were bought are set up again in each run. Add the line: export const chatmailProxy = relay.outputs;`,
      this,
    );
  }
}

/** All relays of a program, by the engine that it talks to. */
const relays = new WeakMap<object, Wanted[]>();

function othersBeside(wanted: Wanted): readonly Wanted[] {
  const engine = pulumi.runtime.getMonitor() ?? relays;
  const before = relays.get(engine) ?? [];
  relays.set(engine, [...before, wanted]);
  return before;
}
