// lab/stack/workspace.ts: a place of the lab's own for the stack: its settings, state and passphrase. Nothing of it is in
// the clone: `up` writes an encryption salt into the stack file, and the lab's secrets are made with the lab.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse, stringify } from "yaml";
import type { LabDirs } from "../dirs";
import type { LabHandle } from "../lab";

export const STACK = "lab";

export interface Workspace {
  /** Looks like the project to Pulumi, but for the stack file, which is the lab's own. */
  readonly dir: string;
  readonly stackFile: string;
  readonly env: Readonly<Record<string, string>>;
  /** Secret settings, which go to pulumi by stdin when the stack file lacks them. */
  readonly secrets: readonly { readonly key: string; readonly value: string }[];
}

interface StackFile {
  readonly encryptionsalt?: string;
  readonly config?: Record<string, unknown>;
}

export const pulumiHome = (dirs: LabDirs): string => join(dirs.cache, "pulumi-home");
export const toolchainCache = (dirs: LabDirs): string => join(dirname(dirs.cache), "toolchain");

/** What of the project is linked into the workspace, so that `pulumi up` finds its program there. */
const LINKS = ["Pulumi.yaml", "package.json", "tsconfig.json", "index.ts", "components", "scripts", "node_modules"];

/** Settings are taken from `config`; without one they stay, or are the clone's own for the lab on the first time. */
export function prepareWorkspace(lab: LabHandle, config?: string, stack = STACK): Workspace {
  const root = join(lab.dirs.state, "stack");
  const dir = join(root, "project");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  mkdirSync(join(root, "state"), { recursive: true });
  const passphrase = join(root, "passphrase");
  if (!existsSync(passphrase)) writeFileSync(passphrase, randomBytes(24).toString("base64url"), { mode: 0o600 });
  for (const name of LINKS)
    if (!existsSync(join(dir, name))) symlinkSync(join(lab.dirs.project, name), join(dir, name));

  const stackFile = join(dir, `Pulumi.${stack}.yaml`);
  const before = existsSync(stackFile) ? (parse(readFileSync(stackFile, "utf8")) as StackFile) : undefined;
  const source = config ?? (before ? stackFile : join(lab.dirs.project, `Pulumi.${STACK}.yaml`));
  const merged = mergeStackFile(parse(readFileSync(source, "utf8")) as StackFile, before ?? {}, hostKeys(lab));
  writeFileSync(stackFile, stringify(merged));
  const signed = (merged.config?.["chatmail-proxy:dns"] as { provider?: string } | undefined)?.provider === "rfc2136";
  return {
    dir,
    stackFile,
    env: {
      PULUMI_BACKEND_URL: stateUrl(join(root, "state")),
      PULUMI_CONFIG_PASSPHRASE_FILE: passphrase,
      PULUMI_STACK: stack,
    },
    secrets: [
      { key: "hcloud:token", value: lab.hetzner.token },
      { key: "chatmail-proxy:relaySshKey", value: readFileSync(lab.operatorKeyFile, "utf8") },
      ...(signed ? [{ key: "chatmail-proxy:dnsSecret", value: lab.rfc2136.secret }] : []),
    ].filter(({ key }) => !isSecret(before?.config?.[key])),
  };
}

/** Host keys by the address that a setting `ssh.host` names. */
const hostKeys = ({ relay, deb1, vps }: LabHandle): Record<string, string> =>
  Object.fromEntries([relay, deb1, vps].map(({ sshHost, hostKey }) => [sshHost, hostKey]));

/** The settings of the clone, with what only this lab knows: its machines' host keys, and what pulumi encrypted before. */
export function mergeStackFile(
  source: StackFile,
  before: StackFile,
  hostKeys: Readonly<Record<string, string>>,
): StackFile {
  const encrypted = Object.fromEntries(Object.entries(before.config ?? {}).filter(([, value]) => isSecret(value)));
  return {
    ...(before.encryptionsalt === undefined ? {} : { encryptionsalt: before.encryptionsalt }),
    config: { ...(withHostKeys(source.config ?? {}, hostKeys) as Record<string, unknown>), ...encrypted },
  };
}

/** Every `ssh` that names a machine of the lab and no host key gets that machine's, wherever it stands. */
function withHostKeys(value: unknown, keys: Readonly<Record<string, string>>): unknown {
  if (Array.isArray(value)) return value.map((entry) => withHostKeys(entry, keys));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]: [string, unknown]) => {
      const host = name === "ssh" ? (inner as { host?: string } | null)?.host : undefined;
      const hostKey = host === undefined ? undefined : keys[host];
      return [name, hostKey === undefined ? withHostKeys(inner, keys) : { hostKey, ...(inner as object) }];
    }),
  );
}

/** As the README has it: without the side files (.attrs), of which one that is cut off makes the whole state unreadable. */
const stateUrl = (dir: string): string => `file://${dir}?metadata=skip`;

const isSecret = (value: unknown): boolean => typeof value === "object" && value !== null && "secure" in value;
