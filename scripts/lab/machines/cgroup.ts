// lab/machines/cgroup.ts: one cgroup for the lab and one below it per machine, so that all processes of either can be
// killed for certain, also those of a daemon that died.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { labName } from "../dirs";
import { waitFor } from "../wait";

/** Mount point of the unified hierarchy: /sys/fs/cgroup, or below it where the old one is still in use. */
export function unifiedMount(mountinfo: string): string | undefined {
  const line = mountinfo.split("\n").find((entry) => / - cgroup2 /.test(entry) && /^\S+ \S+ \S+ \/ /.test(entry));
  return line?.split(" ")[4];
}

export function legacyMounts(mountinfo: string): string[] {
  return mountinfo
    .split("\n")
    .filter((entry) => / - cgroup /.test(entry))
    .flatMap((entry) => entry.split(" ")[4] ?? []);
}

export function cgroupPath(part = ""): string {
  const mount = unifiedMount(readFileSync("/proc/self/mountinfo", "utf8"));
  if (mount === undefined)
    throw new Error(
      "no unified cgroup hierarchy (cgroup2) is mounted; systemd in the lab's machines needs it. Mount it with: mount -t cgroup2 none /sys/fs/cgroup/unified",
    );
  return join(mount, labName(), part);
}

/** The wrapper that starts a program within the cgroup: there is no moment in which it runs outside. */
export function inCgroup(part: string, argv: readonly string[]): string[] {
  const path = cgroupPath(part);
  mkdirSync(path, { recursive: true });
  return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', path, ...argv];
}

/** Kills all that runs in it and below, waits for the end, removes it. Absent counts as done. */
export async function killCgroup(part = ""): Promise<void> {
  const path = cgroupPath(part);
  if (!existsSync(path)) return;
  await waitFor(
    `the processes in ${path} to end`,
    20,
    () => {
      if (pidsBelow(path).length === 0) return true;
      killAll(path);
      return false;
    },
    20,
  );
  // Busy for a moment after the last process; in the old hierarchies systemd-nspawn makes the same paths, without processes.
  await waitFor(
    `${path} to be removable`,
    5,
    () => {
      removeTree(path);
      return !existsSync(path);
    },
    20,
  );
  for (const mount of legacyMounts(readFileSync("/proc/self/mountinfo", "utf8")))
    removeTree(join(mount, labName(), part));
}

export function pidsBelow(path: string): number[] {
  return tree(path).flatMap((dir) => {
    try {
      return readFileSync(join(dir, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
    } catch {
      return [];
    }
  });
}

function killAll(path: string): void {
  try {
    // Linux 5.14 and later: atomic, no fork escapes.
    writeFileSync(join(path, "cgroup.kill"), "1");
  } catch {
    for (const pid of pidsBelow(path)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
  }
}

function removeTree(path: string): void {
  for (const dir of tree(path).reverse()) {
    try {
      rmdirSync(dir);
    } catch {
      // Busy for a moment more, or gone.
    }
  }
}

/** Parents before children. */
function tree(path: string): string[] {
  try {
    return [
      path,
      ...readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .flatMap((entry) => tree(join(path, entry.name))),
    ];
  } catch {
    return [];
  }
}
