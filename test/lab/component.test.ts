// This package in a program of somebody else's: the twelve lines of docs/component.md, in a project that has the package as npm
// installs it, with an SSH agent for the relay.
import type { ChildProcess } from "node:child_process";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { proveMail } from "../../scripts/lab/mail";
import { labToolchain } from "../../scripts/lab/stack/runner";
import { waitFor } from "../../scripts/lab/wait";
import { failed, nothingLeft, quiet, succeeded, theLab, type TheLab } from "./theLab";

jest.setTimeout(300_000);

const PROJECT = join(__dirname, "component");

let the: TheLab;
let project: string;
let agent: ChildProcess;
let env: Record<string, string>;

beforeAll(async () => {
  the = await theLab({ stack: false });
  succeeded(await the.pulumi("destroy", "--yes", "--skip-preview")); // of a stack that another test left
  project = mkdtempSync(join(tmpdir(), "component-"));
  install();
  const { env: engine } = await labToolchain(the.lab.dirs, quiet.say);
  mkdirSync(join(project, "state"));
  env = {
    ...engine,
    PULUMI_BACKEND_URL: `file://${join(project, "state")}?metadata=skip`,
    PULUMI_CONFIG_PASSPHRASE: "component",
    SSH_AUTH_SOCK: join(project, "agent"),
  };
  agent = await the.lab.spawn("operator", ["ssh-agent", "-D", "-a", env.SSH_AUTH_SOCK as string], { stdio: "ignore" });
  await waitFor("the SSH agent", 10, () => Promise.resolve(existsSync(env.SSH_AUTH_SOCK as string) || undefined));
  await run("ssh-add", "-q", the.lab.operatorKeyFile);
  succeeded(await pulumi("stack", "init", "prod"));
  succeeded(await pulumi("config", "set", "--secret", "hcloud:token", the.lab.hetzner.token));
  for (const [key, value] of [
    ["hcloud:endpoint", the.lab.hetzner.endpoint],
    ["hcloud:pollInterval", "100ms"],
  ] as const)
    succeeded(await pulumi("config", "set", key, value));
});
afterAll(() => {
  agent?.kill();
  the?.close();
  if (project) rmSync(project, { recursive: true });
});

/** The project as docs/component.md has it; the relay's address and host key are this lab's. */
function install(): void {
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, "chatmail-proxy"), { recursive: true });
  const { project: root } = the.lab.dirs;
  const packed = execFileSync("npm", ["pack", "--silent", "--pack-destination", project, root], { encoding: "utf8" });
  execFileSync("tar", [
    "-xzf",
    join(project, packed.trim()),
    "-C",
    join(modules, "chatmail-proxy"),
    "--strip-components=1",
  ]);
  for (const name of readdirSync(join(root, "node_modules")).filter((each) => !each.startsWith(".")))
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "my-mail", private: true }));
  cpSync(join(PROJECT, "Pulumi.yaml"), join(project, "Pulumi.yaml"));
  const { sshHost, hostKey } = the.lab.relay;
  const program = readFileSync(join(PROJECT, "index.ts"), "utf8")
    .replace("192.168.1.10", sshHost)
    .replace("ssh-ed25519 AAAA…", hostKey)
    // The lab's internet has no gmail.
    .replace("{ ssh:", '{ outboundCheck: "mx.example.net", ssh:');
  writeFileSync(join(project, "index.ts"), program);
}

async function run(...argv: string[]): Promise<{ status: number; output: string }> {
  const child = await the.lab.spawn("operator", argv, { env, cwd: project, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) =>
    child.on("close", (code) => resolve({ status: code ?? 1, output: Buffer.concat(chunks).toString() })),
  );
}

const pulumi = (...args: string[]) => run("pulumi", ...args, ...(args[0] === "stack" ? [] : ["--stack", "prod"]));

it("tells the fault of an argument once, without a stack, before anything is bought", async () => {
  const program = readFileSync(join(project, "index.ts"), "utf8");
  writeFileSync(join(project, "index.ts"), program.replace('zone: "example.org"', 'zone: "example.org", ttl: 1'));
  const output = failed(await pulumi("up", "--yes", "--skip-preview"));
  writeFileSync(join(project, "index.ts"), program);
  expect(output.match(/hetznerZone: ttl: 1 is not a TTL/g)?.length).toBe(1);
  expect(output).not.toMatch(/unhandled|\n\s+at /);
  expect(await the.names("servers")).toEqual([]);
});

it("sets up a proxy by `pulumi up`, which changes nothing the second time, and leaves nothing behind", async () => {
  const output = succeeded(await pulumi("up", "--yes"));
  expect(output).not.toMatch(/warning: .*relay\.outputs/);
  const addresses = await the.addresses("hel1");
  for (const address of addresses) await proveMail(the.lab, address);
  expect(succeeded(await pulumi("stack", "output", "address", "--stack", "prod")).trim()).toBe(addresses[0]);

  const { servers } = await the.api<{ servers: { labels: Record<string, string> }[] }>("GET", "/servers");
  expect(servers.map(({ labels }) => labels.stack)).toEqual(["my-mail.prod"]);

  succeeded(await pulumi("up", "--yes", "--expect-no-changes"));

  succeeded(await pulumi("destroy", "--yes", "--skip-preview"));
  await nothingLeft(the);
  expect(
    await the.sh(
      "relay",
      "ls -d /var/lib/chatmail-proxy /usr/local/lib/chatmail-proxy /etc/wireguard/wg-hel1.conf",
      "any",
    ),
  ).toBe("");
});
