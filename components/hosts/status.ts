// What a host says of itself (hostctl's `status`), and what differs there from what was brought in. Pure.
import { z } from "zod";

const set = z.object({
  /** installing, armed, confirmed, reverted; none: nothing was ever brought in to its end. */
  state: z.string(),
  /** SHA-256 of what was brought in last (bundle.ts). */
  digest: z.string(),
  /** What lies there or runs otherwise than it was brought in: sentences without a full stop. */
  drift: z.array(z.string()),
});

const status = z.object({
  version: z.literal(1),
  /** PROJECT/STACK/NAME of the proxy that this host is; empty on a relay, and where nothing was ever set up. */
  owner: z.string(),
  /** What differs of our own program there: sentences without a full stop. */
  drift: z.array(z.string()),
  sets: z.record(z.string(), set),
  /** How often this host has put something back by itself, and what last: COUNT TIME WHAT. */
  healed: z.number().int(),
  lastHealed: z.string(),
});

export type HostStatus = z.output<typeof status>;

/** Throws an Error with a sentence where the answer is none. */
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

/** All that differs on a host from what was brought in: sentences without a full stop; none where all is as it was left. */
export function driftOf({ owner, drift: own, sets }: HostStatus, kind: "proxy" | "relay"): string[] {
  if (kind === "proxy" && owner === "") return ["nothing of chatmail-proxy is set up there any more"];
  return [
    ...own,
    ...Object.entries(sets).flatMap(([name, { state, drift }]) => [
      ...(state === "reverted"
        ? [`the set "${name}" was taken back, since nobody confirmed it`]
        : state === "installing"
          ? [`the set "${name}" was not brought in to its end`]
          : []),
      ...drift,
    ]),
  ];
}
