import { readCloudflareZone } from "../../../components/dns/cloudflare";
import type { OnDestroyJob, SetJob } from "../../../components/dns/driver/job";
import { runOperation } from "../../../components/dns/driver/run";
import { digestOf } from "../../../components/dns/marks";
import { TestCloudflare, TOKEN } from "./cloudflareApi";

let cloudflare: TestCloudflare;
beforeEach(async () => (cloudflare = await new TestCloudflare().start()));
afterEach(() => cloudflare.stop());

const CHAT = "chat.example.org";
const MARK = `_a._chatmail-proxy.${CHAT}`;
const access = () => ({ provider: "cloudflare" as const, zone: "example.org", api: cloudflare.api, token: TOKEN });
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
const markLine = (values: string[]) => `${MARK} 300 TXT "stack=prod set=${digestOf(values)}"`;

describe("put", () => {
  it("makes set and mark in one batch, never behind Cloudflare's own proxy, with a comment that says whose they are", async () => {
    await put(["203.0.113.1", "203.0.113.2"]);
    expect(cloudflare.lines()).toEqual([
      markLine(["203.0.113.1", "203.0.113.2"]),
      `${CHAT} 300 A 203.0.113.1`,
      `${CHAT} 300 A 203.0.113.2`,
    ]);
    expect(cloudflare.batches).toHaveLength(1);
    expect(cloudflare.records.map(({ comment, proxied }) => [comment, proxied])).toEqual(
      Array(3).fill(["chatmail-proxy, stack prod", false]),
    );
  });

  it("overwrites a record rather than to leave a moment without one", async () => {
    await put(["203.0.113.1"]);
    await put(["203.0.113.9"]);
    expect(cloudflare.batches[1]).toMatchObject({
      deletes: [],
      posts: [],
      puts: [{ type: "A", content: "203.0.113.9" }, { type: "TXT" }],
    });
    await put(["203.0.113.9", "203.0.113.1"]);
    await put(["203.0.113.1"]);
    expect(cloudflare.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.1`]);
  });

  it("changes nothing where all is as it should be", async () => {
    await put(["2001:db8::1"], { type: "AAAA" });
    await put(["2001:db8::1"], { type: "AAAA" });
    expect(cloudflare.batches).toHaveLength(1);
  });

  it("takes Cloudflare's own proxy off a set that it adopts", async () => {
    cloudflare.hold(CHAT, "A", "198.51.100.20", { proxied: true, ttl: 1 });
    expect(await put(["203.0.113.1"])).toEqual([`${CHAT} A held 198.51.100.20, of others: adopted`]);
    expect(cloudflare.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.1`]);
    cloudflare.records = cloudflare.records.map((record) =>
      record.type === "A" ? { ...record, proxied: true } : record,
    );
    await put(["203.0.113.1"]);
    expect(cloudflare.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.1`]);
  });

  it("keeps a comment within what Cloudflare allows", async () => {
    await put(["203.0.113.1"], { stack: "s".repeat(100) });
    expect(cloudflare.records.every(({ comment }) => comment?.length === 100)).toBe(true);
  });

  it("refuses to work beside a CNAME", async () => {
    cloudflare.hold(CHAT, "CNAME", "home.example.net");
    await expect(put(["203.0.113.1"])).rejects.toThrow(`${CHAT} is a CNAME of home.example.net`);
  });
});

describe("drop and restore", () => {
  it("take away what is ours", async () => {
    await put(["203.0.113.1"]);
    await drop(["203.0.113.1"]);
    expect(cloudflare.lines()).toEqual([]);
  });

  it("leave what others changed", async () => {
    await put(["203.0.113.1"]);
    cloudflare.hold(CHAT, "A", "192.0.2.9");
    expect(await drop(["203.0.113.1"])).toEqual([
      `${CHAT} A holds 203.0.113.1, 192.0.2.9, which this stack did not put there: left as it is`,
    ]);
    expect(cloudflare.lines()).toEqual([`${CHAT} 300 A 192.0.2.9`, `${CHAT} 300 A 203.0.113.1`]);
  });

  it("put the relay's own address there in one batch, without a comment of ours", async () => {
    await put(["203.0.113.1"]);
    await put(["2001:db8::1"], { type: "AAAA" });
    const before = cloudflare.batches.length;
    await runOperation({ verb: "restore", job: onDestroy() });
    expect(cloudflare.batches).toHaveLength(before + 1);
    await drop(["203.0.113.1"]);
    await drop(["2001:db8::1"], { type: "AAAA" });
    expect(cloudflare.lines()).toEqual([`${CHAT} 300 A 198.51.100.20`]);
    expect(cloudflare.records[0]?.comment).toBeNull();
  });
});

describe("the zone as it is read", () => {
  const read = (token = TOKEN, zone = "example.org") => readCloudflareZone(cloudflare.api, token, zone);

  it("has the records of all pages", async () => {
    for (let i = 0; i < 250; i++) cloudflare.hold(`n${i}.example.org`, "A", "198.51.100.20");
    cloudflare.hold(CHAT, "AAAA", "2001:DB8:0::1");
    const sets = await read();
    expect(sets).toHaveLength(251);
    expect(sets.at(-1)).toEqual({ name: CHAT, type: "AAAA", values: ["2001:db8::1"] });
    expect(cloudflare.calls).toHaveLength(4);
  });

  it.each<[string, () => Promise<unknown>, { status: number; body: string } | undefined, string]>([
    [
      "another token",
      () => read("x".repeat(40)),
      undefined,
      'Cloudflare refuses the token: Authentication error (10000). dnsSecret must be an API token with the permission "DNS: Edit" (Zone) for the zone',
    ],
    [
      "a zone that the token does not see",
      () => read(TOKEN, "example.net"),
      undefined,
      "this token sees no zone example.net at Cloudflare: check dns.zone",
    ],
    [
      "too many requests",
      () => read(),
      {
        status: 429,
        body: JSON.stringify({
          success: false,
          errors: [{ code: 971, message: "Please wait" }],
          messages: [],
          result: null,
        }),
      },
      "Cloudflare has had too many requests from you: Please wait (971). Wait five minutes",
    ],
    [
      "a page in between",
      () => read(),
      { status: 502, body: "<html>" },
      "answered GET /zones?name=example.org&per_page=100&page=1 with status 502, and nothing that it documents",
    ],
  ])("is refused with %s, and with what to do", async (_what, reading, trouble, expected) => {
    cloudflare.trouble = trouble;
    await expect(reading()).rejects.toThrow(expected);
  });

  it("says so when nobody answers, and never says the token", async () => {
    const error = await readCloudflareZone("http://127.0.0.1:65535", TOKEN, "example.org").then(
      () => "",
      (reason: Error) => reason.message,
    );
    expect(error).toContain("Cloudflare's API cannot be reached: connect ECONNREFUSED");
    expect(error).not.toContain(TOKEN);
  });
});
