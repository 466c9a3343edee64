// npm run remove: out of DNS, a wait, away; and again from wherever it was cut off.
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { longestTtl, readHistory, untouchedSince, type Update } from "../../scripts/remove/history";
import { removeProxy } from "../../scripts/remove/remove";
import { entryState, withDrained, without } from "../../scripts/remove/stackFile";

const FILE = `# My stack, with a comment.
encryptionsalt: v1:abc
config:
  hcloud:token:
    secure: v1:def
  chatmail-proxy:proxies:
    - name: hel1 # the first
      host: hetzner
      location: hel1
    # The second, in America.
    - name: ash1
      host: hetzner
      location: ash
  chatmail-proxy:dns:
    zone: example.org
    ttl: 120
`;

const NOON = new Date("2026-11-23T12:00:00Z");
const DRAINED = { since: NOON, checked: NOON, ttl: 120 };

describe("the stack file", () => {
  it("keeps every line that has nothing to do with the proxy", () => {
    const drained = withDrained(FILE, "ash1", DRAINED);
    expect(drained.split("\n").filter((line) => !FILE.split("\n").includes(line))).toEqual([
      "      publish: false # drained by npm run remove, since 2026-11-23T12:00:00.000Z, TTL 120 s, checked 2026-11-23T12:00:00.000Z",
    ]);
    expect(FILE.split("\n").filter((line) => !drained.split("\n").includes(line))).toEqual([]);
    const gone = without(drained, "ash1");
    expect(gone).toContain("# My stack, with a comment.\nencryptionsalt: v1:abc");
    expect(
      (parse(gone) as { config: Record<string, { name: string }[]> }).config["chatmail-proxy:proxies"]?.map(
        ({ name }) => name,
      ),
    ).toEqual(["hel1"]);
    expect(gone).toContain("- name: hel1 # the first\n");
  });

  it.each<[string, string, string, string]>([
    ["a proxy that is not there", FILE, "sin1", 'there is no proxy "sin1" in the settings; there are: hel1, ash1'],
    ["an empty file", "", "hel1", "there are: none"],
    ["a file without proxies", "config: {}\n", "hel1", "there are: none"],
    ["a file that is no YAML", "config: [\n", "hel1", "the stack file is no YAML"],
  ])("refuses %s", (_what, text, name, expected) => expect(() => entryState(text, name)).toThrow(expected));

  it("keeps the only published proxy, and one through which mail leaves", () => {
    expect(entryState(without(FILE, "ash1"), "hel1").obstacle).toContain("hel1 is the only proxy that is published");
    expect(entryState(withDrained(FILE, "ash1", DRAINED), "hel1").obstacle).toContain(
      "hel1 is the only proxy that is published",
    );
    for (const egress of ["ash1", "[hel1, ash1]"])
      expect(entryState(`${FILE}  chatmail-proxy:egress: ${egress}\n`, "ash1").obstacle).toContain("ash1 is in egress");
    expect(entryState(FILE.replace("    zone:", "    provider: manual\n    zone:"), "ash1").obstacle).toContain(
      "with dns.provider manual nobody but you takes ash1 out of DNS",
    );
    expect(entryState(FILE, "ash1").obstacle).toBeUndefined();
  });

  it("keeps one that may not be deleted, and says so before any wait", () => {
    const location = "      location: ash\n";
    expect(entryState(FILE.replace(location, `${location}      deleteProtection: true\n`), "ash1").obstacle).toContain(
      "set deleteProtection: false and run pulumi up first",
    );
    expect(
      entryState(FILE.replace(location, `${location}      deleteProtection: false\n`), "ash1").obstacle,
    ).toBeUndefined();
  });

  it("gives back what a mark says, and nothing of another comment", () => {
    for (const drain of [DRAINED, { since: undefined, checked: undefined, ttl: 3600 }])
      expect(entryState(withDrained(FILE, "ash1", drain), "ash1").drained).toEqual(drain);
    const nothing = { since: undefined, checked: undefined, ttl: undefined };
    for (const comment of ["", " # for now", " # drained by npm run remove, since yesterday"]) {
      expect(
        entryState(
          FILE.replace("      location: ash\n", `      location: ash\n      publish: false${comment}\n`),
          "ash1",
        ).drained,
      ).toEqual(nothing);
    }
    expect(
      entryState(withDrained(FILE, "ash1", DRAINED).replace("publish: false", "publish: true"), "ash1").drained,
    ).toBeUndefined();
  });
});

describe("the stack's history", () => {
  const entry = (startTime: string, result: string, ttl?: number) => ({
    version: 0,
    kind: "update",
    startTime,
    result,
    config: {
      "chatmail-proxy:dns": { value: JSON.stringify({ zone: "example.org", ttl }), secret: false },
      "hcloud:token": { secret: true },
    },
  });
  const history = (...entries: unknown[]) => readHistory(JSON.stringify(entries)) ?? [];

  it("is read as pulumi prints it", () => {
    expect(
      history(entry("2026-11-23T11:00:00.000Z", "failed"), entry("2026-11-23T12:00:00.000Z", "succeeded", 60), {
        startTime: "2026-11-23T10:00:00.000Z",
        result: "succeeded",
      }),
    ).toEqual([
      { start: NOON, succeeded: true, ttl: 60 },
      { start: new Date("2026-11-23T11:00:00Z"), succeeded: false, ttl: 300 },
      { start: new Date("2026-11-23T10:00:00Z"), succeeded: true, ttl: undefined },
    ]);
    for (const text of ["", "error: no stack", "{}", "null"]) expect(readHistory(text)).toBeUndefined();
  });

  it("tells the longest TTL that may be in force: that of the last run which succeeded, and of those that failed since", () => {
    const [old, good, bad] = [
      entry("2026-11-23T10:00:00.000Z", "succeeded", 86400),
      entry("2026-11-23T11:00:00.000Z", "succeeded", 3600),
      entry("2026-11-23T12:00:00.000Z", "failed", 60),
    ];
    expect([
      longestTtl([]),
      longestTtl(history(bad)),
      longestTtl(history(old, good, bad)),
      longestTtl(history(old, bad)),
    ]).toEqual([0, 60, 3600, 86400]);
  });

  it("tells whether anything was run since", () => {
    const updates = history(entry("2026-11-23T11:59:50.000Z", "succeeded"));
    expect([
      untouchedSince(updates, NOON),
      untouchedSince(updates, new Date("2026-11-23T11:00:00Z")),
      untouchedSince([], NOON),
    ]).toEqual([true, false, false]);
  });
});

describe("removeProxy", () => {
  let dir: string;
  let file: string;
  /** Runs of pulumi up, those of people too. */
  let updates: Update[];
  beforeEach(() => {
    updates = [{ start: new Date("2026-11-20T12:00:00Z"), succeeded: true, ttl: 120 }];
    dir = mkdtempSync(join(tmpdir(), "remove-"));
    file = join(dir, "Pulumi.prod.yaml");
    writeFileSync(file, FILE);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** Runs with a clock that sleeping moves; each up sees the settings as they are then. */
  async function run(
    options: {
      status?: (turn: number) => number;
      interruptAt?: number;
      start?: number;
      blind?: boolean;
      sshAnswers?: (host: string, port: number) => boolean;
    } = {},
  ) {
    let clock = options.start ?? Date.parse("2026-11-23T12:00:00Z");
    const seen: string[] = [];
    const said: string[] = [];
    let slept = 0;
    const work = removeProxy({
      name: "ash1",
      file,
      up: () => {
        const text = readFileSync(file, "utf8");
        seen.push(!text.includes("ash1") ? "without" : text.includes("publish: false") ? "drained" : "published");
        const status = options.status?.(seen.length) ?? 0;
        updates.push({ start: new Date(clock), succeeded: status === 0, ttl: entryState(text, "hel1").ttl });
        return Promise.resolve(status);
      },
      history: () => Promise.resolve(options.blind ? undefined : [...updates].reverse()),
      sshAnswers: (host, port) => Promise.resolve(options.sshAnswers?.(host, port) ?? false),
      say: (line) => void said.push(line),
      progress: () => undefined,
      now: () => new Date(clock),
      sleep: (ms) => {
        clock += ms;
        slept += ms;
        return options.interruptAt !== undefined && slept >= options.interruptAt
          ? Promise.reject(new Error("interrupted"))
          : Promise.resolve();
      },
    });
    const error = await work.then(
      () => undefined,
      (reason: Error) => reason.message,
    );
    return { seen, said, seconds: slept / 1000, clock, error };
  }

  it("drains, waits for the records' TTL, and removes", async () => {
    expect(await run()).toMatchObject({ seen: ["drained", "without"], seconds: 125, error: undefined });
  });

  it("keeps an existing machine that does not answer in the settings, and says the ways out", async () => {
    const machine = (more = "") =>
      writeFileSync(
        file,
        FILE.replace(
          "      host: hetzner\n      location: ash\n",
          `      host: linux\n      ipv4: 192.0.2.140\n      ssh:\n        port: 2222\n        hostKey: ssh-ed25519 AAAA\n${more}`,
        ),
      );
    machine();
    const asked: unknown[] = [];
    const dead = await run({ sshAnswers: (...endpoint) => asked.push(endpoint) === 0 });
    expect(dead).toMatchObject({
      seen: ["drained"],
      error: expect.stringMatching(
        /^ash1 is out of DNS.*\(192\.0\.2\.140, port 2222\) does not answer.* add gone: true/,
      ) as string,
    });
    expect(asked).toEqual([["192.0.2.140", 2222]]);
    expect(await run({ start: dead.clock, sshAnswers: () => true })).toMatchObject({
      seen: ["drained", "without"],
      seconds: 0,
      error: undefined,
    });
    machine("      gone: true\n");
    expect(await run()).toMatchObject({ seen: ["drained", "without"], error: undefined });
  });

  it("goes on where it was interrupted, without waiting twice", async () => {
    const first = await run({ interruptAt: 60_000 });
    expect(first).toMatchObject({ seen: ["drained"], error: "interrupted" });
    expect(await run({ start: first.clock })).toMatchObject({ seen: ["drained", "without"], seconds: 65 });
  });

  it("goes on so any number of times", async () => {
    const first = await run({ interruptAt: 60_000 });
    const second = await run({ start: first.clock, interruptAt: 30_000 });
    expect(second).toMatchObject({ seen: ["drained"], seconds: 30, error: "interrupted" });
    expect(await run({ start: second.clock })).toMatchObject({ seen: ["drained", "without"], seconds: 35 });
  });

  it("waits the whole time where the history cannot be had", async () => {
    const { clock } = await run({ interruptAt: 60_000 });
    expect(await run({ start: clock, blind: true })).toMatchObject({ seen: ["drained", "without"], seconds: 125 });
  });

  it("is not misled by its own mark, left on a proxy that was published again and is drained by hand later", async () => {
    const { clock } = await run({ interruptAt: 60_000 });
    // The file is as it was; only the runs between tell.
    for (const later of [3600_000, 7200_000])
      updates.push({ start: new Date(clock + later), succeeded: true, ttl: 120 });
    expect(await run({ start: clock + 7201_000 })).toMatchObject({ seen: ["drained", "without"], seconds: 125 });
  });

  describe("where the TTL was made shorter in the settings", () => {
    const shorten = () => writeFileSync(file, readFileSync(file, "utf8").replace("ttl: 120", "ttl: 60"));

    it("waits for the one that the records had", async () => {
      shorten();
      expect(await run()).toMatchObject({ seen: ["drained", "without"], seconds: 125 });
    });

    it("waits for it too when it was interrupted, or failed, in between", async () => {
      shorten();
      await run({ status: () => 1 });
      const { clock } = await run({ interruptAt: 60_000 });
      expect(await run({ start: clock })).toMatchObject({ seen: ["drained", "without"], seconds: 65 });
    });

    it("knows it from the mark where the history no longer tells", async () => {
      shorten();
      await run({ interruptAt: 1000 });
      updates = updates.slice(-1);
      expect(await run({ start: Date.parse("2026-11-23T12:00:01Z") })).toMatchObject({ seconds: 124 });
    });
  });

  it("waits for a TTL that was made longer", async () => {
    writeFileSync(file, readFileSync(file, "utf8").replace("ttl: 120", "ttl: 600"));
    expect(await run()).toMatchObject({ seconds: 605 });
  });

  it("says that the script has to run again on a relay that is set up by one", async () => {
    expect((await run()).said.at(-1)).toBe("ash1 is gone.");
    writeFileSync(file, `${FILE}  chatmail-proxy:relay:\n    setup: script\n`);
    expect((await run()).said.at(-1)).toContain("fetch the script and run it on the relay again");
    writeFileSync(file, `${FILE}  chatmail-proxy:tunnel: none\n  chatmail-proxy:relay:\n    setup: script\n`);
    expect((await run()).said.at(-1)).toBe("ash1 is gone.");
  });

  it("waits the whole time where somebody else drained the proxy", async () => {
    writeFileSync(file, FILE.replace("      location: ash\n", "      location: ash\n      publish: false\n"));
    expect(await run()).toMatchObject({ seen: ["drained", "without"], seconds: 125 });
  });

  it("removes nothing when the drain fails, and says how to go on", async () => {
    const { seen, error } = await run({ status: () => 1 });
    expect(seen).toEqual(["drained"]);
    expect(error).toContain("ash1 is marked as drained");
    expect(readFileSync(file, "utf8")).toContain("ash1");
    // An hour later: the time begins when the drain goes through, not when it was first tried.
    expect(await run({ start: Date.parse("2026-11-23T13:00:00Z") })).toMatchObject({
      seen: ["drained", "without"],
      seconds: 125,
      error: undefined,
    });
  });

  it("keeps the file's mode, and a link to it", async () => {
    const real = join(dir, "elsewhere.yaml");
    renameSync(file, real);
    chmodSync(real, 0o600);
    symlinkSync(real, file);
    await run();
    expect([lstatSync(file).isSymbolicLink(), statSync(real).mode & 0o777]).toEqual([true, 0o600]);
  });

  it("says what is left when the removal fails", async () => {
    expect((await run({ status: (turn) => turn - 1 })).error).toContain("run pulumi up again: it removes what is left");
  });

  it("changes nothing where it must not", async () => {
    writeFileSync(file, without(FILE, "hel1"));
    const before = readFileSync(file, "utf8");
    expect((await run()).error).toContain("is the only proxy that is published");
    expect(readFileSync(file, "utf8")).toBe(before);
  });
});
