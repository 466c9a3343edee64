// What a proxy lets through, independent of the packet filter's language. Pure.

import type { PortRange } from "../ports";

/** How a connection reaches the relay: it comes out of the tunnel with its client's address. */
export interface Tunnelled {
  readonly kind: "tunnel";
  readonly interface: string;
  /** UDP port on which the proxy waits for the relay. */
  readonly port: number;
  /** The tunnel's MTU, bytes; pf needs it to lower the MSS, nft reads it from the route. */
  readonly mtu: number;
  /** The relay's addresses in the tunnel. */
  readonly relay: { readonly ipv4: string; readonly ipv6: string };
  /** The relay's own mail to other servers leaves through this proxy, under the proxy's address. */
  readonly egress: boolean;
}

/** The relay has public addresses of its own; it sees the proxy's address instead of the client's. */
export interface Direct {
  readonly kind: "direct";
  /** The relay's public addresses, of the families that are forwarded. */
  readonly relay: { readonly ipv4?: string | undefined; readonly ipv6?: string | undefined };
}

export interface ProxyFilter {
  /** Interfaces towards the internet. */
  readonly wan: readonly string[];
  /** The host is ours alone: what is not named here is closed. False where others use the host too: they stay as they are. */
  readonly closed: boolean;
  /** The proxy's own SSH: its TCP port, and the networks (CIDR) that may reach it; none means all. */
  readonly ssh: { readonly port: number; readonly from: readonly string[] };
  /** TCP ports forwarded to the relay. */
  readonly ports: readonly number[];
  /** UDP ports forwarded to the relay. */
  readonly udpPorts: readonly PortRange[];
  readonly to: Tunnelled | Direct;
}

/** Name of our nft table on every Linux host, and of our pf anchor. We touch nothing outside it. */
export const TABLE = "chatmail_proxy";

/** The port of mail between servers. */
export const SMTP_PORT = 25;
