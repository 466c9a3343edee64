// What a host answers when a document was brought to it, or confirmed. Pure.
import { z } from "zod";

const answer = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), wan: z.array(z.string()).optional(), view: z.array(z.string()).optional() }),
  z.object({ ok: z.literal(false), reason: z.string(), failed: z.record(z.string(), z.string()).default({}) }),
]);

export type Applied =
  | {
      readonly ok: true;
      /** Lines of facts (facts.ts), where they were asked for. */
      readonly wan?: readonly string[] | undefined;
      readonly view?: readonly string[] | undefined;
    }
  | {
      readonly ok: false;
      /** It was not tried, since what it requires has failed; the reason is reported there. */
      readonly skipped: boolean;
      /** Why it failed: a message; empty where only some sets did. */
      readonly reason: string;
      /** Why single sets failed, by name. */
      readonly failed: Readonly<Record<string, string>>;
    };

/** A step of a host's set-up that failed, and why. */
export interface Failure {
  readonly step: string;
  readonly reason: string;
}

export const WELL: Applied = { ok: true };
export const SKIPPED: Applied = { ok: false, skipped: true, reason: "", failed: {} };
export const failedWith = (reason: string): Applied => ({ ok: false, skipped: false, reason, failed: {} });

/** `said`: what came out of the frame (frame.ts), which reports a failure as `failed REASON`. */
export function parseApplied(said: string): Applied {
  const line = said.trim();
  if (line.startsWith("failed ")) return failedWith(line.slice("failed ".length));
  let data: unknown;
  try {
    data = JSON.parse(line);
  } catch {
    return failedWith(
      line === ""
        ? "it ended without a word"
        : `its answer is no JSON (it begins with ${JSON.stringify(line.slice(0, 60))})`,
    );
  }
  const { data: parsed } = answer.safeParse(data);
  if (!parsed) return failedWith("its answer lacks something");
  return parsed.ok ? parsed : { ...parsed, skipped: false };
}

/** The same for one set of an independent document. */
export function appliedSet(whole: Applied, set: string): Applied {
  if (whole.ok || whole.skipped) return whole;
  const reason = whole.failed[set];
  if (reason !== undefined) return failedWith(reason);
  // The document as a whole failed, which is reported once, and not for each of its sets.
  return whole.reason === "" ? WELL : SKIPPED;
}
