// lab/command.ts: runs one program and says plainly what failed. Input goes on stdin and is never part of a message.
import { spawn } from "node:child_process";

export interface CommandOptions {
  readonly stdin?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Milliseconds; after it the program is killed. */
  readonly timeout?: number;
  /** Exit statuses that are no error; 0 by default. */
  readonly accept?: readonly number[] | "any";
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class CommandError extends Error {
  constructor(
    readonly argv: readonly string[],
    readonly result: CommandResult,
    reason: string,
  ) {
    super(`${argv.join(" ").slice(0, 300)}: ${reason}${tail(result.stderr || result.stdout)}`);
    this.name = "CommandError";
  }
}

export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error("command: nothing to run");
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let timedOut = false;
    const timer =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill("SIGKILL");
          }, options.timeout);
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    // The program may end without reading all of its input; that is its own affair.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.stdin ?? "");
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(new Error(`${program}: cannot be started: ${error.message}`));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const result = {
        status: code ?? 128,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      };
      if (timedOut) reject(new CommandError(argv, result, `did not end within ${(options.timeout ?? 0) / 1000} s`));
      else if (signal !== null && options.accept !== "any")
        reject(new CommandError(argv, result, `killed by ${signal}`));
      else if (options.accept === "any" || (options.accept ?? [0]).includes(result.status)) resolve(result);
      else reject(new CommandError(argv, result, `exit status ${result.status}`));
    });
  });
}

/** For teardown: what is missing or refuses is none of its business. */
export async function attempt(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return command(argv, { timeout: 30_000, ...options, accept: "any" }).catch((error: unknown) => ({
    status: 127,
    stdout: "",
    stderr: String(error),
  }));
}

function tail(text: string): string {
  const lines = text.trimEnd().split("\n").slice(-6).join("\n").slice(-1500);
  return lines === "" ? "" : `\n${lines}`;
}
