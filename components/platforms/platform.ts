// What differs between operating systems of a proxy's host. A new system is one file beside this one, and its own
// hostctl, which knows the same verbs (setup, prepare, wan, admin-keys, install, arm, confirm, revert, keep, remove,
// through, uninstall) and reads the same bundles.
import type { ProxyFilter } from "../filter/spec";
import type { Wan } from "../filter/sysctl";
import type { HostSet } from "../remote/bundle";
import type { ProxyEnd, TunnelKeys } from "../tunnel/wireguard";

export interface Platform {
  /** hostctl for this system, POSIX sh. */
  program(): string;
  /** Packages that a proxy needs. */
  readonly packages: readonly string[];
  /** Those for security updates by themselves. */
  readonly upgradePackages: readonly string[];
  /** Name of the proxy's interface to the relay. */
  readonly tunnelInterface: string;
  /** Packet filter and kernel settings, brought in under guard. */
  filterSet(filter: Omit<ProxyFilter, "wan">, wan: readonly Wan[]): HostSet;
  /** The proxy's end of the tunnel, without its secrets. */
  tunnelSet(end: ProxyEnd): HostSet;
  /** The secrets of that end; in place before the end is. */
  tunnelKeysSet(keys: TunnelKeys): HostSet;
  /** Security updates by themselves, with a reboot at `time` (HH:MM) when one is needed. */
  upgradesSet(time: string): HostSet;
}
