// lab/version.ts: which code a running daemon was started from.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Over the files that the daemon loads; a daemon of another version is started again. */
export function labVersion(): string {
  const hash = createHash("sha256");
  for (const file of sources(__dirname)) hash.update(file.slice(__dirname.length)).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

/** Paths below this directory. */
const NOT_THE_DAEMONS = /^\/(stack|mail)(\/|\.ts$|[A-Z])/;

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => a.name.localeCompare(b.name))
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (NOT_THE_DAEMONS.test(path.slice(__dirname.length))) return [];
      return entry.isDirectory() ? sources(path) : /\.(ts|sh)$/.test(entry.name) ? [path] : [];
    });
}
