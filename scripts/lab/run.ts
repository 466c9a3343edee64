// lab/run.ts: runs programs on the lab's hosts. A machine's programs run in the machine; the client's, the operator's and
// the home router's are this machine's own, in their network namespace, with the lab's resolver laid over /etc.
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { command, type CommandOptions, type CommandResult } from "./command";
import { controlClient, type HostStatus, type LabStatus } from "./control";
import { etcDir, type LabDirs } from "./dirs";
import { enter, enterMachine, inLabMounts } from "./enter";
import { caFile } from "./world/keys";

export interface RunOptions extends Omit<CommandOptions, "env"> {
  /** Added to the host's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs to the end. Fails on an exit status that is not accepted; 0 only, by default. */
export async function runIn(
  dirs: LabDirs,
  host: string,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const { argv: full, env } = await prepare(dirs, host, argv, options.env);
  return command(full, { ...options, env });
}

/** Starts it and leaves the rest to the caller. */
export async function spawnIn(
  dirs: LabDirs,
  host: string,
  argv: readonly string[],
  options: { env?: Readonly<Record<string, string>>; stdio?: StdioOptions; cwd?: string } = {},
): Promise<ChildProcess> {
  const {
    argv: [program = "", ...args],
    env,
  } = await prepare(dirs, host, argv, options.env);
  return spawn(program, args, { stdio: options.stdio ?? "pipe", env, cwd: options.cwd });
}

export function findHost(status: LabStatus, name: string): HostStatus {
  const host = status.hosts.find((candidate) => candidate.name === name);
  if (host === undefined)
    throw new Error(
      `no host "${name}" in the lab; there are ${status.hosts.map((candidate) => candidate.name).join(", ")}`,
    );
  return host;
}

async function prepare(
  dirs: LabDirs,
  name: string,
  argv: readonly string[],
  extra: Readonly<Record<string, string>> = {},
): Promise<{ argv: string[]; env: NodeJS.ProcessEnv }> {
  const host = findHost(await controlClient(dirs).status(), name);
  if (host.kind === "namespace") {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: caFile(dirs), ...extra };
    return { argv: enter(host.namespace, inLabMounts(etcDir(dirs), argv)), env };
  }
  if (host.initPid === undefined)
    throw new Error(`${name} is ${host.state}: nothing can run on it. Start it with: npm run lab -- start ${name}`);
  // Nothing of this machine's environment means anything over there, but for the terminal.
  const env = { ...(process.env.TERM ? { TERM: process.env.TERM } : {}), ...extra };
  return { argv: enterMachine(host.initPid, env, argv), env: process.env };
}
