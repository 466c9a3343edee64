// lab/world/imageBuilder.ts: images that are built while the lab is up. The daemon lives in the lab's internet, which leads
// nowhere; packages come from the real one, so a program of its own builds them in this machine's network.
import { join } from "node:path";
import { nodeTs } from "../../node";
import { command } from "../command";
import { BUILD_MS } from "../control";
import { outsideNetwork, type LabDirs } from "../dirs";
import { isBuilt } from "../images/build";
import type { Release } from "../images/recipes";

export class ImageBuilder {
  private readonly building = new Map<Release, Promise<void>>();

  constructor(
    private readonly dirs: LabDirs,
    private readonly say: (line: string) => void,
  ) {}

  /** Builds what is missing; who asks in the meantime waits for the same build. */
  async ensure(release: Release): Promise<void> {
    if (isBuilt(this.dirs, release)) return;
    const building = this.building.get(release) ?? this.build(release).finally(() => this.building.delete(release));
    this.building.set(release, building);
    await building;
  }

  private async build(release: Release): Promise<void> {
    this.say(`building the image of ${release}`);
    const argv = [
      "nsenter",
      `--net=${outsideNetwork(this.dirs)}`,
      "--",
      ...nodeTs(join(__dirname, "../images/ensure.ts"), release),
    ];
    const { stdout } = await command(argv, { cwd: this.dirs.project, timeout: BUILD_MS });
    for (const line of stdout.trim().split("\n")) this.say(line);
  }
}
