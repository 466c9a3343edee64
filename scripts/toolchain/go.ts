// go.ts: finds a Go that is recent enough, and the environment in which it builds. Builds nothing.

import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

import { run, ToolchainError } from "./run";
import { atLeast, requiredGo, versionIn } from "./versions";

export interface Go {
  readonly program: string;
  /** Such as "1.26.4": the version that compiles. */
  readonly version: string;
  /** Such as "linux/amd64". */
  readonly platform: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Where Go is looked for beside PATH: `sudo` and services often come without these folders. */
const USUAL_PLACES = ["/usr/local/go/bin", "/usr/lib/go/bin", "/opt/homebrew/bin", "/snap/bin"];

/** Seconds for `go` to say its version, and to fetch a newer self through the module proxy. */
const ASK_LIMIT = 30;
const FETCH_LIMIT = 300;

export async function findGo(moduleDir: string, logs: string, log: (line: string) => void): Promise<Go> {
  const needed = requiredGo(readFileSync(join(moduleDir, "go.mod"), "utf8"));
  const program = findProgram("go", process.env.PATH, USUAL_PLACES);
  if (program === undefined) {
    throw new ToolchainError("Go", `there is no \`go\` on PATH. ${cure(needed)}`);
  }
  const ask = async (toolchain: string, limit: number): Promise<string[]> =>
    (
      await run({
        step: "Go",
        argv: [program, "env", "GOVERSION", "GOHOSTOS", "GOHOSTARCH"],
        env: goEnvironment(process.env, { GOTOOLCHAIN: toolchain }),
        logFile: join(logs, "go.log"),
        limit,
      })
    ).split("\n");
  let toolchain = "local";
  let answer = await ask(toolchain, ASK_LIMIT);
  const found = versionIn(answer[0] ?? "") ?? "unknown";
  if (!atLeast(found, needed)) {
    log(`Go: ${program} is ${found}, ${needed} is needed: asking it to fetch that`);
    toolchain = `go${needed}`;
    answer = await ask(toolchain, FETCH_LIMIT).catch(() => {
      throw new ToolchainError(
        "Go",
        `${program} is ${found} and could not fetch ${needed}. ${cure(needed)}`,
        join(logs, "go.log"),
      );
    });
  }
  const [version = "", os = "", arch = ""] = answer;
  return {
    program,
    version: versionIn(version) ?? version,
    platform: `${os}/${arch}`,
    env: goEnvironment(process.env, { GOTOOLCHAIN: toolchain, GOOS: os, GOARCH: arch }),
  };
}

/**
 * The caller's environment with all that could bend the build set to a value of ours. Set, not removed: what is missing
 * in the environment is taken from the file that `go env -w` writes.
 */
export function goEnvironment(base: NodeJS.ProcessEnv, more: Record<string, string>): NodeJS.ProcessEnv {
  return {
    ...base,
    GOFLAGS: "-mod=readonly", // replaces flags such as -mod=vendor or -race
    GOWORK: "off",
    GO111MODULE: "on",
    CGO_ENABLED: "0", // no C compiler needed, and the same binary everywhere
    ...more,
  };
}

/** The first executable of this name on a PATH, then in the usual places. */
export function findProgram(
  name: string,
  path: string | undefined,
  places: readonly string[] = [],
): string | undefined {
  const folders = [...(path ?? "").split(delimiter), ...places].filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function cure(needed: string): string {
  return (
    `Install Go ${needed} or later and put it on PATH, ` +
    "or install pulumi and its plugins from the vendor: then nothing has to be built."
  );
}
