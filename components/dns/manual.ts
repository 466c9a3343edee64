// DNS that the operator changes by hand: the record sets as lines of a zone file, and a check that they are live.
import * as pulumi from "@pulumi/pulumi";
import { canonicalAddress } from "../addresses";
import { outputValue } from "../outputValue";
import { likelyNames } from "./likelyNames";
import type { Lookup, LookupType } from "./lookup";
import type { RecordType } from "./recordSets";
import type { DnsZone } from "./zone";

export interface ManualZoneArgs {
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

export async function manualZone({ mailDomain, ttl, lookup }: ManualZoneArgs): Promise<DnsZone> {
  const look = async (name: string, type: LookupType) => ({ name, type, values: usual(await lookup(name, type)), ours: false });
  const own = (["A", "AAAA", "TXT"] as const).map((type) => look(mailDomain, type));
  // What of these cannot be looked up is none of our business.
  const others = likelyNames(mailDomain).flatMap((name) => (["A", "AAAA"] as const).map((type) => look(name, type).catch(() => ({ name, type, values: [], ours: false }))));
  const existing = await Promise.all([...own, ...others]);
  const wanted: pulumi.Output<WantedSet>[] = [];
  const all = () => pulumi.all(wanted as pulumi.Input<WantedSet>[]) as pulumi.Output<WantedSet[]>;

  return {
    existing: existing.filter(({ values }) => values.length > 0),
    recordSet(resourceName, { name, type, values }, { parent, dependsOn }) {
      wanted.push(pulumi.all(values).apply((known) => ({ name, type, values: known })));
      return new ByHand(resourceName, { parent, dependsOn });
    },
    farewell() {
      // What the operator made by hand, the operator takes away.
    },
    byHand: {
      get lines() {
        return all().apply((sets) => zoneLines(sets, ttl).map((line) => `${line}\n`).join(""));
      },
      async advice() {
        const sets = (await outputValue(all())) ?? [];
        // A look-up that fails is worth a word, and no reason for the whole run to fail.
        const advice = sets.map((set) => lookup(set.name, set.type).then((live) => handAdvice({ ...set, live }, ttl), (error: Error) => [error.message]));
        return (await Promise.all(advice)).flat();
      },
    },
  };
}

/** Stands for a record set in the program's order of things; there is nothing to make. */
class ByHand extends pulumi.ComponentResource {
  constructor(name: string, opts: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:dns:ByHand", name, {}, opts);
    this.registerOutputs({});
  }
}

const usual = (values: readonly string[]) => values.map((value) => canonicalAddress(value) ?? value);

const line = ({ name, type }: Pick<WantedSet, "name" | "type">, value: string, ttl: number) => `${name}. ${ttl} IN ${type} ${value}`;

/** One line for each record, in an order that does not change by itself. */
export const zoneLines = (sets: readonly WantedSet[], ttl: number) => sets.flatMap((set) => set.values.map((value) => line(set, value, ttl))).sort();

/** What has to change so that the set is what it should be: one sentence for each record. */
export function handAdvice({ live, ...set }: WantedSet & { readonly live: readonly string[] }, ttl: number): string[] {
  const [there, wanted] = [usual(live), usual(set.values)];
  return [
    ...wanted.filter((value) => !there.includes(value)).map((value) => `DNS: add to the zone: ${line(set, value, ttl)}`),
    ...there.filter((value) => !wanted.includes(value)).map((value) => `DNS: remove from the zone: ${set.name}. IN ${set.type} ${value}`),
  ];
}
