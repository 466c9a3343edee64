// Record sets at an authoritative name server, by signed dynamic updates (RFC 2136). Each change is one message, which
// the server does as a whole or not at all, and only if there still is what we saw.
import { markName, readMark } from "../marks";
import type { RecordType } from "../recordSets";
import { dnsClient, Refusal, type DnsClient, type Update } from "../wire/client";
import { CLASS, decodeValue, encodeValue, TYPE, type Rr } from "../wire/message";
import { RCODE } from "../wire/refusals";
import { Meanwhile, type Access, type Backend, type Change, type Standing } from "./job";

const TYPES: readonly RecordType[] = ["A", "AAAA"];
const NOTHING = Buffer.alloc(0);

export function rfc2136Backend(access: Access & { provider: "rfc2136" }): Backend {
  const client = dnsClient(access);
  return {
    async read(name) {
      const sets = await Promise.all(TYPES.map((type) => readSet(client, name, type)));
      const alias = await client.query(name, TYPE.CNAME);
      return [...sets, { type: "CNAME", ttl: undefined, values: valuesOf(alias), mark: undefined }];
    },

    async apply(changes) {
      try {
        await client.update(updateOf(changes));
      } catch (error) {
        if (error instanceof Refusal && (error.rcode === RCODE.NXRRSET || error.rcode === RCODE.YXRRSET)) throw new Meanwhile(error.message);
        throw error;
      }
    },
  };
}

async function readSet(client: DnsClient, name: string, type: RecordType): Promise<Standing> {
  const [rrs, marks] = await Promise.all([client.query(name, TYPE[type]), client.query(markName(name, type), TYPE.TXT)]);
  return { type, ttl: rrs[0]?.ttl, values: valuesOf(rrs), mark: readMark(valuesOf(marks)) };
}

const valuesOf = (rrs: readonly Rr[]) => rrs.flatMap((rr) => decodeValue(rr) ?? []);

/** The sections of the update message (RFC 2136, 2.4 and 2.5). */
export function updateOf(changes: readonly Change[]): Update {
  return {
    prerequisites: changes.flatMap(({ name, type, set, seen }) => [
      ...(seen.values.length > 0
        ? // The set exists, and holds exactly this.
          seen.values.map((value): Rr => ({ name, type: TYPE[type], class: CLASS.IN, ttl: 0, data: encodeValue(type, value) }))
        : [{ name, type: TYPE[type], class: CLASS.NONE, ttl: 0, data: NOTHING }]),
      // Beside a CNAME the addresses would be passed over without a word.
      ...(set && set.values.length > 0 ? [{ name, type: TYPE.CNAME, class: CLASS.NONE, ttl: 0, data: NOTHING }] : []),
    ]),
    updates: changes.flatMap(({ name, type, set, mark, seen }) => [
      ...(set ? replace(name, type, set.ttl, set.values) : []),
      ...replace(markName(name, type), "TXT", set?.ttl ?? seen.ttl ?? 0, mark === undefined ? [] : [mark]),
    ]),
  };
}

/** Deletes the set and adds the values, in this order. */
function replace(name: string, type: RecordType | "TXT", ttl: number, values: readonly string[]): Rr[] {
  return [
    { name, type: TYPE[type], class: CLASS.ANY, ttl: 0, data: NOTHING },
    ...values.map((value): Rr => ({ name, type: TYPE[type], class: CLASS.IN, ttl, data: encodeValue(type, value) })),
  ];
}
