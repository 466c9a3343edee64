// lab/dirs.ts: where the lab keeps what. Reads the environment, touches no file.
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export interface LabDirs {
  /** The clone that this lab belongs to. */
  readonly project: string;
  /** Downloads and images; survives destroy. */
  readonly cache: string;
  /** Disks, keys, logs of the lab; gone after destroy. */
  readonly state: string;
  /** Control socket and lock. */
  readonly runtime: string;
}

/** The variable that names a lab beside this machine's own, for programs that see no other (see ../test/lane.ts). */
export const LAB_VARIABLE = "CHATMAIL_PROXY_LAB";

/** What this lab's directories and its cgroup are called. */
export function labName(env: NodeJS.ProcessEnv = process.env): string {
  const name = env[LAB_VARIABLE] ?? "chatmail-proxy-lab";
  // What bears it is removed as a whole.
  if (!/^chatmail-proxy-lab[\w-]*$/.test(name))
    throw new Error(`${LAB_VARIABLE} is ${JSON.stringify(name)}; such a name begins with chatmail-proxy-lab.`);
  return name;
}

export function labDirs(env: NodeJS.ProcessEnv = process.env): LabDirs {
  const cacheRoot = env.CHATMAIL_PROXY_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "chatmail-proxy");
  const dirs: LabDirs = {
    project: resolve(__dirname, "../.."),
    cache: join(resolve(cacheRoot), "lab"),
    state: join("/var/lib", labName(env)),
    runtime: join("/run", labName(env)),
  };
  // overlayfs separates its directories by ":" and its options by ",".
  if (/[:,\\]/.test(dirs.cache))
    throw new Error(
      `cache directory ${dirs.cache}: overlay mounts cannot take ":", "," or "\\" in a path. Set CHATMAIL_PROXY_CACHE to another directory.`,
    );
  return dirs;
}

export const controlSocket = (dirs: LabDirs): string => join(dirs.runtime, "control.sock");
export const lockFile = (dirs: LabDirs): string => join(dirs.runtime, "lock");
/** This machine's own network, as the daemon keeps hold of it from within the lab's. */
export const outsideNetwork = (dirs: LabDirs): string => join(dirs.runtime, "outside-network");
export const ownerFile = (dirs: LabDirs): string => join(dirs.state, "owner.json");
export const logFile = (dirs: LabDirs, name: string): string => join(dirs.state, "logs", `${name}.log`);
export const keyFile = (dirs: LabDirs, name: string): string => join(dirs.state, "keys", name);
export const machineDir = (dirs: LabDirs, id: string): string => join(dirs.state, "machines", id);
/** Files laid over /etc for programs that run in a namespace of the lab. */
export const etcDir = (dirs: LabDirs): string => join(dirs.state, "etc");
