// How a record set says whose it is where the provider has no labels: a TXT record beside it, changed together with it.
// It cannot be told from the addresses alone: those of a stack whose proxies are all down today may be anything, and a
// program that took its own set for somebody else's would drop it. The mark also tells what we put there last, so that a
// manual change is noticed. Pure.
import { createHash } from "node:crypto";
import type { RecordType } from "./recordSets";

export interface Mark {
  readonly stack: string;
  /** Of what the stack put there last; undefined where the provider's own label is the mark. */
  readonly digest: string | undefined;
}

/** One name per set, so that writing a mark replaces the one of another stack. */
export const markName = (name: string, type: RecordType) => `_${type.toLowerCase()}._chatmail-proxy.${name}`;

export const markText = (stack: string, values: readonly string[]) => `stack=${stack} set=${digestOf(values)}`;

export function readMark(texts: readonly string[]): Mark | undefined {
  for (const text of texts) {
    const [, stack, digest] = /^"?stack=(\S+) set=([0-9a-f]{16})"?$/.exec(text) ?? [];
    if (stack !== undefined) return { stack, digest };
  }
  return undefined;
}

/** Of a record set's addresses in their usual spelling, in any order. */
export const digestOf = (values: readonly string[]) =>
  createHash("sha256")
    .update([...values].sort().join(" "))
    .digest("hex")
    .slice(0, 16);
