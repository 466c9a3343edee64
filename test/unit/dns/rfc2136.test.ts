import { execFile } from "node:child_process";
import type { OnDestroyJob, SetJob } from "../../../components/dns/driver/job";
import { runOperation } from "../../../components/dns/driver/run";
import { digestOf } from "../../../components/dns/marks";
import { readRfc2136Zone } from "../../../components/dns/rfc2136";
import { KEY, TestNameServer } from "./nameServer";

let server: TestNameServer;
beforeEach(async () => (server = await new TestNameServer().start()));
afterEach(() => server.stop());

const CHAT = "chat.example.org";
const MARK = `_a._chatmail-proxy.${CHAT}`;
const access = (more: object = {}) => ({
  provider: "rfc2136" as const,
  zone: "example.org",
  server: "127.0.0.1",
  port: server.port,
  key: KEY,
  ...more,
});
const job = (values: string[], more: Partial<SetJob> = {}): SetJob => ({
  access: access(),
  stack: "prod",
  name: CHAT,
  type: "A",
  ttl: 300,
  values,
  ...more,
});
const onDestroy = (more: Partial<OnDestroyJob> = {}): OnDestroyJob => ({
  access: access(),
  stack: "prod",
  name: CHAT,
  ttl: 300,
  unwanted: [],
  relay: { A: ["198.51.100.20"], AAAA: [] },
  ...more,
});
const put = (...args: Parameters<typeof job>) => runOperation({ verb: "put", job: job(...args) });
const drop = (...args: Parameters<typeof job>) => runOperation({ verb: "drop", job: job(...args) });
const restore = (...args: Parameters<typeof onDestroy>) => runOperation({ verb: "restore", job: onDestroy(...args) });
const markLine = (values: string[], stack = "prod") => `${MARK} 300 TXT stack=${stack} set=${digestOf(values)}`;

describe("put", () => {
  it("makes the set and its mark, in one update", async () => {
    expect(await put(["203.0.113.1", "203.0.113.2"])).toEqual([]);
    expect(server.lines()).toEqual([
      markLine(["203.0.113.1", "203.0.113.2"]),
      `${CHAT} 300 A 203.0.113.1`,
      `${CHAT} 300 A 203.0.113.2`,
    ]);
    expect(server.updates).toBe(1);
  });

  it("changes nothing where all is as it should be, in whatever order", async () => {
    await put(["203.0.113.1", "203.0.113.2"]);
    await put(["203.0.113.2", "203.0.113.1"]);
    expect(server.updates).toBe(1);
  });

  it("changes the TTL alone", async () => {
    await put(["203.0.113.1"]);
    await put(["203.0.113.1"], { ttl: 60 });
    expect(server.lines(CHAT)).toEqual([`${CHAT} 60 A 203.0.113.1`]);
  });

  it("adopts what others made, and says so; other types at the name stay", async () => {
    server.hold(`${CHAT} 3600 A 198.51.100.20`, `${CHAT} 3600 TXT x`);
    expect(await put(["203.0.113.1"])).toEqual([`${CHAT} A held 198.51.100.20, of others: adopted`]);
    expect(server.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.1`, `${CHAT} 3600 TXT x`]);
  });

  it("puts back what was changed by hand, and says so", async () => {
    await put(["203.0.113.1"]);
    server.records = server.records.filter(({ type }) => type === "TXT");
    server.hold(`${CHAT} 300 A 192.0.2.9`);
    expect(await put(["203.0.113.1"])).toEqual([`${CHAT} A held 192.0.2.9, changed by hand: put back`]);
    expect(server.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.1`]);
  });

  it("refuses to work beside a CNAME, where addresses would be passed over", async () => {
    server.hold(`${CHAT} 300 CNAME home.example.net`);
    await expect(put(["203.0.113.1"])).rejects.toThrow(
      `${CHAT} is a CNAME of home.example.net, beside which no address can stand. Delete the CNAME`,
    );
  });

  it("looks again when somebody else was faster", async () => {
    let first = true;
    server.whims = { before: (name) => void (first && ((first = false), name.hold(`${CHAT} 300 A 192.0.2.9`))) };
    expect(await put(["203.0.113.1"])).toEqual([`${CHAT} A held 192.0.2.9, of others: adopted`]);
    expect(server.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.1`]);
  });

  it("gives up when somebody else is always faster", async () => {
    let n = 0;
    server.whims = { before: (name) => name.hold(`${CHAT} 300 A 192.0.2.${++n}`) };
    await expect(put(["203.0.113.1"])).rejects.toThrow("was changed by somebody else each time that we tried");
  });
});

describe("put, where the server", () => {
  it.each([
    ["an address", "300 A 192.0.2.77"],
    ["a CNAME", "300 CNAME home.example.net"],
  ])("answers from a wildcard with %s, makes the set: nothing of that name is there", async (_what, wildcard) => {
    server.whims = { wildcard: [wildcard] };
    expect(await put(["203.0.113.1"])).toEqual([]);
    expect(server.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.1`]);
    await put(["203.0.113.2"]);
    await drop(["203.0.113.2"]);
    expect(server.lines()).toEqual([]);
  });

  it("compares the text of an address that is written in another way, replaces it all the same", async () => {
    server.whims = { comparesText: true };
    server.hold(`${CHAT} 300 AAAA 2001:0db8:0000:0000:0000:0000:0000:0001`);
    expect(await put(["2001:db8::2"], { type: "AAAA" })).toEqual([`${CHAT} AAAA held 2001:db8::1, of others: adopted`]);
    expect(server.lines(CHAT)).toEqual([`${CHAT} 300 AAAA 2001:db8::2`]);
  });

  it.each([
    [
      "all of a change",
      / (A|TXT)$/,
      `${CHAT} A holds nothing instead of 203.0.113.1; and ${MARK} TXT, by which a later destroy knows the set, is not there`,
    ],
    ["the marks of a change", / TXT$/, `${MARK} TXT, by which a later destroy knows the set, is not there`],
  ])(
    "says yes and leaves out %s, fails and says what is missing",
    async (_what, leavesOut, expected) => {
      server.whims = { leavesOut };
      const refused = put(["203.0.113.1"]);
      await expect(refused).rejects.toThrow(
        `127.0.0.1 said that the change was made, but ${expected}. Does a policy there leave records out (PowerDNS: lua-dnsupdate-policy-script)`,
      );
    },
    10_000,
  );

  it("cuts the TTL, says so", async () => {
    server.whims = { highestTtl: 60 };
    expect(await put(["203.0.113.1"])).toEqual([
      `${CHAT} A has a TTL of 60 s there, not 300 s: the server limits it. Set dns.ttl to that.`,
    ]);
  });
});

describe("drop", () => {
  it("takes away set and mark", async () => {
    await put(["203.0.113.1"]);
    expect(await drop(["203.0.113.1"])).toEqual([]);
    expect(server.lines()).toEqual([]);
  });

  it("does nothing where nothing is", async () =>
    expect([await drop(["203.0.113.1"]), server.updates]).toEqual([[], 0]));

  it("leaves what somebody changed by hand, without our mark", async () => {
    await put(["203.0.113.1"]);
    server.hold(`${CHAT} 300 A 192.0.2.9`);
    expect(await drop(["203.0.113.1"])).toEqual([
      `${CHAT} A holds 203.0.113.1, 192.0.2.9, which this stack did not put there: left as it is`,
    ]);
    expect(server.lines()).toEqual([`${CHAT} 300 A 192.0.2.9`, `${CHAT} 300 A 203.0.113.1`]);
  });

  it("leaves what another stack holds by now, with its mark", async () => {
    await put(["203.0.113.1"]);
    await put(["203.0.113.1"], { stack: "other" });
    expect(await drop(["203.0.113.1"])).toEqual([
      `${CHAT} A holds 203.0.113.1, which is not this stack's any more: left as it is`,
    ]);
    expect(server.lines(MARK)).toEqual([markLine(["203.0.113.1"], "other")]);
  });

  it("leaves a set that changes under its hands", async () => {
    await put(["203.0.113.1"]);
    let first = true;
    server.whims = { before: (name) => void (first && ((first = false), name.hold(`${CHAT} 300 A 192.0.2.9`))) };
    await drop(["203.0.113.1"]);
    expect(server.lines(CHAT)).toHaveLength(2);
  });
});

describe("restore", () => {
  it("puts the relay's own addresses in place of ours, in one update, and the drop after it leaves them", async () => {
    await put(["203.0.113.1"]);
    await put(["2001:db8::1"], { type: "AAAA" });
    const before = server.updates;
    expect(await restore()).toEqual([`${CHAT} A holds the relay's own 198.51.100.20 now`]);
    expect(server.updates).toBe(before + 1);
    await drop(["203.0.113.1"]);
    await drop(["2001:db8::1"], { type: "AAAA" });
    expect(server.lines()).toEqual([`${CHAT} 300 A 198.51.100.20`]);
  });

  it("brings a family that was not published, where the other one is all there was", async () => {
    await put(["203.0.113.1"]);
    await restore({ relay: { A: [], AAAA: ["2001:db8::20"] } });
    expect(server.lines()).toEqual([`${CHAT} 300 AAAA 2001:db8::20`]);
  });

  it("leaves what others put there", async () => {
    server.hold(`${CHAT} 300 A 192.0.2.9`);
    expect(await restore()).toEqual([`${CHAT} holds no addresses of this stack's: left as it is`]);
    await put(["203.0.113.1"]);
    server.hold(`${CHAT} 300 A 192.0.2.10`);
    expect(await restore()).toEqual([
      `${CHAT} A holds 203.0.113.1, 192.0.2.10, which this stack did not put there: left as it is`,
    ]);
    expect(server.lines()).toEqual([`${CHAT} 300 A 192.0.2.10`, `${CHAT} 300 A 203.0.113.1`]);
  });
});

describe("the zone as it is read", () => {
  const read = (more: object = {}) =>
    readRfc2136Zone(access(more), [
      { name: CHAT, types: ["A", "AAAA"] },
      { name: "hel1.proxy.example.org", types: ["A"] },
    ]);

  it("comes by a transfer of several messages, of which some are not signed", async () => {
    server.hold(
      `${CHAT} 300 A 198.51.100.20`,
      `blog.example.org 300 A 198.51.100.20`,
      `${CHAT} 300 TXT v=spf1 a ~all`,
      `x.example.org 60 CNAME ${CHAT}`,
    );
    expect(await read()).toEqual([
      { name: CHAT, type: "A", values: ["198.51.100.20"] },
      { name: "blog.example.org", type: "A", values: ["198.51.100.20"] },
      { name: CHAT, type: "TXT", values: ["v=spf1 a ~all"] },
      { name: "x.example.org", type: "CNAME", values: [CHAT] },
    ]);
  });

  it("comes by single questions where the server hands no list out", async () => {
    await put(["203.0.113.1"]);
    server.hold(`mta-sts.${CHAT} 300 A 198.51.100.20`, `blog.example.org 300 A 198.51.100.20`);
    server.whims = { transfers: 5 };
    expect((await read()).map(({ name, type }) => `${name} ${type}`)).toEqual([
      `${CHAT} A`,
      `${MARK} TXT`,
      `mta-sts.${CHAT} A`,
    ]);
  });

  it("comes by single questions where a transfer breaks off, and takes nothing from a wildcard for a record", async () => {
    server.hold(`${CHAT} 300 A 198.51.100.20`);
    server.whims = { breaksTransfers: true, wildcard: ["300 A 192.0.2.77"] };
    expect(await read()).toEqual([{ name: CHAT, type: "A", values: ["198.51.100.20"] }]);
  });

  it("shows a CNAME of the mail domain where there is no transfer", async () => {
    server.hold(`${CHAT} 300 CNAME home.example.net`);
    server.whims = { transfers: 5 };
    expect(await read()).toEqual([{ name: CHAT, type: "CNAME", values: ["home.example.net"] }]);
  });

  it("comes in seconds where it is large: each message of a transfer is read once", async () => {
    const started = Date.now();
    server.hold(...Array.from({ length: 4000 }, (_, i) => `host${i}.example.org 300 A 192.0.2.1`));
    expect(await read()).toHaveLength(4000);
    expect(Date.now() - started).toBeLessThan(3000);
  });

  it("is asked of with nothing changed: the rights of the key are seen by a condition that never holds", async () => {
    await read();
    expect([server.updates, server.lines()]).toEqual([0, []]);
  });

  it.each<[string, () => object, object, string]>([
    [
      "a key that may write addresses and not their marks",
      () => ({}),
      { forbids: / TXT$/ },
      `It is refused for ${MARK} TXT, _aaaa._chatmail-proxy.${CHAT} TXT, _a._chatmail-proxy.hel1.proxy.example.org TXT; the key chatmail-proxy must be allowed to change all of these`,
    ],
    [
      "a key that may not write a proxy's own name",
      () => ({}),
      { forbids: /^hel1/ },
      "It is refused for hel1.proxy.example.org A; the key",
    ],
    [
      "a mail domain that is delegated",
      () => ({}),
      { child: { zone: CHAT, served: false } },
      `${CHAT} is not in the zone example.org, but in ${CHAT}, which is a zone of its own, delegated to other name servers: nobody asks example.org for it. Set dns.zone to ${CHAT}`,
    ],
    [
      "a mail domain in a zone of its own on the same server",
      () => ({}),
      { child: { zone: CHAT, served: true } },
      `${CHAT} is not in the zone example.org, but in ${CHAT}, which is a zone of its own: nobody asks`,
    ],
    [
      "a frozen zone, or a secondary",
      () => ({}),
      { updates: 5 },
      "The same answer comes where the zone is frozen (BIND: rndc thaw example.org), where dns.server is a secondary",
    ],
    [
      "a key that is not allowed to change the zone",
      () => ({}),
      { updates: 5 },
      "127.0.0.1 does not let the key chatmail-proxy change example.org (REFUSED). Allow it there",
    ],
    [
      "a server that takes no updates",
      () => ({}),
      { updates: 4 },
      "cannot do that (NOTIMP): does it take dynamic updates, and is it the zone's primary?",
    ],
    ["a server in trouble", () => ({}), { updates: 2 }, "failed to change example.org (SERVFAIL): its log says why."],
    [
      "an unknown key",
      () => ({ key: { ...KEY, name: "other" } }),
      {},
      "knows no key other with hmac-sha256 (BADKEY): check dns.tsig.name and dns.tsig.algorithm",
    ],
    [
      "another algorithm",
      () => ({ key: { ...KEY, algorithm: "hmac-sha512" } }),
      {},
      "knows no key chatmail-proxy with hmac-sha512 (BADKEY)",
    ],
    [
      "another secret",
      () => ({ key: { ...KEY, secret: Buffer.alloc(32).toString("base64") } }),
      {},
      "finds our signature wrong (BADSIG): the secret of the key chatmail-proxy there is another one than dnsSecret.",
    ],
    ["a clock that is wrong", () => ({}), { clock: 86400 }, "the clocks are too far apart (BADTIME): 127.0.0.1 has "],
    [
      "a server that does not sign",
      () => ({}),
      { unsigned: true },
      "is not signed, though our question was: is dns.server the zone's own name server, and not a resolver?",
    ],
    [
      "a server that signs with another secret",
      () => ({}),
      { wrongSignature: true },
      "bears a wrong signature: somebody in between changed it",
    ],
    [
      "another zone",
      () => ({ zone: "example.net" }),
      {},
      "refuses to answer questions about example.net (REFUSED): check that dns.server is its primary name server, and dns.zone.",
    ],
    [
      "a server that says no more of a wrong key",
      () => ({}),
      { updates: 9 },
      "does not serve the zone example.org, or not to this key (NOTAUTH; some servers say no more of a wrong key). Check dns.zone, that dns.server is its primary name server, dns.tsig, and the key's secret in dnsSecret. Knot answers so for a key that no acl of the zone names; PowerDNS for a key",
    ],
    [
      "something else on that port",
      () => ({}),
      { garbage: true },
      "answered something that is no DNS message: is that port the name server's?",
    ],
    [
      "nothing on that port",
      () => ({ port: 1 }),
      {},
      "127.0.0.1 port 1 (TCP) cannot be reached: connect ECONNREFUSED 127.0.0.1:1. Check dns.server and dns.port",
    ],
  ])("is refused with %s, and with what to do", async (_what, more, whims, expected) => {
    server.whims = whims;
    await expect(read(more())).rejects.toThrow(expected);
  });

  it("is not taken from a server that only knows of it", async () => {
    server.whims = { notAuthoritative: true, transfers: 5 };
    await expect(read()).rejects.toThrow(
      `127.0.0.1 does not speak for ${CHAT}: check dns.server (the zone's primary name server) and dns.zone (example.org)`,
    );
  });
});

describe("the driver as a program", () => {
  const drive = (words: string, stdin: string) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        ["--require", "./scripts/register.js", "components/dns/driver/main.ts", words],
        { cwd: `${__dirname}/../../..` },
        (error, stdout, stderr) => resolve({ code: (error?.code as number | undefined) ?? 0, stdout, stderr }),
      );
      child.stdin?.end(stdin);
    });

  it("does what the first word says, and what stdin tells, and keeps the secret", async () => {
    expect(await drive(`put ${CHAT} A 203.0.113.1`, JSON.stringify(job(["203.0.113.1"])))).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(server.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.1`]);
    server.whims = { updates: 5 };
    const refused = await drive(`put ${CHAT} A`, JSON.stringify(job(["203.0.113.2"])));
    expect(refused).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^127\.0\.0\.1 does not let the key .*\n$/) as string,
    });
    expect(JSON.stringify(refused)).not.toContain(KEY.secret);
    // It proves that it has the secret, and does not send it.
    expect(Buffer.concat(server.received).includes(Buffer.from(KEY.secret, "base64"))).toBe(false);
  }, 20_000);
});
