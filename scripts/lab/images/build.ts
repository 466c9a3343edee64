// lab/images/build.ts: builds what is missing of the images, into the cache. A layer appears there whole or not at all.
import { createWriteStream, existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from "node:fs";
import { spawn } from "node:child_process";
import { arch } from "node:os";
import { join } from "node:path";
import type { LabDirs } from "../dirs";
import { attempt } from "../command";
import { withLock } from "../lock";
import { debianSource, type DebianSource } from "./debianMirror";
import {
  layerKey,
  MIRROR_PACKAGES,
  mirrorKey,
  OWN_RELEASE,
  recipes,
  stackOf,
  type LayerRecipe,
  type Release,
} from "./recipes";

/** Layers top first, as overlayfs wants its lowerdir. Machines' images trust the lab's mirror. */
export interface Images {
  readonly host: readonly string[];
  readonly mail: readonly string[];
  readonly relay: readonly string[];
  readonly adopted: readonly string[];
  readonly services: readonly string[];
  /** Web root of the package mirror. */
  readonly mirror: string;
}

const SCRIPT = join(__dirname, "layer.sh");

/** Builds what is missing of a release: all that the lab runs on, or of another one what can be bought or started. */
export async function ensureImages(dirs: LabDirs, release: Release, say: (line: string) => void): Promise<void> {
  if (missing(dirs, release).length === 0) return;
  await building(dirs, say, (build) => (release === OWN_RELEASE ? buildOwn(build) : buildOther(build, release)));
  const stillMissing = missing(dirs, release);
  if (stillMissing.length > 0)
    throw new Error(`images: ${stillMissing.join(", ")} did not get built, though no step failed`);
}

/** What a test of name servers runs in; the lab itself has no use for it. */
export async function ensureNameServers(dirs: LabDirs, say: (line: string) => void): Promise<void> {
  await ensureImages(dirs, OWN_RELEASE, say);
  if (nameServersImage(dirs).every((path) => existsSync(path))) return;
  await building(dirs, say, (build) => buildLayer(build, recipes(OWN_RELEASE).nameServers));
}

/** Layers top first. */
export const nameServersImage = (dirs: LabDirs): readonly string[] => paths(dirs, recipes(OWN_RELEASE).nameServers);

/** Where a release's layers stand, built or not. */
export function imagesOf(dirs: LabDirs, release: Release): Images {
  const { host, mail, relay, adopted, services } = recipes(release);
  const mirror = mirrorPath(dirs, release);
  const machine = (recipe: LayerRecipe) => [join(mirror, "trust"), ...paths(dirs, recipe)];
  return {
    host: machine(host),
    mail: machine(mail),
    relay: machine(relay),
    adopted: machine(adopted),
    services: paths(dirs, services),
    mirror: join(mirror, "www"),
  };
}

export const isBuilt = (dirs: LabDirs, release: Release): boolean => missing(dirs, release).length === 0;

interface Build {
  readonly dirs: LabDirs;
  readonly work: string;
  readonly source: DebianSource;
  readonly say: (line: string) => void;
  /** The first layer of a release that needs package lists: it fetches them for all. */
  readonly lists: Map<Release, Promise<unknown>>;
}

/** One build at a time, in a place of its own, of which nothing is left. */
async function building(
  dirs: LabDirs,
  say: (line: string) => void,
  work: (build: Build) => Promise<void>,
): Promise<void> {
  mkdirSync(dirs.cache, { recursive: true });
  await withLock(
    join(dirs.cache, "lock"),
    { directory: dirs.project, purpose: "building the lab's images", seconds: 900 },
    async () => {
      const place = join(dirs.cache, `build-${process.pid}`);
      await removeOldBuilds(dirs);
      mkdirSync(place, { recursive: true });
      try {
        await work({
          dirs,
          work: place,
          source: await debianSource(),
          say,
          lists: new Map<Release, Promise<unknown>>(),
        });
      } finally {
        await attempt(["rm", "-rf", place], { timeout: 120_000 });
      }
    },
  );
}

async function buildOwn(build: Build): Promise<void> {
  const all = recipes(OWN_RELEASE);
  await buildLayer(build, all.base);
  await buildLayer(build, all.system);
  // Two at a time: with two cores a third only makes the others slower.
  await Promise.all([
    buildLayer(build, all.mail)
      .then(() => buildLayer(build, all.relay))
      .then(() => buildLayer(build, all.adopted)),
    buildLayer(build, all.services)
      .then(() => buildMirror(build, OWN_RELEASE))
      .then(() => buildLayer(build, all.host)),
  ]);
}

/** Signed with the tools of the lab's own release, which is there. */
async function buildOther(build: Build, release: Release): Promise<void> {
  const all = recipes(release);
  await buildLayer(build, all.base);
  await buildLayer(build, all.system);
  await Promise.all([buildMirror(build, release).then(() => buildLayer(build, all.host)), buildLayer(build, all.mail)]);
}

async function buildLayer(build: Build, recipe: LayerRecipe): Promise<void> {
  const path = layerPath(build.dirs, recipe);
  if (recipe.below.length === 0) return make(build, path, ["base", recipe.release], []);
  const lower = paths(build.dirs, recipe).slice(1).join(":");
  return make(build, path, ["packages", recipe.release], [lower, ...recipe.packages], recipe.finish);
}

async function buildMirror(build: Build, release: Release): Promise<void> {
  const lower = (recipe: LayerRecipe) => paths(build.dirs, recipe).join(":");
  const packages = [lower(recipes(release).system), lower(recipes(OWN_RELEASE).services), ...MIRROR_PACKAGES];
  return make(build, mirrorPath(build.dirs, release), ["mirror", release], packages);
}

async function make(
  build: Build,
  path: string,
  [kind, release]: [string, Release],
  args: readonly string[],
  stdin = "",
): Promise<void> {
  if (existsSync(path)) return;
  if (kind === "base") return carryOut(build, path, [kind, release], args, stdin);
  // Two that fetch the lists at once are in each other's way. Where the lower layers are there already, nobody has yet.
  const first = build.lists.get(release);
  const work = (first?.catch(() => undefined) ?? Promise.resolve()).then(() =>
    carryOut(build, path, [kind, release], args, stdin),
  );
  if (first === undefined) build.lists.set(release, work);
  return work;
}

async function carryOut(
  build: Build,
  path: string,
  [kind, release]: [string, Release],
  args: readonly string[],
  stdin: string,
): Promise<void> {
  const name = path.slice(build.dirs.cache.length + 1).replace(/-[0-9a-f]+$/, "");
  const work = join(build.work, name);
  const log = join(build.dirs.cache, `${name}.log`);
  mkdirSync(work, { recursive: true });
  const started = Date.now();
  // setpriv: a build whose parent was killed must not go on beside the next one.
  const status = await logged(
    log,
    [
      "setpriv",
      "--pdeathsig",
      "KILL",
      "unshare",
      "--mount",
      "--propagation",
      "private",
      "--pid",
      "--fork",
      "--kill-child",
      "sh",
      SCRIPT,
      kind,
      release,
      build.source.uri,
      work,
      ...args,
    ],
    stdin,
    proxyEnv(build.source),
  );
  if (status !== 0)
    throw new Error(
      `image layer "${name}" from ${build.source.uri}: exit status ${status}. The log: ${log}\n${lastLines(log)}`,
    );
  renameSync(join(work, "layer"), path);
  build.say(`image ${name}: built in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

function logged(log: string, argv: readonly string[], stdin: string, env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const out = createWriteStream(log);
    const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: ["pipe", "pipe", "pipe"], env });
    child.stdout.pipe(out, { end: false });
    child.stderr.pipe(out, { end: false });
    child.stdin.on("error", () => undefined);
    child.stdin.end(stdin);
    child.on("error", reject);
    child.on("close", (code) => out.end(() => resolve(code ?? 128)));
  });
}

const layerPath = (dirs: LabDirs, recipe: LayerRecipe): string => join(dirs.cache, layerKey(recipe, scripts(), arch()));

const scripts = (): string => readFileSync(SCRIPT, "utf8");

const paths = (dirs: LabDirs, recipe: LayerRecipe): string[] => stackOf(recipe).map((layer) => layerPath(dirs, layer));

const mirrorPath = (dirs: LabDirs, release: Release): string =>
  join(dirs.cache, mirrorKey(recipes(release), scripts(), arch()));

function missing(dirs: LabDirs, release: Release): string[] {
  const { host, mail, mirror, relay, adopted, services } = imagesOf(dirs, release);
  const own = release === OWN_RELEASE ? [...relay, ...adopted, ...services] : [];
  return [...host, ...mail, ...own, mirror].filter((path) => !existsSync(path));
}

const proxyEnv = (source: DebianSource): NodeJS.ProcessEnv => ({
  ...process.env,
  ...(source.proxy ? { http_proxy: source.proxy } : {}),
});

/** What a killed build left; its mounts went with its mount namespace. */
async function removeOldBuilds(dirs: LabDirs): Promise<void> {
  const old = readdirSync(dirs.cache)
    .filter((name) => /^build-\d+$/.test(name))
    .map((name) => join(dirs.cache, name));
  if (old.length > 0) await attempt(["rm", "-rf", ...old], { timeout: 120_000 });
}

const lastLines = (log: string): string => readFileSync(log, "utf8").trimEnd().split("\n").slice(-8).join("\n");
