// lab/images/ensure.ts: builds what is missing of a release's images: `ensure.ts RELEASE`. world/imageBuilder.ts starts it.
import { labDirs } from "../dirs";
import { ensureImages } from "./build";
import type { Release } from "./recipes";

ensureImages(labDirs(), process.argv[2] as Release, (line) => process.stdout.write(`${line}\n`)).catch(
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
