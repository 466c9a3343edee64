// lab/cleanup.ts: takes down all that a lab has running, also one whose daemon was killed. Goes on past what is missing.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { attempt } from "./command";
import { controlSocket, lockFile, ownerFile, type LabDirs } from "./dirs";
import { killCgroup } from "./machines/cgroup";
import { deleteNamespace, labNamespaces, namespaceInode } from "./netns";
import { CLIENT, HOME, INTERNET, OPERATOR } from "./plan";
import { isAlive, processesIn, type ProcessId } from "./processes";

export interface Owner extends ProcessId {
  readonly project: string;
  readonly version: string;
}

/** Who started the lab whose files are there; its daemon may be long dead. */
export function ownerOf(dirs: LabDirs): Owner | undefined {
  try {
    return JSON.parse(readFileSync(ownerFile(dirs), "utf8")) as Owner;
  } catch {
    return undefined;
  }
}

export const isRunning = (owner: Owner | undefined): boolean => owner !== undefined && isAlive(owner);

/** Processes, namespaces, mounts; disks and keys stay. Says what it found. */
export async function takeDown(dirs: LabDirs): Promise<string[]> {
  const found: string[] = [];
  const trouble: string[] = [];
  await killCgroup().catch((error: unknown) => trouble.push(String(error)));
  const namespaces = ownNamespaces();
  // Shells that somebody opened with `exec` are in no cgroup of ours; they are told by where they are.
  const inodes = new Set(namespaces.flatMap((namespace) => namespaceInode(namespace) ?? []));
  for (const pid of inodes.size > 0 ? processesIn(inodes) : []) {
    try {
      process.kill(pid, "SIGKILL");
      found.push(`process ${pid}`);
    } catch {
      // It ended by itself.
    }
  }
  for (const namespace of namespaces) {
    found.push(`namespace ${namespace}`);
    await deleteNamespace(namespace);
  }
  for (const mount of mountsBelow(dirs.state)) {
    found.push(`mount ${mount}`);
    await attempt(["umount", "-l", mount]);
  }
  rmSync(controlSocket(dirs), { force: true });
  if (trouble.length > 0) throw new Error(trouble.join("\n"));
  return found;
}

/** All but the caches, and the lock that the caller holds. */
export async function removeFiles(dirs: LabDirs): Promise<void> {
  await attempt(["rm", "-rf", "--one-file-system", dirs.state], { timeout: 300_000 });
  await attempt(["find", dirs.runtime, "-mindepth", "1", "!", "-path", lockFile(dirs), "-delete"]);
  if (existsSync(dirs.state)) throw new Error(`${dirs.state} could not be removed whole; see what is left in it`);
}

export function isOwnName(namespace: string): boolean {
  return [INTERNET, HOME, CLIENT, OPERATOR].includes(namespace) || /^cpl-(relay|mx|deb1|vps|s\d+)$/.test(namespace);
}

const ownNamespaces = (): string[] => labNamespaces().filter(isOwnName);

/** Deepest first. Normally none: mounts live in the daemon's mount namespace. */
function mountsBelow(dir: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => {
      const target = line.split(" ")[4];
      return target?.startsWith(`${dir}/`) ? [target] : [];
    })
    .sort((a, b) => b.length - a.length);
}
