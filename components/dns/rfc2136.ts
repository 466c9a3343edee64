// DNS at an authoritative name server of one's own (BIND, Knot, PowerDNS and others), by signed dynamic updates.
import { operatorError } from "../operatorError";
import { likelyNames } from "./likelyNames";
import { markName } from "./marks";
import { dnsClient, Refusal, type ClientOptions, type DnsClient } from "./wire/client";
import { decodeValue, TYPE, type Rr, type ValueType } from "./wire/message";
import type { RawSet } from "./zoneView";

const TYPES: readonly ValueType[] = ["A", "AAAA", "CNAME", "TXT"];

/** The zone's record sets, as far as they matter. Throws a RunError when the server does not let us read or change it. */
export async function readRfc2136Zone(options: ClientOptions, mailDomain: string): Promise<RawSet[]> {
  const client = dnsClient(options);
  try {
    // Whoever may not change the zone is told before anything is bought: an update without a change is a question.
    await client.query(options.zone, TYPE.SOA);
    await client.update({ prerequisites: [], updates: [] });
    return setsOf(await allRecords(client, mailDomain));
  } catch (error) {
    throw operatorError(`dns: ${(error as Error).message}`);
  }
}

async function allRecords(client: DnsClient, mailDomain: string): Promise<Rr[]> {
  try {
    return await client.transfer();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  const questions = [
    ...(["A", "AAAA", "TXT"] as const).map((type) => [mailDomain, TYPE[type]] as const),
    ...(["A", "AAAA"] as const).map((type) => [markName(mailDomain, type), TYPE.TXT] as const),
    ...likelyNames(mailDomain).flatMap((name) => (["A", "AAAA"] as const).map((type) => [name, TYPE[type]] as const)),
  ];
  const answers: Rr[] = [];
  for (const [name, type] of questions) answers.push(...(await client.query(name, type)));
  return answers;
}

export function setsOf(records: readonly Rr[]): RawSet[] {
  const sets = new Map<string, { name: string; type: string; values: string[] }>();
  for (const rr of records) {
    const type = TYPES.find((each) => TYPE[each] === rr.type);
    const value = decodeValue(rr);
    if (!type || value === undefined) continue;
    const key = `${rr.name} ${type}`;
    const set = sets.get(key) ?? { name: rr.name, type, values: [] };
    set.values.push(value);
    sets.set(key, set);
  }
  return [...sets.values()];
}
