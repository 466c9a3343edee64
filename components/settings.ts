// The settings: everything is checked here, before anything is made. The only reader of the stack's configuration.
import * as pulumi from "@pulumi/pulumi";
import { PROVIDERS } from "./hosts/providers";
import { operatorError } from "./operatorError";
import { checkAgent, type Agent } from "./settings/agent";
import {
  checkDnsSecret,
  checkPrivateKey,
  checkSettings,
  formatFaults,
  neededTokens,
  operatorKeys,
  OWN_LINE,
} from "./settings/check";
import type { Settings } from "./settings/schema";
import type { Egress } from "./tunnel/wireguard";
import type { SettingFault } from "./settings/fault";
import { HETZNER_TOKEN, type Token } from "./settings/token";

export type { ProxySettings, RelaySettings, Settings, TunnelSettings } from "./settings/schema";

export interface StackSettings extends Omit<Settings, "dnsSecret"> {
  /** Private key for the relay's SSH, where the operator gave one; else the SSH agent is asked. */
  readonly relaySshPrivateKey: pulumi.Output<string> | undefined;
  /** The same for existing machines; by default the one for the relay. */
  readonly hostSshPrivateKey: pulumi.Output<string> | undefined;
  /** TSIG secret in base64, or API token, where the DNS provider needs one; plain text nowhere else. */
  readonly dnsSecret: pulumi.Output<string> | undefined;
  /** Hetzner Cloud's API. */
  readonly hcloud: { readonly api: string; readonly token: pulumi.Output<string> };
}

/** Settings that are plain text in the stack file; all others are YAML values, which reach us as JSON. */
const TEXT_KEYS = new Set(["mailDomain", "relaySshKey", "hostSshKey", "dnsSecret"]);

/** The hcloud provider's own default. */
const HETZNER_API = "https://api.hetzner.cloud/v1";

/** Each that a host or the DNS may need. */
const TOKENS = [...new Set([HETZNER_TOKEN, ...PROVIDERS.flatMap(({ token }) => token ?? [])])];

/** Settings as they were given. */
export interface GivenSettings {
  /** By key, unchecked, secrets among them. */
  readonly raw: Record<string, unknown>;
  /** What was wrong in how they were given. */
  readonly faults: readonly SettingFault[];
}

/** Reads and checks the stack's configuration. Throws one RunError that lists every fault by its key. */
export function readSettings(agent: Agent): StackSettings {
  const namespace = pulumi.getProject();
  const faults = plainSecrets(["relaySshKey", "hostSshKey", "dnsSecret"].map((key) => `${namespace}:${key}`));
  return checkGiven({ raw: rawSettings(namespace), faults }, agent);
}

/** Checks all settings. Throws one RunError that lists every fault by its key. */
export function checkGiven({ raw, faults }: GivenSettings, agent: Agent): StackSettings {
  const relayKey = raw.relaySshKey as string | undefined;
  const hostKey = raw.hostSshKey as string | undefined;
  const dnsSecret = (raw.dnsSecret as string | undefined)?.trim();

  const checked = checkSettings(raw);
  const found = [
    ...("faults" in checked ? checked.faults : []),
    ...checkPrivateKey("relaySshKey", relayKey),
    ...checkPrivateKey("hostSshKey", hostKey),
    ...neededTokens(raw).flatMap((token) => token.check(tokenText(token))),
    ...checkDnsSecret(raw, dnsSecret),
    ...checkAgent(agent, operatorKeys(raw, relayKey, hostKey)),
    ...plainSecrets(TOKENS.map(({ key }) => key)),
  ];
  // Of what could not be read at all, there is no more to say.
  const said = new Set(faults.map(({ key }) => key));
  throwOnFaults([...found.filter(({ key }) => !said.has(key)), ...faults]);

  return {
    ...(checked as { settings: Settings }).settings,
    relaySshPrivateKey: secretOf(relayKey),
    hostSshPrivateKey: secretOf(hostKey ?? relayKey),
    dnsSecret: dnsSecret === undefined ? undefined : pulumi.secret(dnsSecret),
    hcloud: {
      api: pulumi.runtime.getConfig("hcloud:endpoint") ?? HETZNER_API,
      token: pulumi.secret(tokenText(HETZNER_TOKEN) ?? ""),
    },
  };
}

/** Its part in the way out of the relay's own mail, where it has one. */
export function egressOf(name: string, { egress }: Pick<Settings, "egress">): Egress | undefined {
  const proxies = egress.filter((each) => each !== OWN_LINE);
  return proxies.includes(name) ? { place: proxies.indexOf(name), ownLine: egress.includes(OWN_LINE) } : undefined;
}

/** Throws a RunError that lists them all; does nothing when there is none. */
export function throwOnFaults(faults: readonly SettingFault[]): void {
  if (faults.length === 0) return;
  throw Object.assign(operatorError(formatFaults(faults, pulumi.getProject())), { faults });
}

/** Those that an error lists; undefined where it is of another kind. */
export const faultsIn = (error: unknown): readonly SettingFault[] | undefined =>
  (error as { readonly faults?: readonly SettingFault[] }).faults;

const tokenText = ({ key, variable }: Token) => pulumi.runtime.getConfig(key) ?? process.env[variable];

const secretOf = (text: string | undefined) => (text === undefined ? undefined : pulumi.secret(text));

// Config's own getters stop at the first fault and print the value of a secret that is none; we need all keys at
// once, unknown ones too.
function rawSettings(namespace: string): Record<string, unknown> {
  const ours = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => key.startsWith(`${namespace}:`));
  return Object.fromEntries(
    ours
      .filter(([, value]) => !UNSET.has(value))
      .map(([key, value]) => {
        const name = key.slice(namespace.length + 1);
        return [name, TEXT_KEYS.has(name) ? value : parseJson(value)];
      }),
  );
}

// The SDK knows which keys are encrypted in the stack file, but its types do not say so.
const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret(key: string): boolean };

/** Faults of secrets that are in the stack file in plain text. */
function plainSecrets(keys: readonly string[]): SettingFault[] {
  return keys
    .filter((key) => pulumi.runtime.getConfig(key) && !isConfigSecret(key))
    .map((key) => ({
      key,
      text: `is in the stack file in plain text. Regard it as known to others: make a new one, and set it with: pulumi config set --secret ${key}`,
    }));
}

/** Pulumi.yaml's defaults for what has none: without them the engine would stop at the first missing key. */
const UNSET = new Set(["", "{}", "[]"]);

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
