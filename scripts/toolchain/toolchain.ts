// toolchain.ts: a pulumi CLI and the three plugins, ready to use: found, downloaded or built. See README.md.

import { existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";

import { ensureCli } from "./cli";
import { findGo, type Go } from "./go";
import { withLock } from "./lock";
import { ensurePlugins, type Plugin } from "./plugins";
import { PLUGINS_DIR } from "./recipes";
import { ToolchainError } from "./run";
import type { Session } from "./session";
import { vendor } from "./vendor";
import { readPins } from "./versions";

export interface ToolchainOptions {
  /** Where builds, downloads and logs are kept; may be shared by several checkouts. */
  readonly cacheDir: string;
  /** The PULUMI_HOME to fill; never the user's own. */
  readonly pulumiHome: string;
  /** Takes one line of progress. */
  readonly log: (line: string) => void;
  /** "built": ignore what is installed or can be downloaded. */
  readonly only?: "built";
}

export interface Toolchain {
  /** Absolute path of the CLI. The Node.js language host lies beside it: the vendor's, or, where it was built, a stand-in. */
  readonly pulumi: string;
  readonly pulumiOrigin: "path" | "download" | "built";
  readonly pulumiVersion: string;
  readonly plugins: readonly Plugin[];
  /** What to set, beside the caller's environment, to use all this and nothing else. */
  readonly env: Record<string, string>;
}

export async function ensureToolchain(options: ToolchainOptions): Promise<Toolchain> {
  const cacheDir = resolve(options.cacheDir);
  const pulumiHome = resolve(options.pulumiHome);
  refuseUsersHome(pulumiHome, join(homedir(), ".pulumi"));
  const logs = join(cacheDir, "logs");
  mkdirSync(logs, { recursive: true });
  mkdirSync(pulumiHome, { recursive: true });
  let go: Promise<Go> | undefined;
  const session: Session = {
    cacheDir,
    logs,
    pulumiHome,
    env: settings(pulumiHome),
    pins: readPins(readFileSync(join(__dirname, "..", "..", "package.json"), "utf8")),
    only: options.only,
    log: options.log,
    go: () => (go ??= findGo(PLUGINS_DIR, logs, options.log)),
    vendor: vendor(cacheDir, options.log),
  };
  return withLock(join(cacheDir, "lock"), options.log, async () => {
    const cli = await ensureCli(session);
    const plugins = await ensurePlugins(session, cli);
    return {
      pulumi: cli.program,
      pulumiOrigin: cli.origin,
      pulumiVersion: cli.version,
      plugins,
      env: { ...session.env, PATH: `${dirname(cli.program)}${delimiter}${process.env.PATH ?? ""}` },
    };
  });
}

/** What keeps a pulumi within its own home, and from asking anybody anything. */
export function settings(pulumiHome: string): Record<string, string> {
  return {
    PULUMI_HOME: pulumiHome,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_DISABLE_REGISTRY_RESOLVE: "true",
    // Without it a plugin on PATH wins over the one in the home, in any version.
    PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
  };
}

/** Throws if the folder to fill is the user's own Pulumi home, also by another path. */
export function refuseUsersHome(pulumiHome: string, usersHome: string): void {
  const real = (folder: string): string => (existsSync(folder) ? realpathSync(folder) : folder);
  if (real(pulumiHome) === real(usersHome)) {
    throw new ToolchainError(
      "home",
      `${pulumiHome} is your own Pulumi home; a stand-in must never get there. Give another folder.`,
    );
  }
}
