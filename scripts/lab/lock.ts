// lab/lock.ts: one holder at a time, named in the lock, so that the next one can say who it is. A dead holder's lock is taken over.
import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isAlive, processId, type ProcessId } from "./processes";
import { sleep } from "./wait";

export interface LockHolder extends ProcessId {
  readonly directory: string;
  readonly purpose: string;
}

/** Runs `work` while holding the lock; waits `seconds` for another holder first. */
export async function withLock<T>(
  file: string,
  who: { directory: string; purpose: string; seconds: number },
  work: () => Promise<T>,
): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const deadline = Date.now() + who.seconds * 1000;
  while (!take(file, who)) {
    if (Date.now() > deadline) throw new Error(takenMessage(file, holderOf(file)));
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

export function holderOf(file: string): LockHolder | undefined {
  try {
    const holder = JSON.parse(readFileSync(file, "utf8")) as LockHolder;
    return isAlive(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}

function take(file: string, who: { directory: string; purpose: string }): boolean {
  if (holderOf(file) === undefined) rmSync(file, { force: true });
  // Written beside it and linked, so that nobody ever reads half a holder; by a name that nobody else has.
  const mine = `${file}.${randomUUID()}`;
  writeFileSync(mine, JSON.stringify({ ...processId(process.pid), directory: who.directory, purpose: who.purpose }));
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

function takenMessage(file: string, holder: LockHolder | undefined): string {
  if (holder === undefined) return `lock ${file} changes hands all the time; try again`;
  return `"${holder.purpose}" is under way in ${holder.directory} (pid ${holder.pid}). Wait for it to end, or end it.`;
}
