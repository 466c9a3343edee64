// A proxy's filter as rules of Hetzner Cloud's own firewall, which stands in front of the server. It says the same as the
// host's rules: two locks of one key, so that a mistake in one does not open the host. But for whence SSH may come:
// nobody takes the cloud's rules back when they shut their operator out, so that is the host's own to say. Pure.
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
  /** None without a tunnel. */ readonly tunnelPort: number | undefined;
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
