// What a host says of itself (hostctl's `status`), and what differs there from what was brought in. Pure.
import { z } from "zod";

const set = z.object({
  /** installing, armed, confirmed, reverted; none: nothing was ever brought in completely. */
  state: z.string(),
  /** SHA-256 of what was brought in last (bundle.ts). */
  digest: z.string(),
  /** What differs from what was brought in, in files or in what runs: messages without a full stop. */
  drift: z.array(z.string()),
});

const document = z.object({
  /** SHA-256 of the document that was brought in last (document.ts). */
  digest: z.string(),
  /** Names this writing: chosen by the program. */
  generation: z.string(),
  /** applied; armed: waits for confirmation; confirmed. */
  state: z.string(),
});

/** Lines of facts, for remote/facts.ts; null where nobody asked. */
const lines = z.array(z.string()).nullable();

const status = z.object({
  version: z.literal(2),
  /** Operating system and kernel, for people. */
  system: z.string(),
  /** PROJECT/STACK/NAME of the proxy that this host is; empty on a relay, and where nothing was ever set up. */
  owner: z.string(),
  /** What differs of our own program there, and of the keys that may log in: messages without a full stop. */
  drift: z.array(z.string()),
  sets: z.record(z.string(), set),
  documents: z.record(z.string(), document),
  /** How often this host has put something back by itself, and what last: COUNT TIME WHAT. */
  healed: z.number().int(),
  lastHealed: z.string(),
  /** What of others is in the way of what was asked for: messages. */
  conflicts: z.array(z.string()),
  /** Of what was asked for, what rules of others redirect: a message, which is no obstacle to all else of a set-up. */
  redirected: lines,
  view: lines,
  wan: lines,
  relay: lines,
  outbound: lines,
  /** Why it should be rebooted; empty where it need not. */
  reboot: z.string(),
  /** Its clock: seconds since 1970. */
  clock: z.number(),
  /** Bytes on the file system that our state is on. */
  disk: z.object({ free: z.number(), of: z.number() }),
  /** Connections that it keeps track of, and how many it can: NOW MOST; empty where that is not known. */
  tracked: z.string(),
});

export type HostStatus = z.output<typeof status>;

/** Throws an Error in words for the operator where the answer makes no sense. */
export function parseHostStatus(text: string): HostStatus {
  const line = text.trim();
  let data: unknown;
  try {
    data = JSON.parse(line);
  } catch {
    throw new Error(
      line === ""
        ? "hostctl said nothing"
        : `hostctl's answer is no JSON (it begins with ${JSON.stringify(line.slice(0, 60))})`,
    );
  }
  const { success, data: parsed, error } = status.safeParse(data);
  if (!success)
    throw new Error(`hostctl's answer lacks something (${error.issues.map(({ path }) => path.join(".")).join(", ")})`);
  return parsed;
}

/**
 * All that differs on a host from what was brought in: messages without a full stop; none where all is as it was left.
 * `expected`: sets that were brought in by this stack; others' are not reported.
 */
export function driftOf(
  { drift: own, sets }: Pick<HostStatus, "drift" | "sets">,
  expected: readonly string[],
): string[] {
  const missing = expected.filter((name) => (sets[name]?.state ?? "none") === "none");
  if (expected.length > 0 && missing.length === expected.length) return ["nothing of chatmail-proxy is there any more"];
  return [
    ...own,
    ...expected.flatMap((name) => {
      const { state = "none", drift = [] } = sets[name] ?? {};
      return [...(STATES[state] ? [`the set "${name}" ${STATES[state]}`] : []), ...drift];
    }),
  ];
}

const STATES: Readonly<Record<string, string>> = {
  none: "is not there any more",
  reverted: "was taken back, since nobody confirmed it",
  installing: "was not brought in completely",
};

/** A document as it should be on a host. */
export interface DocumentOnHost {
  readonly name: string;
  /** The sets that it brings in. */
  readonly sets: readonly string[];
  /** SHA-256 of the document that is wanted. */
  readonly digest: string;
  /** It is in place only when it has been confirmed over another connection. */
  readonly toConfirm: boolean;
}

/**
 * The generation of a document: the host's own, where it has this very document and nothing of it differs; else a new one.
 * So only a host that failed, was reset, or was changed by others is written to again.
 */
export function generationOf(
  { name, sets, digest, toConfirm }: DocumentOnHost,
  there: HostStatus | undefined,
  fresh: string,
): string {
  const known = there?.documents[name];
  const settled = known?.state === "confirmed" || (known?.state === "applied" && !toConfirm);
  if (!there || known?.digest !== digest || !settled) return fresh;
  const differs = sets.some((each) => {
    const { state = "none", drift = [] } = there.sets[each] ?? {};
    return state !== "confirmed" || drift.length > 0;
  });
  return differs || there.drift.length > 0 ? fresh : known.generation;
}

/** Whether a set is in place, and nothing of it differs. */
export const isInPlace = (there: HostStatus | undefined, set: string, digest: string): boolean =>
  liveDigest(there, set) === digest && there?.sets[set]?.drift.length === 0;

/** Digest of a set that is in place; undefined where it is not. */
export const liveDigest = (there: HostStatus | undefined, set: string): string | undefined =>
  there?.sets[set]?.state === "confirmed" ? there.sets[set].digest : undefined;
