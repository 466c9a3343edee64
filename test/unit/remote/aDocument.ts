// Documents as tests write them, and the answers to them.
import { createHash } from "node:crypto";
import { parseHostStatus } from "../../../components/hosts/status";

interface Spawned {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Every one of these verbs succeeds, and says one line. */
export function answerOf({ status, stdout, stderr }: Spawned): unknown {
  if (status !== 0 || !/^[^\n]+\n$/.test(stdout)) throw new Error(`${String(status)}: ${stdout}\n${stderr}`);
  return JSON.parse(stdout);
}

/** A document of these lines; a set is its name, and perhaps `guarded` and seconds, with the bundle behind it. */
export function documentOf(name: string, ...parts: (string | readonly [string, { readonly text: string }])[]): string {
  const body = [
    `document ${name}\n`,
    ...parts.map((part) => (typeof part === "string" ? `${part}\n` : `set ${part[0]}\n${part[1].text}`)),
  ].join("");
  return `${body}end document ${digestOf(body)}\n`;
}

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

/** The SHA-256 in a document's last line. */
export const digestIn = (document: string): string => document.trim().split(" ").at(-1) ?? "";

/** What differs on a host from what was brought in, by its status. */
export function driftIn(said: string): string[] {
  const { drift, sets } = parseHostStatus(said);
  return [...drift, ...Object.values(sets).flatMap((set) => set.drift)];
}
