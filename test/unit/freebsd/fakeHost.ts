// A FreeBSD host in a scratch directory, as far as hostctl sees one: stand-ins in bin/ record what they are asked and
// keep just enough state. hostctl itself is the real text, with its root and its PATH turned to the scratch directory.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Bundle } from "../../../components/remote/bundle";
import { HOSTCTL, hostctlProgram, MAKE_PLACE } from "../../../components/remote/hostctl";
import { answerOf, documentOf } from "../remote/aDocument";

/** What hostctl runs under: a shell, as `#!` takes it, and what stands in for Debian's own tools. */
export interface Shell {
  readonly interpreter: string;
  /** busybox, whose applets stand in for GNU's tools. */
  readonly tools: string;
  readonly awk: string;
}

const TOOLS = [
  "basename",
  "cat",
  "chmod",
  "cmp",
  "cp",
  "cut",
  "date",
  "dirname",
  "grep",
  "head",
  "mkdir",
  "mktemp",
  "mv",
  "paste",
  "readlink",
  "rm",
  "rmdir",
  "sed",
  "sleep",
  "sort",
  "tail",
  "tee",
  "timeout",
  "touch",
  "tr",
];

const SYSCTLS = {
  "net.inet.ip.forwarding": 0,
  "net.inet6.ip6.forwarding": 0,
  "net.inet6.ip6.rfc6204w3": 0,
  "net.inet6.ip6.no_radr": 0,
  "security.jail.jailed": 0,
};

const filterDocument = (filter: Pick<Bundle, "text">) => documentOf("config", ["filter guarded 60", filter]);

export class FakeHost {
  readonly dir = mkdtempSync(join(tmpdir(), "freebsd-host-"));
  readonly root = join(this.dir, "root");
  private readonly program: string;

  constructor(shell: Shell, files: Record<string, string> = {}) {
    for (const dir of [
      "root/etc",
      "root/var/db",
      "root/var/run",
      "root/usr/local/lib/chatmail-proxy",
      "interfaces",
      "tools",
    ])
      mkdirSync(join(this.dir, dir), { recursive: true });
    for (const tool of TOOLS) symlinkSync(shell.tools, join(this.dir, "tools", tool));
    symlinkSync(shell.awk, join(this.dir, "tools/awk"));
    for (const [path, content] of Object.entries(files)) this.write(path, content);
    this.set(
      "interfaces/em0",
      "em0: flags=8863 metric 0 mtu 1500\n\tnd6 options=23<PERFORMNUD,ACCEPT_RTADV,AUTO_LINKLOCAL>\n",
    );
    this.set(
      "sysctl",
      Object.entries(SYSCTLS)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(""),
    );
    this.set("pf.state", "off\n");
    this.set("log", "");
    this.program = hostctlProgram("freebsd")
      .replace("#!/bin/sh\n", `#!${shell.interpreter}\n`)
      .replace("\nROOT=\n", `\nROOT=${this.root}\n`)
      .replace("\tPATH=/", `\tPATH=${join(__dirname, "bin")}:${join(this.dir, "tools")}:/`);
    writeFileSync(this.hostctl, this.program);
    chmodSync(this.hostctl, 0o755);
  }

  private get hostctl() {
    return join(this.root, "usr/local/lib/chatmail-proxy/hostctl");
  }

  /** Runs a verb; what it does first goes into `done`. */
  run(words: string, stdin = "", env: Record<string, string> = {}) {
    this.set("log", "");
    const { status, stdout, stderr, error } = spawnSync(this.hostctl, words.split(" "), {
      input: stdin,
      encoding: "utf8",
      timeout: words === "guard" ? 1500 : 30_000,
      env: { ...process.env, HOME: join(this.root, "root"), ...env, FAKE: this.dir },
    });
    if (error && words !== "guard") throw error;
    return { status, stdout, stderr };
  }

  /** Runs a verb that must succeed. */
  ok(words: string, stdin = ""): string {
    const { status, stdout, stderr } = this.run(words, stdin);
    if (status !== 0) throw new Error(`hostctl ${words}: ${status}\n${stderr}`);
    return stdout + stderr;
  }

  /** Brings a document in; its answer, and what a person sees. */
  apply(name: string, generation: string, text: string, env: Record<string, string> = {}) {
    const run = this.run(`apply ${name} ${generation}`, text, env);
    return { answer: answerOf(run) as { readonly ok: boolean; readonly reason?: string }, said: run.stderr };
  }

  /** Brings rules in as a guarded set that must be armed, in a document of their own; what a person sees. */
  arm(filter: Pick<Bundle, "text">): string {
    const { answer, said } = this.apply("config", "today", filterDocument(filter));
    if (!answer.ok) throw new Error(said);
    return said;
  }

  /** Why rules are not armed. */
  refusal(filter: Pick<Bundle, "text">, env: Record<string, string> = {}): string | undefined {
    return this.apply("config", "today", filterDocument(filter), env).answer.reason;
  }

  /** Confirms them; the answer. */
  confirm(request = ""): { readonly ok: boolean; readonly reason?: string; readonly view?: readonly string[] } {
    return answerOf(this.run("confirm config today", request)) as ReturnType<FakeHost["confirm"]>;
  }

  /** Confirms them, which must go well. */
  confirmed(): void {
    expect(this.confirm()).toMatchObject({ ok: true });
  }

  /** Runs verbs at the same time; their exit codes. */
  together(...verbs: string[]): string {
    this.set("log", "");
    const script = [
      ...verbs.map((words, i) => `"$0" ${words} >/dev/null 2>&1 & pid${i}=$!`),
      ...verbs.map((_, i) => `wait $pid${i}; echo $?`),
    ].join("\n");
    return spawnSync("sh", ["-c", script, this.hostctl], {
      encoding: "utf8",
      timeout: 30_000,
      env: { ...process.env, FAKE: this.dir },
    }).stdout;
  }

  /** Brings hostctl to the host, where others' umask is strict. */
  bring(): void {
    const script = `umask 077; ${MAKE_PLACE} && cat >${HOSTCTL}.new && chmod 755 ${HOSTCTL}.new && ${HOSTCTL}.new setup`;
    const { status, stderr } = spawnSync("sh", ["-c", script.replaceAll("/usr/local", join(this.root, "usr/local"))], {
      input: this.program,
      encoding: "utf8",
      timeout: 30_000,
      env: { ...process.env, HOME: join(this.root, "root"), FAKE: this.dir },
    });
    if (status !== 0) throw new Error(stderr);
  }

  /** Every directory of the host with its mode. */
  places(): Record<string, string> {
    const found = readdirSync(this.root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
    return Object.fromEntries(
      found.sort().map((path) => [path.slice(this.root.length), (statSync(path).mode & 0o777).toString(8)]),
    );
  }

  /** What the stand-ins were asked to change by the last verb. */
  get done(): string[] {
    return this.get("log")
      .split("\n")
      .filter((line) => line !== "" && !/^pfctl (-n|-s|(-P )?-a \S+ -s)/.test(line))
      .map((line) => line.replaceAll(this.root, ""));
  }

  remove(path: string): void {
    rmSync(join(this.root, path));
  }

  /** A file of the host; undefined where there is none. */
  read(path: string): string | undefined {
    const file = join(this.root, path);
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  }

  write(path: string, content: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), content);
  }

  /** State of the stand-ins: pf.state, pf.main, pf.anchor, sysctl ... */
  get(name: string): string {
    const file = join(this.dir, name);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  set(name: string, content: string): void {
    writeFileSync(join(this.dir, name), content);
  }

  /** Whatever the stand-ins knew under this name is gone. */
  forget(name: string): void {
    rmSync(join(this.dir, name), { force: true });
  }

  /** Every file of the host but hostctl, with its content. */
  files(): Record<string, string> {
    const found = readdirSync(this.root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = found
      .map((entry) => join(entry.parentPath, entry.name).slice(this.root.length))
      .filter((path) => !path.startsWith("/usr/local/lib/chatmail-proxy"));
    return Object.fromEntries(paths.sort().map((path) => [path, this.read(path) as string]));
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
