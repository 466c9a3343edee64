// DNS that the operator changes manually: the record sets as lines of a zone file, and a check that they are live.
import * as pulumi from "@pulumi/pulumi";
import { canonicalAddress } from "../addresses";
import { outputValue } from "../outputValue";
import { likelyNames } from "./likelyNames";
import type { Lookup, LookupType } from "./lookup";
import type { ExistingSet, RecordType } from "./recordSets";
import { fromWildcard, sameSet } from "./wildcard";
import type { DnsZone } from "./zone";

export interface ManualZoneArgs {
  readonly zone: string;
  /** Lies in the zone. */
  readonly mailDomain: string;
  /** In seconds. */
  readonly ttl: number;
  readonly lookup: Lookup;
}

interface WantedSet {
  readonly name: string;
  readonly type: RecordType;
  readonly values: readonly string[];
}

/** The wanted sets of a name, and what is answered for it now. */
export interface LiveName {
  readonly name: string;
  readonly sets: readonly LiveSet[];
  /** What it is a CNAME of, where it is one. */
  readonly alias?: Answered;
}

type LiveSet = WantedSet & { readonly live: Answered };

interface Answered {
  readonly values: readonly string[];
  /** It is a wildcard's: nothing of this name and type stands in the zone. */
  readonly wildcard: boolean;
}

export interface AnsweredSet extends Answered {
  readonly name: string;
  readonly type: string;
}

export async function openManualZone({ zone, mailDomain, ttl, lookup }: ManualZoneArgs): Promise<DnsZone> {
  const usualLookup: Lookup = async (name, type) => usual(await lookup(name, type));
  const answered = async (name: string, type: LookupType): Promise<AnsweredSet> => {
    const values = await usualLookup(name, type);
    return { name, type, values, wildcard: await fromWildcard(usualLookup, zone, { name, type, values }) };
  };
  const answers = async (name: string, types: readonly LookupType[]) =>
    (await Promise.all(types.map((type) => answered(name, type)))).filter(({ values }) => values.length > 0);
  // What of the others cannot be looked up is none of our business.
  const others = Promise.all(
    likelyNames(mailDomain).map((name) => answers(name, ["A", "AAAA", "CNAME"]).then(atName, () => [])),
  );
  const own = await answers(mailDomain, ["A", "AAAA", "CNAME", "TXT"]);
  const existing = presentSets(mailDomain, atName(own), (await others).flat());
  const wanted: pulumi.Output<WantedSet>[] = [];
  const all = () => pulumi.all(wanted as pulumi.Input<WantedSet>[]) as pulumi.Output<WantedSet[]>;

  return {
    existing,
    recordSet(resourceName, { name, type, values }, { parent, dependsOn }) {
      wanted.push(pulumi.all(values).apply((known) => ({ name, type, values: known })));
      return new ManualSet(resourceName, { parent, dependsOn });
    },
    onDestroy() {
      // What the operator added, the operator removes.
    },
    manual: {
      answered: own.map(({ name, type, values }) => ({ name, type, values, ours: false })),
      get lines() {
        return all().apply((sets) =>
          zoneLines(sets, ttl)
            .map((line) => `${line}\n`)
            .join(""),
        );
      },
      async advice() {
        const sets = (await outputValue(all())) ?? [];
        const names = [...new Set(sets.map(({ name }) => name))];
        const advice = names.map(async (name) => {
          try {
            const live = await Promise.all(
              sets
                .filter((set) => set.name === name)
                .map(async (set) => ({ ...set, live: await answered(name, set.type) })),
            );
            return handAdvice({ name, sets: live, alias: await answered(name, "CNAME") }, ttl);
          } catch (error) {
            // A look-up that fails is worth a word, and no reason for the whole run to fail.
            return [(error as Error).message];
          }
        });
        return (await Promise.all(advice)).flat();
      },
    },
  };
}

/** Behind a CNAME there is nothing of the name's own: what else is answered stands elsewhere. */
function atName(all: readonly AnsweredSet[]): readonly AnsweredSet[] {
  const alias = all.filter(({ type }) => type === "CNAME");
  return alias.length > 0 ? alias : all;
}

/** The record sets behind the answers for the mail domain, and for names right below it. Pure. */
export function presentSets(
  mailDomain: string,
  own: readonly AnsweredSet[],
  others: readonly AnsweredSet[],
): ExistingSet[] {
  const there = own.filter(({ wildcard }) => !wildcard);
  // A name that is there is where a wildcard for names right below it stands; where it is not, that stands somewhere above.
  const below = others.flatMap((set) =>
    !set.wildcard ? [set] : there.length > 0 ? [{ ...set, name: `*.${mailDomain}` }] : [],
  );
  const sets = new Map(
    [...there, ...below].map(({ name, type, values }) => [`${name} ${type}`, { name, type, values, ours: false }]),
  );
  return [...sets.values()];
}

/** Stands for a record set in the program's order of things; there is nothing to make. */
class ManualSet extends pulumi.ComponentResource {
  constructor(name: string, opts: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:dns:ByHand", name, {}, opts);
    this.registerOutputs({});
  }
}

const usual = (values: readonly string[]) => values.map((value) => canonicalAddress(value) ?? value);

const line = ({ name, type }: Pick<WantedSet, "name" | "type">, value: string, ttl: number) =>
  `${name}. ${ttl} IN ${type} ${value}`;

/** One line for each record, in an order that does not change by itself. */
export const zoneLines = (sets: readonly WantedSet[], ttl: number) =>
  sets.flatMap((set) => set.values.map((value) => line(set, value, ttl))).sort();

/** What has to change so that a name has the sets that it should have: one sentence for each record, and one on a wildcard that answers for it. */
export function handAdvice({ name, sets, alias = NOTHING }: LiveName, ttl: number): string[] {
  // Also where a wildcard or another name says the same: resolvers get the right answer.
  if (sets.every(({ live, values }) => sameSet(usual(live.values), usual(values)))) return [];
  const isAlias = alias.values.length > 0;
  // The first record of a name takes it out of the wildcard, with all types; and beside a CNAME nothing can stand.
  const own = (set: LiveSet) => (isAlias || set.live.wildcard ? [] : set.live.values);
  const given = [{ type: "CNAME", live: alias }, ...sets].flatMap(({ type, live }) =>
    live.wildcard ? [`${type} ${live.values.join(", ")}`] : [],
  );
  return [
    ...(isAlias && !alias.wildcard
      ? alias.values.map((value) => `DNS: remove from the zone: ${name}. IN CNAME ${value}.`)
      : []),
    ...sets.flatMap((set) => difference(set, own(set), ttl)),
    ...(given.length > 0 ? [wildcardAdvice(name, given)] : []),
  ];
}

const NOTHING: Answered = { values: [], wildcard: false };

const wildcardAdvice = (name: string, given: readonly string[]) =>
  `DNS: ${name} is answered for by a wildcard above it (${given.join("; ")}), not by records of its own. The records to add take the wildcard's place there: it then gives nothing any more, of any type, for ${name} and the names below it. The wildcard itself may stay.`;

function difference(set: WantedSet, live: readonly string[], ttl: number): string[] {
  const [there, wanted] = [usual(live), usual(set.values)];
  return [
    ...wanted
      .filter((value) => !there.includes(value))
      .map((value) => `DNS: add to the zone: ${line(set, value, ttl)}`),
    ...there
      .filter((value) => !wanted.includes(value))
      .map((value) => `DNS: remove from the zone: ${set.name}. IN ${set.type} ${value}`),
  ];
}
