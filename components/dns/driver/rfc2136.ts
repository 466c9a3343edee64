// Record sets at an authoritative name server, by signed dynamic updates (RFC 2136). Each change is one message, which
// the server does as a whole or not at all, and only if there still is what we saw.
import { digestOf, markName, readMark } from "../marks";
import type { RecordType } from "../recordSets";
import { DnsClient, Refusal, type Update } from "../wire/client";
import { CLASS, decodeValue, encodeValue, TYPE, type Rr } from "../wire/message";
import { RCODE } from "../wire/refusals";
import { ConflictError, type Access, type Backend, type Change, type PresentSet } from "./job";

const TYPES: readonly RecordType[] = ["A", "AAAA"];
const NOTHING = Buffer.alloc(0);

export function rfc2136Backend(access: Access & { provider: "rfc2136" }): Backend {
  const client = new DnsClient(access);
  const read = async (name: string): Promise<PresentSet[]> => {
    const sets = await Promise.all(TYPES.map((type) => readSet(client, name, type)));
    return [
      ...sets,
      { type: "CNAME", ttl: undefined, values: valuesOf(await client.records(name, TYPE.CNAME)), mark: undefined },
    ];
  };
  return {
    read,

    async apply(changes) {
      try {
        await client.update(updateOf(changes));
      } catch (error) {
        if (!isConflict(error)) throw error;
        // PowerDNS compares the text of its database, where an address may be written in another way than we read it.
        if (!(await unchanged(changes, read))) throw new ConflictError(error.message);
        await client.update(updateOf(changes, "whatever it holds")).catch((second: unknown) => {
          throw isConflict(second) ? new ConflictError(second.message) : second;
        });
      }
      return readBack(changes, read, access.server);
    },
  };
}

const isConflict = (error: unknown): error is Refusal =>
  error instanceof Refusal && (error.rcode === RCODE.NXRRSET || error.rcode === RCODE.YXRRSET);

type Look = (name: string) => Promise<PresentSet[]>;

const setNow = async ({ name, type }: Change, look: Look): Promise<PresentSet | undefined> =>
  (await look(name)).find((set) => set.type === type);

async function unchanged(changes: readonly Change[], look: Look): Promise<boolean> {
  const same = async (change: Change) =>
    change.seen.values.length > 0 &&
    digestOf((await setNow(change, look))?.values ?? []) === digestOf(change.seen.values);
  const all = await Promise.all(changes.map(same));
  return all.length > 0 && all.every(Boolean);
}

/** How long a server may take to answer with what it has just taken, in ms. */
const SETTLE = 3000;

/** Notes for the operator. Throws when the server said yes, and did not do it, or only half of it. */
async function readBack(changes: readonly Change[], look: Look, server: string): Promise<readonly string[]> {
  for (const deadline = Date.now() + SETTLE; ;) {
    const found = await Promise.all(changes.map(async (change) => ({ change, now: await setNow(change, look) })));
    const missing = found.flatMap(({ change, now }) => notDone(change, now));
    if (missing.length === 0) return found.flatMap(({ change, now }) => otherTtl(change, now));
    if (Date.now() >= deadline) {
      throw new Error(
        `${server} said that the change was made, but ${missing.join("; and ")}. Does a policy there leave records out (PowerDNS: lua-dnsupdate-policy-script), does the name lie below a DNAME, or is dns.server a secondary that hands updates on? Allow A, AAAA and TXT there for the name and for _a._chatmail-proxy and _aaaa._chatmail-proxy below it, or name the primary; then run pulumi up again.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** What of a change is not there: parts of a sentence. Pure. */
function notDone({ name, type, set, mark }: Change, now: PresentSet | undefined): string[] {
  const holds = now?.values ?? [];
  const wrongSet = set && digestOf(holds) !== digestOf(set.values);
  const wanted = mark === undefined ? undefined : readMark([mark]);
  const wrongMark = wanted?.stack !== now?.mark?.stack || wanted?.digest !== now?.mark?.digest;
  return [
    ...(wrongSet
      ? [`${name} ${type} holds ${holds.join(", ") || "nothing"} instead of ${set.values.join(", ") || "nothing"}`]
      : []),
    ...(wrongMark
      ? [
          `${markName(name, type)} TXT, by which a later destroy knows the set, ${wanted ? "is not there" : "is still there"}`,
        ]
      : []),
  ];
}

const otherTtl = ({ name, type, set }: Change, now: PresentSet | undefined): string[] =>
  set && set.values.length > 0 && now?.ttl !== set.ttl
    ? [
        `${name} ${type} has a TTL of ${now?.ttl ?? "unknown"} s there, not ${set.ttl} s: the server limits it. Set dns.ttl to that.`,
      ]
    : [];

async function readSet(client: DnsClient, name: string, type: RecordType): Promise<PresentSet> {
  const [rrs, marks] = await Promise.all([
    client.records(name, TYPE[type]),
    client.records(markName(name, type), TYPE.TXT),
  ]);
  return { type, ttl: rrs[0]?.ttl, values: valuesOf(rrs), mark: readMark(valuesOf(marks)) };
}

const valuesOf = (rrs: readonly Rr[]) => rrs.flatMap((rr) => decodeValue(rr) ?? []);

/** The sections of the update message (RFC 2136, 2.4 and 2.5). A set that was seen must hold just that still, or anything. */
export function updateOf(changes: readonly Change[], seenSets: "exactly" | "whatever it holds" = "exactly"): Update {
  return {
    prerequisites: changes.flatMap(({ name, type, set, seen }) => [
      ...(seen.values.length > 0
        ? seenSets === "whatever it holds"
          ? [{ name, type: TYPE[type], class: CLASS.ANY, ttl: 0, data: NOTHING }]
          : seen.values.map((value): Rr => ({
              name,
              type: TYPE[type],
              class: CLASS.IN,
              ttl: 0,
              data: encodeValue(type, value),
            }))
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
