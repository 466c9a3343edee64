// A zone's record sets as the program looks at them, marks read and taken out. Pure.
import { digestOf, markName, readMark, type Mark } from "./marks";
import type { ExistingSet, RecordType } from "./recordSets";

export interface RawSet {
  /** Fully qualified, without a final dot. */
  readonly name: string;
  readonly type: string;
  readonly values: readonly string[];
}

export interface ZoneView {
  readonly existing: readonly ExistingSet[];
  /** What a set of this stack's holds that somebody changed by hand since; undefined when nobody did. */
  changedByHand(name: string, type: RecordType): readonly string[] | undefined;
}

export function viewZone(sets: readonly RawSet[], stack: string): ZoneView {
  const valuesOf = (name: string, type: string) => sets.find((set) => set.name === name && set.type === type)?.values ?? [];
  const markOf = (name: string, type: string): Mark | undefined => {
    const mark = isAddress(type) ? readMark(valuesOf(markName(name, type), "TXT")) : undefined;
    return mark?.stack === stack ? mark : undefined;
  };
  return {
    existing: sets.filter(({ name }) => !name.includes("._chatmail-proxy.")).map((set) => ({ ...set, ours: markOf(set.name, set.type) !== undefined })),
    changedByHand: (name, type) => {
      const mark = markOf(name, type);
      const values = valuesOf(name, type);
      return mark && mark.digest !== digestOf(values) ? values : undefined;
    },
  };
}

const isAddress = (type: string): type is RecordType => type === "A" || type === "AAAA";
