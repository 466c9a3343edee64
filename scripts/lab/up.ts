// lab/up.ts: brings the lab's world up, or finds it up. The stack on top of it is stack.ts.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { nodeTs } from "../node";
import { isOwnName, isRunning, ownerOf, removeFiles, takeDown } from "./cleanup";
import { controlClient, statusIfUp, type LabStatus, type StepStatus } from "./control";
import { etcDir, logFile, outsideNetwork, type LabDirs } from "./dirs";
import { ensureImages, isBuilt } from "./images/build";
import { OWN_RELEASE } from "./images/recipes";
import { inCgroup } from "./machines/cgroup";
import { enter } from "./enter";
import { labNamespaces } from "./netns";
import { ensurePackages } from "./packages";
import { INTERNET, type HostKind } from "./plan";
import { checkDisk, checkKernel, checkMachine } from "./preflight";
import { hostsFile, nsswitchConf, resolvConf } from "./text/guest";
import { labVersion } from "./version";
import { waitFor } from "./wait";
import { caFile, ensureKeys } from "./world/keys";
import { buildInternet } from "./world/network";

const OWN_KINDS: readonly HostKind[] = ["relay", "mx", "adopted"];
/** Cold, on a slow disk, with two machines booting at once. */
const READY_SECONDS = 180;

export interface Progress {
  say(line: string): void;
  /** Runs one named step and prints how long it took. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
}

export async function bringUp(dirs: LabDirs, progress: Progress): Promise<LabStatus> {
  const { say, step } = progress;
  checkMachine();
  const running = await statusIfUp(dirs);
  if (running !== undefined) {
    if (running.project !== dirs.project) throw new Error(othersLab(running));
    if (running.version === labVersion() && !running.steps.some((done) => done.error !== undefined)) {
      say(running.ready ? `lab: up already (pid ${running.pid})` : `lab: on its way up (pid ${running.pid})`);
      return switchedOn(dirs, running.ready ? running : await waitUntilReady(dirs, say));
    }
    await step(
      running.ready ? "stopping the daemon: the lab's code has changed" : "stopping a daemon that did not get ready",
      () => stopDaemon(dirs, running.pid),
    );
  }
  await step("Debian packages", () => ensurePackages(say));
  checkDisk(dirs, !isBuilt(dirs, OWN_RELEASE));
  await step("kernel features", () => checkKernel(dirs));
  await step("images", () => ensureImages(dirs, OWN_RELEASE, say));
  await clean(dirs, running === undefined ? say : () => undefined);
  await step("keys", () => prepareFiles(dirs));
  await step("internet", buildInternet);
  startDaemon(dirs);
  return waitUntilReady(dirs, say);
}

/** What is the lab's own runs; a bought server that is off may be off for a reason. */
async function switchedOn(dirs: LabDirs, status: LabStatus): Promise<LabStatus> {
  const off = status.hosts.filter((host) => OWN_KINDS.includes(host.kind) && !host.onDemand && host.state === "off");
  for (const { name } of off) await controlClient(dirs).power(name, "on");
  return off.length > 0 ? controlClient(dirs).status() : status;
}

/** The rests of a run that was killed, or stopped just now, go; its disks stay, unless they are another clone's. */
async function clean(dirs: LabDirs, say: (line: string) => void): Promise<void> {
  const owner = ownerOf(dirs);
  if (owner !== undefined && isRunning(owner))
    throw new Error(
      `a daemon (pid ${owner.pid}) from ${owner.project} runs, but does not answer. End it with: npm run lab -- destroy`,
    );
  const strangers = owner === undefined ? labNamespaces().filter(isOwnName) : [];
  if (strangers.length > 0 && !existsSync(join(dirs.state, "keys"))) {
    throw new Error(
      `network namespace ${strangers.join(", ")}: the name is in use, and not by a lab that left its files in ${dirs.state}. Delete it with: ip netns delete ${strangers[0] ?? ""}`,
    );
  }
  const found = await takeDown(dirs);
  if (found.length > 0) say(`cleaned up after a run that was killed: ${found.join(", ")}`);
  if (owner !== undefined && owner.project !== dirs.project) {
    say(`removing the dead lab of ${owner.project}`);
    await removeFiles(dirs);
  }
}

async function prepareFiles(dirs: LabDirs): Promise<void> {
  mkdirSync(dirs.runtime, { recursive: true, mode: 0o700 });
  mkdirSync(join(dirs.state, "logs"), { recursive: true });
  await ensureKeys(dirs);
  const etc = etcDir(dirs);
  const certificates = "/etc/ssl/certs/ca-certificates.crt";
  const files: [string, string][] = [
    ["resolv.conf", resolvConf()],
    ["nsswitch.conf", nsswitchConf()],
    ["hosts", hostsFile()],
    // With the machine's own, so that programs in the client's namespace trust the lab's servers too.
    [
      "ssl/certs/ca-certificates.crt",
      (existsSync(certificates) ? readFileSync(certificates, "utf8") : "") + readFileSync(caFile(dirs), "utf8"),
    ],
  ];
  for (const [name, content] of files) {
    mkdirSync(dirname(join(etc, name)), { recursive: true });
    writeFileSync(join(etc, name), content);
  }
}

/**
 * nsenter: within the internet's router; a mount keeps the network outside in reach. unshare: mounts end with the last
 * process of the lab; only the mounts that hold what it mounts on are made private, so that namespaces made in there are
 * seen out here. systemd-nspawn's own notes get a place that ends with it.
 */
function startDaemon(dirs: LabDirs): void {
  const privately = `set -e; for dir in "$0" /run; do mount --make-private "$(stat -c %m "$dir")"; done
mkdir -p /run/systemd/nspawn; mount -t tmpfs tmpfs /run/systemd/nspawn
: >"$1"; mount --bind /proc/self/ns/net "$1"; shift; exec "$@"`;
  const node = nodeTs(join(__dirname, "daemon.ts"));
  const argv = inCgroup("daemon", [
    "unshare",
    "--mount",
    "--propagation",
    "unchanged",
    "sh",
    "-c",
    privately,
    dirs.state,
    outsideNetwork(dirs),
    ...enter(INTERNET, node),
  ]);
  const log = openSync(logFile(dirs, "daemon"), "a");
  const child = spawn(argv[0] ?? "", argv.slice(1), { cwd: dirs.project, detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  child.unref();
}

async function waitUntilReady(dirs: LabDirs, say: (line: string) => void): Promise<LabStatus> {
  const shown = new Set<string>();
  const show = (steps: readonly StepStatus[]) => {
    for (const { name, ms, error } of steps.filter((step) => step.ms !== undefined && !shown.has(step.name))) {
      shown.add(name);
      say(`${name}: ${error === undefined ? `${((ms ?? 0) / 1000).toFixed(1)} s` : "failed"}`);
    }
  };
  let failed: Error | undefined;
  const started = Date.now();
  const status = await waitFor(`the lab's daemon; its log is ${logFile(dirs, "daemon")}`, READY_SECONDS, async () => {
    const now = await statusIfUp(dirs);
    if (now === undefined) {
      if (Date.now() - started < 15_000 || isRunning(ownerOf(dirs))) return undefined;
      failed = new Error(
        `the lab's daemon ended at its start. The end of its log:\n${lastLines(logFile(dirs, "daemon"))}`,
      );
    } else {
      show(now.steps);
      const broken = now.steps.find((step) => step.error !== undefined);
      if (broken !== undefined)
        failed = new Error(`${broken.name}: ${broken.error ?? ""}\nThe daemon's log is ${logFile(dirs, "daemon")}`);
    }
    return failed !== undefined || now?.ready ? (now ?? ({} as LabStatus)) : undefined;
  });
  if (failed !== undefined) throw failed;
  return status;
}

async function stopDaemon(dirs: LabDirs, pid: number): Promise<void> {
  await controlClient(dirs)
    .stop()
    .catch(() => undefined);
  await waitFor(`the lab's daemon (pid ${pid}) to end`, 30, () => !isRunning(ownerOf(dirs))).catch(() => undefined);
}

const othersLab = (running: LabStatus): string =>
  `a lab from ${running.project} is up on this machine (pid ${running.pid}); there can be only one. Use that one, or take it down first: cd ${running.project} && npm run lab -- destroy`;

const lastLines = (file: string): string =>
  existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").slice(-10).join("\n") : "(empty)";
