// Steps of a document, whose failure is told, and whose machine this is: the parts of hostctl that every system has, under dash.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PARTS = join(__dirname, "../../../components/remote/host");

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "steps-"));
  mkdirSync(join(dir, "state"));
  const parts = ["common", "json", "document", "owner"].map((part) => readFileSync(join(PARTS, `${part}.sh`), "utf8"));
  const verbs = [
    'well() { cat; echo "a fact"; say "all is well"; }',
    'badly() { echo "half a fact"; say "what is wrong"; echo "+ a command" >&2; fail "the reason"; }',
    "dies() { kill -KILL $$; }",
    "hangs() { sleep 20; }",
    "ends() { false; }",
    "serves() { sleep 5 </dev/null >/dev/null 2>&1 & echo started; }",
    'uninstall() { rm -f "$STATE/stack"; }',
    'told() { LIMIT=$1; shift; open_work || { no_room; return; }; if tried "$work/said" limited "$0" "$@"; then echo well; else reason_in "$work/said"; fi; }',
    `STATE=${dir}/state LIB=${dir} RUN=${dir}/run`,
    "set -eu",
    'verb=$1; shift; "$verb" "$@"',
  ];
  writeFileSync(join(dir, "hostctl"), ["#!/bin/dash", ...parts, ...verbs].join("\n"));
  chmodSync(join(dir, "hostctl"), 0o755);
});
afterEach(() => rmSync(dir, { recursive: true }));

const run = (...words: string[]) =>
  spawnSync(join(dir, "hostctl"), words, { input: "what it reads\n", encoding: "utf8", timeout: 15_000 });

describe("a step", () => {
  it("passes on what it reads and says", () => {
    const { status, stdout, stderr } = run("told", "60", "well");
    expect([status, stdout, stderr]).toEqual([0, "what it reads\na fact\nwell\n", "chatmail-proxy: all is well\n"]);
    expect(readdirSync(join(dir, "run"))).toEqual([]);
  });

  it("that fails has its last word for a reason", () => {
    const { status, stdout, stderr } = run("told", "60", "badly");
    expect([status, stdout]).toEqual([0, "half a fact\nthe reason\n"]);
    expect(stderr).toBe("chatmail-proxy: what is wrong\n+ a command\nchatmail-proxy: the reason\n");
  });

  it.each([
    ["dies", "60", "Killed"],
    ["hangs", "1", "it was stopped after 1 s"],
    ["ends", "60", "it ended without a word"],
  ])("that %s by itself has failed all the same", (verb, limit, reason) => {
    const { status, stdout } = run("told", limit, verb);
    expect([status, stdout]).toEqual([0, expect.stringContaining(reason)]);
  });

  it("is over when the verb is, though a service that it started lives on", () => {
    const began = Date.now();
    expect(run("told", "60", "serves").stdout).toBe("started\nwell\n");
    expect(Date.now() - began).toBeLessThan(3000);
  });

  it("is not taken where nothing can be written, which is said", () => {
    writeFileSync(join(dir, "run"), "");
    expect(run("told", "60", "well").stdout).toBe(`no file can be written in ${dir}/run; is the disk full?\n`);
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
      `chatmail-proxy: this machine is a proxy of the stack chatmail-proxy/prod already, and a machine is one proxy: take it out of that stack first. If that stack no longer exists, run there as root: ${dir}/hostctl uninstall\n`,
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
