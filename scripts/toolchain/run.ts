// run.ts: runs one command of the toolchain: its output in a log file, a time limit, a failure that names step and log.

import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";

/** What went wrong, in which step, and where its output stands. */
export class ToolchainError extends Error {
  constructor(step: string, reason: string, logFile?: string) {
    super(`toolchain: ${step}: ${reason}${logFile === undefined ? "" : `\nLog: ${logFile}`}`);
    this.name = "ToolchainError";
  }
}

export interface Run {
  /** What the command does, as the error names it. */
  readonly step: string;
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Seconds until the command is stopped. */
  readonly limit: number;
  /** Each piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** Runs the command and returns its stdout. */
export async function run(command: Run): Promise<string> {
  const { step, argv, logFile, limit } = command;
  mkdirSync(dirname(logFile), { recursive: true });
  const log = createWriteStream(logFile);
  log.write(`$ ${argv.join(" ")}\n`);
  const stdout: Buffer[] = [];
  let last = "";
  try {
    const outcome = await new Promise<string | undefined>((resolve) => {
      const [program = "", ...args] = argv;
      const child = spawn(program, args, { cwd: command.cwd, env: command.env, stdio: ["ignore", "pipe", "pipe"] });
      let late = false;
      // go and pulumi tidy up on an interrupt; what does not react is killed.
      const interrupt = setTimeout(() => ((late = true), child.kill("SIGINT")), limit * 1000);
      const kill = setTimeout(() => child.kill("SIGKILL"), (limit + 10) * 1000);
      const take = (text: Buffer): void => {
        log.write(text);
        command.onOutput?.(text.toString());
        last = lastLine(text.toString()) ?? last;
      };
      child.stdout.on("data", (text: Buffer) => (stdout.push(text), take(text)));
      child.stderr.on("data", take);
      const settle = (problem: string | undefined): void => {
        clearTimeout(interrupt);
        clearTimeout(kill);
        resolve(late ? `not finished within ${duration(limit * 1000)}` : problem);
      };
      child.on("error", (error) => settle(error.message));
      child.on("close", (code, signal) =>
        settle(code === 0 ? undefined : `ended with ${signal ?? `status ${code}`}: ${last}`),
      );
    });
    if (outcome !== undefined) throw new ToolchainError(step, outcome, logFile);
  } finally {
    await new Promise((resolve) => log.end(resolve));
  }
  return Buffer.concat(stdout).toString();
}

/** A length of time for people: 9.4 s, 75 s, 12 min. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function lastLine(text: string): string | undefined {
  return text.trimEnd().split("\n").at(-1)?.trim() || undefined;
}
