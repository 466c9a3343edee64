// Made of components/api/zones.ts by test/unit/reuse.test.ts.
import type * as pulumi from "@pulumi/pulumi";
/** A zone: what `hetznerZone`, `cloudflareZone`, `rfc2136Zone` and `manualZone` return. */
export interface MailZone {
    readonly provider: string;
    readonly args: object;
    /** With its name among the arguments. */
    readonly secret?: {
        readonly name: string;
        readonly value: pulumi.Input<string>;
    };
}
export interface ZoneArgs {
    /**
     * The zone's name. It must hold the mail domain.
     * @example "example.org"
     */
    readonly zone: string;
    /**
     * How long resolvers may remember the addresses, in seconds: 60 to 86400.
     * @default 300
     */
    readonly ttl?: number;
    /**
     * The part of the zone for the proxies' own names: `hel1.proxy.example.org`.
     * @default "proxy"
     */
    readonly proxySubdomain?: string;
    /** Another zone that held the mail domain before and is gone permanently: nothing is expected of it any more. */
    readonly left?: string;
}
export interface ChangedZoneArgs extends ZoneArgs {
    /**
     * What `pulumi destroy` leaves of the mail domain's A and AAAA: nothing, what is there, or the relay's own addresses (`ipv4` and
     * `ipv6` of `Relay`).
     * @default "delete"
     */
    readonly onDestroy?: "delete" | "keep" | "relay";
}
export interface CloudflareZoneArgs extends ChangedZoneArgs {
    /**
     * An API token with the permission "DNS: Edit" for the zone; a secret.
     * @example config.requireSecret("dnsSecret")
     */
    readonly apiToken: pulumi.Input<string>;
}
export interface Rfc2136ZoneArgs extends ChangedZoneArgs {
    /**
     * Your name server: an address or a name.
     * @example "ns1.example.org"
     */
    readonly server: string;
    /**
     * Its TCP port.
     * @default 53
     */
    readonly port?: number;
    /** The key with which updates are signed. */
    readonly tsig: {
        /** As the name server has it. */
        readonly name: string;
        /** @default "hmac-sha256" */
        readonly algorithm?: "hmac-sha256" | "hmac-sha384" | "hmac-sha512";
        /**
         * In base64, as the name server has it; a secret.
         * @example config.requireSecret("dnsSecret")
         */
        readonly secret: pulumi.Input<string>;
    };
}
/**
 * A zone at Hetzner Cloud, in the project of the stack's token (`pulumi config set --secret hcloud:token`).
 * @example hetznerZone({ zone: "example.org" })
 */
export declare const hetznerZone: (args: ChangedZoneArgs) => MailZone;
/**
 * A zone at Cloudflare.
 * @example cloudflareZone({ zone: "example.org", apiToken: config.requireSecret("dnsSecret") })
 */
export declare const cloudflareZone: ({ apiToken, ...args }: CloudflareZoneArgs) => MailZone;
/** A zone on a name server that takes signed updates (RFC 2136): BIND, Knot, PowerDNS and others. */
export declare const rfc2136Zone: ({ tsig: { secret, ...tsig }, ...args }: Rfc2136ZoneArgs) => MailZone;
/** A zone that you change yourself: each run says what has to change. `zoneLines` of `Relay` has its lines. */
export declare const manualZone: (args: ZoneArgs) => MailZone;
