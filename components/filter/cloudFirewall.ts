// A proxy's filter as rules of Hetzner Cloud's own firewall, which stands in front of the server. It says the same
// as the host's rules: two locks of one key, so that a mistake in one does not open the host. Pure.
import { ascending, type ProxyFilter } from "./spec";

export interface CloudFirewallRule {
  readonly direction: "in";
  readonly protocol: "tcp" | "udp" | "icmp";
  /** A port or none; `icmp` has none. */
  readonly port?: string;
  readonly sourceIps: string[];
  readonly description: string;
}

const ANYWHERE = ["0.0.0.0/0", "::/0"];

export function cloudFirewallRules(filter: Pick<ProxyFilter, "sshPort" | "ports"> & { tunnelPort: number }): CloudFirewallRule[] {
  const tcp = (port: number, description: string): CloudFirewallRule => ({ direction: "in", protocol: "tcp", port: String(port), sourceIps: ANYWHERE, description });
  return [
    { direction: "in", protocol: "icmp", sourceIps: ANYWHERE, description: "ICMP" },
    tcp(filter.sshPort, "SSH"),
    { direction: "in", protocol: "udp", port: String(filter.tunnelPort), sourceIps: ANYWHERE, description: "tunnel" },
    ...ascending(filter.ports).map((port) => tcp(port, "to the relay")),
  ];
}
