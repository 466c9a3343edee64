import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { build, buildCounter, inputsKey, type Recipe } from "../../scripts/toolchain/build";
import { hasLanguageHost, judgeCliOnPath } from "../../scripts/toolchain/cli";
import { findProgram, goEnvironment, type Go } from "../../scripts/toolchain/go";
import { withLock } from "../../scripts/toolchain/lock";
import { findPlugin, isCurrent } from "../../scripts/toolchain/plugins";
import { cliVersion, MARKER, pluginRecipe, PLUGINS_DIR } from "../../scripts/toolchain/recipes";
import { duration, run } from "../../scripts/toolchain/run";
import { refuseUsersHome, settings } from "../../scripts/toolchain/toolchain";
import { checksumOf, downloadCli, releasePlatform, vendor } from "../../scripts/toolchain/vendor";
import { atLeast, readPins, requiredGo, requiredModule, versionIn } from "../../scripts/toolchain/versions";

let folder: string;
let lines: string[];
const log = (line: string): void => void lines.push(line);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "toolchain-test-"));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text = "", mode = 0o644): string => {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text, { mode });
  return path;
};

describe("pins", () => {
  const dependencies = {
    "@pulumi/pulumi": "3.248.0",
    "@pulumi/hcloud": "1.41.0",
    "@pulumi/random": "4.21.2",
    "@pulumi/command": "1.2.1",
  };

  it("come from package.json alone", () => {
    expect(readPins(JSON.stringify({ dependencies }))).toEqual({
      minimumCli: "3.248.0",
      plugins: { hcloud: "1.41.0", random: "4.21.2", command: "1.2.1" },
    });
  });

  it.each([["^1.41.0"], ["latest"], [undefined]])("refuse %p instead of an exact version", (version) => {
    const text = JSON.stringify({ dependencies: { ...dependencies, "@pulumi/hcloud": version } });
    expect(() => readPins(text)).toThrow('dependencies["@pulumi/hcloud"]');
  });

  it("are exact in this project's package.json, and the CLI that is built is recent enough for them", () => {
    const pins = readPins(readFileSync(join(__dirname, "..", "..", "package.json"), "utf8"));
    expect(atLeast(cliVersion(), pins.minimumCli)).toBe(true);
  });

  it("are found in a go.mod", () => {
    const text =
      "module m\n\ngo 1.26.4\n\nrequire (\n\texample.org/a/b v0.1.0\n\texample.org/a v1.2.3 // indirect\n)\n";
    expect(requiredModule(text, "example.org/a")).toBe("1.2.3");
    expect(requiredGo(text)).toBe("1.26.4");
    expect(() => requiredModule(text, "example.org/c")).toThrow("no requirement on example.org/c");
  });
});

describe("versions", () => {
  it.each([
    ["3.248.0", "3.248.0", true],
    ["3.259.1", "3.248.0", true],
    ["4.0.0", "3.248.0", true],
    ["3.99.9", "3.248.0", false],
    ["1.26", "1.26.4", false],
    ["1.26.10", "1.26.4", true],
    ["3.248.0-alpha.1", "3.248.0", false],
  ])("%s is recent enough for %s: %p", (version, minimum, expected) => {
    expect(atLeast(version, minimum)).toBe(expected);
  });

  it.each([
    ["v3.259.0\n", "3.259.0"],
    ["go1.26.8", "1.26.8"],
    ["go1.27rc1", "1.27"],
    ["command not found", undefined],
  ])("are read out of %p", (printed, expected) => {
    expect(versionIn(printed)).toBe(expected);
  });

  it("decide about a pulumi on PATH, and say why one is not used", () => {
    expect(judgeCliOnPath("v3.259.0\n", "3.248.0")).toEqual({ use: true, version: "3.259.0" });
    expect(judgeCliOnPath("v3.100.0\n", "3.248.0")).toEqual({
      use: false,
      because: "is 3.100.0; 3.248.0 or later is needed",
    });
    expect(judgeCliOnPath("Error: broken", "3.248.0")).toMatchObject({ use: false });
  });
});

describe("finding", () => {
  it("takes the first executable on PATH, then the usual places", () => {
    file("a/go", "not executable");
    const usual = file("usual/go", "", 0o755);
    expect(findProgram("go", join(folder, "a"), [join(folder, "usual")])).toBe(usual);
    const onPath = file("b/go", "", 0o755);
    expect(findProgram("go", `${join(folder, "a")}:${join(folder, "b")}`, [join(folder, "usual")])).toBe(onPath);
    expect(findProgram("go", undefined)).toBeUndefined();
  });

  it("takes no CLI from PATH that has no language host beside it: it would run no Node.js program", () => {
    expect(judgeCliOnPath("v3.259.0", "3.248.0", true)).toEqual({ use: true, version: "3.259.0" });
    expect(judgeCliOnPath("v3.259.0", "3.248.0", false)).toMatchObject({
      use: false,
      because: expect.stringContaining("pulumi-language-nodejs") as string,
    });
  });

  it("sees a language host beside the CLI only", () => {
    const cli = file("bin/pulumi", "", 0o755);
    expect(hasLanguageHost(cli)).toBe(false);
    file("bin/pulumi-language-nodejs", "", 0o755);
    expect(hasLanguageHost(cli)).toBe(true);
  });

  it("tells the vendor's plugin, a built one, a half-installed one and none apart", () => {
    const home = join(folder, "home");
    const plugin = "home/plugins/resource-command-v1.2.1";
    expect(findPlugin(home, "command", "1.2.1")).toEqual({ kind: "none" });
    file(`${plugin}/pulumi-resource-command`);
    expect(findPlugin(home, "command", "1.2.1")).toEqual({ kind: "vendor" });
    file(`${plugin}/${MARKER}`, JSON.stringify({ standIn: true, key: "k" }));
    expect(findPlugin(home, "command", "1.2.1")).toEqual({ kind: "built", marker: { standIn: true, key: "k" } });
    file(`${plugin}.partial`);
    expect(findPlugin(home, "command", "1.2.1")).toEqual({ kind: "none" });
  });

  it("keeps the vendor's plugin always, and a built one only while its inputs are the same", () => {
    const built = { kind: "built", marker: { standIn: true, key: "k" } } as const;
    expect(isCurrent({ kind: "none" }, "k")).toBe(false);
    expect(isCurrent({ kind: "vendor" }, undefined)).toBe(true);
    expect(isCurrent(built, "k")).toBe(true);
    expect(isCurrent(built, "other")).toBe(false);
  });
});

describe("building", () => {
  const aRecipe = (): Recipe => ({
    name: "tool",
    label: "tool",
    moduleDir: folder,
    sources: [join(folder, "src")],
    packages: ["./cmd/tool"],
    variables: { "main.version": "1.0.0" },
    folder: "bin",
  });
  /** A Go in place of the real one; $out is the binary that the real one would write: the package's last part, in the folder of -o. */
  const aGo = (script: string): Go => ({
    program: file(
      "go",
      `#!/bin/sh\nfor last; do case $previous in -o) out=$last/tool;; esac; previous=$last; done\n${script}\n`,
      0o755,
    ),
    version: "1.26.8",
    platform: "linux/amd64",
    env: process.env,
  });

  it("is keyed by sources, Go version, platform and flags, and by nothing else", () => {
    file("src/go.mod", "module m");
    const go = { version: "1.26.8", platform: "linux/amd64" };
    const key = inputsKey(aRecipe(), go);
    expect(inputsKey(aRecipe(), { ...go, version: "1.26.9" })).not.toBe(key);
    expect(inputsKey(aRecipe(), { ...go, platform: "linux/arm64" })).not.toBe(key);
    expect(inputsKey({ ...aRecipe(), variables: { "main.version": "1.0.1" } }, go)).not.toBe(key);
    file("src/main_test.go", "tests do not count");
    file("src/README.md", "nor do words");
    expect(inputsKey(aRecipe(), go)).toBe(key);
    file("src/main.go", "package main");
    expect(inputsKey(aRecipe(), go)).not.toBe(key);
  });

  it("happens once for the same inputs", async () => {
    file("src/go.mod");
    const cache = join(folder, "cache");
    const first = await build(aRecipe(), aGo('echo built >"$out"'), cache, log);
    expect(readFileSync(join(first, "bin", "tool"), "utf8")).toBe("built\n");
    const second = await build(aRecipe(), { ...aGo("exit 1") }, cache, log);
    expect(second).toBe(first);
  });

  it("leaves nothing for good when it fails, and names the step, the cause and the log", async () => {
    file("src/go.mod");
    const cache = join(folder, "cache");
    const failing = build(aRecipe(), aGo('echo half >"$out"; echo "main.go:1: no" >&2; exit 3'), cache, log);
    await expect(failing).rejects.toThrow(/build tool: ended with status 3: main.go:1: no\nLog: .*build-tool.log/);
    const good = await build(aRecipe(), aGo('echo whole >"$out"'), cache, log);
    expect(readFileSync(join(good, "bin", "tool"), "utf8")).toBe("whole\n");
  });

  it("counts what the compiler says", () => {
    const counter = buildCounter();
    counter.take("go: downloading example.org/a v1.0.0\nexample.org/a\nfmt\n\nvendor/golang.org/x/net/http2/hpack\n");
    expect(counter.text()).toBe("1 modules fetched, 3 packages compiled");
  });

  it("is not bent by the caller's Go settings", () => {
    const env = goEnvironment({ GOFLAGS: "-mod=vendor", GOOS: "plan9", GOPROXY: "direct" }, { GOOS: "linux" });
    expect(env).toMatchObject({
      GOFLAGS: "-mod=readonly",
      GOWORK: "off",
      CGO_ENABLED: "0",
      GOOS: "linux",
      GOPROXY: "direct",
    });
  });

  it("puts the stand-in's name on it", () => {
    expect(pluginRecipe("command", "1.2.1").label).toBe("command plugin 1.2.1 (stand-in)");
    expect(pluginRecipe("hcloud", "1.41.0").label).toBe("hcloud plugin 1.41.0");
    expect(readFileSync(join(PLUGINS_DIR, "cmd/pulumi-resource-command/main.go"), "utf8")).toContain("STAND-IN");
  });
});

describe("running", () => {
  it("stops a command that takes too long, and says so", async () => {
    const slow = run({
      step: "wait",
      argv: ["sleep", "20"],
      env: process.env,
      logFile: join(folder, "log"),
      limit: 0.1,
    });
    await expect(slow).rejects.toThrow("wait: not finished within 0.1 s");
  });

  it.each([
    [900, "0.9 s"],
    [75_000, "75 s"],
    [720_000, "12 min"],
  ])("says %d ms as %s", (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text);
  });
});

describe("the lock", () => {
  it("lets one run in after the other", async () => {
    const order: string[] = [];
    const work = (name: string) => async (): Promise<void> => {
      order.push(`${name} in`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push(`${name} out`);
    };
    await Promise.all([withLock(join(folder, "lock"), log, work("a")), withLock(join(folder, "lock"), log, work("b"))]);
    expect(order).toEqual(["a in", "a out", "b in", "b out"]);
    expect(lines).toEqual([`waiting for another run of the toolchain (process ${process.pid})`]);
    expect(existsSync(join(folder, "lock"))).toBe(false);
  });

  it("is taken over from a process that is gone, or that is another program by now", async () => {
    const other = spawn("sleep", ["20"]);
    try {
      // What runs under an id is only told by /proc.
      for (const owner of process.platform === "linux" ? [99_999_999, other.pid] : [99_999_999]) {
        file("lock", String(owner));
        await expect(withLock(join(folder, "lock"), log, () => Promise.resolve("in"))).resolves.toBe("in");
      }
    } finally {
      other.kill();
    }
  });
});

describe("the vendor's downloads", () => {
  const platform = releasePlatform(process.platform, process.arch);
  const archive = `pulumi-v9.9.9-${platform}.tar.gz`;

  /** Serves files by path, and counts the requests. */
  const serve = async (
    files: Record<string, Buffer | string>,
  ): Promise<{ url: string; asked: string[]; close: () => void }> => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? "");
      const body = files[request.url ?? ""];
      response.writeHead(body === undefined ? 404 : 200).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, close: () => server.close() };
  };

  const anArchive = async (): Promise<Buffer> => {
    file("release/pulumi/pulumi", "#!/bin/sh\n", 0o755);
    const path = join(folder, archive);
    const argv = ["tar", "-czf", path, "-C", join(folder, "release"), "pulumi"];
    await run({ step: "tar", argv, env: process.env, logFile: join(folder, "tar.log"), limit: 10 });
    return readFileSync(path);
  };

  it("are verified against the published list before they count", async () => {
    const body = await anArchive();
    const sum = createHash("sha256").update(body).digest("hex");
    const site = await serve({ "/pulumi-9.9.9-checksums.txt": `${sum}  ${archive}\n`, [`/${archive}`]: body });
    try {
      const target = await downloadCli("9.9.9", folder, log, ["http://127.0.0.1:1", site.url]);
      expect(target).toBe(join(folder, "downloaded", "pulumi-9.9.9"));
      expect(existsSync(join(folder, "downloaded/pulumi-9.9.9/bin/pulumi"))).toBe(true);
    } finally {
      site.close();
    }
  });

  it("are refused with a wrong checksum, and nothing of them stays", async () => {
    const sums = `${"0".repeat(64)}  ${archive}\n`;
    const site = await serve({ "/pulumi-9.9.9-checksums.txt": sums, [`/${archive}`]: await anArchive() });
    try {
      await expect(downloadCli("9.9.9", folder, log, [site.url])).rejects.toThrow("the vendor's list says 0000");
      expect(existsSync(join(folder, "downloaded/pulumi-9.9.9"))).toBe(false);
    } finally {
      site.close();
    }
  });

  it("are not there for a version that the site does not have", async () => {
    const site = await serve({});
    try {
      await expect(downloadCli("9.9.9", folder, log, [site.url])).resolves.toBeUndefined();
    } finally {
      site.close();
    }
  });

  it("are asked for once per run; a no is remembered for a day where there is a substitute", async () => {
    const site = await serve({ "/": "" });
    await expect(vendor(folder, log, [site.url]).reachable(false)).resolves.toBe(true);
    site.close();
    const gone = vendor(folder, log, ["http://127.0.0.1:1"]);
    await expect(Promise.all([gone.reachable(false), gone.reachable(false)])).resolves.toEqual([false, false]);
    expect(lines).toEqual(["vendor's downloads: not reachable (tried 127.0.0.1)"]);
    const back = await serve({ "/": "" });
    try {
      const again = vendor(folder, log, [back.url]);
      await expect(again.reachable(true)).resolves.toBe(false);
      expect(back.asked).toEqual([]);
      await expect(again.reachable(false)).resolves.toBe(true);
    } finally {
      back.close();
    }
  });

  it("have their checksum found by whole name", () => {
    const sum = "a".repeat(64);
    expect(checksumOf(`${"b".repeat(64)}  x-${archive}\n${sum} *${archive}\n`, archive)).toBe(sum);
    expect(checksumOf(`not-a-sum  ${archive}\n`, archive)).toBeUndefined();
  });
});

describe("the lab's home", () => {
  it("is never the user's own, by whatever path", () => {
    file("users/.pulumi/version");
    symlinkSync(join(folder, "users"), join(folder, "link"));
    const users = join(folder, "users", ".pulumi");
    expect(() => refuseUsersHome(users, users)).toThrow("your own Pulumi home");
    expect(() => refuseUsersHome(join(folder, "link", ".pulumi"), users)).toThrow("your own Pulumi home");
    expect(() => refuseUsersHome(join(folder, "lab"), users)).not.toThrow();
  });

  it("is where every pulumi looks, and where plugins on PATH do not win", () => {
    expect(settings("/home")).toMatchObject({ PULUMI_HOME: "/home", PULUMI_IGNORE_AMBIENT_PLUGINS: "true" });
  });
});
