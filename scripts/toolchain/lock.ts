// lock.ts: one toolchain run at a time per cache folder. A lock whose owner is gone is taken over.

import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { ToolchainError } from "./run";

/** Seconds to wait for another run: longer than a cold build on two slow cores. */
const PATIENCE = 45 * 60;

/** Runs `work` while holding the lock file. */
export async function withLock<T>(file: string, log: (line: string) => void, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const deadline = Date.now() + PATIENCE * 1000;
  let told = false;
  while (!take(file)) {
    const owner = readOwner(file);
    if (owner === undefined) continue; // released just now
    if (!isAlive(owner)) {
      takeAway(file, owner);
      continue;
    }
    if (!told) log(`waiting for another run of the toolchain (process ${owner})`);
    told = true;
    if (Date.now() > deadline) {
      throw new ToolchainError(
        "lock",
        `process ${owner} still holds ${file} after 45 min. If it is no toolchain run, delete the file.`,
      );
    }
    await sleep(500);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Whether a process of this id runs that could be a toolchain run: an id may have gone to another program since. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("node");
  } catch {
    return true; // no /proc on this system
  }
}

/** Creates the lock whole: a link to a file that already holds our id. */
function take(file: string): boolean {
  const own = `${file}.${randomUUID()}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

function readOwner(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, "utf8"), 10);
  } catch {
    return undefined;
  }
}

/** Removes a dead owner's lock, unless another run did so first and holds a new one by now: then that one is put back. */
function takeAway(file: string, dead: number): void {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // another run was faster
  }
  if (readOwner(aside) !== dead) {
    try {
      linkSync(aside, file);
    } catch {
      // a third run holds the lock already
    }
  }
  rmSync(aside, { force: true });
}
