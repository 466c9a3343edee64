// The proxy's end of the tunnel on FreeBSD, as files for hostctl's tunnel-up. Pure.
//
// wg(8) is part of the base system, wg-quick is not. The interface has a number of its own, so that wg0 stays free;
// it must end in a digit, since pf takes a name without one for a group.
import type { HostFile, HostSet } from "../remote/bundle";
import type { ProxyEnd, TunnelKeys } from "./wireguard";

/** The interface's name on every FreeBSD proxy. */
export const FREEBSD_INTERFACE = "wg5182";

/** Where hostctl keeps and looks for its files on FreeBSD. */
export const FREEBSD_ETC = "/usr/local/etc/chatmail-proxy";

export function freebsdEndSet({ plan, port, mtu, peerPublicKey }: ProxyEnd): HostSet {
  const conf = [
    "[Interface]",
    `ListenPort = ${port}`,
    "",
    "[Peer]",
    `PublicKey = ${peerPublicKey}`,
    `AllowedIPs = ${plan.relay.ipv4}/32, ${plan.relay.ipv6}/128`,
  ];
  const env = [
    `INTERFACE=${FREEBSD_INTERFACE}`,
    `MTU=${mtu}`,
    `IPV4=${plan.proxy.ipv4}`,
    `IPV6=${plan.proxy.ipv6}`,
    `RELAY_IPV4=${plan.relay.ipv4}`,
    `RELAY_IPV6=${plan.relay.ipv6}`,
    `PEER=${peerPublicKey}`,
  ];
  return {
    files: [file("tunnel.conf", "0644", conf), file("tunnel.env", "0644", env)],
    units: ["chatmail_proxy_tunnel"],
  };
}

/** The secrets; they must be in place before the end's other files are. */
export function freebsdKeysSet({ privateKey, presharedKey }: TunnelKeys): HostSet {
  return {
    files: [
      { path: `${FREEBSD_ETC}/tunnel.key`, mode: "0600", content: `${privateKey}\n` },
      { path: `${FREEBSD_ETC}/tunnel.psk`, mode: "0600", content: `${presharedKey}\n` },
    ],
  };
}

const file = (name: string, mode: string, lines: readonly string[]): HostFile => ({
  path: `${FREEBSD_ETC}/${name}`,
  mode,
  content: ["# Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.", ...lines, ""].join(
    "\n",
  ),
});
