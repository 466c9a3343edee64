// Whether an answer comes from a wildcard. By questions alone, for zones of which no list is to be had.
import { randomBytes } from "node:crypto";
import type { Lookup, LookupType } from "./lookup";

export interface Seen {
  /** Fully qualified, without a final dot; lies in the zone. */
  readonly name: string;
  readonly type: LookupType;
  /** What is answered. */
  readonly values: readonly string[];
}

/**
 * True where names that nobody has made get the same answer: one beside the name, and one below it. A name that is there stops
 * the wildcard for all below it (RFC 4592, 2.2.1), so a record that happens to say the same as the wildcard can be distinguished from it.
 */
export async function fromWildcard(lookup: Lookup, zone: string, { name, type, values }: Seen): Promise<boolean> {
  if (values.length === 0 || name === zone) return false;
  const nobodys = `x${randomBytes(8).toString("hex")}`;
  const answersSo = (other: string) =>
    lookup(other, type).then(
      (found) => sameSet(found, values),
      () => false,
    );
  return (
    (await answersSo(`${nobodys}.${name.slice(name.indexOf(".") + 1)}`)) && (await answersSo(`${nobodys}.${name}`))
  );
}

/** In any order: servers rotate it. */
export const sameSet = (some: readonly string[], others: readonly string[]) =>
  [...some].sort().join("\n") === [...others].sort().join("\n");
