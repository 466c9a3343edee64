// lab/machines/machine.ts: one machine that really boots: on, off, reboot, gone. Knows not what runs on it.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { logFile, machineDir, type LabDirs } from "../dirs";
import type { Images } from "../images/build";
import { namespaceOf, type HostKind } from "../plan";
import { namespacePath } from "../enter";
import { childrenOf, isNamespaceInit } from "../processes";
import type { GuestFile } from "../text/guest";
import { waitFor } from "../wait";
import { inCgroup, killCgroup } from "./cgroup";
import { Disk } from "./disk";
import { plugIn, unplug, type Nic } from "./nic";

export interface MachineSpec {
  /** Short; in the names of the namespace and of the link. */
  readonly id: string;
  /** What people call it. */
  readonly name: string;
  readonly kind: Exclude<HostKind, "namespace">;
  readonly image: keyof Pick<Images, "host" | "mail" | "relay" | "adopted">;
  readonly addresses: readonly string[];
  readonly nic: Nic;
}

export type MachineState = "running" | "off" | "starting" | "stopping";

/** nspawn's exit status when the guest asked for a reboot and no unit manager is there to carry it out. */
const REBOOT_STATUS = 133;
const GENTLE_SECONDS = 60;

export class Machine {
  state: MachineState = "off";
  /** How its last run ended, for people. */
  lastEnd: string | undefined;
  bootedAt: string | undefined;
  initPid: number | undefined;
  readonly disk: Disk;
  private child: ChildProcess | undefined;
  private wanted = false;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly dirs: LabDirs,
    public spec: MachineSpec,
    layers: readonly string[],
    private readonly say: (line: string) => void,
  ) {
    this.disk = new Disk(machineDir(dirs, spec.id), layers);
  }

  /** Writes these files if the disk is new, and boots. Resolves once init runs. */
  start(files: () => readonly GuestFile[] = () => []): Promise<void> {
    return this.inTurn(async () => {
      if (this.child !== undefined) return;
      if (await this.disk.mount()) {
        this.disk.write(files());
        this.disk.markUsed();
      }
      await this.boot();
    });
  }

  /** Asks the guest to power off, and pulls the plug if it does not within a minute. */
  shutDown(): Promise<void> {
    return this.inTurn(async () => {
      this.wanted = false;
      if (this.child === undefined) return;
      this.state = "stopping";
      this.child.kill("SIGTERM");
      await this.ended().catch(() => this.pull());
    });
  }

  powerOff(): Promise<void> {
    return this.inTurn(() => this.pull());
  }

  /** As Ctrl-Alt-Del does: the guest ends its services and comes up again. */
  reboot(): Promise<void> {
    return this.inTurn(async () => {
      const before = this.child;
      if (before === undefined || this.initPid === undefined)
        throw new Error(`${this.spec.name} is ${this.state}: nothing to reboot. Power it on first.`);
      process.kill(this.initPid, "SIGINT");
      await waitFor(
        `${this.spec.name} to come up again`,
        GENTLE_SECONDS,
        () => this.child !== before && this.state === "running",
      );
    });
  }

  erase(): Promise<void> {
    return this.inTurn(async () => {
      await this.pull();
      await this.disk.erase();
    });
  }

  private async boot(): Promise<void> {
    this.wanted = true;
    this.state = "starting";
    this.initPid = undefined;
    await plugIn(this.spec.id, this.spec.nic);
    const child = this.spawn();
    this.child = child;
    child.once("exit", (code, signal) => void this.onExit(child, code, signal));
    this.initPid = await waitFor(
      `init of ${this.spec.name}; its console is in ${logFile(this.dirs, this.spec.id)}`,
      20,
      () => {
        if (child.exitCode !== null) throw new Error(`systemd-nspawn ended with status ${child.exitCode}`);
        return childrenOf(child.pid ?? 0).find(isNamespaceInit);
      },
      20,
    );
    this.state = "running";
    this.bootedAt = new Date().toISOString();
  }

  private spawn(): ChildProcess {
    const console = logFile(this.dirs, this.spec.id);
    mkdirSync(dirname(console), { recursive: true });
    const out = openSync(console, "a");
    const [program = "", ...args] = inCgroup(this.spec.id, nspawnArgv(this.spec, this.disk.root));
    const env = { ...process.env, SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network", SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" };
    const child = spawn(program, args, { stdio: ["ignore", out, out], env });
    closeSync(out);
    child.on("error", (error) => this.say(`${this.spec.name}: systemd-nspawn cannot be started: ${error.message}`));
    return child;
  }

  /** The guest rebooted, powered off, or died; whoever asked for it waits on `child` to change. */
  private async onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    if (this.child !== child) return;
    this.lastEnd = signal
      ? `killed by ${signal}`
      : code === REBOOT_STATUS
        ? "reboot"
        : code === 0
          ? "power off"
          : `exit status ${code ?? "none"}`;
    this.say(`${this.spec.name}: ${this.lastEnd}`);
    try {
      await killCgroup(this.spec.id);
      await unplug(this.spec.id, this.spec.nic);
      if (code === REBOOT_STATUS && this.wanted) return await this.boot();
    } catch (error) {
      this.say(`${this.spec.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.child = undefined;
    this.initPid = undefined;
    this.state = "off";
  }

  private async pull(): Promise<void> {
    this.wanted = false;
    if (this.child === undefined) return;
    this.state = "stopping";
    await killCgroup(this.spec.id);
    await this.ended();
  }

  private ended(): Promise<boolean> {
    return waitFor(`${this.spec.name} to end`, GENTLE_SECONDS, () => this.child === undefined, 20);
  }

  /** One wish after the other; a failed one does not stop the next. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(work, work);
    this.queue = turn.catch(() => undefined);
    return turn;
  }
}

/**
 * --register=no --keep-unit: there may be no systemd outside. --system-call-filter=bpf: systemd inside wants it for its
 * own cgroups. CAP_NET_ADMIN and /dev/net/tun: what a real host has for nftables and WireGuard.
 */
export function nspawnArgv(spec: MachineSpec, root: string): string[] {
  return [
    "systemd-nspawn",
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--settings=no",
    `--machine=${namespaceOf(spec.id)}`,
    `--hostname=${spec.name}`,
    "-D",
    root,
    `--network-namespace-path=${namespacePath(namespaceOf(spec.id))}`,
    "--boot",
    "--bind=/dev/net/tun",
    "--capability=CAP_NET_ADMIN",
    "--system-call-filter=bpf",
    "--link-journal=no",
    "--resolv-conf=off",
    "--timezone=off",
    "--console=read-only",
  ];
}

export const machineFile = (dirs: LabDirs, id: string): string => join(machineDir(dirs, id), "machine.json");
