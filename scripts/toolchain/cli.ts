// cli.ts: finds, downloads or builds the pulumi CLI.

import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";

import { build, builtDir } from "./build";
import { findProgram } from "./go";
import { cliRecipe, cliVersion, LANGUAGE_HOST } from "./recipes";
import { run } from "./run";
import type { Session } from "./session";
import { downloadCli, downloadedDir } from "./vendor";
import { atLeast, versionIn } from "./versions";

export interface Cli {
  readonly program: string;
  readonly version: string;
  readonly origin: "path" | "download" | "built";
}

export async function ensureCli(session: Session): Promise<Cli> {
  const cli = (session.only === "built" ? undefined : await vendorCli(session)) ?? (await builtCli(session));
  session.log(`pulumi: ${cli.version}, ${ORIGIN[cli.origin]}: ${cli.program}`);
  return cli;
}

/** What is said about a `pulumi` on PATH: taken, or why not. */
export function judgeCliOnPath(
  printed: string,
  minimum: string,
  languageHost = true,
): { use: true; version: string } | { use: false; because: string } {
  const version = versionIn(printed);
  if (version === undefined)
    return { use: false, because: `prints no version: ${JSON.stringify(printed.trim().slice(0, 60))}` };
  if (!atLeast(version, minimum)) return { use: false, because: `is ${version}; ${minimum} or later is needed` };
  if (!languageHost)
    return { use: false, because: `has no ${LANGUAGE_HOST} beside it, without which it runs no Node.js program` };
  return { use: true, version };
}

/** The engine looks for the language host beside the real file of the CLI; PATH is ruled out by our settings. */
export function hasLanguageHost(program: string): boolean {
  const suffix = process.platform === "win32" ? ".exe" : "";
  return existsSync(join(dirname(realpathSync(program)), `${LANGUAGE_HOST}${suffix}`));
}

const ORIGIN = {
  path: "from PATH",
  download: "the vendor's download",
  built: "built from Go modules, with a language host of ours",
} as const;

async function vendorCli(session: Session): Promise<Cli | undefined> {
  const version = cliVersion();
  const downloaded = join(downloadedDir(session.cacheDir, version), "bin", "pulumi");
  const onPath = await cliOnPath(session);
  if (onPath !== undefined) return onPath;
  if (!existsSync(downloaded)) {
    const go = await session.go().catch(() => undefined);
    const substitute = go !== undefined && existsSync(builtDir(session.cacheDir, cliRecipe(), go));
    if (!(await session.vendor.reachable(substitute))) return undefined;
    if ((await downloadCli(version, session.cacheDir, session.log)) === undefined) return undefined;
  }
  return { program: downloaded, version, origin: "download" };
}

async function cliOnPath(session: Session): Promise<Cli | undefined> {
  const program = findProgram("pulumi", process.env.PATH);
  if (program === undefined) return undefined;
  const printed = await run({
    step: "ask pulumi for its version",
    argv: [program, "version"],
    env: { ...process.env, ...session.env },
    logFile: join(session.logs, "pulumi-version.log"),
    limit: 30,
  }).catch((error: unknown) => String(error));
  const verdict = judgeCliOnPath(printed, session.pins.minimumCli, hasLanguageHost(program));
  if (verdict.use) return { program, version: verdict.version, origin: "path" };
  session.log(`pulumi: ${program} is not used: it ${verdict.because}`);
  return undefined;
}

async function builtCli(session: Session): Promise<Cli> {
  const folder = await build(cliRecipe(), await session.go(), session.cacheDir, session.log);
  return { program: join(folder, "bin", "pulumi"), version: cliVersion(), origin: "built" };
}
