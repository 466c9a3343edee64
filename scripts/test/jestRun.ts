// One run of jest, counted by the report that it leaves.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jestCount, type Count } from "./parts";

/** `run` starts jest with these arguments beside its own, and gives its exit status. */
export async function countJest(run: (report: readonly string[]) => number | Promise<number>): Promise<Count> {
  const dir = mkdtempSync(join(tmpdir(), "chatmail-proxy-test-"));
  const file = join(dir, "report.json");
  try {
    const status = await run(["--json", `--outputFile=${file}`]);
    return jestCount(existsSync(file) ? readFileSync(file, "utf8") : undefined, status);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
