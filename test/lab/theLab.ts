// The lab with its stack up, for the tests that stand on it. Each file brings it to where it needs it; whoever comes
// first builds it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { openLab, type LabHandle } from "../../scripts/lab/lab";
import { MailClient } from "../../scripts/lab/mail";
import { openStack, type LabStack, type PulumiOptions, type PulumiResult } from "../../scripts/lab/stack/runner";
import type { Progress } from "../../scripts/lab/up";

export const quiet: Progress = { say: () => undefined, step: (_name, work) => work() };

export interface TheLab {
  readonly lab: LabHandle;
  readonly client: MailClient;
  /** pulumi up with the lab's own settings, changed as given. */
  up(
    change?: (config: Config) => void,
    options?: PulumiOptions & { readonly flags?: readonly string[] },
  ): Promise<PulumiResult>;
  preview(change?: (config: Config) => void, flags?: readonly string[]): Promise<PulumiResult>;
  pulumi(...args: string[]): Promise<PulumiResult>;
  /** The same with variables in its environment. */
  pulumiWith(env: Readonly<Record<string, string>>, ...args: string[]): Promise<PulumiResult>;
  /** An npm script of the project on the stack; its output, stdout and stderr together. */
  npmRun(script: string, ...args: string[]): Promise<PulumiResult>;
  /** A shell command on a host; its output. Fails on an exit status other than 0 unless told "any". */
  sh(host: string, script: string, accept?: "any"): Promise<string>;
  /** A request to the fake Hetzner Cloud that must succeed. */
  api<T>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T>;
  /** Names of all resources of a kind at the fake Hetzner Cloud. */
  names(kind: "servers" | "primary_ips" | "firewalls" | "ssh_keys"): Promise<string[]>;
  /** Addresses of a proxy or another host. */
  addresses(host: string): Promise<string[]>;
  close(): void;
}

const PROXIES = "chatmail-proxy:proxies";

/** The stack's settings by their full keys. */
export type Config = Record<string, unknown>;

export interface LabOptions {
  /** Bring the stack up; else the test does. */
  readonly stack?: boolean;
  /** Which of the lab's proxies the stack has; the first alone by default, which is quicker. */
  readonly proxies?: readonly string[];
  /** Another stack than the lab's own, on the same world. */
  readonly name?: string;
}

export async function theLab({ stack = true, proxies = ["hel1"], name }: LabOptions = {}): Promise<TheLab> {
  const lab = await openLab(quiet);
  const client = await MailClient.open(lab);
  const files = mkdtempSync(join(tmpdir(), "lab-test-"));
  const withSettings = async (change: (config: Config) => void): Promise<LabStack> => {
    const file = parse(readFileSync(join(lab.dirs.project, "Pulumi.lab.yaml"), "utf8")) as { config: Config };
    file.config[PROXIES] = (file.config[PROXIES] as { name: string }[]).filter((proxy) => proxies.includes(proxy.name));
    change(file.config);
    const path = join(files, "stack.yaml");
    writeFileSync(path, stringify(file));
    return openStack(lab, quiet, path, name);
  };
  const run = async (
    verb: "up" | "preview",
    change: (config: Config) => void,
    flags: readonly string[],
    options: PulumiOptions = {},
  ) => (await withSettings(change)).pulumi([verb, ...flags], { ...options, capture: true });

  const sh: TheLab["sh"] = async (host, script, accept) =>
    (await lab.run(host, ["sh", "-c", script], { timeout: 120_000, ...(accept ? { accept } : {}) })).stdout.trim();
  const api = async <T>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown) => {
    const answer = await lab.control.api({ method, path, ...(body === undefined ? {} : { body }) });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  };
  const the: TheLab = {
    lab,
    client,
    up: (change = () => undefined, { flags = [], ...options } = {}) =>
      run("up", change, ["--yes", "--skip-preview", ...flags], options),
    preview: (change = () => undefined, flags = ["--diff"]) => run("preview", change, flags),
    pulumi: async (...args) => (await openStack(lab, quiet, undefined, name)).pulumi(args, { capture: true }),
    npmRun: async (script, ...args) =>
      (await openStack(lab, quiet, undefined, name)).command(["npm", "run", "-s", script, "--", ...args], {
        capture: true,
      }),
    pulumiWith: async (env, ...args) =>
      (await openStack(lab, quiet, undefined, name)).pulumi(args, { capture: true, env }),
    sh,
    api,
    names: async (kind) =>
      (await api<Record<string, { name: string }[]>>("GET", `/${kind}`))[kind]?.map(({ name }) => name) ?? [],
    addresses: async (host) => [...((await lab.status()).hosts.find(({ name }) => name === host)?.addresses ?? [])],
    close: () => {
      client.close();
      rmSync(files, { recursive: true });
    },
  };
  try {
    if (stack) succeeded(await the.up());
    return the;
  } catch (error) {
    the.close();
    throw error;
  }
}

/** The run's output, if it went well; else the test fails with it. */
export function succeeded({ status, output }: PulumiResult): string {
  if (status !== 0) throw new Error(`pulumi ended with status ${status}:\n${output}`);
  return output;
}

export function failed({ status, output }: PulumiResult): string {
  if (status === 0) throw new Error(`pulumi succeeded, and should not have:\n${output}`);
  return output;
}

/** Nothing of any stack at Hetzner Cloud, and no address of its making in the zones there and at the other name server. */
export async function nothingLeft(the: TheLab): Promise<void> {
  for (const kind of ["servers", "primary_ips", "firewalls", "ssh_keys"] as const)
    expect([kind, await the.names(kind)]).toEqual([kind, []]);
  const { rrsets } = await the.api<{ rrsets: { name: string; type: string; labels: Record<string, string> }[] }>(
    "GET",
    "/zones/example.org/rrsets?per_page=50",
  );
  expect(rrsets.filter(({ name, labels }) => /proxy/.test(name) || Object.keys(labels).length > 0)).toEqual([]);
  const { server, zone, keyFile } = the.lab.rfc2136;
  const records = (
    await the.lab.run("operator", ["kdig", "-k", keyFile, "+tcp", `@${server}`, zone, "AXFR"], { timeout: 30_000 })
  ).stdout;
  expect(records).toContain("SOA");
  expect(records.split("\n").filter((line) => /proxy/.test(line))).toEqual([]);
}
