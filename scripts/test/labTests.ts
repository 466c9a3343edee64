// The lab's tests, file by file, in as many lanes as the machine carries: much of a lab's time is waiting.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { withLock } from "../lab/lock";
import { nodeTs } from "../node";
import { countJest } from "./jestRun";
import { Lane } from "./lane";
import { expectedSeconds, lanesFor, verdict, type Count } from "./parts";

const TESTS = "test/lab";
const END = ".test.ts";
const LOCK = "/run/chatmail-proxy-tests.lock";

/** Every file when none is wanted by name. Says how each part went when it has gone. A lane that breaks is a failure, and leaves its files to the others. */
export async function labTests(root: string, wanted: readonly string[]): Promise<Count[]> {
  const files = queue(root, wanted);
  return withLock(LOCK, { directory: root, purpose: "npm test", seconds: 0 }, () =>
    withInotify(async (watchers) => {
      const most = watchers >= ENOUGH ? lanesFor(cpus().length, totalmem()) : 1;
      const lanes = Array.from({ length: Math.min(most, files.length) }, (_, i) => `chatmail-proxy-lab-${i + 1}`);
      const counts = await Promise.all(lanes.map((name) => inLane(root, name, files)));
      const left = files.map((file) => {
        process.stdout.write(`\n== ${file}: FAILED: no lane was left to run it in\n`);
        return verdict(1);
      });
      return [...counts.flat(), ...left];
    }),
  );
}

/** What takes longest first, so that no lane is left alone with it at the end. */
function queue(root: string, wanted: readonly string[]): string[] {
  const all = readdirSync(join(root, TESTS)).filter((name) => name.endsWith(END));
  const odd = wanted.find((word) => !all.includes(word + END));
  if (odd !== undefined)
    throw new Error(
      `there is no ${TESTS}/${odd}${END}; there are ${all.map((name) => name.slice(0, -END.length)).join(", ")}`,
    );
  const files = wanted.length > 0 ? wanted.map((word) => word + END) : all;
  const seconds = (name: string) => expectedSeconds(name.slice(0, -END.length), statSync(join(root, TESTS, name)).size);
  return files.sort((a, b) => seconds(b) - seconds(a));
}

async function inLane(root: string, name: string, files: string[]): Promise<Count[]> {
  const counts: Count[] = [];
  let lane: Lane | undefined;
  try {
    const opened = (lane = await Lane.open(name));
    const part = async (what: string, argv: readonly string[]) => {
      const started = Date.now();
      const { status, output } = await opened.run(argv, root);
      process.stdout.write(
        `\n== ${name}: ${what}\n${output}== ${name}: ${what}: ${status === 0 ? "ok" : "FAILED"}, ${((Date.now() - started) / 1000).toFixed(1)} s\n`,
      );
      if (!opened.isOpen) throw new Error("it was ended from outside; is there too little memory?");
      return status;
    };
    counts.push(verdict(await part("an empty place", nodeTs(join(root, "scripts/test/emptyLane.ts")))));
    for (let file = files.shift(); file !== undefined; file = files.shift()) counts.push(await jest(file, root, part));
    counts.push(verdict(await part("taken down", nodeTs(join(root, "scripts/lab.ts"), "destroy"))));
  } catch (error) {
    process.stdout.write(`\n== ${name}: FAILED: ${error instanceof Error ? error.message : String(error)}\n`);
    counts.push(verdict(1));
  } finally {
    await lane?.close();
  }
  return counts;
}

const jest = (
  file: string,
  root: string,
  part: (what: string, argv: readonly string[]) => Promise<number>,
): Promise<Count> =>
  countJest((report) =>
    part(file, [
      process.execPath,
      join(root, "node_modules/jest/bin/jest.js"),
      "--selectProjects",
      "lab",
      "--runInBand",
      "--verbose",
      ...report,
      "--runTestsByPath",
      join(root, TESTS, file),
    ]),
  );

/** Every systemd watches some files, and so does every dovecot: with two labs more than the kernel's default allows one user. */
const INOTIFY = "/proc/sys/fs/inotify/max_user_instances";
const ENOUGH = 2048;

async function withInotify<T>(work: (watchers: number) => Promise<T>): Promise<T> {
  const before = Number(readFileSync(INOTIFY, "utf8"));
  const raised = before < ENOUGH && raise(INOTIFY, ENOUGH);
  try {
    return await work(raised ? ENOUGH : before);
  } finally {
    if (raised) raise(INOTIFY, before);
  }
}

/** False where the kernel's settings are not ours to change, as in some containers: one lab fits the default. */
function raise(file: string, value: number): boolean {
  try {
    writeFileSync(file, String(value));
    return true;
  } catch {
    return false;
  }
}
