// A proxy's filter as rules of Hetzner Cloud's own firewall in front of the server. It mirrors the host's rules, so that a
// mistake in one of them does not open the host, except for SSH source networks: cloud rules are not rolled back if they
// lock the operator out, so only the host restricts those. Pure.
import { type ProxyFilter } from "./spec";
import { ascending, rangeText } from "../ports";

export interface CloudFirewallRule {
  readonly direction: "in";
  readonly protocol: "tcp" | "udp" | "icmp";
  /** A port or none; `icmp` has none. */
  readonly port?: string;
  readonly sourceIps: string[];
  readonly description: string;
}

const ANYWHERE = ["0.0.0.0/0", "::/0"];

export type AllowedPorts = Pick<ProxyFilter, "ports" | "udpPorts"> & {
  /** UDP port of the tunnel; none without one. */
  readonly tunnelPort: number | undefined;
};

export function cloudFirewallRules({
  sshPort,
  ports,
  udpPorts,
  tunnelPort,
}: AllowedPorts & { readonly sshPort: number }): CloudFirewallRule[] {
  const rule = (protocol: "tcp" | "udp", port: string, description: string): CloudFirewallRule => ({
    direction: "in",
    protocol,
    port,
    sourceIps: ANYWHERE,
    description,
  });
  return [
    { direction: "in", protocol: "icmp", sourceIps: ANYWHERE, description: "ICMP" },
    rule("tcp", String(sshPort), "SSH"),
    ...(tunnelPort === undefined ? [] : [rule("udp", String(tunnelPort), "tunnel")]),
    ...ascending(ports).map((port) => rule("tcp", String(port), "to the relay")),
    ...udpPorts.map((range) => rule("udp", rangeText(range), "to the relay")),
  ];
}
