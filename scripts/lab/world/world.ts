// lab/world/world.ts: the whole lab as the daemon runs it: builds it in order, answers what it looks like, changes it.
import { imagesOf } from "../images/build";
import { OWN_RELEASE, SOLD } from "../images/recipes";
import type { LabDirs } from "../dirs";
import type { Machine } from "../machines/machine";
import {
  CLIENT,
  CLIENT_LEG,
  HOME,
  HOME_LINE,
  linkName,
  namespaceOf,
  OPERATOR,
  OPERATOR_LEG,
  RELAY_LEG_V6,
  SERVICES,
} from "../plan";
import { ip } from "../netns";
import type { HomeState } from "../text/home";
import type { HostStatus, LabStatus } from "../control";
import { CloudFirewall } from "./firewall";
import { Home } from "./home";
import { ImageBuilder } from "./imageBuilder";
import { relayNetworkFile, relaySpec } from "./mailHosts";
import { serveMirror } from "./mirror";
import { LabNameServer } from "./nameServer";
import { buildClient, buildOperator, operatorIntoLan } from "./network";
import { residents, type Resident, type Residents } from "./residents";
import { LabMachineRoom } from "./room";

export class World {
  readonly firewall: CloudFirewall;
  readonly room: LabMachineRoom;
  readonly names: LabNameServer;
  private readonly home: Home;
  private readonly residents: Residents;

  constructor(
    private readonly dirs: LabDirs,
    private readonly say: (line: string) => void,
  ) {
    const images = new ImageBuilder(dirs, say);
    this.firewall = new CloudFirewall(dirs);
    this.room = new LabMachineRoom(dirs, this.firewall, images, say);
    this.names = new LabNameServer(dirs, imagesOf(dirs, OWN_RELEASE).services);
    this.home = new Home(dirs);
    this.residents = residents(dirs, () => this.home.state.ipv6, images, say);
  }

  async build(step: (name: string, work: () => Promise<unknown>) => Promise<void>): Promise<void> {
    await step("network", async () => {
      await this.firewall.restore();
      await Promise.all([buildClient(), buildOperator()]);
      await this.home.build();
      await operatorIntoLan();
    });
    await step("DNS and package mirror", async () => {
      await this.names.start();
      // One mirror for all releases, also for those whose packages come later.
      const roots = Object.values(SOLD).map((release) => imagesOf(this.dirs, release).mirror);
      await serveMirror(roots, [SERVICES.mirror.ipv4, SERVICES.mirror.ipv6]);
    });
    await step("relay, the other mail server, the machine to adopt", async () => {
      const wanted = this.own().filter((resident) => resident.wanted);
      await Promise.all(wanted.map((resident) => resident.start()));
      await Promise.all(wanted.map((resident) => resident.ready()));
    });
    await step("servers", () => this.room.restore());
  }

  status(): Pick<LabStatus, "hosts" | "home"> {
    const leg = (legs: { ipv4: string; ipv6?: string }) => [legs.ipv4, ...(legs.ipv6 ? [legs.ipv6] : [])];
    const namespace = (name: string, at: string, addresses: string[]): HostStatus => ({
      name,
      kind: "namespace",
      namespace: at,
      addresses,
      state: "running",
    });
    const { address, ipv6 } = this.home.state;
    return {
      home: this.home.state,
      hosts: [
        namespace("client", CLIENT, leg(CLIENT_LEG)),
        namespace("router", HOME, [
          address,
          HOME_LINE.lanGateway4,
          ...(ipv6 ? [HOME_LINE.wan6, HOME_LINE.lanGateway6] : []),
        ]),
        namespace("operator", OPERATOR, [...leg(OPERATOR_LEG), HOME_LINE.operator4]),
        ...this.machines().map((machine) => this.machineStatus(machine)),
      ],
    };
  }

  async reboot(name: string): Promise<void> {
    await this.machine(name).reboot();
  }

  /** On, and at work: the way to have a machine that does not start with the lab. */
  async start(name: string): Promise<void> {
    await this.power(name, "on");
    await this.resident(this.machine(name))?.ready();
  }

  async power(name: string, wish: "on" | "off" | "shutdown"): Promise<void> {
    const machine = this.machine(name);
    await (wish === "on"
      ? (this.resident(machine) ?? machine).start()
      : wish === "off"
        ? machine.powerOff()
        : machine.shutDown());
  }

  async silence(name: string, silenced: boolean): Promise<void> {
    const { spec } = this.machine(name);
    if (spec.nic.kind !== "link")
      throw new Error(
        `${name} has no link to the internet of its own, so it cannot be silenced; servers, mx, deb1 and vps can`,
      );
    await this.firewall.silence(linkName(spec.id), silenced);
  }

  /** What the home's provider, or its router, changes while everything runs. */
  async setHome(wish: Partial<HomeState>): Promise<void> {
    await this.home.set(wish);
    if (wish.ipv6 === undefined) return;
    const relay = this.residents.relay.machine;
    relay.spec = relaySpec(wish.ipv6);
    relay.disk.write([relayNetworkFile(wish.ipv6)]);
    // Not through networkd: a reconfigured interface would lose routes and rules that others have put there.
    if (relay.state === "running") await ip(namespaceOf("relay"), relayIPv6(wish.ipv6), { force: !wish.ipv6 });
  }

  /** Gently, so that disks are whole. */
  async shutDown(): Promise<void> {
    await Promise.all(
      this.machines().map((machine) => machine.shutDown().catch((error: unknown) => this.say(String(error)))),
    );
  }

  private own(): Resident[] {
    const { relay, mx, deb1, vps } = this.residents;
    return [relay, mx, deb1, vps];
  }

  private resident(machine: Machine): Resident | undefined {
    return this.own().find((own) => own.machine === machine);
  }

  private machines(): Machine[] {
    return [
      ...this.own().map(({ machine }) => machine),
      ...[...this.room.machines.values()].sort((a, b) => a.spec.name.localeCompare(b.spec.name)),
    ];
  }

  private machine(name: string): Machine {
    const found = this.machines().find((machine) => machine.spec.name === name);
    if (found === undefined)
      throw new Error(
        `no machine "${name}"; there are ${this.machines()
          .map((machine) => machine.spec.name)
          .join(", ")}`,
      );
    return found;
  }

  private machineStatus(machine: Machine): HostStatus {
    const { id, name, kind, addresses, nic } = machine.spec;
    return {
      name,
      kind,
      namespace: namespaceOf(id),
      addresses: [...addresses],
      state: machine.state,
      ...(this.resident(machine)?.onDemand ? { onDemand: true } : {}),
      ...(machine.initPid !== undefined ? { initPid: machine.initPid } : {}),
      ...(machine.bootedAt !== undefined ? { bootedAt: machine.bootedAt } : {}),
      ...(machine.lastEnd !== undefined ? { lastEnd: machine.lastEnd } : {}),
      ...(nic.kind === "link" && this.firewall.isSilenced(linkName(id)) ? { silenced: true } : {}),
    };
  }
}

function relayIPv6(on: boolean): string[] {
  const { ipv6, ipv6Length, gateway6 } = RELAY_LEG_V6;
  return on
    ? [`address replace ${ipv6}/${ipv6Length} dev eth0 nodad`, `route replace default via ${gateway6} dev eth0`]
    : [`route delete default via ${gateway6} dev eth0`, `address delete ${ipv6}/${ipv6Length} dev eth0`];
}
