// build.ts: builds binaries from pinned Go modules, once per set of inputs, into the cache. Knows nothing of Pulumi.

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";

import type { Go } from "./go";
import { duration, run } from "./run";

/** All that decides what a binary will be. */
export interface Recipe {
  /** Name of the first binary, and of their place in the cache. */
  readonly name: string;
  /** What the progress lines call it. */
  readonly label: string;
  /** Folder of the Go module that is built. */
  readonly moduleDir: string;
  /** Folders whose Go files go into it: the module itself and the local ones that it replaces others with. */
  readonly sources: readonly string[];
  /** Each becomes a binary that bears its last part as name. */
  readonly packages: readonly string[];
  /** Variables that the linker sets. */
  readonly variables: Readonly<Record<string, string>>;
  /** Where the binaries go below their place in the cache; "" for the top. */
  readonly folder: "bin" | "";
  /** More files beside the binaries: name and text. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Seconds for one build: about eight times what the largest takes on two cores with empty caches. */
const BUILD_LIMIT = 40 * 60;
const SAY_SOMETHING_EVERY = 15_000;
/** Builds kept per binary; the least recently used go. */
const KEEP = 3;

/** Where a build of these inputs stands, or would stand. */
export function builtDir(cacheDir: string, recipe: Recipe, go: Pick<Go, "version" | "platform">): string {
  return join(cacheDir, "built", `${recipe.name}-${inputsKey(recipe, go)}`);
}

/** Builds the recipe unless that is done already. Returns its folder in the cache. */
export async function build(recipe: Recipe, go: Go, cacheDir: string, log: (line: string) => void): Promise<string> {
  const target = builtDir(cacheDir, recipe, go);
  if (existsSync(target)) {
    const now = new Date();
    utimesSync(target, now, now);
    return target;
  }
  removeUnfinished(dirname(target));
  // Half-done work never bears the final name, and no two runs share one: the compiler may outlive a killed run.
  const unfinished = join(dirname(target), `unfinished-${process.pid}-${basename(target)}`);
  const folder = join(unfinished, recipe.folder);
  mkdirSync(folder, { recursive: true });
  const logFile = join(cacheDir, "logs", `build-${recipe.name}.log`);
  const start = Date.now();
  log(`${recipe.label}: building from Go modules with Go ${go.version}; log: ${logFile}`);
  const counter = buildCounter();
  const ticker = setInterval(
    () => log(`${recipe.label}: ${counter.text()}, ${duration(Date.now() - start)}`),
    SAY_SOMETHING_EVERY,
  );
  try {
    await run({
      step: `build ${recipe.label}`,
      argv: [go.program, "build", "-v", "-trimpath", ...flags(recipe), "-o", folder, ...recipe.packages],
      cwd: recipe.moduleDir,
      env: go.env,
      logFile,
      limit: BUILD_LIMIT,
      onOutput: counter.take,
    });
  } finally {
    clearInterval(ticker);
  }
  for (const [name, text] of Object.entries(recipe.files ?? {})) writeFileSync(join(unfinished, name), text);
  renameSync(unfinished, target);
  removeOld(dirname(target), recipe.name);
  log(`${recipe.label}: built in ${duration(Date.now() - start)}`);
  return target;
}

/** A name for the inputs: the same for the same sources, pins, flags, Go version and platform, on any machine. */
export function inputsKey(recipe: Recipe, go: Pick<Go, "version" | "platform">): string {
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify([go.version, go.platform, recipe.packages, flags(recipe), recipe.folder, recipe.files ?? {}]),
  );
  for (const folder of recipe.sources) {
    for (const file of goFiles(folder)) {
      hash.update(`\n${basename(folder)}/${relative(folder, file)}\n`);
      hash.update(readFileSync(file));
    }
  }
  return hash.digest("hex").slice(0, 16);
}

/** What `go build -v` says, counted. */
export function buildCounter(): { take: (text: string) => void; text: () => string } {
  let modules = 0;
  let packages = 0;
  return {
    take: (text) => {
      for (const line of text.split("\n")) {
        if (line.startsWith("go: downloading ")) modules += 1;
        else if (/^[\w.-]+(\/|$)/.test(line)) packages += 1;
      }
    },
    text: () => `${modules} modules fetched, ${packages} packages compiled`,
  };
}

function flags(recipe: Recipe): string[] {
  const variables = Object.entries(recipe.variables).map(([name, value]) => `-X ${name}=${value}`);
  // grpcnotrace: without it the linker keeps every method of every type, for a debugging page that nobody opens.
  return ["-tags", "grpcnotrace", "-ldflags", ["-s -w", ...variables].join(" ")];
}

function goFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /(^|\/)go\.(mod|sum)$|\.go$/.test(file) && !file.endsWith("_test.go"))
    .sort()
    .map((file) => join(folder, file));
}

function removeUnfinished(folder: string): void {
  for (const name of list(folder)) {
    if (name.startsWith("unfinished-")) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function removeOld(folder: string, name: string): void {
  list(folder)
    .filter((entry) => entry.replace(/-[0-9a-f]{16}$/, "") === name)
    .map((entry) => join(folder, entry))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    .slice(KEEP)
    .forEach((old) => rmSync(old, { recursive: true, force: true }));
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
