// lab/world/residents.ts: the machines that are the lab's own, from its start, or from when they are wanted; bought servers are room.ts's.
import { imagesOf } from "../images/build";
import { OWN_RELEASE, type Release } from "../images/recipes";
import type { LabDirs } from "../dirs";
import { Machine, type MachineSpec } from "../machines/machine";
import { listeningPorts } from "../processes";
import type { GuestFile } from "../text/guest";
import { waitFor } from "../wait";
import { DEB1_PORTS, deb1Files, deb1Spec } from "./adopted";
import type { ImageBuilder } from "./imageBuilder";
import { mxFiles, mxSpec, readyPorts, relayFiles, relaySpec, vpsFiles, vpsSpec, VPS_RELEASE } from "./mailHosts";

export class Resident {
  readonly machine: Machine;

  constructor(
    dirs: LabDirs,
    spec: MachineSpec,
    private readonly ports: readonly number[],
    /** What stands on its disk before its first boot. */
    private readonly files: () => Promise<GuestFile[]> | GuestFile[],
    say: (line: string) => void,
    /** Not there until somebody wants it, of a release that may have to be built first; from then on it is the lab's like the others. */
    private readonly demand?: { readonly release: Release; readonly images: ImageBuilder },
  ) {
    this.machine = new Machine(dirs, spec, imagesOf(dirs, demand?.release ?? OWN_RELEASE)[spec.image], say);
  }

  get onDemand(): boolean {
    return this.demand !== undefined;
  }

  /** Whether it starts with the lab. */
  get wanted(): boolean {
    return !this.onDemand || this.machine.disk.used;
  }

  /** Resolves once init runs. */
  async start(): Promise<void> {
    await this.demand?.images.ensure(this.demand.release);
    const files = await this.files();
    await this.machine.start(() => files);
  }

  /** Resolves once it listens on all its ports. */
  async ready(): Promise<void> {
    const { spec } = this.machine;
    await waitFor(`${spec.name} to listen on ports ${this.ports.join(", ")}`, 60, () => {
      const open = listeningPorts(this.machine.initPid ?? 0);
      const closed = this.ports.filter((port) => !open.has(port));
      if (closed.length > 0) throw new Error(`nothing listens on ${closed.join(", ")} yet`);
      return true;
    });
  }
}

export interface Residents {
  readonly relay: Resident;
  readonly mx: Resident;
  readonly deb1: Resident;
  readonly vps: Resident;
}

export function residents(
  dirs: LabDirs,
  homeIPv6: () => boolean,
  images: ImageBuilder,
  say: (line: string) => void,
): Residents {
  const relay = relaySpec(homeIPv6());
  const mx = mxSpec();
  const vps = vpsSpec();
  return {
    relay: new Resident(dirs, relay, readyPorts(relay), () => relayFiles(dirs, homeIPv6()), say),
    mx: new Resident(dirs, mx, readyPorts(mx), () => mxFiles(dirs), say),
    deb1: new Resident(dirs, deb1Spec(), DEB1_PORTS, () => deb1Files(dirs), say),
    vps: new Resident(dirs, vps, readyPorts(vps), () => vpsFiles(dirs), say, { release: VPS_RELEASE, images }),
  };
}
