// lab/machines/disk.ts: a machine's disk: image layers below, what the machine wrote above. Lives in the daemon's own
// mount namespace, so that no mount outlives the lab's processes.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { attempt, command } from "../command";
import type { GuestFile } from "../text/guest";

export class Disk {
  readonly root: string;

  constructor(
    private readonly dir: string,
    private readonly layers: readonly string[],
  ) {
    this.root = join(dir, "root");
  }

  /** Whether a machine ever ran on it. */
  get used(): boolean {
    return existsSync(join(this.dir, "layers.json"));
  }

  /** True when this mounted a disk that nobody ever used. */
  async mount(): Promise<boolean> {
    const upper = join(this.dir, "upper");
    const layers = this.usedLayers() ?? this.layers;
    for (const dir of [upper, join(this.dir, "work"), this.root]) mkdirSync(dir, { recursive: true });
    if ((await attempt(["mountpoint", "-q", this.root])).status !== 0) {
      await command([
        "mount",
        "-t",
        "overlay",
        "overlay",
        "-o",
        `lowerdir=${layers.join(":")},upperdir=${upper},workdir=${join(this.dir, "work")}`,
        this.root,
      ]);
    }
    return this.usedLayers() === undefined;
  }

  /** From now on the disk belongs to these layers: over newer ones its files would not fit. */
  markUsed(): void {
    writeFileSync(join(this.dir, "layers.json"), JSON.stringify(this.layers));
  }

  /** Through the mount: writing below it, while it is mounted, is undefined. */
  write(files: readonly GuestFile[]): void {
    for (const file of files) {
      const path = join(this.root, file.path);
      mkdirSync(dirname(path), { recursive: true });
      rmSync(path, { force: true });
      writeFileSync(path, file.content, { mode: file.mode ?? 0o644 });
      chmodSync(path, file.mode ?? 0o644);
    }
  }

  private usedLayers(): string[] | undefined {
    const file = join(this.dir, "layers.json");
    if (!existsSync(file)) return undefined;
    const layers = JSON.parse(readFileSync(file, "utf8")) as string[];
    const gone = layers.filter((layer) => !existsSync(layer));
    if (gone.length > 0)
      throw new Error(
        `disk ${this.dir}: image layer ${gone.join(", ")} is no longer in the cache. Run: npm run lab -- destroy`,
      );
    return layers;
  }

  async erase(): Promise<void> {
    await attempt(["umount", "-l", this.root]);
    await attempt(["rm", "-rf", "--one-file-system", this.dir], { timeout: 120_000 });
  }
}
