// The stack as `pulumi` knows it, without a run: its settings, and what the last run left in its outputs.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { resetOptions } from "@pulumi/pulumi/runtime/settings";
import { parse } from "yaml";
import { RELAY } from "../../components/componentTypes";
import { lastRunIn, type Before } from "../../components/lastRun";
import { readSettings, type StackSettings } from "../../components/settings";
import type { Agent } from "../../components/settings/agent";

export interface KnownStack {
  readonly name: string;
  readonly settings: StackSettings;
  /** Undefined before its first complete `pulumi up`. */
  readonly before: Before | undefined;
  /** The stack's own key for the servers that it bought; undefined where it has none. */
  readonly managementKey: pulumi.Output<string> | undefined;
}

/** Runs pulumi with these arguments; its stdout. Throws an Error in words for the operator. */
export type Pulumi = (...args: string[]) => Promise<string>;

/** `directory`: that of the project. Nothing that pulumi says is shown or kept: secrets are among it. */
export const pulumiIn =
  (directory: string): Pulumi =>
  (...args) =>
    new Promise((resolve, reject) => {
      execFile(
        "pulumi",
        [...args, "--non-interactive"],
        { cwd: directory, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          if (!error) return resolve(stdout);
          const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
          reject(
            new Error(
              missing
                ? "pulumi cannot be started: is it installed, and on PATH?"
                : `pulumi ${args.slice(0, 2).join(" ")}: ${stderr.trim().replace(/^error: /, "") || error.message}`,
            ),
          );
        },
      );
    });

interface ConfigValue {
  readonly value?: string;
  readonly secret: boolean;
}

/** Throws an Error in words for the operator; a RunError that lists the faults where the settings have some. */
export async function readStack(
  directory: string,
  given: string | undefined,
  run: Pulumi,
  agent: Agent,
): Promise<KnownStack> {
  const stack = given === undefined ? [] : ["--stack", given];
  const [name, config, outputs] = await Promise.all([
    given ?? run("stack", "--show-name").then((text) => text.trim()),
    run("config", "--json", "--show-secrets", ...stack),
    run("stack", "output", "--json", "--show-secrets", ...stack),
  ]);
  const project = (parse(readFileSync(join(directory, "Pulumi.yaml"), "utf8")) as { name: string }).name;
  const { values, secretKeys } = settingsIn(JSON.parse(config) as Record<string, ConfigValue>);
  // What a run gets from its engine. There is none here, and nothing is registered.
  const [stackName = name] = name.split("/").slice(-1);
  resetOptions(project, stackName, 1, "", "", false, "organization");
  pulumi.runtime.setAllConfig(values, secretKeys);
  const known = JSON.parse(outputs) as Record<string, unknown>;
  const key = known.managementPrivateKey;
  return {
    name: stackName,
    settings: readSettings(agent),
    before: lastRunIn(known, RELAY),
    managementKey: typeof key === "string" ? pulumi.secret(key) : undefined,
  };
}

/** Values as text, and which of them are secret. Pure. */
export function settingsIn(config: Readonly<Record<string, ConfigValue>>): {
  readonly values: Record<string, string>;
  readonly secretKeys: string[];
} {
  const entries = Object.entries(config).flatMap(([key, { value, secret }]) =>
    value === undefined ? [] : [{ key, value, secret }],
  );
  return {
    values: Object.fromEntries(entries.map(({ key, value }) => [key, value])),
    secretKeys: entries.flatMap(({ key, secret }) => (secret ? [key] : [])),
  };
}
