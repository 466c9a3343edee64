// hostctl's sets on Linux, in a scratch directory under dash: the order of what it asks nft, sysctl and systemd for.
// The lab runs the same on real hosts.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../../components/remote/bundle";
import { hostctlProgram } from "../../../components/remote/hostctl";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "linux-sets-"));
  mkdirSync(join(dir, "bin"));
  mkdirSync(join(dir, "lib"));
  for (const name of ["nft", "sysctl", "systemctl", "systemd-run"]) stub(name, `echo "${name} $*" >>"${dir}/log"`);
  writeFileSync(join(dir, "lib/hostctl"), hostctlProgram().replace(/^ETC=.*/m, `ETC=${dir}/etc`).replace(/^LIB=.*/m, `LIB=${dir}/lib`).replace(/^STATE=.*/m, `STATE=${dir}/state`).replace("\tPATH=", `\tPATH=${dir}/bin:`));
  chmodSync(join(dir, "lib/hostctl"), 0o755);
});
afterEach(() => rmSync(dir, { recursive: true }));

function stub(name: string, body: string): void {
  writeFileSync(join(dir, "bin", name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(dir, "bin", name), 0o755);
}

/** Runs a verb; what was asked of the system, without places. */
function run(words: string, stdin = ""): string[] {
  writeFileSync(join(dir, "log"), "");
  const { status, stderr } = spawnSync(join(dir, "lib/hostctl"), words.split(" "), { input: stdin, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return readFileSync(join(dir, "log"), "utf8").replaceAll(dir, "").split("\n").filter((line) => line !== "");
}

const set = (name: string, units?: string[]) => bundle({ files: [{ path: `${dir}/etc/${name}.nft`, mode: "0644", content: `delete table inet ${name}\n` }], ...(units ? { units } : {}) });

it("arms with a timer of systemd's, set before the rules are loaded, and stores what is confirmed", () => {
  const { text, digest } = set("proxy", ["a.service"]);
  expect(run("arm filter 60", text)).toEqual([
    "nft -c -f /state/sets/filter/next/1",
    "systemctl stop chatmail-proxy-revert-filter.timer",
    "systemd-run --quiet --collect --unit=chatmail-proxy-revert-filter --on-active=60 --timer-property=AccuracySec=1s /lib/hostctl revert filter 60",
    "nft -f /state/sets/filter/next/1",
  ]);
  expect(existsSync(join(dir, "etc/proxy.nft"))).toBe(false);
  expect(run("confirm filter 60", `${digest}\n`)).toEqual(["systemctl stop chatmail-proxy-revert-filter.timer", "systemctl daemon-reload", "systemctl -q enable a.service", "systemctl restart a.service"]);
  expect(readFileSync(join(dir, "etc/proxy.nft"), "utf8")).toBe("delete table inet proxy\n");
});

it("goes back to what is stored, or to nothing", () => {
  run("arm filter 60", set("proxy").text);
  expect(run("revert filter 60")).toEqual(["nft list table inet proxy", "nft delete table inet proxy"]);
  run("install filter", set("proxy").text);
  run("arm filter 60", set("proxy").text);
  expect(run("revert filter 60")).toEqual(["nft -f /state/sets/filter/live/1"]);
});

it("keeps the sets that are named, and removes the others", () => {
  for (const name of ["one", "two", "three"]) run(`install ${name}`, set(name, [`${name}.service`]).text);
  const done = run("keep three one");
  expect(done).toContain("systemctl -q disable --now two.service");
  expect(done).toContain("nft delete table inet two");
  expect(done.join()).not.toMatch(/one|three/);
  expect(readdirSync(join(dir, "etc")).sort()).toEqual(["one.nft", "three.nft"]);
  expect(run("keep three one")).toEqual([]);
});
