// DNS at an authoritative name server of one's own (BIND, Knot, PowerDNS and others), by signed dynamic updates.
import { operatorError } from "../operatorError";
import type { OwnZone } from "./delegation";
import { likelyNames } from "./likelyNames";
import { markName } from "./marks";
import type { RecordType } from "./recordSets";
import { DnsClient, Refusal, type ClientOptions } from "./wire/client";
import { CLASS, decodeName, decodeValue, encodeValue, TYPE, type Rr, type ValueType } from "./wire/message";
import { RCODE } from "./wire/refusals";
import type { RawSet } from "./zoneView";

const TYPES: readonly ValueType[] = ["A", "AAAA", "CNAME", "TXT"];
const NOTHING = Buffer.alloc(0);

/** A name under which the program will write, and of which types. */
export interface WantedName {
  /** Fully qualified, without a final dot. */
  readonly name: string;
  readonly types: readonly RecordType[];
}

/**
 * The zone's record sets, as far as they matter. `wanted`: what will be written; the mail domain comes first. Throws a RunError
 * when the server does not let us read or change it: what can be known is reported before anything is bought.
 */
export async function readRfc2136Zone(
  options: ClientOptions,
  wanted: readonly [WantedName, ...WantedName[]],
): Promise<RawSet[]> {
  const client = new DnsClient(options);
  const mailDomain = wanted[0].name;
  try {
    await client.query(options.zone, TYPE.SOA);
    await checkPlace(client, options, mailDomain);
    await checkRights(client, options, wanted);
    return setsOf(await allRecords(client, mailDomain));
  } catch (error) {
    throw operatorError(`dns: ${(error as Error).message}`);
  }
}

/** What the server says of the zone itself. Undefined where it does not answer: that is reported by the reading of the zone. */
export async function ownZone(options: ClientOptions): Promise<OwnZone | undefined> {
  const client = new DnsClient(options);
  try {
    const [soa] = await client.query(options.zone, TYPE.SOA);
    const nameServers = (await client.query(options.zone, TYPE.NS)).map(({ data }) => decodeName(data, 0).name);
    const primary = soa && decodeName(soa.data, 0);
    return {
      nameServers,
      soa: primary && { primary: primary.name, hostmaster: decodeName(soa.data, primary.end).name },
    };
  } catch {
    return undefined;
  }
}

/** Whether the mail domain can have addresses in this very zone. A CNAME is reported elsewhere. */
async function checkPlace(client: DnsClient, { server, zone }: ClientOptions, mailDomain: string): Promise<void> {
  const { authoritative, answers, authorities } = await client.question(mailDomain, TYPE.SOA);
  const owner = [...answers, ...authorities].find(({ type }) => type === TYPE.SOA)?.name;
  const delegation = authoritative ? undefined : authorities.find(({ type }) => type === TYPE.NS)?.name;
  const below = owner !== undefined && owner !== zone && owner.endsWith(`.${zone}`) ? owner : delegation;
  if (below !== undefined && below !== zone) {
    throw new Error(
      `${mailDomain} is not in the zone ${zone}, but in ${below}, which is a zone of its own${delegation ? ", delegated to other name servers" : ""}: nobody asks ${zone} for it. Set dns.zone to ${below}, and dns.server to its primary.`,
    );
  }
  const alias = answers.find(({ type }) => type === TYPE.DNAME);
  if (alias)
    throw new Error(
      `${mailDomain} lies below ${alias.name}, which is a DNAME at ${server}: below it no records can be. Delete the DNAME, or choose another mail domain.`,
    );
  if (await client.exists(mailDomain, TYPE.ALIAS)) {
    throw new Error(
      `${mailDomain} is an ALIAS at ${server}, beside which no address should be. Delete the ALIAS, and give ${mailDomain} its present addresses as A and AAAA instead; those are then adopted.`,
    );
  }
}

/**
 * Asks with the very records that are going to be written, and a condition that is never true: that the zone has no SOA. A key
 * that may write gets that condition's failure as its answer; another is refused, and nothing changes. (An update without
 * records shows nothing: any key may make one where rights are given name by name.)
 */
async function checkRights(
  client: DnsClient,
  { server, zone, key }: ClientOptions,
  wanted: readonly WantedName[],
): Promise<void> {
  const ask = async (sets: readonly SetName[]): Promise<Refusal | undefined> => {
    try {
      await client.update({
        prerequisites: [{ name: zone, type: TYPE.SOA, class: CLASS.NONE, ttl: 0, data: NOTHING }],
        updates: sets.flatMap(trial),
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return error.rcode === RCODE.YXRRSET ? undefined : error;
    }
    throw new Error(
      `${server} made a change on a condition that does not hold: it does not do dynamic updates as RFC 2136 has them`,
    );
  };
  const sets = wanted.flatMap(({ name, types }) =>
    types.flatMap((type): SetName[] => [
      { name, type },
      { name: markName(name, type), type: "TXT" },
    ]),
  );
  const refused = await ask(sets);
  if (!refused) return;
  const single = await Promise.all(sets.map(async (set) => ((await ask([set])) ? [`${set.name} ${set.type}`] : [])));
  const names = single.flat();
  if (names.length === 0 || names.length === sets.length) throw refused;
  throw new Error(
    `${refused.message} It is refused for ${names.join(", ")}; the key ${key.name} must be allowed to change all of these, also the TXT records, by which the program knows what is its own.`,
  );
}

interface SetName {
  readonly name: string;
  readonly type: RecordType | "TXT";
}

const TRIAL = { A: "192.0.2.1", AAAA: "2001:db8::1", TXT: "trial" } as const;

const trial = ({ name, type }: SetName): Rr[] => [
  { name, type: TYPE[type], class: CLASS.ANY, ttl: 0, data: NOTHING },
  { name, type: TYPE[type], class: CLASS.IN, ttl: 60, data: encodeValue(type, TRIAL[type]) },
];

/** By a transfer; where there is none, or it breaks off, by single questions. */
async function allRecords(client: DnsClient, mailDomain: string): Promise<Rr[]> {
  const transferred = await client.transfer().catch(() => undefined);
  if (transferred) return transferred;
  const questions = [
    ...(["A", "AAAA", "CNAME", "TXT"] as const).map((type) => [mailDomain, TYPE[type]] as const),
    ...(["A", "AAAA"] as const).map((type) => [markName(mailDomain, type), TYPE.TXT] as const),
    ...likelyNames(mailDomain).flatMap((name) => (["A", "AAAA"] as const).map((type) => [name, TYPE[type]] as const)),
  ];
  const answers: Rr[] = [];
  for (const [name, type] of questions) answers.push(...(await client.records(name, type)));
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
