// Record sets at Cloudflare. Its records stand one by one; a change of a set goes out as one batch, which Cloudflare
// makes in one transaction, and in which records are overwritten rather than deleted and made again, so that there is no
// moment without an address.
import { canonicalAddress } from "../../addresses";
import { cloudflare, type Batch, type CloudflareRecord, type NewRecord } from "../cloudflareApi";
import { markName, readMark } from "../marks";
import { ConflictError, type Access, type Backend, type Change, type PresentSet } from "./job";
import { digestOf } from "../marks";

const TYPES = ["A", "AAAA", "CNAME"] as const;

export function cloudflareBackend({ zone, api, token }: Access & { provider: "cloudflare" }, stack: string): Backend {
  const client = cloudflare(api, token);
  return {
    async read(name) {
      const records = await client.records((await client.zone(zone)).id);
      return TYPES.map((type) => presentSet(records, name, type));
    },

    async apply(changes) {
      const { id: zoneId } = await client.zone(zone);
      const records = await client.records(zoneId);
      const moved = changes.find(
        ({ name, type, seen }) => digestOf(presentSet(records, name, type).values) !== digestOf(seen.values),
      );
      if (moved) throw new ConflictError(`${moved.name} ${moved.type} changed in between`);
      await client.batch(zoneId, batchOf(changes, records, `chatmail-proxy, stack ${stack}`));
    },
  };
}

function presentSet(records: readonly CloudflareRecord[], name: string, type: (typeof TYPES)[number]): PresentSet {
  const set = records.filter((record) => record.name === name && record.type === type);
  const marks =
    type === "CNAME" ? [] : records.filter((record) => record.name === markName(name, type) && record.type === "TXT");
  // A set that is proxied, or holds different TTLs, is none that we put there: no TTL of ours fits.
  const ttl =
    set.length > 0 && set.every((record) => record.ttl === set[0]?.ttl && !record.proxied) ? set[0]?.ttl : undefined;
  return {
    type,
    ttl,
    values: set.map(({ content }) => canonicalAddress(content) ?? content),
    mark: readMark(marks.map(({ content }) => content)),
  };
}

/** Cloudflare allows comments of 100 characters on its free plan. */
const COMMENT_LENGTH = 100;

/** The batch that makes the changes, given all records of the zone. */
export function batchOf(changes: readonly Change[], records: readonly CloudflareRecord[], comment: string): Batch {
  const wanted = changes.flatMap(({ name, type, set, mark, seen }) => {
    const common = { proxied: false, comment: comment.slice(0, COMMENT_LENGTH) };
    const marks =
      mark === undefined
        ? []
        : [
            {
              ...common,
              name: markName(name, type),
              type: "TXT",
              content: `"${mark}"`,
              ttl: set?.ttl ?? seen.ttl ?? 300,
            },
          ];
    return [
      ...(set
        ? [
            {
              there: matching(records, name, type),
              now: set.values.map((content): NewRecord => ({
                ...common,
                name,
                type,
                content,
                ttl: set.ttl,
                comment: mark === undefined ? undefined : common.comment,
              })),
            },
          ]
        : []),
      { there: matching(records, markName(name, type), "TXT"), now: marks },
    ];
  });
  const batches = wanted.map(({ there, now }) => replace(there, now));
  return {
    deletes: batches.flatMap(({ deletes }) => deletes),
    puts: batches.flatMap(({ puts }) => puts),
    posts: batches.flatMap(({ posts }) => posts),
  };
}

const matching = (records: readonly CloudflareRecord[], name: string, type: string) =>
  records.filter((record) => record.name === name && record.type === type);

/** Each value keeps the record that holds it; the others are overwritten as far as there are values left for them. */
function replace(there: readonly CloudflareRecord[], now: readonly NewRecord[]): Batch {
  const same = (record: { content: string }) => canonicalAddress(record.content) ?? record.content;
  const kept = now.map((record) => there.find((old) => same(old) === same(record)));
  const free = there.filter((old) => !kept.includes(old));
  const id = now.map((_, i) => kept[i]?.id ?? free.shift()?.id);
  return {
    deletes: free.map((old) => ({ id: old.id })),
    puts: now.flatMap((record, i) => (id[i] === undefined ? [] : [{ ...record, id: id[i] }])),
    posts: now.filter((_, i) => id[i] === undefined),
  };
}
