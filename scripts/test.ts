// `npm test`: type check, lint, unit and golden tests, the lab. `npm run test:unit` is the unit part alone, and
// `npm test -- hosts mail` two files of the lab's.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { nodeTs } from "./node";
import { countJest } from "./test/jestRun";
import { labTests } from "./test/labTests";
import { closingLine, failureList, labObstacle, sum, verdict, type Count } from "./test/parts";

const root = join(__dirname, "..");
const args = process.argv.slice(2);
const unitOnly = args.includes("--unit");
const wanted = args.filter((arg) => arg !== "--unit");

function run(name: string, argv: readonly string[]): number {
  const [program = "", ...rest] = argv;
  const started = Date.now();
  process.stdout.write(`\n== ${name}\n`);
  const { status, error } = spawnSync(program, rest, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (error) process.stdout.write(`${program} cannot be started: ${error.message}\n`);
  process.stdout.write(
    `== ${name}: ${status === 0 ? "ok" : "FAILED"}, ${((Date.now() - started) / 1000).toFixed(1)} s\n`,
  );
  return status ?? 1;
}

/** A tool of this clone's node_modules, started with this very Node. */
const tool = (path: string, ...rest: string[]) => [process.execPath, join(root, "node_modules", path), ...rest];

const unitTests = (): Promise<Count> =>
  countJest((report) => {
    const [node = "", ...argv] = tool("jest/bin/jest.js", "--selectProjects", "unit", ...report, "--maxWorkers=100%");
    // Programs are run by the hundred, and leave much that is not needed any more: a sixth of the time went into clearing it away.
    return run("unit and golden tests", [node, "--max-semi-space-size=128", ...argv]);
  });

const shellScripts = () =>
  ["components", "findings", "scripts"].flatMap((dir) =>
    readdirSync(join(root, dir), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".sh"))
      .map((entry) => join(entry.parentPath, entry.name)),
  );

async function labPart(): Promise<Count[]> {
  const obstacle = labObstacle(process.platform, process.getuid?.());
  if (obstacle !== undefined) {
    process.stdout.write(`\n== lab: skipped: ${obstacle}\n`);
    // Where nobody watches, a skipped lab is a lab that proved nothing.
    return [process.env.CI ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 1 }];
  }
  const prepared = run("lab: what the tests need", nodeTs(join(root, "scripts/test/prepare.ts")));
  return [
    verdict(prepared),
    ...(prepared === 0
      ? [verdict(run("shellcheck", ["shellcheck", ...shellScripts(), ".ci/run"])), ...(await labTests(root, wanted))]
      : []),
  ];
}

async function main(): Promise<void> {
  const checks = async () => [
    verdict(run("type check", tool("typescript/bin/tsc", "--noEmit"))),
    verdict(run("lint", tool("eslint/bin/eslint.js", "."))),
    verdict(run("floors", tool("dependency-cruiser/bin/dependency-cruise.mjs", "components", "index.ts"))),
    verdict(run("format", tool("prettier/bin/prettier.cjs", "--check", "."))),
    await unitTests(),
  ];
  const counts = unitOnly ? [await unitTests()] : [...(wanted.length > 0 ? [] : await checks()), ...(await labPart())];
  const all = sum(counts);
  process.stdout.write(`${failureList(all)}\n${closingLine(all)}\n`);
  process.exitCode = all.failed > 0 ? 1 : 0;
}

// Until the closing line is out: an early end is no success.
process.exitCode = 1;
main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
});
