// How record sets are changed, given what is there. Pure.
import { digestOf, markText } from "../marks";
import type { RecordType } from "../recordSets";
import type { Change, OnDestroyJob, SetJob, PresentSet } from "./job";

export interface Decision {
  readonly changes: readonly Change[];
  /** For the operator. */
  readonly notes: readonly string[];
}

const TYPES: readonly RecordType[] = ["A", "AAAA"];

/** The set then holds exactly the job's values, whatever it held before. Throws where a CNAME leaves no room for it. */
export function put(job: SetJob, present: readonly PresentSet[]): Decision {
  const { name, type, ttl, stack, values } = job;
  const alias = present.find((set) => set.type === "CNAME" && set.values.length > 0);
  if (alias)
    throw new Error(
      `${name} is a CNAME of ${alias.values.join(", ")}, beside which no address can stand. Delete the CNAME, then run pulumi up again.`,
    );
  const seen = find(present, type);
  const mark = markText(stack, values);
  const same = digestOf(seen.values) === digestOf(values);
  if (same && seen.ttl === ttl && seen.mark?.stack === stack && seen.mark.digest === digestOf(values))
    return { changes: [], notes: [] };
  const held = `${name} ${type} held ${seen.values.join(", ")}`;
  const notes =
    same || seen.values.length === 0
      ? []
      : seen.mark?.stack !== stack
        ? [`${held}, of others: adopted`]
        : changedManually(seen)
          ? [`${held}, changed by hand: put back`]
          : [];
  return { changes: [{ name, type, set: { values, ttl }, mark, seen }], notes };
}

/** Deletes the set, but only while it holds what this stack put there. */
export function drop(job: SetJob, present: readonly PresentSet[]): Decision {
  const { name, type, ttl, stack, values } = job;
  const seen = find(present, type);
  if (seen.mark?.stack !== stack) {
    return {
      changes: [],
      notes:
        seen.values.length > 0
          ? [`${name} ${type} holds ${seen.values.join(", ")}, which is not this stack's any more: left as it is`]
          : [],
    };
  }
  if (digestOf(seen.values) === digestOf(values))
    return { changes: [{ name, type, set: { values: [], ttl }, mark: undefined, seen }], notes: [] };
  const notes =
    seen.values.length > 0
      ? [`${name} ${type} holds ${seen.values.join(", ")}, which this stack did not put there: left as it is`]
      : [];
  return { changes: [{ name, type, set: undefined, mark: undefined, seen }], notes };
}

/** Deletes our sets that hold no proxy any more. For providers whose record sets are kept by `retainOnDelete`. */
export function hold(job: OnDestroyJob, present: readonly PresentSet[]): Decision {
  const { name, ttl, stack } = job;
  const gone = job.unwanted
    .map((type) => ({ type, seen: find(present, type) }))
    .filter(({ seen }) => seen.mark?.stack === stack);
  return {
    changes: gone.map(({ type, seen }) => ({ name, type, set: { values: [], ttl }, mark: undefined, seen })),
    notes: [],
  };
}

/**
 * The relay's own addresses in place of what this stack put there. What others put there stays: the operator may have
 * done the same manually.
 */
export function restore(job: OnDestroyJob, present: readonly PresentSet[]): Decision {
  const { name, ttl, stack, relay } = job;
  const ours = (set: PresentSet) => set.mark?.stack === stack;
  if (!TYPES.some((type) => ours(find(present, type)))) {
    return { changes: [], notes: [`${name} holds no addresses of this stack's: left as it is`] };
  }
  const changes: Change[] = [];
  const notes: string[] = [];
  for (const type of TYPES) {
    const seen = find(present, type);
    if (seen.values.length > 0 && (!ours(seen) || changedManually(seen))) {
      notes.push(`${name} ${type} holds ${seen.values.join(", ")}, which this stack did not put there: left as it is`);
      if (ours(seen)) changes.push({ name, type, set: undefined, mark: undefined, seen });
    } else if (seen.values.length > 0 || seen.mark || relay[type].length > 0) {
      changes.push({ name, type, set: { values: relay[type], ttl }, mark: undefined, seen });
      if (relay[type].length > 0) notes.push(`${name} ${type} holds the relay's own ${relay[type].join(", ")} now`);
    }
  }
  return { changes, notes };
}

const find = (present: readonly PresentSet[], type: RecordType): PresentSet =>
  present.find((set) => set.type === type) ?? { type, ttl: undefined, values: [], mark: undefined };

const changedManually = ({ mark, values }: PresentSet) =>
  mark?.digest !== undefined && mark.digest !== digestOf(values);
