// A Linux host in a scratch directory, as far as hostctl sees one: the real text under dash, with its places turned there, and
// stand-ins that write down what they are asked.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../../components/remote/bundle";
import { hostctlProgram } from "../../../components/remote/hostctl";
import { answerOf } from "./aDocument";

/** systemctl, as far as it is asked about several units at once: all of them are as they should be. `otherwise`: what it does else. */
export const ALL_IS_WELL = (otherwise: string) =>
  `case "$1" in is-enabled | is-active) word=enabled; [ "$1" = is-enabled ] || word=active; shift; for unit; do echo $word; done ;; *) ${otherwise} ;; esac`;

export class LinuxHost {
  readonly dir = mkdtempSync(join(tmpdir(), "linux-host-"));

  constructor() {
    for (const place of ["bin", "lib", "system"]) mkdirSync(join(this.dir, place));
    for (const name of ["nft", "sysctl", "systemd-run"]) this.stub(name, `echo "${name} $*" >>"${this.dir}/log"`);
    this.stub("systemctl", ALL_IS_WELL(`echo "systemctl $*" >>"${this.dir}/log"`));
    this.bring("hostctl");
  }

  /** Puts hostctl there, under this name. */
  bring(name: string): void {
    const { dir } = this;
    const text = hostctlProgram()
      .replace(/^ETC=.*/m, `ETC=${dir}/etc`)
      .replace(/^LIB=.*/m, `LIB=${dir}/lib`)
      .replace(/^STATE=.*/m, `STATE=${dir}/state`)
      .replace(/^RUN=.*/m, `RUN=${dir}/run`)
      .replace(/^PROC=.*/m, `PROC=${dir}/proc`)
      .replace(/^UNITS=.*/m, `UNITS=${dir}/units`)
      .replace(/^WIREGUARD=.*/m, `WIREGUARD=${dir}/wireguard`)
      .replaceAll("-d /run/systemd/system", `-d ${dir}/system`)
      .replace("\tPATH=", `\tPATH=${dir}/bin:`);
    writeFileSync(join(dir, "lib", name), text);
    chmodSync(join(dir, "lib", name), 0o755);
  }

  stub(name: string, body: string): void {
    writeFileSync(join(this.dir, "bin", name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(this.dir, "bin", name), 0o755);
  }

  /** A verb, whatever comes of it. */
  spawn(words: readonly string[], stdin = "", { program = "hostctl", shell = "", interpreter = "" } = {}) {
    this.write("log", "");
    const hostctl = join(this.dir, "lib", program);
    const { status, stdout, stderr } =
      shell === ""
        ? spawnSync(interpreter || hostctl, words, { input: stdin, encoding: "utf8" })
        : spawnSync("sh", ["-c", `${shell}; exec "$0" "$@"`, hostctl, ...words], { input: stdin, encoding: "utf8" });
    return { status, stdout, stderr };
  }

  /** A verb that must succeed; what it asked of the system, without places. */
  run(words: string, stdin = ""): string[] {
    const { status, stderr } = this.spawn(words.split(" "), stdin);
    if (status !== 0) throw new Error(stderr);
    return this.asked;
  }

  /** Brings a document in; its answer. `shell`: what a shell does before. */
  apply(name: string, generation: string, text: string, options = {}): unknown {
    return answerOf(this.spawn(["apply", name, generation], text, options));
  }

  confirm(name: string, generation: string, request = ""): unknown {
    return answerOf(this.spawn(["confirm", name, generation], request));
  }

  /** What the last verb asked of the system, without places. */
  get asked(): string[] {
    return this.read("log")
      .replaceAll(this.dir, "")
      .replace(/\/run\/chatmail-proxy\.\w{6}\//g, "/work/")
      .split("\n")
      .filter((line) => line !== "");
  }

  has(path: string): boolean {
    return existsSync(join(this.dir, path));
  }

  read(path: string): string {
    return readFileSync(join(this.dir, path), "utf8");
  }

  write(path: string, content: string): void {
    mkdirSync(join(this.dir, path, ".."), { recursive: true });
    writeFileSync(join(this.dir, path), content);
  }

  /** State, digest, time, arming and seconds of a set. */
  statusOf(set: string): string[] {
    return this.read(`state/sets/${set}/status`).trim().split(" ");
  }

  /** A set with one file of rules. */
  set(name: string, units: string[] = [], rules = `delete table inet ${name}\n`) {
    return bundle({ files: [{ path: `${this.dir}/etc/${name}.nft`, mode: "0644", content: rules }], units });
  }

  close(): void {
    rmSync(this.dir, { recursive: true });
  }
}
