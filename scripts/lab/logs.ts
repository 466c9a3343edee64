// lab/logs.ts: where a host's log is, and how to show it.
import { existsSync, readFileSync } from "node:fs";
import { statusIfUp } from "./control";
import { logFile, type LabDirs } from "./dirs";
import { runIn } from "./run";

/** Besides the hosts. */
const SERVICE_LOGS = ["daemon", "dns", "api"] as const;

export async function hostLog(dirs: LabDirs, name: string): Promise<string> {
  if ((SERVICE_LOGS as readonly string[]).includes(name)) return fileText(logFile(dirs, name));
  const status = await statusIfUp(dirs);
  const host = status?.hosts.find((candidate) => candidate.name === name);
  if (host === undefined) {
    const names = [...(status?.hosts.map((candidate) => candidate.name) ?? []), ...SERVICE_LOGS];
    throw new Error(`no log of "${name}"; there are ${names.join(", ")}`);
  }
  if (host.kind === "namespace") return `${name} is a network namespace only; it keeps no log.\n`;
  if (host.initPid !== undefined)
    return (await runIn(dirs, name, ["journalctl", "--no-pager", "--output=short-iso", "--lines=2000"])).stdout;
  return fileText(logFile(dirs, host.namespace.replace(/^cpl-/, "")));
}

const fileText = (file: string): string =>
  existsSync(file) ? readFileSync(file, "utf8") : `${file}: nothing logged yet\n`;
