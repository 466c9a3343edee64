// Verbs whose failure is told as data, and whose machine this is: the parts of hostctl that every system has, under dash.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attemptHostctl, HOSTCTL } from "../../../components/remote/hostctl";
import { framed } from "../../../components/remote/frame";
import { failureOf } from "../../../components/remote/step";

const PARTS = join(__dirname, "../../../components/remote/host");

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "attempt-"));
  mkdirSync(join(dir, "state"));
  const parts = ["common", "attempt", "owner"].map((part) => readFileSync(join(PARTS, `${part}.sh`), "utf8"));
  const verbs = [
    'well() { cat; echo "a fact"; say "all is well"; }',
    'badly() { echo "half a fact"; say "what is wrong"; echo "+ a command" >&2; fail "the reason"; }',
    "dies() { kill -KILL $$; }",
    "hangs() { sleep 20; }",
    "ends() { false; }",
    "serves() { sleep 5 </dev/null >/dev/null 2>&1 & echo started; }",
    'uninstall() { rm -f "$STATE/stack"; }',
    `STATE=${dir}/state LIB=${dir}`,
    "set -eu",
    'verb=$1; shift; "$verb" "$@"',
  ];
  writeFileSync(join(dir, "hostctl"), ["#!/bin/dash", ...parts, ...verbs].join("\n"));
  chmodSync(join(dir, "hostctl"), 0o755);
});
afterEach(() => rmSync(dir, { recursive: true }));

const run = (...words: string[]) =>
  spawnSync(join(dir, "hostctl"), words, { input: "what it reads\n", encoding: "utf8", timeout: 15_000 });

describe("an attempt", () => {
  it("passes on what a verb reads and says, and adds nothing to it", () => {
    const { status, stdout, stderr } = run("attempt", "60", "-", "well");
    expect([status, stdout, stderr]).toEqual([0, "what it reads\na fact\n", "chatmail-proxy: all is well\n"]);
  });

  it("that fails succeeds as a command, and says why on stdout", () => {
    const { status, stdout, stderr } = run("attempt", "0", "2026-11-24T03:00:00.000Z", "badly");
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(/^half a fact\nfailed \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ the reason\n$/),
    ]);
    expect(stderr).toBe("chatmail-proxy: what is wrong\n+ a command\nchatmail-proxy: the reason\n");
    expect(failureOf(stdout)).toMatch(/^the reason \(at 20\S+Z\)$/);
  });

  it.each([
    ["dies", "60", "Killed"],
    ["hangs", "1", "it was stopped after 1 s"],
    ["ends", "0", "it ended without a word"],
  ])("of a verb that %s by itself has failed all the same", (verb, limit, reason) => {
    const { status, stdout } = run("attempt", limit, "-", verb);
    expect(status).toBe(0);
    expect(failureOf(stdout)).toContain(reason);
  });

  it("is over when the verb is, though a service that it started lives on", () => {
    const began = Date.now();
    expect(run("attempt", "0", "-", "serves").stdout).toBe("started\n");
    expect(Date.now() - began).toBeLessThan(3000);
  });

  it("fails as data where nothing can be written", () => {
    const { status, stdout } = spawnSync(join(dir, "hostctl"), ["attempt", "60", "-", "well"], {
      encoding: "utf8",
      env: { ...process.env, TMPDIR: join(dir, "missing") },
    });
    expect([status, failureOf(stdout)]).toEqual([0, expect.stringContaining("is the disk full?")]);
  });
});

describe("a failure", () => {
  it("that is older than the run may be remembered, which is said", () => {
    const [at, later] = ["2026-11-24T03:00:00Z", "2026-11-24T03:00:01Z"];
    expect(failureOf(`failed ${at} no`, new Date(later))).toBe(
      `no (at ${at}; if that was before this run, it is tried again by the next pulumi up)`,
    );
    expect(failureOf(`failed ${later} no`, new Date(at))).toBe(`no (at ${later})`);
  });

  it("is data as well where the machine has lost what was installed there", () => {
    const { status, stdout } = spawnSync(
      "sh",
      ["-c", attemptHostctl("root", undefined, "wan").replaceAll(HOSTCTL, join(dir, "nowhere"))],
      { input: "long", encoding: "utf8" },
    );
    expect([status, failureOf(framed(stdout, "")), stdout]).toEqual([
      0,
      "chatmail-proxy is not on this machine any more",
      expect.stringContaining("begin"),
    ]);
    const there = spawnSync(
      "sh",
      ["-c", attemptHostctl("root", undefined, "well").replaceAll(HOSTCTL, join(dir, "hostctl"))],
      { input: "long", encoding: "utf8" },
    );
    expect([there.status, framed(there.stdout, "")]).toEqual([0, "longa fact\n"]);
  });
});

describe("a proxy's machine", () => {
  it("is the stack's that came first", () => {
    expect(run("own", "chatmail-proxy/prod/deb1").status).toBe(0);
    expect(run("own", "chatmail-proxy/prod/deb1").status).toBe(0);
    expect(run("own").status).toBe(0);
    const { status, stderr } = run("own", "chatmail-proxy/other/deb1");
    expect([status, stderr]).toEqual([
      1,
      `chatmail-proxy: this machine is a proxy of the stack chatmail-proxy/prod already, and a machine is one proxy: take it out of that stack first. If that stack is gone for good, run there as root: ${dir}/hostctl uninstall\n`,
    ]);
  });

  it("is not undone by a proxy that leaves and is not the one here any more, but by its own, or by a person", () => {
    const owned = () => existsSync(join(dir, "state/stack"));
    run("own", "chatmail-proxy/prod/old1");
    expect(run("own", "chatmail-proxy/prod/deb1").status).toBe(0);
    for (const leaves of ["chatmail-proxy/other/deb1", "chatmail-proxy/prod/old1"])
      expect(run("uninstall_of", leaves).stderr).toBe(
        `chatmail-proxy: this machine is chatmail-proxy/prod/deb1 by now: nothing was undone on it for ${leaves}\n`,
      );
    expect(owned()).toBe(true);
    run("uninstall_of", "chatmail-proxy/prod/deb1");
    expect(owned()).toBe(false);
    run("own", "chatmail-proxy/prod/deb1");
    run("uninstall_of");
    expect(owned()).toBe(false);
  });
});
