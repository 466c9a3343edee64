// lab/cli.ts: the verbs of `npm run lab`, read and carried out. The work is in the files next to it.
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { existsSync, rmdirSync } from "node:fs";
import { resolve } from "node:path";
import { statusIfUp, type LabStatus } from "./control";
import { destroy } from "./destroy";
import { labDirs, lockFile, type LabDirs } from "./dirs";
import { ensureImages } from "./images/build";
import { releaseOf } from "./images/recipes";
import { currentLab, openLab } from "./lab";
import { withLock } from "./lock";
import { hostLog } from "./logs";
import { checkMachine } from "./preflight";
import { spawnIn } from "./run";
import { stackModule } from "./stackContract";
import { terminalProgress } from "./progress";

export const USAGE = `usage: npm run lab [-- VERB]
  up [--config FILE]     bring the lab and its stack up (the default); --no-stack: the world only
  status [--json]        what is up
  start HOST             a machine that is off; vps is until you want it (its image is built the first time)
  images NAME            build the image debian-12 or debian-13 now, before a server wants it
  exec HOST -- CMD…      run a command on client, router, relay, operator, mx, deb1, vps or a proxy
  log HOST               a host's log; also of daemon, dns, api
  pulumi ARGS…           any pulumi command on the lab's stack
  npm ARGS…              any npm script of the project on the lab's stack, such as: npm run status
  destroy                remove everything but the caches
`;

export type Verb =
  | { readonly verb: "up"; readonly config?: string; readonly stack: boolean }
  | { readonly verb: "status"; readonly json: boolean }
  | { readonly verb: "exec"; readonly host: string; readonly argv: readonly string[] }
  | { readonly verb: "start"; readonly host: string }
  | { readonly verb: "images"; readonly image: string }
  | { readonly verb: "log"; readonly host: string }
  | { readonly verb: "pulumi" | "npm"; readonly args: readonly string[] }
  | { readonly verb: "destroy" }
  | { readonly verb: "help" };

/** A mistake in the command line; shown with the usage. */
export class UsageError extends Error {}

export function parseVerb(args: readonly string[]): Verb {
  const [verb = "up", ...rest] = args;
  switch (verb) {
    case "up": {
      const { config, "no-stack": worldOnly } = options(rest, {
        config: { type: "string" },
        "no-stack": { type: "boolean" },
      }) as {
        config?: string;
        "no-stack"?: boolean;
      };
      return { verb, stack: !worldOnly, ...(config === undefined ? {} : { config: resolve(config) }) };
    }
    case "status":
      return { verb, json: (options(rest, { json: { type: "boolean" } }) as { json?: boolean }).json ?? false };
    case "exec": {
      const [host, ...argv] = rest;
      if (argv[0] === "--") argv.shift();
      if (host === undefined || argv.length === 0) throw new UsageError("exec wants a host and a command");
      return { verb, host, argv };
    }
    case "images":
      if (rest.length !== 1 || rest[0] === undefined) throw new UsageError("images wants the name of one");
      return { verb, image: rest[0] };
    case "start":
    case "log":
      if (rest.length !== 1 || rest[0] === undefined) throw new UsageError(`${verb} wants one host`);
      return { verb, host: rest[0] };
    case "pulumi":
    case "npm":
      return { verb, args: rest };
    case "destroy":
      options(rest, {});
      return { verb };
    case "help":
    case "--help":
    case "-h":
      return { verb: "help" };
    default:
      throw new UsageError(`no such verb: ${verb}`);
  }
}

/** Resolves to the exit status. */
export async function runCli(args: readonly string[]): Promise<number> {
  const wish = parseVerb(args);
  const dirs = labDirs();
  switch (wish.verb) {
    case "help":
      process.stdout.write(USAGE);
      return 0;
    case "up":
      return locked(dirs, "npm run lab", () => up(dirs, wish));
    case "destroy":
      return locked(dirs, "npm run lab -- destroy", async () => {
        await destroy(dirs, terminalProgress());
        return 0;
      }).finally(() => removeIfEmpty(dirs.runtime));
    case "status":
      return showStatus(await statusIfUp(dirs), wish.json);
    case "exec":
      return passThrough(dirs, wish.host, wish.argv);
    case "images":
      checkMachine();
      await ensureImages(dirs, releaseOf(wish.image), terminalProgress().say);
      return 0;
    case "start": {
      checkMachine();
      const lab = await currentLab(dirs);
      await terminalProgress().step(wish.host, () => lab.control.start(wish.host));
      return 0;
    }
    case "log":
      process.stdout.write(await hostLog(dirs, wish.host));
      return 0;
    case "pulumi":
    case "npm": {
      const stack = stackModule();
      if (stack === undefined) throw new Error("this clone has no scripts/lab/stack.ts to run pulumi with");
      return stack.stackCommand(await currentLab(dirs), [wish.verb, ...wish.args]);
    }
    default:
      return unreachable(wish);
  }
}

async function up(dirs: LabDirs, { config, stack: withStack }: { config?: string; stack: boolean }): Promise<number> {
  if (config !== undefined && !existsSync(config)) throw new Error(`--config ${config}: no such file`);
  const progress = terminalProgress();
  const lab = await openLab(progress, dirs);
  if (!withStack) return 0;
  const stack = stackModule();
  if (stack === undefined) progress.say("no stack to run: scripts/lab/stack.ts is missing");
  const report = await stack?.stackUp(lab, { progress, ...(config === undefined ? {} : { config }) });
  for (const line of report?.lines ?? []) progress.say(line);
  return 0;
}

/** Only root can lock; others get that message first. */
async function locked(dirs: LabDirs, purpose: string, work: () => Promise<number>): Promise<number> {
  checkMachine();
  return withLock(lockFile(dirs), { directory: dirs.project, purpose, seconds: 5 }, work);
}

/** The lock was the last thing in it. */
function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // Not empty, or gone: somebody else's lab, or nobody's.
  }
}

function showStatus(status: LabStatus | undefined, json: boolean): number {
  if (json) {
    process.stdout.write(`${JSON.stringify(status ?? { ready: false, hosts: [] }, null, 2)}\n`);
  } else if (status === undefined) {
    process.stdout.write("no lab is up. Bring it up with: npm run lab\n");
  } else {
    const width = Math.max(...status.hosts.map((host) => host.name.length));
    const lines = status.hosts.map(
      (host) => `  ${host.name.padEnd(width)}  ${host.state.padEnd(8)}  ${host.addresses.join(", ")}`,
    );
    process.stdout.write(
      `lab of ${status.project}, pid ${status.pid}${status.ready ? "" : ", not ready yet"}; home ${status.home.address}, IPv6 ${status.home.ipv6 ? "on" : "off"}\n${lines.join("\n")}\n`,
    );
  }
  return status === undefined ? 1 : 0;
}

async function passThrough(dirs: LabDirs, host: string, argv: readonly string[]): Promise<number> {
  checkMachine();
  await currentLab(dirs);
  const child = await spawnIn(dirs, host, argv, { stdio: "inherit", cwd: process.cwd() });
  // A terminal sends Ctrl-C to both; the command decides what it means.
  for (const signal of ["SIGINT", "SIGQUIT"] as const) process.on(signal, () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((done, fail) => {
    child.on("error", (error) => fail(new Error(`${host}: ${error.message}`)));
    child.on("close", (code, signal) => done(code ?? 128 + signalNumber(signal)));
  });
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : constants.signals[signal];
}

function options(args: readonly string[], known: NonNullable<Parameters<typeof parseArgs>[0]>["options"]): unknown {
  try {
    return parseArgs({ args: [...args], options: known, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function unreachable(value: never): never {
  throw new Error(`no such verb: ${JSON.stringify(value)}`);
}
