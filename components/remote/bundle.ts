// A bundle: files and units that a host takes over as one set, as text for hostctl's stdin. Pure.
//
// Lines, not JSON or a tar: `pulumi preview --diff` then shows a changed rule as a changed line.
import { createHash } from "node:crypto";

export interface HostFile {
  /** Absolute path on the host. */
  readonly path: string;
  /** Octal, such as 0644; owner is root. */
  readonly mode: string;
  /** Complete lines: ends with a newline. */
  readonly content: string;
}

export interface HostSet {
  readonly files: readonly HostFile[];
  /** systemd units (FreeBSD: rc.d services) that run on these files: enabled, and restarted when one of the files changes. */
  readonly units?: readonly string[];
}

export interface Bundle {
  readonly text: string;
  /** SHA-256 of what the set holds, by which a confirmation names it. */
  readonly digest: string;
}

export function bundle({ files, units = [] }: HostSet): Bundle {
  const body = [...files.flatMap(fileLines), ...units.map((unit) => `unit ${unit}`)].join("\n");
  const digest = createHash("sha256").update(body).digest("hex");
  return { text: `${body}\nend ${digest}\n`, digest };
}

function fileLines({ path, mode, content }: HostFile): string[] {
  if (!content.endsWith("\n")) throw new Error(`${path} does not end with a newline`);
  const lines = content.slice(0, -1).split("\n");
  return [`file ${mode} ${path}`, ...lines.map((line) => `|${line}`)];
}
