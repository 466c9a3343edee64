// What a proxy lets through, apart from how a packet filter says it. Pure.

export interface ProxyFilter {
  /** Interfaces towards the internet. */
  readonly wan: readonly string[];
  /** TCP port of the proxy's own SSH. */
  readonly sshPort: number;
  /** TCP ports handed on to the relay. */
  readonly ports: readonly number[];
  readonly tunnel: {
    readonly interface: string;
    /** UDP port on which the proxy awaits the relay. */
    readonly port: number;
    /** The relay's addresses in the tunnel. */
    readonly relay: { readonly ipv4: string; readonly ipv6: string };
  };
}

/** Name of our table on every Linux host; all of it is ours, and nothing outside it. */
export const TABLE = "chatmail_proxy";

export const ascending = (ports: readonly number[]) => [...ports].sort((a, b) => a - b);
