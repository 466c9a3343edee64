// Wildcards in zones of which only answers are known.
import fc from "fast-check";
import type { Lookup, LookupType } from "../../../components/dns/lookup";
import { handAdvice, presentSets } from "../../../components/dns/manual";
import { fromWildcard } from "../../../components/dns/wildcard";

const ZONE = "example.org";
const CHAT = "chat.example.org";

interface Record {
  readonly name: string;
  readonly type: LookupType;
  readonly value: string;
}

/** Answers as RFC 4592 has them: the closest name that is there decides which wildcard counts. A CNAME is followed within the zone. */
const zoneWith =
  (records: readonly Record[]): Lookup =>
  (name, type) => {
    const isThere = (node: string) =>
      node === ZONE || records.some((record) => record.name === node || record.name.endsWith(`.${node}`));
    const find = (asked: string, hops: number): string[] => {
      let encloser = asked;
      while (!isThere(encloser)) encloser = encloser.slice(encloser.indexOf(".") + 1);
      const owner = encloser === asked ? asked : `*.${encloser}`;
      const at = records.filter((record) => record.name === owner);
      const alias = at.find((record) => record.type === "CNAME");
      if (alias && type !== "CNAME")
        return hops > 0 && (alias.value === ZONE || alias.value.endsWith(`.${ZONE}`))
          ? find(alias.value, hops - 1)
          : [];
      return at.filter((record) => record.type === type).map(({ value }) => value);
    };
    return Promise.resolve(find(name, 3));
  };

const NODES = [
  ZONE,
  CHAT,
  "www.chat.example.org",
  "a.b.example.org",
  "*.example.org",
  "*.chat.example.org",
  "*.b.example.org",
];
const anyRecord = fc.oneof(
  fc.record({
    name: fc.constantFrom(...NODES),
    type: fc.constantFrom<LookupType>("A"),
    value: fc.constantFrom("192.0.2.1", "192.0.2.2"),
  }),
  fc.record({
    name: fc.constantFrom(...NODES),
    type: fc.constantFrom<LookupType>("TXT"),
    value: fc.constantFrom("x", "y"),
  }),
  fc.record({
    name: fc.constantFrom(...NODES.slice(1)),
    type: fc.constantFrom<LookupType>("CNAME"),
    value: fc.constantFrom("home.example.net", CHAT),
  }),
);
/** Each name has one CNAME, or other records. */
const anyZone = fc
  .array(anyRecord, { maxLength: 12 })
  .map((records) =>
    records.filter(
      (record, i) =>
        records.findIndex(
          (other) =>
            other.name === record.name &&
            other.type === record.type &&
            (other.value === record.value || record.type === "CNAME"),
        ) === i &&
        (record.type === "CNAME" || !records.some((other) => other.name === record.name && other.type === "CNAME")),
    ),
  );

describe("an answer", () => {
  it("is told to be a wildcard's or a record's, in whatever zone", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyZone,
        fc.constantFrom(CHAT, "www.chat.example.org", "a.b.example.org", "c.b.example.org", "mail.example.org"),
        fc.constantFrom<LookupType>("A", "TXT", "CNAME"),
        async (records, name, type) => {
          const lookup = zoneWith(records);
          const values = await lookup(name, type);
          const found = await fromWildcard(lookup, ZONE, { name, type, values });
          const isThere = records.some((record) => record.name === name || record.name.endsWith(`.${name}`));
          if (values.length === 0) expect(found).toBe(false);
          else if (!isThere) expect(found).toBe(true);
          // Wildcards above and below that say the same as the record between them are the one case that questions cannot tell.
          else if (found) expect(records.some((record) => record.name === `*.${name}`)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("of the zone itself is never a wildcard's, nor one that cannot be compared", async () => {
    expect(
      await fromWildcard(() => Promise.resolve(["192.0.2.77"]), ZONE, {
        name: ZONE,
        type: "A",
        values: ["192.0.2.77"],
      }),
    ).toBe(false);
    expect(
      await fromWildcard(() => Promise.reject(new Error("ETIMEOUT")), ZONE, {
        name: CHAT,
        type: "A",
        values: ["192.0.2.77"],
      }),
    ).toBe(false);
  });

  it("is the same in whatever order a server gives the values", async () => {
    const turned = (name: string) =>
      Promise.resolve(name === CHAT ? ["192.0.2.1", "192.0.2.2"] : ["192.0.2.2", "192.0.2.1"]);
    expect(await fromWildcard(turned, ZONE, { name: CHAT, type: "A", values: ["192.0.2.1", "192.0.2.2"] })).toBe(true);
  });
});

describe("what stands in the zone", () => {
  const set = (name: string, type: string, value: string, wildcard = false) => ({
    name,
    type,
    values: [value],
    wildcard,
  });

  it("is not what a wildcard above the mail domain answers", () => {
    expect(
      presentSets(CHAT, [set(CHAT, "A", "192.0.2.77", true)], [set(`www.${CHAT}`, "A", "192.0.2.77", true)]),
    ).toEqual([]);
  });

  it("may be a wildcard right below the mail domain, named once", () => {
    const others = [
      set(`www.${CHAT}`, "A", "192.0.2.77", true),
      set(`mail.${CHAT}`, "A", "192.0.2.77", true),
      set(`imap.${CHAT}`, "A", "192.0.2.8"),
    ];
    expect(presentSets(CHAT, [set(CHAT, "A", "192.0.2.1")], others).map(({ name, type }) => `${name} ${type}`)).toEqual(
      [`${CHAT} A`, `*.${CHAT} A`, `imap.${CHAT} A`],
    );
  });
});

describe("the advice for a name", () => {
  const own = (...values: string[]) => ({ values, wildcard: false });
  const synthesized = (...values: string[]) => ({ values, wildcard: true });
  const aName = (live: { values: string[]; wildcard: boolean }, alias = own()) =>
    handAdvice({ name: CHAT, sets: [{ name: CHAT, type: "A", values: ["203.0.113.1"], live }], alias }, 300);
  const ADD = `DNS: add to the zone: ${CHAT}. 300 IN A 203.0.113.1`;

  it("is to add records, not to remove what a wildcard says, and tells what becomes of that", () => {
    expect(aName(synthesized("192.0.2.77"))).toEqual([
      ADD,
      `DNS: ${CHAT} is answered for by a wildcard above it (A 192.0.2.77), not by records of its own. The records to add take the wildcard's place there: it then gives nothing any more, of any type, for ${CHAT} and the names below it. The wildcard itself may stay.`,
    ]);
  });

  it("names a wildcard's CNAME", () =>
    expect(aName(own(), synthesized("home.example.net"))).toEqual([
      ADD,
      expect.stringContaining("a wildcard above it (CNAME home.example.net), not"),
    ]));

  it("is to remove a CNAME of its own, and nothing that stands behind it", () =>
    expect(aName(own("192.0.2.5"), own("home.example.org"))).toEqual([
      `DNS: remove from the zone: ${CHAT}. IN CNAME home.example.org.`,
      ADD,
    ]));

  it.each([
    ["a record", own("203.0.113.1"), own()],
    ["a wildcard", synthesized("203.0.113.1"), own()],
    ["a CNAME", own("203.0.113.1"), own("home.example.org")],
  ])("is nothing where %s gives what is wanted", (_what, live, alias) => expect(aName(live, alias)).toEqual([]));

  it("is to add all sets where one is missing, since the first record ends the wildcard for all", () => {
    const sets = [
      { name: CHAT, type: "A" as const, values: ["203.0.113.1"], live: synthesized("203.0.113.1") },
      { name: CHAT, type: "AAAA" as const, values: ["2001:db8::1"], live: own() },
    ];
    expect(handAdvice({ name: CHAT, sets }, 300).slice(0, 2)).toEqual([
      ADD,
      `DNS: add to the zone: ${CHAT}. 300 IN AAAA 2001:db8::1`,
    ]);
  });
});
