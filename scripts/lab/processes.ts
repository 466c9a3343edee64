// lab/processes.ts: what /proc tells about processes. A process is a pid with its start time, since pids are given out again.
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

export interface ProcessId {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly startTime: string;
}

export function processId(pid: number): ProcessId | undefined {
  const stat = readProc(pid, "stat");
  const startTime = stat === undefined ? undefined : startTimeIn(stat);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** A zombie is dead: whoever should bury it may take its time. */
export function isAlive(id: ProcessId): boolean {
  const stat = readProc(id.pid, "stat");
  return (
    stat !== undefined && startTimeIn(stat) === id.startTime && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))
  );
}

/** The name in field 2 may hold blanks and brackets, so fields are counted from the last bracket. */
export function startTimeIn(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Ends a process and all that it started at once, as a power cut would. */
export function killTree(pid: number): void {
  // Stopped first, so that none of them starts another meanwhile.
  const stop = (each: number): number[] => (signal(each, "SIGSTOP") ? [each, ...childrenOf(each).flatMap(stop)] : []);
  for (const each of stop(pid)) signal(each, "SIGKILL");
}

/** False when it has ended already. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** True for the first process of a PID namespace: the guest's init. */
export function isNamespaceInit(pid: number): boolean {
  const ids = /^NSpid:\s+(.*)$/m.exec(readProc(pid, "status") ?? "")?.[1]?.split(/\s+/) ?? [];
  return ids.length > 1 && ids.at(-1) === "1";
}

/** Pids whose network namespace is one of these, named as in /proc/PID/ns/net ("net:[4026532000]"). */
export function processesIn(namespaces: ReadonlySet<string>): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return namespaces.has(readlinkSync(`/proc/${pid}/ns/net`));
      } catch {
        return false;
      }
    });
}

/** TCP ports on which the network namespace of this process listens, both families. */
export function listeningPorts(pid: number): Set<number> {
  return new Set(["net/tcp", "net/tcp6"].flatMap((table) => listenersIn(readProc(pid, table) ?? "")));
}

export function listenersIn(table: string): number[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[3] === "0A" && fields[1] !== undefined ? [parseInt(fields[1].split(":").at(-1) ?? "", 16)] : [];
    });
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}
