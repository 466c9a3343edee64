// lab/netns.ts: network namespaces by exact name: made, entered, filled, deleted. Knows none of the lab's addresses.
import { existsSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { command, attempt } from "./command";
import { enter, namespacePath } from "./enter";
import { PREFIX } from "./plan";
import { FRESH_SYSCTLS } from "./text/guest";

export async function createNamespace(namespace: string): Promise<void> {
  await command(["ip", "netns", "add", namespace]);
  await setSysctls(namespace, FRESH_SYSCTLS);
}

/** Absent counts as deleted. */
export async function deleteNamespace(namespace: string): Promise<void> {
  if (existsSync(namespacePath(namespace))) await attempt(["ip", "netns", "delete", namespace]);
}

/** Namespaces with the lab's prefix, of any origin. */
export function labNamespaces(): string[] {
  return existsSync("/run/netns")
    ? readdirSync("/run/netns")
        .filter((name) => name.startsWith(PREFIX))
        .sort()
    : [];
}

/** As /proc/PID/ns/net names it. */
export function namespaceInode(namespace: string): string | undefined {
  try {
    return `net:[${statSync(namespacePath(namespace)).ino}]`;
  } catch {
    return undefined;
  }
}

export const ownNamespaceInode = (): string => readlinkSync("/proc/self/ns/net");

export async function ip(
  namespace: string,
  lines: readonly string[],
  options: { force?: boolean } = {},
): Promise<void> {
  // One family at a time: within a batch `ip` takes its family from the command line.
  for (const [family, part] of byFamily(lines)) {
    const argv = [
      "ip",
      ...(family ? [family] : []),
      "-netns",
      namespace,
      ...(options.force ? ["-force"] : []),
      "-batch",
      "-",
    ];
    await command(argv, { stdin: `${part.join("\n")}\n`, ...(options.force ? { accept: "any" as const } : {}) });
  }
}

export async function nft(namespace: string, text: string): Promise<void> {
  await command(enter(namespace, ["nft", "-f", "-"]), { stdin: text });
}

/** Pairs of a path below /proc/sys/net and its value. */
export async function setSysctls(namespace: string, pairs: readonly (readonly [string, string])[]): Promise<void> {
  const script =
    'while read -r key value; do [ ! -e "/proc/sys/net/$key" ] || echo "$value" >"/proc/sys/net/$key"; done';
  await command(enter(namespace, ["sh", "-c", script]), {
    stdin: pairs.map(([key, value]) => `${key} ${value}\n`).join(""),
  });
}

/** Runs of lines with the same leading family flag, in order. */
export function byFamily(lines: readonly string[]): [string | undefined, string[]][] {
  const runs: [string | undefined, string[]][] = [];
  for (const line of lines) {
    const [, family, rest = ""] = /^(-[46])?\s*(.*)$/.exec(line) ?? [];
    const last = runs.at(-1);
    if (last?.[0] === family && last) last[1].push(rest);
    else runs.push([family, [rest]]);
  }
  return runs;
}
