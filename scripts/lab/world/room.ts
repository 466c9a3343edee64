// lab/world/room.ts: the fake cloud's machine room: bought servers as machines of the lab. Knows no HTTP.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LabDirs } from "../dirs";
import type { Addresses, FirewallRule, Machine as CloudMachine, MachineRoom, PowerWish } from "../hetzner/world";
import { imagesOf } from "../images/build";
import { releaseOf } from "../images/recipes";
import { Machine, machineFile, type MachineSpec } from "../machines/machine";
import { LINK, linkLeg, linkName, RESERVED_NAMES, type Leg } from "../plan";
import { cloudSeed, hostsFile, networkdConfig, NETWORK_FILE, resolvConf, type GuestFile } from "../text/guest";
import type { CloudFirewall } from "./firewall";
import type { ImageBuilder } from "./imageBuilder";

interface Stored {
  readonly server: CloudMachine;
  readonly on: boolean;
}

export class LabMachineRoom implements MachineRoom {
  readonly machines = new Map<number, Machine>();
  private readonly servers = new Map<number, CloudMachine>();

  constructor(
    private readonly dirs: LabDirs,
    private readonly firewall: CloudFirewall,
    private readonly images: ImageBuilder,
    private readonly say: (line: string) => void,
  ) {}

  /** Machines that a daemon before this one ran, from their disks, as after a power cut. */
  async restore(): Promise<void> {
    const root = join(this.dirs.state, "machines");
    const stored = existsSync(root) ? readdirSync(root).flatMap((id) => storedIn(machineFile(this.dirs, id))) : [];
    await Promise.all(
      stored.map(async ({ server, on }) => {
        try {
          const machine = this.machine(server);
          if (on) await machine.start(() => seedFiles(server));
        } catch (error) {
          // One broken disk leaves the others, and the lab, as they are.
          this.say(`${server.name}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }),
    );
  }

  async boot(server: CloudMachine): Promise<void> {
    if (RESERVED_NAMES.includes(shortName(server.name)))
      throw new Error(`server name "${server.name}": the lab calls a host of its own so. Take another name.`);
    await this.images.ensure(releaseOf(server.image));
    const machine = this.machine(server);
    this.store(server, true);
    await machine.start(() => seedFiles(server));
  }

  async power(id: number, wish: PowerWish): Promise<void> {
    const machine = this.known(id);
    const server = this.servers.get(id);
    if (server !== undefined) this.store(server, wish === "on" || wish === "reboot");
    switch (wish) {
      case "on":
        return machine.start();
      case "off":
        return machine.powerOff();
      case "shutdown":
        return machine.shutDown();
      case "reboot":
        return machine.reboot();
      default:
        return unreachable(wish);
    }
  }

  async setAddresses(id: number, addresses: Addresses): Promise<void> {
    const machine = this.known(id);
    const server = { ...(this.servers.get(id) as CloudMachine), ...addresses };
    this.servers.set(id, server);
    this.store(server, false);
    machine.spec = specOf(server);
    await machine.disk.mount();
    machine.disk.write(seedFiles(server).filter((file) => file.path === NETWORK_FILE));
  }

  async setFirewall(id: number, rules: FirewallRule[] | null): Promise<void> {
    await this.firewall.setRules(linkName(machineId(id)), rules);
  }

  async erase(id: number): Promise<void> {
    await this.machines.get(id)?.erase();
    this.machines.delete(id);
    this.servers.delete(id);
    await this.firewall.forget(linkName(machineId(id)));
  }

  private machine(server: CloudMachine): Machine {
    const existing = this.machines.get(server.id);
    if (existing !== undefined) return existing;
    const machine = new Machine(this.dirs, specOf(server), imagesOf(this.dirs, releaseOf(server.image)).host, this.say);
    this.machines.set(server.id, machine);
    this.servers.set(server.id, server);
    return machine;
  }

  private known(id: number): Machine {
    const machine = this.machines.get(id);
    if (machine === undefined) throw new Error(`no machine ${id} was ever booted`);
    return machine;
  }

  private store(server: CloudMachine, on: boolean): void {
    const file = machineFile(this.dirs, machineId(server.id));
    mkdirSync(dirname(file), { recursive: true });
    // The user data holds the host's private key.
    writeFileSync(file, JSON.stringify({ server, on } satisfies Stored), { mode: 0o600 });
  }
}

/** What `exec` and `log` call a server: the first label of its name, as its own shell prompt does. */
export const shortName = (name: string): string => name.split(".")[0] ?? name;

/** Namespaces and links go by the number, since people's names may be long and may change. */
export const machineId = (id: number): string => `s${id}`;

export function specOf(server: CloudMachine): MachineSpec {
  const own6 = server.ipv6Network === null ? undefined : hostInNetwork(server.ipv6Network);
  const owned = [
    ...(server.ipv4 === null ? [] : [`${server.ipv4}/32`]),
    ...(server.ipv6Network === null ? [] : [server.ipv6Network]),
  ];
  return {
    id: machineId(server.id),
    name: shortName(server.name),
    kind: "proxy",
    image: "host",
    addresses: [...(server.ipv4 === null ? [] : [server.ipv4]), ...(own6 === undefined ? [] : [own6])],
    nic: { kind: "link", owned },
  };
}

export function seedFiles(server: CloudMachine): GuestFile[] {
  const own6 = server.ipv6Network === null ? undefined : hostInNetwork(server.ipv6Network);
  const leg: Partial<Leg> =
    server.ipv4 === null
      ? { ...(own6 ? { ipv6: own6, ipv6Length: 64, gateway6: LINK.gateway6 } : {}) }
      : linkLeg(server.ipv4, own6);
  return [
    ...cloudSeed({
      instanceId: `i-${server.id}`,
      hostname: shortName(server.name),
      sshKeys: server.sshKeys,
      userData: server.userData,
    }),
    { path: NETWORK_FILE, content: networkdConfig(leg) },
    { path: "/etc/resolv.conf", content: resolvConf() },
    { path: "/etc/hostname", content: `${shortName(server.name)}\n` },
    { path: "/etc/hosts", content: hostsFile([server.name, shortName(server.name)]) },
  ];
}

/** A server's own address in its network: ::1, as Hetzner's metadata says it. */
export const hostInNetwork = (network: string): string => network.replace(/\/\d+$/, "1");

function storedIn(file: string): Stored[] {
  try {
    return [JSON.parse(readFileSync(file, "utf8")) as Stored];
  } catch {
    return [];
  }
}

function unreachable(value: never): never {
  throw new Error(`no such wish: ${String(value)}`);
}
