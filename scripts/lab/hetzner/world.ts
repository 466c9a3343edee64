// scripts/lab/hetzner/world.ts: what the fake Hetzner Cloud asks of the world behind it. Knows neither HTTP nor how
// machines and name servers are made.

/**
 * Where the machines stand. Calls for one machine never overlap; they come in the order in which the API took the
 * requests. So each call needs a time limit of its own: a call that never ends blocks its machine for ever. A call that
 * rejects makes its action end in an error with the same message.
 */
export interface MachineRoom {
  /**
   * Builds the disk from the image, gives it network and boots it with cloud-init. Resolves once init runs.
   * The machine's firewall was told with setFirewall before. A machine of that id that is still there is replaced.
   */
  boot(machine: Machine): Promise<void>;
  /** A machine that was booted once: off hard, off gently (resolves once it is off, rejects if it stays on), on, reboot. */
  power(id: number, wish: PowerWish): Promise<void>;
  /** Other addresses for a machine that was booted once and is off now. */
  setAddresses(id: number, addresses: Addresses): Promise<void>;
  /** Inbound and outbound rules on the machine's link; null: no firewall attached, all open. May come before boot. */
  setFirewall(id: number, rules: FirewallRule[] | null): Promise<void>;
  /** The machine and its disk are gone for ever; success also when they never existed. */
  erase(id: number): Promise<void>;
}

export type PowerWish = "off" | "shutdown" | "on" | "reboot";

export interface Addresses {
  /** One address, such as 203.0.113.1; null: none. */
  ipv4: string | null;
  /** A network of 64 bits, such as 2001:db8:c000:1::/64; null: none. The machine's own address in it ends in ::1. */
  ipv6Network: string | null;
}

export interface Machine extends Addresses {
  id: number;
  /** The server's name, which is its host name. */
  name: string;
  /** Name of a system image, such as debian-13. */
  image: string;
  /** Name of a location, such as hel1. */
  location: string;
  /** cloud-init's user data; empty: none. */
  userData: string;
  /** Public keys, in authorized_keys form, that may log in as root. */
  sshKeys: string[];
}

/**
 * A rule of a cloud firewall; it lets in or out. Without any rule for `in` nothing comes in, without any for `out`
 * all goes out. Answers to what was let through pass.
 */
export interface FirewallRule {
  direction: "in" | "out";
  protocol: "tcp" | "udp" | "icmp" | "esp" | "gre";
  /** "25", "1024-5000" or "any"; null for protocols without ports. */
  port: string | null;
  /** CIDR blocks of both families; only for `in`. */
  sourceIps: string[];
  /** CIDR blocks of both families; only for `out`. */
  destinationIps: string[];
  description: string | null;
}

/** The authoritative name servers. Calls for one zone, and for one address, come in order and never overlap. */
export interface NameServer {
  /** The whole zone as it is now; it may exist already. */
  publish(zone: PublishedZone): Promise<void>;
  /** The zone is gone; success also when it never existed. */
  withdraw(zoneName: string): Promise<void>;
  /** The reverse name of one address; null: none. */
  setPtr(address: string, name: string | null): Promise<void>;
}

export interface PublishedZone {
  /** Without a dot at the end. */
  name: string;
  /** Default TTL in seconds. */
  ttl: number;
  /** One entry per record, SOA first; together with `name` as the origin these are the lines of a zone file. */
  records: PublishedRecord[];
}

export interface PublishedRecord {
  /** Relative to the zone; "@" for the zone itself. */
  name: string;
  ttl: number;
  type: string;
  /** In zone file form; names without a dot at the end are relative to the zone. */
  value: string;
}
