// lab/destroy.ts: removes the lab: all but the caches.
import { existsSync } from "node:fs";
import { isRunning, ownerOf, removeFiles, takeDown } from "./cleanup";
import { statusIfUp } from "./control";
import type { LabDirs } from "./dirs";
import { currentLab } from "./lab";
import { checkMachine } from "./preflight";
import { stackModule } from "./stackContract";
import type { Progress } from "./up";

export async function destroy(dirs: LabDirs, progress: Progress): Promise<void> {
  checkMachine();
  const owner = ownerOf(dirs);
  if (owner !== undefined && owner.project !== dirs.project && isRunning(owner)) {
    throw new Error(
      `the lab that is up belongs to ${owner.project} (pid ${owner.pid}). Take it down there: cd ${owner.project} && npm run lab -- destroy`,
    );
  }
  if ((await statusIfUp(dirs))?.ready) {
    // What cannot be destroyed in an orderly way goes with its world.
    await progress
      .step("stack", async () => stackModule()?.stackDestroy(await currentLab(dirs), progress))
      .catch((error: unknown) => progress.say(error instanceof Error ? error.message : String(error)));
  }
  if (!existsSync(dirs.state) && owner === undefined) progress.say("no lab here; looking for leftovers all the same");
  await progress.step("processes, namespaces, mounts", () => takeDown(dirs));
  await progress.step("files", () => removeFiles(dirs));
}
