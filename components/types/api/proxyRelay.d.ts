// Made of components/api/proxyRelay.ts by test/unit/reuse.test.ts.
import * as pulumi from "@pulumi/pulumi";
import type { ProxyHost } from "./hosts";
import type { ComponentOptions, Relay } from "./relay";
import type { MailZone } from "./zones";
export interface ProxyRelayArgs {
    /**
     * The name behind the @ in the users' addresses. The same for all proxies of a relay, whose addresses are its A and AAAA together.
     * @example "chat.example.org"
     */
    readonly mailDomain: string;
    /**
     * The machine.
     * @example hetznerServer({ location: "hel1" })
     */
    readonly host: ProxyHost;
    /** The relay to which mail is forwarded. */
    readonly relay: Relay;
    /**
     * The zone that holds the mail domain, and in it the proxy's own name. The same for all proxies of a relay.
     * @example hetznerZone({ zone: "example.org" })
     */
    readonly zone: MailZone;
    /**
     * Whether its addresses are among the mail domain's. `false` takes it out of DNS while it goes on working.
     * @default true
     */
    readonly publish?: boolean;
    /**
     * Its place in the address plan of the tunnels, 0 to 16383; only where two names collide, which is reported.
     * @default from its name
     */
    readonly slot?: number;
}
/**
 * A proxy in front of a chatmail relay: the machine, the tunnel's two ends, the packet filter, its own DNS names. The mail domain names
 * it once mail has reached the relay through it. Its name is a DNS label of at most 12 characters.
 * @example
 * const hel1 = new ProxyRelay("hel1", { mailDomain: "chat.example.org", host: hetznerServer({ location: "hel1" }), relay, zone });
 */
export declare class ProxyRelay extends pulumi.ComponentResource {
    #private;
    constructor(name: string, args: ProxyRelayArgs, opts?: ComponentOptions);
    /** Its public IPv4 address; undefined where the machine has none. */
    get ipv4(): pulumi.Output<string | undefined>;
    /** Its public IPv6 address; undefined where the machine has none. */
    get ipv6(): pulumi.Output<string | undefined>;
    /** Its own name, such as hel1.proxy.example.org. */
    get dnsName(): pulumi.Output<string>;
    /** Its public SSH host key, in one line. */
    get sshHostKey(): pulumi.Output<string>;
    /** The public key of its end of the tunnel, in base64; undefined with `tunnel: "none"`. */
    get wireGuardPublicKey(): pulumi.Output<string | undefined>;
    /** Whoever depends on the proxy waits for its parts. */
    protected initialize(): Promise<void>;
}
