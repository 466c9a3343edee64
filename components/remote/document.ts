// A document: all that a host is to have from one command, as text for hostctl's stdin. Pure.
//
// Lines, not JSON: `pulumi preview --diff` then shows a changed rule as a changed line.
import { createHash } from "node:crypto";
import { bundle, type HostSet } from "./bundle";

export interface HostDocumentText {
  readonly text: string;
  /** SHA-256 of all lines before the last, by which a host says which document it has. */
  readonly digest: string;
  /** Names of the sets that it brings in; those that it keeps are none of them. */
  readonly sets: readonly string[];
}

/** `lines`: without newlines. */
export function document(name: string, lines: readonly string[]): HostDocumentText {
  const odd = lines.find((line) => line.includes("\n"));
  if (odd !== undefined) throw new Error(`a line of the document ${name} has a newline in it`);
  const body = [`document ${name}`, ...lines].map((line) => `${line}\n`).join("");
  const digest = createHash("sha256").update(body).digest("hex");
  const sets = lines.flatMap((line) => /^set (\S+)/.exec(line)?.[1] ?? []);
  return { text: `${body}end document ${digest}\n`, digest, sets };
}

export interface SetOptions {
  /** Seconds within which a new connection must confirm it, or the host goes back. */
  readonly guarded?: number | undefined;
  /** The other end of what this set belongs to cannot follow now: another set than `live` waits until it can. */
  readonly keep?: boolean | undefined;
  /** Digest of the set that is in place on the host; undefined where there is none, or it is not known. */
  readonly live?: string | undefined;
}

/** The lines by which a set comes in, or by which it stays as it is. */
export function setLines(name: string, set: HostSet, { guarded, keep = false, live }: SetOptions = {}): string[] {
  const { text, digest } = bundle(set);
  if (keep && live !== digest) return [`keep ${name}`];
  return [`set ${name}${guarded === undefined ? "" : ` guarded ${guarded}`}`, ...text.slice(0, -1).split("\n")];
}
