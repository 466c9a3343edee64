// The counting in test/lab/traffic.ts, with a post office of a test's own in place of the lab's.
import type { LabHandle } from "../../scripts/lab/lab";
import { MailClient, type Letter, type Target } from "../../scripts/lab/mail";
import { underTraffic } from "../lab/traffic";

const tried: string[] = [];

/** Takes each letter as `take` says: how many copies arrive; a throw is a refusal. With `fails` the work under it fails. */
async function trafficThrough(
  take: (letter: Letter, address: string, attempt: number) => number,
  ms: number,
  { patience = 20, fails }: { readonly patience?: number; readonly fails?: Error } = {},
) {
  const mailbox: string[] = [];
  const client = {
    addresses: () => Promise.resolve(["2001:db8::1", "203.0.113.1"]),
    deliver: (letter: Letter, { address = "" }: Target) => {
      tried.push(address);
      return Promise.resolve().then(() => {
        for (let copies = take(letter, address, tried.length); copies > 0; copies--) mailbox.push(letter.id);
        return null;
      });
    },
    close: () => undefined,
  };
  jest.spyOn(MailClient, "open").mockResolvedValue(client as unknown as MailClient);
  const run = () =>
    Promise.resolve({ status: 0, stderr: "", stdout: mailbox.map((id) => `hdr.subject: lab letter ${id}\n`).join("") });
  const work = () => new Promise<void>((resolve, reject) => setTimeout(() => (fails ? reject(fails) : resolve()), ms));
  return { report: await underTraffic({ run } as unknown as LabHandle, work, { everyMs: 50, patience }), tried };
}

afterEach(() => {
  tried.length = 0;
  jest.restoreAllMocks();
});

it("tries the next address when one refuses, and begins with another one each time", async () => {
  const { report, tried } = await trafficThrough((_letter, address) => {
    if (address === "2001:db8::1") throw new Error("dead");
    return 1;
  }, 220);
  expect(report.sent.length).toBeGreaterThan(3);
  expect([...report.received].sort()).toEqual([...report.sent].sort());
  expect([report.lost, report.duplicates]).toEqual([[], []]);
  expect(tried.slice(0, 3)).toEqual(["2001:db8::1", "203.0.113.1", "203.0.113.1"]);
  expect(report.failures[0]).toMatch(/^0\.\d s, 2001:db8::1: dead$/);
});

it("sends again what nobody took, and says how long that lasted", async () => {
  const { report } = await trafficThrough((_letter, _address, attempt) => {
    if (attempt <= 2) throw new Error("later");
    return 1;
  }, 20);
  expect(report.lost).toEqual([]);
  expect(report.longestMs).toBeGreaterThan(900);
});

it("names letters that arrived twice", async () => {
  const { report } = await trafficThrough(() => 2, 20);
  expect(report.duplicates).toEqual(report.sent);
});

it("names letters that nobody took in time", async () => {
  const { report } = await trafficThrough(
    () => {
      throw new Error("dead");
    },
    20,
    { patience: 1 },
  );
  expect(report.lost).toEqual(report.sent);
  expect(report.received).toEqual([]);
});

it("ends with work that fails, of which the test tells, and nothing is tried any more", async () => {
  const dead = () => {
    throw new Error("dead");
  };
  await expect(trafficThrough(dead, 20, { patience: 1, fails: new Error("the work's own") })).rejects.toThrow(
    "the work's own",
  );
  const before = tried.length;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(tried).toHaveLength(before);
});
