// What a run that was killed left under this lane's name goes, whichever clone it was of: who holds the lock of the tests is alone.
import { removeFiles, takeDown } from "../lab/cleanup";
import { labDirs } from "../lab/dirs";

async function main(): Promise<void> {
  const dirs = labDirs();
  const found = await takeDown(dirs);
  await removeFiles(dirs);
  if (found.length > 0) process.stdout.write(`${found.join(", ")}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
