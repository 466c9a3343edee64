// lab/world/nameServer.ts: the lab's DNS: knot, within an image layer, fed with zone files. Knows no API.
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawn, type ChildProcess } from "node:child_process";
import { command } from "../command";
import { logFile, machineDir, type LabDirs } from "../dirs";
import type { NameServer, PublishedZone } from "../hetzner/world";
import { inCgroup } from "../machines/cgroup";
import { Disk } from "../machines/disk";
import { DYNAMIC_ZONE } from "../plan";
import { KNOT, renderKnotConf, renderTsigConf, zoneFile } from "../text/knot";
import { freshDynamicZone, ownZones, renderZone } from "../text/zones";
import { waitFor } from "../wait";
import { dkimKeyFile, readSecret, tsigSecret } from "./keys";

export class LabNameServer implements NameServer {
  private readonly published = new Map<string, PublishedZone>();
  private readonly ptrs = new Map<string, string>();
  /** What knot has right now, by zone. */
  private readonly written = new Map<string, string>();
  private readonly disk: Disk;
  private queue: Promise<unknown> = Promise.resolve();
  private child: ChildProcess | undefined;

  constructor(
    private readonly dirs: LabDirs,
    layers: readonly string[],
  ) {
    this.disk = new Disk(machineDir(dirs, "dns"), layers);
  }

  async start(): Promise<void> {
    await this.disk.erase();
    await this.disk.mount();
    // Nothing of a former run: the API tells it all again.
    for (const dir of ["zones", "run", "db"]) mkdirSync(this.path(dir), { recursive: true });
    await this.keepDynamicZone();
    this.writeChanges();
    const out = openSync(logFile(this.dirs, "dns"), "a");
    const [program = "", ...args] = inCgroup("dns", this.inRoot(["knotd", "-c", KNOT.conf]));
    this.child = spawn(program, args, { stdio: ["ignore", out, out] });
    closeSync(out);
    await waitFor(
      `knot to start; its log is ${logFile(this.dirs, "dns")}`,
      10,
      async () => {
        if (this.child?.exitCode !== null) throw new Error(`knotd ended with status ${this.child?.exitCode}`);
        await this.knotc(["status"]);
        return true;
      },
      50,
    );
  }

  /** Nobody tells its records again after a restart, so they lie outside the disk. */
  private async keepDynamicZone(): Promise<void> {
    const kept = join(this.dirs.state, "dynamic-zones");
    mkdirSync(kept, { recursive: true });
    const file = join(kept, zoneFile(DYNAMIC_ZONE));
    if (!existsSync(file)) writeFileSync(file, renderZone(freshDynamicZone()));
    const inside = join(this.disk.root, KNOT.dynamic);
    mkdirSync(inside, { recursive: true });
    await command(["mount", "--bind", kept, inside]);
    writeFileSync(join(this.disk.root, KNOT.tsig), renderTsigConf(tsigSecret(this.dirs)), { mode: 0o600 });
  }

  publish(zone: PublishedZone): Promise<void> {
    return this.change(() => this.published.set(zone.name, zone));
  }

  withdraw(zoneName: string): Promise<void> {
    return this.change(() => this.published.delete(zoneName));
  }

  setPtr(address: string, name: string | null): Promise<void> {
    return this.change(() => (name === null ? this.ptrs.delete(address) : this.ptrs.set(address, name)));
  }

  private change(edit: () => void): Promise<void> {
    const turn = this.queue
      .catch(() => undefined)
      .then(async () => {
        edit();
        const { zones, list } = this.writeChanges();
        if (list) await this.knotc(["-b", "reload"]);
        if (zones.length > 0) await this.knotc(["-b", "zone-reload", ...zones]);
      });
    this.queue = turn;
    return turn;
  }

  /** Writes what differs from what knot has; says which zones changed, and whether the list of zones did. */
  private writeChanges(): { zones: string[]; list: boolean } {
    const now = new Map(
      [...ownZones(this.ptrs, readSecret(dkimKeyFile(this.dirs))), ...this.published.values()].map((zone) => [
        zone.name,
        renderZone(zone),
      ]),
    );
    const gone = [...this.written.keys()].filter((zone) => !now.has(zone));
    const added = [...now.keys()].filter((zone) => !this.written.has(zone));
    const changed = [...now].filter(([zone, text]) => this.written.get(zone) !== text).map(([zone]) => zone);
    for (const zone of changed) this.write(join("zones", zoneFile(zone)), now.get(zone) ?? "");
    for (const zone of gone) rmSync(this.path(join("zones", zoneFile(zone))), { force: true });
    const list = gone.length + added.length > 0;
    if (list) this.write("knot.conf", renderKnotConf([...now.keys()]));
    this.written.clear();
    for (const [zone, text] of now) this.written.set(zone, text);
    return { zones: changed.filter((zone) => !added.includes(zone)), list };
  }

  private write(file: string, text: string): void {
    writeFileSync(`${this.path(file)}.new`, text);
    renameSync(`${this.path(file)}.new`, this.path(file));
  }

  private knotc(args: readonly string[]): Promise<unknown> {
    return command(this.inRoot(["knotc", "-s", KNOT.socket, ...args]), { timeout: 20_000 });
  }

  private inRoot(argv: readonly string[]): string[] {
    return ["chroot", this.disk.root, ...argv];
  }

  private path(file: string): string {
    return join(this.disk.root, KNOT.dir, file);
  }
}
