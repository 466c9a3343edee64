// npm run remove: out of DNS, a wait, away; and again from wherever it was cut off.
import { chmodSync, lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { removeProxy } from "../../scripts/remove/remove";
import { standing, withDrained, without } from "../../scripts/remove/stackFile";

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

describe("the stack file", () => {
  it("keeps every line that has nothing to do with the proxy", () => {
    const drained = withDrained(FILE, "ash1", new Date("2026-11-23T12:00:00Z"));
    expect(drained.split("\n").filter((line) => !FILE.split("\n").includes(line))).toEqual(["      publish: false # drained by npm run remove, 2026-11-23T12:00:00.000Z"]);
    expect(FILE.split("\n").filter((line) => !drained.split("\n").includes(line))).toEqual([]);
    const gone = without(drained, "ash1");
    expect(gone).toContain("# My stack, with a comment.\nencryptionsalt: v1:abc");
    expect((parse(gone) as { config: Record<string, { name: string }[]> }).config["chatmail-proxy:proxies"]?.map(({ name }) => name)).toEqual(["hel1"]);
    expect(gone).toContain("- name: hel1 # the first\n");
  });

  it.each<[string, string, string, string]>([
    ["a proxy that is not there", FILE, "sin1", 'there is no proxy "sin1" in the settings; there are: hel1, ash1'],
    ["an empty file", "", "hel1", "there are: none"],
    ["a file without proxies", "config: {}\n", "hel1", "there are: none"],
    ["a file that is no YAML", "config: [\n", "hel1", "the stack file is no YAML"],
  ])("refuses %s", (_what, text, name, expected) => expect(() => standing(text, name)).toThrow(expected));

  it("keeps the only published proxy, and one through which mail leaves", () => {
    expect(standing(without(FILE, "ash1"), "hel1").obstacle).toContain("hel1 is the only proxy that is published");
    expect(standing(withDrained(FILE, "ash1", new Date()), "hel1").obstacle).toContain("hel1 is the only proxy that is published");
    for (const egress of ["ash1", "[hel1, ash1]"]) expect(standing(`${FILE}  chatmail-proxy:egress: ${egress}\n`, "ash1").obstacle).toContain("ash1 is in egress");
    expect(standing(FILE.replace("    zone:", "    provider: manual\n    zone:"), "ash1").obstacle).toContain("with dns.provider manual nobody but you takes ash1 out of DNS");
    expect(standing(FILE, "ash1").obstacle).toBeUndefined();
  });
});

describe("removeProxy", () => {
  let dir: string;
  let file: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "remove-"));
    file = join(dir, "Pulumi.prod.yaml");
    writeFileSync(file, FILE);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** Runs with a clock that sleeping moves; each up sees the settings as they are then. */
  async function run(options: { status?: (turn: number) => number; interruptAt?: number; start?: number } = {}) {
    let clock = options.start ?? Date.parse("2026-11-23T12:00:00Z");
    const seen: string[] = [];
    let slept = 0;
    const work = removeProxy({
      name: "ash1",
      file,
      up: () => {
        const text = readFileSync(file, "utf8");
        seen.push(!text.includes("ash1") ? "without" : text.includes("publish: false") ? "drained" : "published");
        return Promise.resolve(options.status?.(seen.length) ?? 0);
      },
      say: () => undefined,
      progress: () => undefined,
      now: () => new Date(clock),
      sleep: (ms) => {
        clock += ms;
        slept += ms;
        return options.interruptAt !== undefined && slept >= options.interruptAt ? Promise.reject(new Error("interrupted")) : Promise.resolve();
      },
    });
    const error = await work.then(() => undefined, (reason: Error) => reason.message);
    return { seen, seconds: slept / 1000, clock, error };
  }

  it("drains, waits for the records' TTL, and removes", async () => {
    expect(await run()).toMatchObject({ seen: ["drained", "without"], seconds: 125, error: undefined });
  });

  it("goes on where it was interrupted, without waiting twice", async () => {
    const first = await run({ interruptAt: 60_000 });
    expect(first).toMatchObject({ seen: ["drained"], error: "interrupted" });
    expect(await run({ start: first.clock })).toMatchObject({ seen: ["drained", "without"], seconds: 65 });
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
    expect(await run({ start: Date.parse("2026-11-23T13:00:00Z") })).toMatchObject({ seen: ["drained", "without"], seconds: 125, error: undefined });
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
