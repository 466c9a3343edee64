// From the arguments of a program to settings, which are checked as those of the ready-made program are; and from a setting's
// key back to the argument that was written.
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { outputValue } from "../outputValue";
import type { GivenSettings } from "../settings";
import { formatFault } from "../settings/check";
import type { SettingFault } from "../settings/fault";
import type { ProxyHost } from "./hosts";
import type { RelayArgs } from "./relayArgs";
import type { MailZone } from "./zones";

/** A proxy as it was asked for. */
export interface WantedProxy {
  readonly name: string;
  readonly mailDomain: string;
  readonly host: ProxyHost;
  readonly zone: MailZone;
  readonly publish?: boolean | undefined;
  readonly slot?: number | undefined;
}

/** A relay with the proxies in front of it. */
export interface Wanted {
  readonly name: string;
  readonly args: RelayArgs;
  readonly proxies: readonly [WantedProxy, ...WantedProxy[]];
}

/** What of a relay's arguments is not below `relay` in the settings. */
const SHARED = ["ports", "udpPorts", "egress", "tunnel", "adminKeys", "adminNetworks"] as const;
const SECRETS = ["sshKey", "hostSshKey"] as const;

export async function givenSettings({ args, proxies }: Wanted): Promise<GivenSettings> {
  const [{ mailDomain, zone }] = proxies;
  const isShared = (key: string) => SHARED.some((each) => each === key);
  const others = Object.entries(args).filter(([key]) => !SECRETS.some((each) => each === key));
  const values = {
    mailDomain,
    relay: Object.fromEntries(others.filter(([key]) => !isShared(key))),
    proxies: proxies.map(({ name, host, publish, slot }) => ({ ...host.args, host: host.kind, name, publish, slot })),
    dns: { ...zone.args, provider: zone.provider },
    ...Object.fromEntries(others.filter(([key]) => isShared(key))),
  };
  const secrets = await Promise.all([
    secretText("relaySshKey", args.sshKey),
    secretText("hostSshKey", args.hostSshKey),
    secretText("dnsSecret", zone.secret?.value),
  ]);
  return {
    raw: { ...(plain(values) as typeof values), ...Object.fromEntries(secrets.flatMap(({ value }) => value)) },
    faults: [
      ...outputsIn(values).map((key) => ({
        key,
        text: "is an Output. Give a plain value: what is there is looked at before anything is made.",
      })),
      ...secrets.flatMap(({ faults }) => faults),
    ],
  };
}

/** As it would be in a stack file: without what is undefined, and without outputs, which are refused. */
function plain(value: unknown): unknown {
  if (isOutput(value)) return undefined;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, below]) => [key, plain(below)] as const);
  return Object.fromEntries(entries.filter(([, below]) => below !== undefined));
}

const isOutput = (value: unknown) => pulumi.Output.isInstance(value) || value instanceof Promise;

/** The keys at which there are outputs. */
function outputsIn(value: unknown, key = ""): string[] {
  if (isOutput(value)) return [key];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, below]) =>
    outputsIn(below, Array.isArray(value) ? `${key}[${name}]` : key === "" ? name : `${key}.${name}`),
  );
}

async function secretText(key: string, input: pulumi.Input<string> | undefined) {
  const value = input === undefined ? undefined : await outputValue(pulumi.output(input));
  if (input === undefined || (value === undefined && !pulumi.Output.isInstance(input)))
    return { value: [], faults: [] };
  const fault = (text: string) => ({ value: [], faults: [{ key, text }] });
  if (value === undefined)
    return fault("is not known yet. Give one that is known before anything is made, such as a secret of the stack's.");
  if (!(await pulumi.isSecret(pulumi.output(input))))
    return fault(
      `is plain text. Regard it as known to others: make a new one, set it with: pulumi config set --secret ${key}, and give new pulumi.Config().requireSecret("${key}")`,
    );
  return { value: [[key, value] as const], faults: [] };
}

/** What proxies of one relay have in common, and these have not: their addresses are in the same record sets. */
export function differences({ name, proxies }: Pick<Wanted, "name" | "proxies">): SettingFault[] {
  const [first, ...others] = proxies;
  return others.flatMap((proxy, i) => {
    const than = `is another than that of ProxyRelay ${JSON.stringify(first.name)}. All proxies of Relay ${JSON.stringify(name)} are published together: give them the same`;
    return [
      ...(proxy.mailDomain === first.mailDomain ? [] : [{ key: `proxies[${i + 1}].mailDomain`, text: `${than}.` }]),
      ...(isDeepStrictEqual(proxy.zone, first.zone) ? [] : [{ key: `proxies[${i + 1}].zone`, text: `${than}.` }]),
    ];
  });
}

/** What two relays of a program must not have in common. */
export function conflicts(one: Wanted, others: readonly Wanted[]): SettingFault[] {
  return others.flatMap((other) => {
    const text = `is also that of Relay ${JSON.stringify(other.name)}. A relay is one Relay, with all of its proxies.`;
    const host = one.args.ssh?.host;
    return [
      ...(host !== undefined && host === other.args.ssh?.host ? [{ key: "relay.ssh.host", text }] : []),
      ...(one.proxies[0].mailDomain === other.proxies[0].mailDomain ? [{ key: "mailDomain", text }] : []),
    ];
  });
}

/** One text for all faults, each with the argument that was written. */
export function formatArgumentFaults(faults: readonly SettingFault[], wanted: Wanted): string {
  const count = faults.length === 1 ? "One argument needs" : `${faults.length} arguments need`;
  return [
    `${count} a change before anything is made:`,
    ...faults.map(({ key, text }) => formatFault({ key: argumentOf(key, wanted), text: inText(text, wanted) })),
  ].join("\n");
}

/** The ready-made program's words for it in these programs'. */
const inText = (text: string, { proxies }: Wanted): string =>
  text
    .replace(/proxies\[(\d+)\]/g, (key, i: string) => proxies[Number(i)]?.name ?? key)
    .replace(
      /npm run remove -- (\S+)/g,
      "give $1 publish: false, run pulumi up, wait for the zone's ttl, delete $1 from the program and run pulumi up again",
    );

/** `proxies[0].location` is `ProxyRelay "hel1": host.location`. Pure. */
export function argumentOf(key: string, { name, proxies }: Wanted): string {
  const relay = `Relay ${JSON.stringify(name)}`;
  const [, index, rest] = /^proxies\[(\d+)\](?:\.(.*))?$/.exec(key) ?? [];
  if (index !== undefined) {
    const proxy = `ProxyRelay ${JSON.stringify(proxies[Number(index)]?.name)}`;
    return rest !== undefined && OF_A_PROXY.includes(rest) ? `${proxy}: ${rest}` : `${proxy}: host${below(rest)}`;
  }
  const [first = "", ...others] = key.split(/(?=[.[])/);
  const { provider, secret } = proxies[0].zone;
  switch (first) {
    case "":
    case "relay":
      return others.length > 0 ? `${relay}: ${others.join("").slice(1)}` : relay;
    case "relaySshKey":
      return `${relay}: sshKey`;
    case "dns":
      return `${provider}Zone: ${others.join("").slice(1) || "zone"}`;
    case "dnsSecret":
      return `${provider}Zone: ${secret?.name}`;
    case "mailDomain":
      return `ProxyRelay ${JSON.stringify(proxies[0].name)}: mailDomain`;
    default:
      return first === "hostSshKey" || SHARED.some((each) => each === first) ? `${relay}: ${key}` : key;
  }
}

const OF_A_PROXY = ["name", "publish", "slot", "mailDomain", "zone"];

const below = (rest: string | undefined) => (rest === undefined || rest === "host" ? "" : `.${rest}`);
