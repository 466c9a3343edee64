// A zone's record sets as the program looks at them, marks read and taken out. Pure.
import { digestOf, markName, readMark, type Mark } from "./marks";
import type { ExistingSet, RecordType } from "./recordSets";

export interface RawSet {
  /** Fully qualified, without a final dot. */
  readonly name: string;
  readonly type: string;
  readonly values: readonly string[];
  /** Something else than the values is not as this program makes it. */
  readonly altered?: boolean;
}

export interface ZoneView {
  readonly existing: readonly ExistingSet[];
  /** What a set of this stack's holds that somebody has changed since; undefined when nobody did. */
  changedByHand(name: string, type: RecordType): readonly string[] | undefined;
}

export function viewZone(sets: readonly RawSet[], stack: string): ZoneView {
  const find = (name: string, type: string) => sets.find((set) => set.name === name && set.type === type);
  const valuesOf = (name: string, type: string) => find(name, type)?.values ?? [];
  const markOf = (name: string, type: string): Mark | undefined => {
    const mark = isAddress(type) ? readMark(valuesOf(markName(name, type), "TXT")) : undefined;
    return mark?.stack === stack ? mark : undefined;
  };
  return {
    existing: sets
      .filter(({ name }) => !name.includes("._chatmail-proxy."))
      .map(({ altered: _, ...set }) => ({ ...set, ours: markOf(set.name, set.type) !== undefined })),
    changedByHand: (name, type) => {
      const mark = markOf(name, type);
      const values = valuesOf(name, type);
      return mark && (mark.digest !== digestOf(values) || find(name, type)?.altered) ? values : undefined;
    },
  };
}

const isAddress = (type: string): type is RecordType => type === "A" || type === "AAAA";
