// lab/text/guest.ts: files that make a machine of the lab a machine: its network, its resolver, its cloud-init seed. Pure.
import type { Leg } from "../plan";
import { LINK, RESOLVER } from "../plan";

export interface GuestFile {
  /** Absolute, within the guest. */
  readonly path: string;
  readonly content: string;
  /** Octal; 0644 by default. */
  readonly mode?: number;
}

export const resolvConf = (): string => `nameserver ${RESOLVER}\noptions timeout:2 attempts:3\n`;

/** glibc asks files and the resolver, and no daemon of the machine's that would know the world outside. */
export const nsswitchConf = (): string =>
  [
    "passwd: files",
    "group: files",
    "shadow: files",
    "hosts: files dns",
    "networks: files",
    "protocols: files",
    "services: files",
    "",
  ].join("\n");

export function hostsFile(names: readonly string[] = []): string {
  const own = names.length > 0 ? `127.0.1.1 ${names.join(" ")}\n` : "";
  return `127.0.0.1 localhost\n${own}::1 localhost ip6-localhost ip6-loopback\n`;
}

export const NETWORK_FILE = "/etc/systemd/network/10-eth0.network";

/** Either family may be missing. */
export function networkdConfig(leg: Partial<Leg>): string {
  const onLink = leg.gateway6 === LINK.gateway6 || leg.gateway4 === LINK.gateway4 ? "GatewayOnLink=yes\n" : "";
  const address = (own: string | undefined, length: number | undefined) =>
    own === undefined ? "" : `Address=${own}/${length}\n`;
  const route = (gateway: string | undefined) =>
    gateway === undefined ? "" : `\n[Route]\nGateway=${gateway}\n${onLink}`;
  const addresses = address(leg.ipv4, leg.ipv4Length) + address(leg.ipv6, leg.ipv6Length);
  return `[Match]\nName=eth0\n\n[Network]\nIPv6AcceptRA=no\nLinkLocalAddressing=ipv6\n${addresses}${route(leg.gateway4)}${route(leg.gateway6)}`;
}

export interface CloudSeed {
  readonly instanceId: string;
  readonly hostname: string;
  readonly sshKeys: readonly string[];
  readonly userData: string;
}

export const SEED_DIR = "/var/lib/cloud/seed/nocloud";

/** The NoCloud seed, where the machine finds at boot what Hetzner's metadata service would have told it. */
export function cloudSeed(seed: CloudSeed): GuestFile[] {
  const file = (name: string, content: string): GuestFile => ({ path: `${SEED_DIR}/${name}`, content, mode: 0o600 });
  return [
    file(
      "meta-data",
      toJson({ "instance-id": seed.instanceId, "local-hostname": seed.hostname, "public-keys": [...seed.sshKeys] }),
    ),
    file("user-data", seed.userData === "" ? "#cloud-config\n{}\n" : seed.userData),
  ];
}

/** Sysctls that a new network namespace would copy from this machine; set to what a freshly booted host has. */
export const FRESH_SYSCTLS: readonly (readonly [string, string])[] = ["all", "default"].flatMap((which) =>
  (
    [
      ["forwarding", "0"],
      ["rp_filter", "0"],
      ["accept_redirects", "1"],
      ["send_redirects", "1"],
      ["accept_source_route", "0"],
      ["log_martians", "0"],
      ["route_localnet", "0"],
      ["arp_ignore", "0"],
      ["arp_announce", "0"],
      ["src_valid_mark", "0"],
    ] as const
  ).map(([key, value]) => [`ipv4/conf/${which}/${key}`, value] as const),
);

const toJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
