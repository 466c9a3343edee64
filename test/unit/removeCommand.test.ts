// scripts/remove.ts as it is started, in a project directory of its own, with a stand-in for pulumi.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { nodeTs } from "../../scripts/node";
import { readArguments, USAGE } from "../../scripts/remove/arguments";

const ROOT = join(__dirname, "../..");
/** ash1 was drained by an earlier run, so that there is nothing left to wait for. */
const FILE = `config:
  chatmail-proxy:proxies:
    - name: hel1
      host: hetzner
    - name: ash1
      host: hetzner
      publish: false # drained by npm run remove, since 2026-01-01T12:00:00.000Z, TTL 60 s, checked 2026-01-01T12:00:00.000Z
  chatmail-proxy:dns:
    ttl: 60
`;
const HISTORY = JSON.stringify([
  {
    startTime: "2026-01-01T11:59:00.000Z",
    result: "succeeded",
    config: { "chatmail-proxy:dns": { value: '{"ttl":60}' } },
  },
]);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "remove-command-"));
  cpSync(join(ROOT, "scripts/remove"), join(dir, "scripts/remove"), { recursive: true });
  cpSync(join(ROOT, "scripts/remove.ts"), join(dir, "scripts/remove.ts"));
  cpSync(join(ROOT, "components/health/sshAnswers.ts"), join(dir, "components/health/sshAnswers.ts"));
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  writeFileSync(join(dir, "Pulumi.prod.yaml"), FILE);
  mkdirSync(join(dir, "bin"));
  pulumi();
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Puts the stand-in on PATH: it notes each call, and where it was made. */
function pulumi({ up = 0, selected = "echo prod" }: { up?: number; selected?: string } = {}): void {
  const script = [
    "#!/bin/sh",
    `echo "$PWD: $*" >>"${dir}/calls"`,
    'case "$*" in',
    `"stack --show-name") ${selected} ;;`,
    `"stack history"*) echo '${HISTORY}' ;;`,
    `up*) exit ${up} ;;`,
    "*) exit 9 ;;",
    "esac",
    "",
  ];
  writeFileSync(join(dir, "bin/pulumi"), script.join("\n"), { mode: 0o755 });
}

/** Nobody is at its stdin. */
function remove(...args: string[]) {
  const [program = "", ...rest] = nodeTs(join(dir, "scripts/remove.ts"), ...args);
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: tmpdir(),
    encoding: "utf8",
    input: "",
    env: { PATH: [join(dir, "bin"), dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter) },
  });
  const calls = existsSync(join(dir, "calls")) ? readFileSync(join(dir, "calls"), "utf8").trim().split("\n") : [];
  return {
    status,
    stdout,
    stderr,
    calls: calls.map((call) => call.replace(`${dir}: `, "")),
    file: readFileSync(join(dir, "Pulumi.prod.yaml"), "utf8"),
  };
}

const UP = "up --yes --skip-preview --stack";
const HISTORY_OF = "stack history --json --page-size 20 --stack";

it("removes a proxy of the selected stack", () => {
  const { status, stdout, stderr, calls, file } = remove("ash1", "--yes");
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout.split("\n")).toEqual([
    "1. ash1 is drained in the settings already",
    "2. waiting until resolvers have forgotten its address (TTL 60 s)",
    "3. removing ash1",
    "ash1 is gone.",
    "",
  ]);
  expect(calls).toEqual(["stack --show-name", `${HISTORY_OF} prod`, `${UP} prod`, `${UP} prod`]);
  expect(file).not.toContain("ash1");
});

it.each([
  [["--stack", "acme/prod", "--yes", "ash1"]],
  [["ash1", "--stack", "acme/prod", "--yes"]],
  [["--yes", "ash1", "--stack", "acme/prod"]],
])("reads its words in any order: %p", (args) => {
  expect(readArguments(args)).toEqual({ name: "ash1", stack: "acme/prod", yes: true });
});

it("takes the stack that is given", () => {
  const { status, calls, file } = remove("ash1", "--stack", "acme/prod", "--yes");
  expect(status).toBe(0);
  expect(calls).toEqual([`${HISTORY_OF} acme/prod`, `${UP} acme/prod`, `${UP} acme/prod`]);
  expect(file).not.toContain("ash1");
});

it.each([
  [[]],
  [["--yes"]],
  [["ash1", "hel1", "--yes"]],
  [["ash1", "--yes", "--stack"]],
  [["--force", "--yes"]],
  [["--stack", "prod", "--yes"]],
])("takes no words such as %p", (args) => {
  expect(() => readArguments(args)).toThrow(USAGE);
});

it("says how it is used, and does nothing, when it is started with others", () => {
  expect(remove("--force", "--yes")).toMatchObject({ status: 1, stderr: `${USAGE}\n`, calls: [], file: FILE });
});

it("does nothing unasked where nobody is there to answer", () => {
  const { status, stderr, calls, file } = remove("ash1");
  expect([status, file, calls]).toEqual([1, FILE, ["stack --show-name"]]);
  expect(stderr).toContain(
    "nobody is there to answer; if you are sure: Usage: npm run remove -- NAME [--stack STACK] --yes",
  );
});

it("names the proxies that there are when it is given another", () => {
  const { status, stderr, calls, file } = remove("sin1", "--yes", "--stack", "prod");
  expect([status, stderr, calls, file]).toEqual([
    1,
    'there is no proxy "sin1" in the settings; there are: hel1, ash1\n',
    [],
    FILE,
  ]);
});

it("fails where pulumi up fails, and keeps the proxy", () => {
  pulumi({ up: 255 });
  const { status, stderr, calls, file } = remove("ash1", "--yes");
  expect([status, calls.filter((call) => call.startsWith("up"))]).toEqual([1, [`${UP} prod`]]);
  expect(stderr).toContain("pulumi up failed. ash1 is marked as drained in ");
  expect(file).toContain("ash1");
});

it("asks for a stack that is there", () => {
  expect(remove("ash1", "--yes", "--stack", "other").stderr).toContain(
    "Pulumi.other.yaml is not there; is other the stack's name?",
  );
  pulumi({ selected: "exit 255" });
  expect(remove("ash1", "--yes")).toMatchObject({
    status: 1,
    stderr: "no stack is selected; name it with --stack\n",
    file: FILE,
  });
  rmSync(join(dir, "bin/pulumi"));
  expect(remove("ash1", "--yes").stderr).toContain("pulumi cannot be started");
});
