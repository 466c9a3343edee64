// Both ends of a tunnel as files of their hosts; a FreeBSD proxy's end is in freebsd.ts. Pure; knows no Pulumi, no SSH.
//
// Private and preshared keys are files of their own, so that all else can be shown in a preview. wg-quick hands
// them over by PostUp, which its manual gives for this purpose.
import { renderRelayFilter } from "../filter/relay";
import type { PortRange } from "../ports";
import { HOSTCTL } from "../remote/hostctl";
import type { HostFile, HostSet } from "../remote/bundle";
import type { TunnelAddresses, TunnelPlan } from "./addressPlan";

/** The interface's name on every proxy; a proxy has one tunnel. */
export const PROXY_INTERFACE = "wg-relay";

/** Priority of the relay's routing rules: before the main table (32766), Tailscale's (5210) and what asks for port 25. */
export const RULE_PRIORITY = 4710;

export interface EitherEnd {
  readonly plan: TunnelPlan;
  readonly mtu: number;
  /** The other end's public key, base64. */
  readonly peerPublicKey: string;
}

export interface ProxyEnd extends EitherEnd {
  /** UDP port on which the proxy listens. */
  readonly port: number;
}

/** A proxy through which the relay's own mail leaves. */
export interface Egress {
  /** 0 for the first choice; the next is taken while those before it are dead. */
  readonly place: number;
  /** When all are dead, mail leaves by the relay's own line; else it waits in the queue. */
  readonly ownLine: boolean;
}

export interface RelayEnd extends EitherEnd {
  /** The proxy's name. */
  readonly proxy: string;
  /** The stack that it belongs to: one relay may be used by several. */
  readonly stack: string;
  /** The proxy's public address and UDP port: 203.0.113.5:51820 or [2001:db8::1]:51820. */
  readonly endpoint: string;
  /** TCP and UDP ports that the proxy may reach. */
  readonly ports: readonly number[];
  readonly udpPorts: readonly PortRange[];
  /** The proxy's public addresses. */
  readonly publicAddresses: readonly string[];
  readonly egress: Egress | undefined;
}

/** The secret half of an end: its private key and the preshared key, base64. */
export interface TunnelKeys {
  readonly privateKey: string;
  readonly presharedKey: string;
}

export function proxyEndSet(end: ProxyEnd): HostSet {
  const conf = wgQuick(PROXY_INTERFACE, {
    interface: [
      `Address = ${both(end.plan.proxy)}`,
      `ListenPort = ${end.port}`,
      `MTU = ${end.mtu}`,
      keysByPostUp(PROXY_INTERFACE, end.peerPublicKey),
      CALL,
    ],
    peer: [`PublicKey = ${end.peerPublicKey}`, `AllowedIPs = ${both(end.plan.relay)}`],
  });
  return { files: [conf], units: [`wg-quick@${PROXY_INTERFACE}.service`] };
}

export function relayEndSet(end: RelayEnd): HostSet {
  const name = end.plan.relayInterface;
  const conf = wgQuick(name, {
    interface: [
      `Address = ${both(end.plan.relay)}`,
      `MTU = ${end.mtu}`,
      // All traffic may come through the tunnel, but none is sent there by default: routes are in a table of their own.
      "Table = off",
      // Closed before it is open.
      `PreUp = nft -f /etc/chatmail-proxy/${name}.nft`,
      keysByPostUp(name, end.peerPublicKey),
      `PostUp = ${HOSTCTL} routes %i`,
      `PreDown = ${HOSTCTL} unroutes %i`,
    ],
    peer: [
      `PublicKey = ${end.peerPublicKey}`,
      `Endpoint = ${end.endpoint}`,
      "AllowedIPs = 0.0.0.0/0, ::/0",
      "PersistentKeepalive = 25",
    ],
  });
  const routing = [
    `TABLE=${end.plan.routingTable}`,
    `PRIORITY=${RULE_PRIORITY}`,
    `IPV4=${end.plan.relay.ipv4}`,
    `IPV6=${end.plan.relay.ipv6}`,
    `PEER_IPV4=${end.plan.proxy.ipv4}`,
    `PEER_IPV6=${end.plan.proxy.ipv6}`,
    `STACK=${end.stack}`,
    ...(end.egress === undefined
      ? []
      : [`EGRESS=${end.egress.place}`, `EGRESS_ELSE=${end.egress.ownLine ? "own-line" : "nowhere"}`]),
    "",
  ].join("\n");
  return {
    files: [
      { path: `/etc/chatmail-proxy/${name}.nft`, mode: "0644", content: renderRelayFilter(end) },
      { path: `/etc/chatmail-proxy/${name}.conf`, mode: "0644", content: routing },
      conf,
    ],
    units: ["chatmail-proxy-filter.service", `wg-quick@${name}.service`, `chatmail-proxy-watch@${name}.service`],
  };
}

/** The secret files of an end. They must be in place before the end's other files are. */
export function keysSet(interfaceName: string, keys: TunnelKeys): HostSet {
  return {
    files: [
      { path: keyPath(interfaceName, "key"), mode: "0600", content: `${keys.privateKey}\n` },
      { path: keyPath(interfaceName, "psk"), mode: "0600", content: `${keys.presharedKey}\n` },
    ],
  };
}

/** address:port, with brackets where IPv6 needs them. */
export const endpoint = (address: string, port: number) =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

const keyPath = (interfaceName: string, kind: "key" | "psk") => `/etc/wireguard/${interfaceName}.${kind}`;

const keysByPostUp = (name: string, peer: string) =>
  `PostUp = wg set %i private-key ${keyPath(name, "key")} peer ${peer} preshared-key ${keyPath(name, "psk")}`;

// An interface that is made again knows nothing of the relay, which keeps to a session that nobody has any more and would call
// only when that has timed out. A proxy that has never heard of it waits.
const CALL = `PostUp = ${HOSTCTL} call %i || true`;

const both = ({ ipv4, ipv6 }: TunnelAddresses) => `${ipv4}/32, ${ipv6}/128`;

function wgQuick(name: string, parts: { interface: string[]; peer: string[] }): HostFile {
  return {
    path: `/etc/wireguard/${name}.conf`,
    mode: "0600", // no secret in it, but wg-quick warns of anything wider
    content: [
      "# Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.",
      "[Interface]",
      ...parts.interface,
      "",
      "[Peer]",
      ...parts.peer,
      "",
    ].join("\n"),
  };
}
