// recipes.ts: what is built from which sources: the CLI with its language host, and the three plugins. Pure but for reading go.mod.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Recipe } from "./build";
import { requiredModule, type PluginName } from "./versions";

/** The Go sources beside this file. */
export const GO_DIR = join(__dirname, "go");
const CLI_DIR = join(GO_DIR, "cli");
/** Modules that stand in for others of which nothing is called. */
const STUBS = join(GO_DIR, "stubs");
/** All plugins come from one module, so that they share what is compiled. */
export const PLUGINS_DIR = join(GO_DIR, "plugins");

/** What runs Node.js programs for the engine. The vendor's is not published as a Go module; what is built is a stand-in. */
export const LANGUAGE_HOST = "pulumi-language-nodejs";

/** Only the command plugin is not the published provider's own code. */
export const isStandIn = (name: PluginName): boolean => name === "command";

/** Beside a built plugin: says that it came from here. A plugin folder without it came from the vendor. */
export const MARKER = "built-here.json";

export interface Marker {
  readonly standIn: boolean;
  /** The inputs' key: a plugin built from other inputs is built again. */
  readonly key: string;
}

export function cliRecipe(): Recipe {
  const version = requiredModule(readFileSync(join(CLI_DIR, "go.mod"), "utf8"), "github.com/pulumi/pulumi/pkg/v3");
  return {
    name: "pulumi",
    label: `pulumi ${version}`,
    moduleDir: CLI_DIR,
    sources: [CLI_DIR, STUBS],
    // The engine looks for the language host beside the CLI.
    packages: ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", `./cmd/${LANGUAGE_HOST}`],
    variables: { "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": version, "main.version": version },
    // A folder of its own: the CLI would take plugins that lie beside it for its own.
    folder: "bin",
  };
}

/** The version of the CLI that is downloaded or built. */
export function cliVersion(): string {
  return requiredModule(readFileSync(join(CLI_DIR, "go.mod"), "utf8"), "github.com/pulumi/pulumi/pkg/v3");
}

export function pluginRecipe(name: PluginName, version: string): Recipe {
  const binary = `pulumi-resource-${name}`;
  return {
    name: binary,
    label: `${name} plugin ${version}${isStandIn(name) ? " (stand-in)" : ""}`,
    moduleDir: PLUGINS_DIR,
    sources: [PLUGINS_DIR, STUBS, join(GO_DIR, "random-shim")],
    packages: [`./cmd/${binary}`],
    variables: { "main.version": version },
    folder: "",
  };
}
