// Our end of dynamic updates against name servers that nobody here wrote. Needs no lab that is up.
import { Resolver } from "node:dns/promises";
import { isAsked } from "../../components/dns/delegation";
import type { SetJob } from "../../components/dns/driver/job";
import { runOperation } from "../../components/dns/driver/run";
import { lookupAt } from "../../components/dns/lookup";
import { markName } from "../../components/dns/marks";
import { ownZone, readRfc2136Zone } from "../../components/dns/rfc2136";
import { fromWildcard } from "../../components/dns/wildcard";
import { DnsClient } from "../../components/dns/wire/client";
import { decodeValue, TYPE, type ValueType } from "../../components/dns/wire/message";
import type { TsigKey } from "../../components/dns/wire/tsig";
import { lookAt } from "../../components/dns/worldView";
import { bind, KEYS, knot, powerDns, prepareNameServers, RealNameServer, type Zone } from "./realNameServers";

jest.setTimeout(30_000);

const ZONE = "example.org";
/** Records of a large zone: where a slow reader was hung up on, and where it took half a minute. */
const BIG = { Knot: 60_000, PowerDNS: 30_000 };

const plain: Zone = {
  name: ZONE,
  lines: [
    "*.wild 60 IN A 192.0.2.77",
    "same.wild 60 IN A 192.0.2.77",
    "*.alias 60 IN CNAME home.example.net.",
    "cname 60 IN CNAME home.example.net.",
    "away 60 IN NS ns.example.net.",
    "dname 60 IN DNAME example.net.",
    "old 60 IN A 198.51.100.20",
    "own 60 IN NS ns",
  ],
};
const own: Zone = { name: `own.${ZONE}`, lines: [] };
const big = (length: number): Zone => ({
  name: "big.example",
  lines: Array.from({ length }, (_, i) => `host${i} 60 IN A 192.0.2.${i % 256}`),
});
const limited: Zone = { name: "limited.example", lines: [], highestTtl: 120 };
const copied: Zone = { name: "copied.example", lines: [] };
const frozen: Zone = { name: "frozen.example", lines: [] };
let askedWhileFrozen: Promise<string>;
const target: Zone = { name: "example.net", lines: ["home 60 IN A 198.51.100.7"] };

type Name = "BIND" | "Knot" | "PowerDNS" | "PowerDNS with a policy";
const servers = new Map<Name, RealNameServer>();

const mark = (at: string, type: "A" | "AAAA") => `${markName(at, type)} TXT`;
const onlyMarks = (at: string) =>
  `It is refused for ${mark(at, "A")}, ${mark(at, "AAAA")}; the key weak must be allowed to change all of these`;
const NO_WORD =
  "127.0.0.1 does not serve the zone example.org, or not to this key (NOTAUTH, not signed; some servers say no more of a wrong key)";
const CLOCKS = "and where the clocks of both machines are apart (compare: date -u)";

/** What each says to a key that is not right: some no more than no. PowerDNS knows no rights by type. */
const SAYS = {
  BIND: {
    unknownKey: "127.0.0.1 knows no key unknown with hmac-sha256 (BADKEY)",
    otherSecret: "finds our signature wrong (BADSIG)",
    weak: onlyMarks,
    otherClock: "the clocks are too far apart (BADTIME): 127.0.0.1 has 20",
  },
  Knot: {
    unknownKey: NO_WORD,
    otherSecret: "finds our signature wrong (BADSIG)",
    weak: onlyMarks,
    otherClock: "the clocks are too far apart (BADTIME): 127.0.0.1 has 20",
  },
  PowerDNS: {
    unknownKey: NO_WORD,
    otherSecret: NO_WORD,
    weak: () => "127.0.0.1 does not let the key weak change example.org (REFUSED)",
    otherClock: CLOCKS,
  },
} as const;

// Marks are left out, and nobody is told.
const NO_TXT = "function updatepolicy(input)\n  return input:getQType() ~= pdns.TXT\nend\n";
// As tools write it that put records straight into the database.
const LONG = `INSERT INTO records (domain_id, name, type, content, ttl) SELECT id, 'long.${ZONE}', 'AAAA', '2001:0db8:0000:0000:0000:0000:0000:0001', 60 FROM domains WHERE name = '${ZONE}';
INSERT INTO records (domain_id, name, type, content, ttl) SELECT id, 'flat.${ZONE}', 'ALIAS', 'home.example.net', 60 FROM domains WHERE name = '${ZONE}';\n`;

beforeAll(async () => {
  await prepareNameServers();
  const start = async (name: Name, ...args: Parameters<typeof RealNameServer.start>) =>
    void servers.set(name, await RealNameServer.start(...args));
  await start("Knot", knot([plain, own, big(BIG.Knot), copied, frozen], [frozen.name]), [
    ZONE,
    own.name,
    "big.example",
    copied.name,
    frozen.name,
  ]);
  // Takes ten seconds, which the others need not wait for.
  askedWhileFrozen = read("Knot", `chat.${frozen.name}`, { zone: frozen.name }).then(
    () => "nothing was wrong",
    (error: Error) => error.message,
  );
  await start("BIND", bind([plain, own, limited, target], [{ zone: copied.name, port: portOf("Knot") }]), [
    ZONE,
    own.name,
    limited.name,
    target.name,
    copied.name,
  ]);
  await Promise.all([
    start("PowerDNS", powerDns([plain, own, big(BIG.PowerDNS)], { resolver: portOf("BIND"), sql: LONG }), [
      ZONE,
      own.name,
      "big.example",
    ]),
    start("PowerDNS with a policy", powerDns([plain], { policy: NO_TXT }), [ZONE]),
  ]);
}, 300_000);
afterAll(async () => void (await Promise.all([...servers.values()].map((server) => server.stop()))));

function portOf(name: Name): number {
  const server = servers.get(name);
  if (!server) throw new Error(`${name} is not up`);
  return server.port;
}

const access = (name: Name, { key = KEYS.full, zone = ZONE }: { key?: TsigKey; zone?: string } = {}) => ({
  provider: "rfc2136" as const,
  zone,
  server: "127.0.0.1",
  port: portOf(name),
  key,
});
const job = (
  name: Name,
  at: string,
  values: string[],
  { ttl = 60, type = "A", ...more }: { key?: TsigKey; zone?: string; ttl?: number; type?: "A" | "AAAA" } = {},
): SetJob => ({ access: access(name, more), stack: "test", name: at, type, ttl, values });
const put = (...args: Parameters<typeof job>) => runOperation({ verb: "put", job: job(...args) });
const drop = (...args: Parameters<typeof job>) => runOperation({ verb: "drop", job: job(...args) });
const read = (name: Name, at: string, more: { key?: TsigKey; zone?: string } = {}) =>
  readRfc2136Zone(access(name, more), [{ name: at, types: ["A", "AAAA"] }]);
const asked = async (name: Name, at: string, type: ValueType) =>
  (await new DnsClient(access(name)).query(at, TYPE[type])).map(decodeValue).sort();
const namesOf = (sets: readonly { name: string; type: string }[], at: string) =>
  sets
    .filter(({ name }) => name === at || name.endsWith(`.${at}`))
    .map(({ name, type }) => `${name} ${type}`)
    .sort();

describe.each(["BIND", "Knot", "PowerDNS"] as const)("%s", (name) => {
  it("gets a set and its mark, has it changed, and loses both", async () => {
    const at = `chat.${ZONE}`;
    expect(await put(name, at, ["203.0.113.1", "203.0.113.2"])).toEqual([]);
    expect(await asked(name, at, "A")).toEqual(["203.0.113.1", "203.0.113.2"]);
    expect(namesOf(await read(name, at), at)).toEqual([`${markName(at, "A")} TXT`, `${at} A`]);
    expect(await put(name, at, ["203.0.113.3"])).toEqual([]);
    expect(await asked(name, at, "A")).toEqual(["203.0.113.3"]);
    expect(await drop(name, at, ["203.0.113.3"])).toEqual([]);
    expect(namesOf(await read(name, at), at)).toEqual([]);
  });

  it("says itself which name servers the zone has, and is known by that in public", async () => {
    const own = await ownZone(access(name));
    expect(own).toEqual({
      nameServers: [`ns.${ZONE}`],
      soa: { primary: `ns.${ZONE}`, hostmaster: `hostmaster.${ZONE}` },
    });
    // Its own answers as the world's: a hidden primary, whose secondary stands in public under another name.
    const open = () => {
      const resolver = new Resolver({ timeout: 3000, tries: 2 });
      resolver.setServers([`127.0.0.1:${portOf(name)}`]);
      return resolver;
    };
    const view = await lookAt(open, ZONE);
    expect(view).toEqual({ kind: "served", nameServers: [`ns.${ZONE}`], soas: [own?.soa] });
    if (own && view?.kind === "served")
      expect([isAsked(own, view), isAsked(own, { ...view, nameServers: ["ns.example.net"] })]).toEqual([true, true]);
  });

  it("has a set adopted that was there", async () => {
    expect(await put(name, `old.${ZONE}`, ["203.0.113.1"])).toEqual([
      `old.${ZONE} A held 198.51.100.20, of others: adopted`,
    ]);
    expect(await asked(name, `old.${ZONE}`, "A")).toEqual(["203.0.113.1"]);
  });

  it.each([
    ["addresses", "wild"],
    ["a CNAME", "alias"],
  ])(
    "answers from a wildcard with %s, which is taken for no record, with a transfer or without",
    async (_what, place) => {
      const at = `chat.${place}.${ZONE}`;
      for (const key of [KEYS.full, KEYS.closed]) {
        expect(namesOf(await read(name, at, { key }), at)).toEqual([]);
        expect(await put(name, at, ["203.0.113.1"], { key })).toEqual([]);
        expect(await asked(name, at, "A")).toEqual(["203.0.113.1"]);
        expect(namesOf(await read(name, at, { key }), at)).toEqual([`${markName(at, "A")} TXT`, `${at} A`]);
        expect(await put(name, at, ["203.0.113.2"], { key })).toEqual([]);
        expect(await drop(name, at, ["203.0.113.2"], { key })).toEqual([]);
        expect(namesOf(await read(name, at, { key }), at)).toEqual([]);
      }
    },
  );

  it("is asked without a key whether an answer is a wildcard's", async () => {
    const resolver = new Resolver({ timeout: 3000, tries: 2 });
    resolver.setServers([`127.0.0.1:${portOf(name)}`]);
    const wildcards = async (at: string, type: "A" | "CNAME") => {
      const values = await lookupAt(resolver, at, type);
      return {
        values,
        wildcard: await fromWildcard((other, kind) => lookupAt(resolver, other, kind), ZONE, {
          name: at,
          type,
          values,
        }),
      };
    };
    expect(await wildcards(`a.wild.${ZONE}`, "A")).toEqual({ values: ["192.0.2.77"], wildcard: true });
    expect(await wildcards(`same.wild.${ZONE}`, "A")).toEqual({ values: ["192.0.2.77"], wildcard: false });
    expect(await wildcards(`a.alias.${ZONE}`, "CNAME")).toEqual({ values: ["home.example.net"], wildcard: true });
    expect(await wildcards(`cname.${ZONE}`, "CNAME")).toEqual({ values: ["home.example.net"], wildcard: false });
  });

  it.each([KEYS.full, KEYS.closed])(
    "shows that the mail domain is a CNAME, and takes no address beside it (key: $name)",
    async (key) => {
      const at = `cname.${ZONE}`;
      expect(await read(name, at, { key })).toContainEqual({ name: at, type: "CNAME", values: ["home.example.net"] });
      await expect(put(name, at, ["203.0.113.1"], { key })).rejects.toThrow(
        `${at} is a CNAME of home.example.net, beside which no address can stand.`,
      );
    },
  );

  it.each([KEYS.full, KEYS.closed])(
    "shows that the mail domain is delegated away, is in a zone of its own, or lies below a DNAME (key: $name)",
    async (key) => {
      await expect(read(name, `away.${ZONE}`, { key })).rejects.toThrow(
        `away.${ZONE} is not in the zone ${ZONE}, but in away.${ZONE}, which is a zone of its own, delegated to other name servers`,
      );
      await expect(read(name, `chat.away.${ZONE}`, { key })).rejects.toThrow(
        `chat.away.${ZONE} is not in the zone ${ZONE}, but in away.${ZONE}`,
      );
      await expect(read(name, `own.${ZONE}`, { key })).rejects.toThrow(
        `own.${ZONE} is not in the zone ${ZONE}, but in own.${ZONE}, which is a zone of its own: nobody asks`,
      );
      await expect(read(name, `chat.dname.${ZONE}`, { key })).rejects.toThrow(
        `chat.dname.${ZONE} lies below dname.${ZONE}, which is a DNAME`,
      );
    },
  );

  it("is found not to let a weak key write, before anything is made, and changes nothing", async () => {
    const at = `weak.${ZONE}`;
    await expect(read(name, at, { key: KEYS.weak })).rejects.toThrow(SAYS[name].weak(at));
    expect(namesOf(await read(name, at), at)).toEqual([]);
  });

  it("is found not to know a key", async () => {
    await expect(read(name, `chat.${ZONE}`, { key: KEYS.unknown })).rejects.toThrow(SAYS[name].unknownKey);
  });

  it("is found to know another secret", async () => {
    await expect(read(name, `chat.${ZONE}`, { key: { ...KEYS.full, secret: KEYS.weak.secret } })).rejects.toThrow(
      SAYS[name].otherSecret,
    );
  });

  it("is found to have another clock", async () => {
    const now = Date.now();
    jest.spyOn(Date, "now").mockReturnValue(now - 86_400_000);
    try {
      await expect(read(name, `chat.${ZONE}`)).rejects.toThrow(SAYS[name].otherClock);
    } finally {
      jest.restoreAllMocks();
    }
  });
});

describe.each(["BIND", "Knot"] as const)("%s", (name) => {
  it("says yes to an address below a DNAME and makes none, which is told as what it is", async () => {
    const at = `chat.dname.${ZONE}`;
    await expect(put(name, at, ["203.0.113.1"])).rejects.toThrow(
      `127.0.0.1 said that the change was made, but ${at} A holds nothing instead of 203.0.113.1; and ${markName(at, "A")} TXT`,
    );
  });
});

describe("BIND", () => {
  it("takes no changes as a secondary, which is told", async () => {
    await expect(read("BIND", `chat.${copied.name}`, { zone: copied.name })).rejects.toThrow(
      /does not let the key full change copied\.example \(REFUSED\)\..* where dns\.server is a secondary and not the zone's primary/,
    );
  });

  it("cuts a TTL above the zone's highest, which is said", async () => {
    const at = `chat.${limited.name}`;
    const note = `${at} A has a TTL of 120 s there, not 300 s: the server limits it. Set dns.ttl to that.`;
    expect(await put("BIND", at, ["203.0.113.1"], { zone: limited.name, ttl: 300 })).toEqual([note]);
  });
});

describe("Knot", () => {
  it("answers no change of a frozen zone, which is told with its cure", async () => {
    expect(await askedWhileFrozen).toMatch(
      /127\.0\.0\.1 port \d+ \(TCP\) did not answer within 10 s.* the zone may be frozen there \(Knot: knotc zone-thaw frozen\.example\)/,
    );
  });
});

describe.each(["Knot", "PowerDNS"] as const)("%s", (name) => {
  it(`hands out ${BIG[name]} records, which are read in seconds`, async () => {
    const started = Date.now();
    expect(await read(name, "chat.big.example", { zone: "big.example" })).toHaveLength(BIG[name] + 1);
    expect(Date.now() - started).toBeLessThan(5000);
  });
});

describe("PowerDNS", () => {
  it("has an address adopted that its database spells at length", async () => {
    const at = `long.${ZONE}`;
    expect(await put("PowerDNS", at, ["2001:db8::2"], { type: "AAAA" })).toEqual([
      `${at} AAAA held 2001:db8::1, of others: adopted`,
    ]);
    expect(await asked("PowerDNS", at, "AAAA")).toEqual(["2001:db8::2"]);
  });

  it.each([KEYS.full, KEYS.closed])(
    "shows that the mail domain is an ALIAS, though it answers with addresses (key: $name)",
    async (key) => {
      expect(await asked("PowerDNS", `flat.${ZONE}`, "A")).toEqual(["198.51.100.7"]);
      await expect(read("PowerDNS", `flat.${ZONE}`, { key })).rejects.toThrow(
        `flat.${ZONE} is an ALIAS at 127.0.0.1, beside which no address should be.`,
      );
    },
  );

  it("leaves out marks by its policy and says yes, which is told as what it is", async () => {
    const at = `chat.${ZONE}`;
    await expect(put("PowerDNS with a policy", at, ["203.0.113.1"])).rejects.toThrow(
      `127.0.0.1 said that the change was made, but ${markName(at, "A")} TXT, by which a later destroy knows the set, is not there.`,
    );
  });
});
