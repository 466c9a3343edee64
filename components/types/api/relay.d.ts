// Made of components/api/relay.ts by test/unit/reuse.test.ts.
import * as pulumi from "@pulumi/pulumi";
import type { RelayArgs } from "./relayArgs";
/** Of resources for hosts and zones the stack's own providers are used, since they are asked before anything is made, too. */
export type ComponentOptions = Omit<pulumi.ComponentResourceOptions, "provider" | "providers">;
/**
 * A chatmail relay. It, its proxies and its mail domain are set up together once the program has run: make all its proxies in one go,
 * with nothing awaited in between.
 * @example
 * const relay = new Relay("relay", { ssh: { host: "192.168.1.10", hostKey: "ssh-ed25519 AAAA…" } });
 */
export declare class Relay extends pulumi.ComponentResource {
    #private;
    constructor(name: string, args: RelayArgs, opts?: ComponentOptions);
    /** Addresses that the mail domain's A and AAAA hold after this run. */
    get published(): pulumi.Output<string[]>;
    /** What is set up, and what is left to do, in Markdown. */
    get readme(): pulumi.Output<string>;
    /** With `manualZone`: the lines for the zone. */
    get zoneLines(): pulumi.Output<string | undefined>;
    /** With `setup: "script"`: the script that a person runs on the relay; secret. */
    get relayScript(): pulumi.Output<string | undefined>;
    /** The private key for the servers that were bought, in OpenSSH's form; secret. */
    get managementPrivateKey(): pulumi.Output<string | undefined>;
    /**
     * What the next run must know of this one. A program should export it, under any name; without it, it cannot refuse
     * changes that would cut users off, and sets up bought servers again in each run.
     * @example export const chatmailProxy = relay.outputs;
     */
    get outputs(): pulumi.Output<object>;
    /** Whoever depends on the relay waits until all is set up and published. */
    protected initialize(): Promise<void>;
}
