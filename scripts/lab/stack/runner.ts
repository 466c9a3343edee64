// lab/stack/runner.ts: runs pulumi on the lab's stack, in the operator's namespace, where it belongs.
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureToolchain, type Toolchain } from "../../toolchain/toolchain";
import type { LabDirs } from "../dirs";
import type { LabHandle } from "../lab";
import { killTree } from "../processes";
import type { Progress } from "../up";
import { prepareWorkspace, pulumiHome, STACK, toolchainCache, type Workspace } from "./workspace";

export interface PulumiResult {
  readonly status: number;
  /** stdout and stderr together, where they were captured; else empty. */
  readonly output: string;
}

export interface PulumiOptions {
  /** Keep the output instead of showing it. */
  readonly capture?: boolean;
  /** Variables of its environment, beside the lab's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** When it aborts, pulumi and all that it started are killed, as by a power cut. */
  readonly signal?: AbortSignal;
}

export interface LabStack {
  readonly lab: LabHandle;
  readonly workspace: Workspace;
  readonly toolchain: Toolchain;
  pulumi(args: readonly string[], options?: PulumiOptions): Promise<PulumiResult>;
  /** Any command, where pulumi runs and as it does. */
  command(argv: readonly string[], options?: PulumiOptions): Promise<PulumiResult>;
}

/** A stack, the lab's unless another is named, with its settings from `config`; without one, with those that it has, or the clone's own. */
export async function openStack(lab: LabHandle, progress: Progress, config?: string, name = STACK): Promise<LabStack> {
  const toolchain = await progress.step("toolchain", () => labToolchain(lab.dirs, progress.say));
  const workspace = prepareWorkspace(lab, config, name);
  const stack: LabStack = {
    lab,
    workspace,
    toolchain,
    pulumi: (args, options = {}) => stack.command([toolchain.pulumi, ...args], options),
    command: (argv, options = {}) => inOperator(stack, argv, options),
  };
  if (workspace.secrets.length > 0) {
    const made = await inOperator(stack, [toolchain.pulumi, "stack", "init", name], { capture: true });
    // An earlier run may have been cut off between the two.
    if (!/already exists/.test(made.output)) checked(made);
    // On stdin: an argument would stand in the process list.
    for (const { key, value } of workspace.secrets)
      checked(
        await inOperator(stack, [toolchain.pulumi, "config", "set", "--secret", key], { capture: true, stdin: value }),
      );
  }
  return stack;
}

/** The engine and the plugins in the lab's own place; the first time on a machine this may take minutes. */
export async function labToolchain(dirs: LabDirs, say: (line: string) => void): Promise<Toolchain> {
  const toolchain = await ensureToolchain({ cacheDir: toolchainCache(dirs), pulumiHome: pulumiHome(dirs), log: say });
  withoutLogs(join(pulumiHome(dirs), "logs"));
  return toolchain;
}

/**
 * The engine writes an encrypted log of 2 to 6 MB of each run, all inputs of all resources in it, which is half of its work.
 * It has no switch for that, and does without where it finds no directory.
 */
function withoutLogs(place: string): void {
  if (statSync(place, { throwIfNoEntry: false })?.isFile()) return;
  rmSync(place, { recursive: true, force: true });
  writeFileSync(place, "");
}

/** Whether a stack was ever opened on this lab. */
export const hasStack = (lab: LabHandle): boolean => existsSync(join(lab.dirs.state, "stack"));

interface RunOptions {
  readonly capture?: boolean;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

async function inOperator(
  { lab, workspace, toolchain }: LabStack,
  argv: readonly string[],
  { capture = false, stdin, env = {}, signal }: RunOptions,
): Promise<PulumiResult> {
  const output = capture ? "pipe" : "inherit";
  const child = await lab.spawn(
    "operator",
    // The machine's own SSH agent is none of the lab's business.
    ["env", "-u", "SSH_AUTH_SOCK", "-u", "HCLOUD_TOKEN", ...argv],
    {
      env: { ...toolchain.env, ...workspace.env, ...env },
      stdio: [stdin === undefined ? (capture ? "ignore" : "inherit") : "pipe", output, output],
      cwd: workspace.dir,
    },
  );
  const chunks: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdin?.end(stdin);
  signal?.addEventListener("abort", () => child.pid !== undefined && killTree(child.pid), { once: true });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ status: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

function checked({ status, output }: PulumiResult): void {
  if (status !== 0)
    throw new Error(`pulumi ended with status ${status}:\n${output.trimEnd().split("\n").slice(-10).join("\n")}`);
}
