// Which addresses the mail domain's A and AAAA hold, and whether they are touched at all. Pure.
import { familyOf, type Family } from "../addresses";

export type RecordType = "A" | "AAAA";

export const typeOf = (family: Family): RecordType => (family === 4 ? "A" : "AAAA");

/** A record set that is in the zone now. */
export interface ExistingSet {
  /** Fully qualified, without a final dot. */
  readonly name: string;
  readonly type: string;
  readonly values: readonly string[];
  /** It has this stack's label: an earlier run made or adopted it. */
  readonly ours: boolean;
}

/**
 * publish: the set holds these values from now on; `adopt` when a set of others is there.
 * keep: no proxy is healthy for this family, and a set without an address would make senders give up where an
 *   address that does not answer only delays it. What is there stays.
 * none: nothing to publish, and nothing of ours there.
 */
export type RecordDecision =
  | { readonly kind: "publish"; readonly values: readonly string[]; readonly adopt: boolean }
  | { readonly kind: "keep"; readonly values: readonly string[] }
  | { readonly kind: "none" };

export interface RecordDecisions {
  readonly A: RecordDecision;
  readonly AAAA: RecordDecision;
}

/**
 * `healthy`: addresses of both families at which the relay answers and which are wanted in DNS. `failing`: families that
 * some proxy should serve, and none does: a fault that may pass, and no reason to take a family out of DNS.
 */
export function decideRecordSets(
  mailDomain: string,
  healthy: readonly string[],
  existing: readonly ExistingSet[],
  failing: readonly Family[] = [],
): RecordDecisions {
  const decide = (family: Family): RecordDecision => {
    const type = typeOf(family);
    const there = existing.find((set) => set.name === mailDomain && set.type === type);
    const values = healthy.filter((address) => familyOf(address) === family).sort();
    if (values.length > 0) return { kind: "publish", values, adopt: there !== undefined && !there.ours };
    if (there?.ours && (healthy.length === 0 || failing.includes(family)))
      return { kind: "keep", values: there.values };
    return { kind: "none" };
  };
  return { A: decide(4), AAAA: decide(6) };
}

/** What else in the zone should be looked at once the mail domain's addresses change: messages. `answered`: for the mail domain, which may be more than what is there. */
export function recordAdvice(
  mailDomain: string,
  decisions: RecordDecisions,
  existing: readonly ExistingSet[],
  answered = existing,
): string[] {
  const published = decisions.A.kind === "publish" || decisions.AAAA.kind === "publish";
  if (!published) return [];
  const old = (sets: readonly ExistingSet[]) =>
    sets.filter(({ name, type, ours }) => name === mailDomain && (type === "A" || type === "AAAA") && !ours);
  const left = old(existing).filter(({ type }) => decisions[type as RecordType].kind === "none");
  // An address that is published now is no old one, though the set that holds it may not be known as ours.
  const now = new Set(
    [decisions.A, decisions.AAAA].flatMap((decision) => (decision.kind === "publish" ? decision.values : [])),
  );
  const oldAddresses = new Set(
    old(answered)
      .flatMap(({ values }) => values)
      .filter((value) => !now.has(value)),
  );
  const pointing = existing.filter(
    ({ name, type, values }) =>
      name !== mailDomain && (type === "A" || type === "AAAA") && values.some((value) => oldAddresses.has(value)),
  );
  return [
    ...left.map(
      ({ type, values }) =>
        `${mailDomain} still has ${type} ${values.join(", ")}, which is no proxy: delete it if the relay is not to be reached there.`,
    ),
    ...pointing.map(
      ({ name, type, values }) =>
        `${name} ${type} ${values.join(", ")} points at the mail domain's old address: change it to a CNAME of ${mailDomain}, or to the same addresses.`,
    ),
  ];
}
