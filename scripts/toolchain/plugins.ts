// plugins.ts: gets each plugin into the lab's PULUMI_HOME: there already, downloaded, copied from the user's, or built.

import { existsSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { build, inputsKey } from "./build";
import type { Cli } from "./cli";
import { isStandIn, MARKER, pluginRecipe, type Marker } from "./recipes";
import { run, ToolchainError } from "./run";
import type { Session } from "./session";
import { PLUGINS, type PluginName } from "./versions";

export interface Plugin {
  readonly name: PluginName;
  readonly version: string;
  readonly origin: "installed" | "download" | "built";
  /** Not the published provider's code, but ours that behaves like it. */
  readonly standIn: boolean;
}

const DOWNLOAD_LIMIT = 300;
const INSTALL_LIMIT = 120;

export async function ensurePlugins(session: Session, cli: Cli): Promise<Plugin[]> {
  const plugins: Plugin[] = [];
  for (const name of PLUGINS) {
    const plugin = await ensurePlugin(session, cli, name);
    session.log(`${name} plugin: ${plugin.version}, ${ORIGIN[plugin.origin]}${plugin.standIn ? ", STAND-IN" : ""}`);
    plugins.push(plugin);
  }
  return plugins;
}

/** What stands in a PULUMI_HOME for a plugin of one version. */
export type Found = { kind: "none" } | { kind: "vendor" } | { kind: "built"; marker: Marker };

export function findPlugin(pulumiHome: string, name: string, version: string): Found {
  const folder = pluginDir(pulumiHome, name, version);
  // The CLI writes .partial before it fills the folder, and takes it away at the end.
  if (!existsSync(folder) || existsSync(`${folder}.partial`)) return { kind: "none" };
  try {
    return { kind: "built", marker: JSON.parse(readFileSync(join(folder, MARKER), "utf8")) as Marker };
  } catch {
    return { kind: "vendor" };
  }
}

/** Whether what stands there is used as it is: the vendor's always; what we built, if from the present inputs. */
export function isCurrent(found: Found, key: string | undefined): boolean {
  switch (found.kind) {
    case "none":
      return false;
    case "vendor":
      return true;
    case "built":
      return found.marker.key === key;
  }
}

const ORIGIN = {
  installed: "installed before",
  download: "the vendor's download",
  built: "built from Go modules",
} as const;

async function ensurePlugin(session: Session, cli: Cli, name: PluginName): Promise<Plugin> {
  const version = session.pins.plugins[name];
  if (session.only !== "built") {
    const found = findPlugin(session.pulumiHome, name, version);
    if (found.kind === "vendor") return { name, version, origin: "installed", standIn: false };
    const origin = await fromVendor(session, cli, name, version, found.kind === "built");
    if (origin !== undefined) return { name, version, origin, standIn: false };
  }
  const recipe = pluginRecipe(name, version);
  const go = await session.go();
  const marker: Marker = { standIn: isStandIn(name), key: inputsKey(recipe, go) };
  // Looked up again: a download that broke off may have taken away what was there.
  const found = findPlugin(session.pulumiHome, name, version);
  if (found.kind !== "built" || !isCurrent(found, marker.key)) {
    const folder = await build(
      { ...recipe, files: { [MARKER]: JSON.stringify(marker) } },
      go,
      session.cacheDir,
      session.log,
    );
    await install(session, cli, name, version, folder);
  }
  return { name, version, origin: "built", standIn: marker.standIn };
}

async function fromVendor(
  session: Session,
  cli: Cli,
  name: PluginName,
  version: string,
  substitute: boolean,
): Promise<"installed" | "download" | undefined> {
  const theirs = userHomes(session.pulumiHome).find((home) => findPlugin(home, name, version).kind === "vendor");
  if (theirs !== undefined) {
    session.log(`${name} plugin: copying ${version} from ${theirs}`);
    await install(session, cli, name, version, pluginDir(theirs, name, version));
    return "installed";
  }
  if (!(await session.vendor.reachable(substitute))) return undefined;
  try {
    await pulumi(
      session,
      cli,
      `download the ${name} plugin`,
      ["plugin", "install", "resource", name, version, "--reinstall"],
      DOWNLOAD_LIMIT,
    );
    return "download";
  } catch (error) {
    session.log(`${name} plugin: no download: ${(error as Error).message}`);
    return undefined;
  }
}

/** Copies a plugin's folder into the lab's home, whole: the CLI leaves no half-filled folder that counts. */
async function install(session: Session, cli: Cli, name: string, version: string, folder: string): Promise<void> {
  const step = `install the ${name} plugin`;
  await pulumi(
    session,
    cli,
    step,
    ["plugin", "install", "resource", name, version, "--reinstall", "--file", folder],
    INSTALL_LIMIT,
  );
  if (findPlugin(session.pulumiHome, name, version).kind === "none") {
    throw new ToolchainError(step, `pulumi said yes, but ${pluginDir(session.pulumiHome, name, version)} is not there`);
  }
}

async function pulumi(session: Session, cli: Cli, step: string, args: readonly string[], limit: number): Promise<void> {
  await run({
    step,
    argv: [cli.program, ...args, "--non-interactive"],
    env: { ...process.env, ...session.env },
    logFile: join(session.logs, `${step.replaceAll(" ", "-")}.log`),
    limit,
  });
}

const pluginDir = (pulumiHome: string, name: string, version: string): string =>
  join(pulumiHome, "plugins", `resource-${name}-v${version}`);

/** Where the user keeps plugins of their own. They are copied from there, and nothing is ever written there. */
function userHomes(labHome: string): string[] {
  const lab = existsSync(labHome) ? realpathSync(labHome) : labHome;
  return [process.env.PULUMI_HOME, join(homedir(), ".pulumi")].filter(
    (home): home is string => home !== undefined && existsSync(home) && realpathSync(home) !== lab,
  );
}
