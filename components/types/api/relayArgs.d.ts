// Made of components/api/relayArgs.ts by test/unit/reuse.test.ts.
import type * as pulumi from "@pulumi/pulumi";
/** How to reach a relay over SSH, and what all proxies in front of it share. */
export interface RelayArgs {
    /** Required, but with `setup: "script"`. With `tunnel: "none"` it is only looked at. */
    readonly ssh?: {
        /**
         * The relay's address or name, as you reach it from where you run pulumi: at home, the one in your own network. Not the mail
         * domain, which is the proxies'.
         * @example "192.168.1.10"
         */
        readonly host: string;
        /**
         * Its public host key, as its `/etc/ssh/ssh_host_ed25519_key.pub` has it: nobody else can pretend to be your relay.
         * @example "ssh-ed25519 AAAA…"
         */
        readonly hostKey: string;
        /** @default 22 */
        readonly port?: number;
        /**
         * Any other user needs `sudo` without a password.
         * @default "root"
         */
        readonly user?: string;
    };
    /**
     * A private SSH key for the relay, without a passphrase; a secret.
     * @default your SSH agent is asked
     * @example config.requireSecret("relaySshKey")
     */
    readonly sshKey?: pulumi.Input<string>;
    /**
     * The same for existing machines (`linuxServer`, `freebsdServer`); a secret.
     * @default `sshKey`
     */
    readonly hostSshKey?: pulumi.Input<string>;
    /**
     * `script`: the relay cannot be reached from here, and a person runs `relayScript` there.
     * @default "ssh"
     */
    readonly setup?: "ssh" | "script";
    /**
     * TCP ports that are forwarded.
     * @default [25, 80, 143, 443, 465, 587, 993]
     */
    readonly ports?: readonly number[];
    /**
     * UDP ports and ranges that are forwarded.
     * @default []
     * @example [3478, "50000-50999"]
     */
    readonly udpPorts?: readonly (number | string)[];
    /** `none`: the relay has public addresses (`ipv4`, `ipv6`), to which proxies forward without tunnels. */
    readonly tunnel?: "none" | TunnelArgs;
    /**
     * Names of proxies through which the relay's own mail leaves, the first that lives; `relay` at the end is its own line.
     * @default its own line
     * @example ["hel1", "relay"]
     */
    readonly egress?: string | readonly string[];
    /**
     * Public SSH keys that may log in to the proxies as root.
     * @default []
     */
    readonly adminKeys?: readonly string[];
    /**
     * Networks that may reach the proxies' SSH, in CIDR form. Yours must be among them.
     * @default [], from anywhere
     * @example ["198.51.100.0/24"]
     */
    readonly adminNetworks?: readonly string[];
    /**
     * The family by which the relay dials the proxies.
     * @default "ipv4"
     */
    readonly dial?: "ipv4" | "ipv6";
    /**
     * A mail server on whose port 25 the relay's way out is tried; `false`: it is not tried.
     * @default "gmail-smtp-in.l.google.com"
     */
    readonly outboundCheck?: string | false;
    /** The relay's own public IPv4 address, for `tunnel: "none"` and for `onDestroy: "relay"` of the zone. */
    readonly ipv4?: string;
    /** The same for IPv6. */
    readonly ipv6?: string;
    /**
     * The machine is lost permanently: it is not asked, and nothing is undone on it.
     * @default false
     */
    readonly gone?: boolean;
}
export interface TunnelArgs {
    /**
     * WireGuard's UDP port on the proxies.
     * @default 51820
     */
    readonly port?: number;
    /**
     * In bytes, 1280 to 1500. Less on PPPoE or DS-Lite lines: 1412, 1380.
     * @default 1420
     */
    readonly mtu?: number;
    /** @default "10.213.64.0/18" */
    readonly ipv4Range?: string;
    /** @default "fd6d:6169:6c70::/64" */
    readonly ipv6Range?: string;
    /**
     * The first of the relay's routing tables that may be used.
     * @default 5182000
     */
    readonly routingTables?: number;
    /**
     * Another number makes all keys of the tunnels again.
     * @default 1
     */
    readonly keyGeneration?: number;
}
