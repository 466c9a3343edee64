// vendor.ts: the vendor's own downloads: whether they can be reached, and the CLI with its checksum verified.

import { createHash } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

import { duration, run, ToolchainError } from "./run";

/** Where the vendor publishes releases of the CLI, with {version} to fill in. */
export const RELEASES = [
  "https://github.com/pulumi/pulumi/releases/download/v{version}",
  "https://get.pulumi.com/releases/sdk",
] as const;

/** Where the CLI fetches plugins. */
const PLUGIN_SITE = "https://get.pulumi.com/releases/plugins";

/** Milliseconds until a site that does not answer counts as not reachable. */
const REACH_LIMIT = 4_000;
/** Milliseconds for which "not reachable" is believed when there is something built to use instead. */
const REMEMBERED = 24 * 3_600_000;
const DOWNLOAD_LIMIT = 15 * 60_000;

export interface Vendor {
  /** Whether downloads can be had. With a substitute at hand, a "no" of the last day is believed without asking. */
  reachable(substitute: boolean): Promise<boolean>;
}

/** Asks at most once per run. */
export function vendor(
  cacheDir: string,
  log: (line: string) => void,
  sites: readonly string[] = [...RELEASES, PLUGIN_SITE],
): Vendor {
  const note = join(cacheDir, "vendor-not-reachable");
  let answer: Promise<boolean> | undefined;
  return {
    reachable: (substitute) => {
      if (substitute && existsSync(note) && Date.now() - statSync(note).mtimeMs < REMEMBERED)
        return Promise.resolve(false);
      answer ??= ask(sites).then((reached) => {
        if (reached) rmSync(note, { force: true });
        else writeFileSync(note, "");
        if (!reached) log(`vendor's downloads: not reachable (tried ${hosts(sites)})`);
        return reached;
      });
      return answer;
    },
  };
}

/** Downloads the CLI of this version with its language hosts; returns its folder, or undefined if it cannot be had. */
export async function downloadCli(
  version: string,
  cacheDir: string,
  log: (line: string) => void,
  releases: readonly string[] = RELEASES,
): Promise<string | undefined> {
  const target = downloadedDir(cacheDir, version);
  const archive = `pulumi-v${version}-${releasePlatform(process.platform, process.arch)}.tar.gz`;
  const start = Date.now();
  for (const release of releases.map((url) => url.replace("{version}", version))) {
    const sums = await fetchText(`${release}/pulumi-${version}-checksums.txt`).catch(() => undefined);
    const wanted = sums === undefined ? undefined : checksumOf(sums, archive);
    if (wanted === undefined) continue;
    const unfinished = `${target}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    log(`pulumi: downloading ${release}/${archive}`);
    try {
      const file = join(unfinished, archive);
      await fetchFile(`${release}/${archive}`, file, (megabytes) =>
        log(`pulumi: ${megabytes} MB downloaded, ${duration(Date.now() - start)}`),
      );
      const sum = await sha256(file);
      if (sum !== wanted) {
        throw new ToolchainError(
          "download pulumi",
          `${archive} has the SHA-256 ${sum}, the vendor's list says ${wanted}. Not used.`,
        );
      }
      await unpack(file, unfinished, cacheDir);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      if (error instanceof ToolchainError) throw error;
      log(`pulumi: the download broke off: ${String(error)}`);
      continue;
    }
    rmSync(target, { recursive: true, force: true });
    renameSync(unfinished, target);
    log(`pulumi: downloaded and verified in ${duration(Date.now() - start)}`);
    return target;
  }
  return undefined;
}

/** Where a downloaded CLI stands. */
export const downloadedDir = (cacheDir: string, version: string): string =>
  join(cacheDir, "downloaded", `pulumi-${version}`);

/** The checksum of a file in a list as sha256sum writes it. */
export function checksumOf(list: string, file: string): string | undefined {
  return list
    .split("\n")
    .map((line) => line.trim().split(/\s+\*?/))
    .find(([sum = "", name]) => name === file && /^[0-9a-f]{64}$/.test(sum))?.[0];
}

/** What the vendor calls this platform. */
export function releasePlatform(platform: NodeJS.Platform, arch: string): string {
  return `${platform === "win32" ? "windows" : platform}-${arch}`;
}

async function ask(sites: readonly string[]): Promise<boolean> {
  const answers = sites.map((site) =>
    fetch(new URL("/", site), { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(REACH_LIMIT) }),
  );
  return Promise.any(answers).then(
    () => true,
    () => false,
  );
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

async function fetchFile(url: string, file: string, progress: (megabytes: number) => void): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_LIMIT) });
  if (!response.ok || response.body === null) throw new Error(`${url}: ${response.status}`);
  let bytes = 0;
  const ticker = setInterval(() => progress(Math.round(bytes / 1e6)), 15_000);
  const count = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  try {
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(file));
  } finally {
    clearInterval(ticker);
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** The archive holds one folder, pulumi/; it becomes bin/, as in a build of ours. */
async function unpack(archive: string, folder: string, cacheDir: string): Promise<void> {
  await run({
    step: "unpack pulumi",
    argv: ["tar", "-xzf", archive, "-C", folder],
    env: process.env,
    logFile: join(cacheDir, "logs", "unpack-pulumi.log"),
    limit: 300,
  });
  renameSync(join(folder, "pulumi"), join(folder, "bin"));
  rmSync(archive);
}

const hosts = (sites: readonly string[]): string =>
  [...new Set(sites.map((site) => new URL(site).hostname))].join(", ");
