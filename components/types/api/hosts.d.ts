// Made of components/api/hosts.ts by test/unit/reuse.test.ts.
/** A machine for one proxy: what `hetznerServer`, `linuxServer` and `freebsdServer` return. */
export interface ProxyHost {
    readonly kind: string;
    readonly args: object;
}
/** A server to buy at Hetzner Cloud. Its token is the stack's: `pulumi config set --secret hcloud:token`. */
export interface HetznerServerArgs {
    /**
     * Where it is: `fsn1`, `nbg1`, `hel1`, `ash`, `hil` or `sin`. It cannot change while the proxy lives.
     * @example "hel1"
     */
    readonly location: string;
    /**
     * Hetzner's name of the server type. In `ash`, `hil` and `sin` give one that is sold there, such as `cpx11`.
     * @default "cx23"
     */
    readonly serverType?: string;
    /**
     * Hetzner's name of the image: `debian-13` or `debian-12`.
     * @default "debian-13"
     */
    readonly image?: string;
    /**
     * The server's TCP port for SSH. Another one later means another server.
     * @default 22
     */
    readonly sshPort?: number;
    /**
     * When it may restart for its security updates: HH:MM, UTC. By default another minute of the night for each proxy.
     * @example "03:30"
     */
    readonly rebootTime?: string;
    /**
     * Hetzner's daily backups, which cost more.
     * @default false
     */
    readonly backups?: boolean;
    /**
     * Server and addresses cannot be deleted, neither by Pulumi nor in Hetzner's console.
     * @default false
     */
    readonly deleteProtection?: boolean;
    /**
     * Labels of your own on all that is bought.
     * @default {}
     * @example { cost: "mail" }
     */
    readonly labels?: Readonly<Record<string, string>>;
}
/** A machine that you have already, at whatever provider. What is done on it is undone when the proxy goes. */
export interface ExistingServerArgs {
    readonly ssh: {
        /**
         * Where its SSH is, as seen from where you run pulumi.
         * @default its `ipv4`, else its `ipv6`
         */
        readonly host?: string;
        /** @default 22 */
        readonly port?: number;
        /**
         * Any other user needs `sudo` without a password.
         * @default "root"
         */
        readonly user?: string;
        /**
         * Its public host key, as its `/etc/ssh/ssh_host_ed25519_key.pub` has it: nobody else can pretend to be that machine.
         * @example "ssh-ed25519 AAAA…"
         */
        readonly hostKey: string;
    };
    /**
     * Its public IPv4 address. One of `ipv4` and `ipv6` is enough.
     * @example "198.51.100.7"
     */
    readonly ipv4?: string;
    /**
     * Its public IPv6 address.
     * @example "2001:db8:d000::10"
     */
    readonly ipv6?: string;
    /**
     * Its interfaces towards the internet. By default they are found.
     * @example ["eth0"]
     */
    readonly wan?: readonly string[];
    /** The number of its provider's network, by which warnings tell whether proxies share one. */
    readonly autonomousSystem?: number;
    /**
     * Whether ports that are not named in the program are shut, those of other services on it, too.
     * @default false for linuxServer, true for freebsdServer
     */
    readonly closed?: boolean;
    /**
     * It is lost permanently: it is not asked, and nothing is undone on it.
     * @default false
     */
    readonly gone?: boolean;
}
/**
 * A new server at Hetzner Cloud, deleted with its proxy.
 * @example hetznerServer({ location: "hel1" })
 */
export declare const hetznerServer: (args: HetznerServerArgs) => ProxyHost;
/**
 * A machine with Debian 12 or 13 that you have already.
 * @example linuxServer({ ipv4: "198.51.100.7", ssh: { hostKey: "ssh-ed25519 AAAA…" } })
 */
export declare const linuxServer: (args: ExistingServerArgs) => ProxyHost;
/**
 * A machine with FreeBSD 14 or 15 that you have already.
 * @example freebsdServer({ ipv4: "198.51.100.7", ssh: { hostKey: "ssh-ed25519 AAAA…" } })
 */
export declare const freebsdServer: (args: ExistingServerArgs) => ProxyHost;
