// A lane: a place on this machine in which a lab is alone, so that several can be up at once. Names of network namespaces
// are its own; its lab's directories and cgroup bear the lane's name. It ends with the process that opened it. Processes are everybody's:
// too many programs name files in shared places by their pid.
import { spawn, type ChildProcess } from "node:child_process";
import { LAB_VARIABLE } from "../lab/dirs";

/** Keeps its mounts; /run/netns is shared within, as `ip netns` has it. */
const KEEPER =
  "set -e; mkdir -p /run/netns; mount -t tmpfs -o mode=755 tmpfs /run/netns; mount --make-shared /run/netns; echo ready; exec sleep infinity >&-";

/** What is started by it ends with it, however that ends. */
const dependent = (...argv: string[]): string[] => ["--pdeathsig", "KILL", ...argv];

export class Lane {
  private constructor(
    readonly name: string,
    private readonly keeper: ChildProcess,
  ) {}

  static open(name: string): Promise<Lane> {
    const keeper = spawn("setpriv", dependent("unshare", "--mount", "--propagation", "private", "sh", "-c", KEEPER), {
      stdio: ["ignore", "pipe", "inherit"],
    });
    return new Promise((resolve, reject) => {
      keeper.on("error", reject);
      keeper.on("exit", (code) =>
        reject(new Error(`${name} cannot be opened: unshare ended with status ${code ?? "none"}`)),
      );
      keeper.stdout.once("data", () => resolve(new Lane(name, keeper)));
    });
  }

  /** Runs a program to its end; its exit status and all that it said. */
  run(argv: readonly string[], cwd: string): Promise<{ readonly status: number; readonly output: string }> {
    const inside = ["nsenter", `--target=${this.keeper.pid ?? 0}`, "--mount", "--", "env", `--chdir=${cwd}`, ...argv];
    const child = spawn("setpriv", dependent(...inside), {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, [LAB_VARIABLE]: this.name },
    });
    const said: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => said.push(chunk));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ status: code ?? 1, output: Buffer.concat(said).toString() }));
    });
  }

  /** False once it has ended, by its own process or another. */
  get isOpen(): boolean {
    return this.keeper.exitCode === null && this.keeper.signalCode === null;
  }

  close(): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.keeper.removeAllListeners("exit").once("exit", () => resolve());
      this.keeper.kill("SIGKILL");
    });
  }
}
