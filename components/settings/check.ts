// From the raw settings to checked ones, or to all faults at once. Pure.
import { proxyDnsName } from "../dns/proxyDnsName";
import type { z } from "zod";
import { providerOf, propertiesOf } from "../hosts/providerOf";
import { planFaults } from "../tunnel/addressPlan";
import { rangeText, type PortRange } from "../ports";
import { setFromFile } from "./agent";
import { proxyOutline } from "./anyProxy";
import type { SettingFault } from "./fault";
import { CHATMAIL_PORTS, settingsSchema, type ProxySettings, type Settings } from "./schema";
import { HETZNER_TOKEN, type Token } from "./token";
import { port, portRange, shown } from "./values";

export type Checked = { settings: Settings } | { faults: SettingFault[] };

/**
 * Checks everything, and goes on after the first fault: what two settings have to do with each other is checked
 * wherever both could be read.
 */
export function checkSettings(raw: Record<string, unknown>): Checked {
  const whole = settingsSchema.safeParse(raw);
  const faults = [...(whole.error?.issues ?? []).map(faultOf), ...crossChecks(readableParts(raw))];
  return whole.success && faults.length === 0 ? { settings: whole.data } : { faults };
}

/** What has to be logged in with, as far as these settings can be read. */
export function neededTokens(raw: Record<string, unknown>): Token[] {
  const { proxies, dns } = readableParts(raw);
  const bought = proxies.flatMap((proxy) => (proxy?.whole && providerOf(proxy.whole).token) ?? []);
  // What cannot be read may well be at Hetzner Cloud, the default in all that can be had there.
  const hetznerToo =
    proxies.length === 0 || proxies.some((proxy) => !proxy?.whole) || !dns || dns.provider === "hetzner";
  return [...new Set([...(hetznerToo ? [HETZNER_TOKEN] : []), ...bought])];
}

/** The keys by which machines that this program did not buy are reached, as far as the raw settings tell which there are. */
export function operatorKeys(
  raw: Record<string, unknown>,
  relayKey: string | undefined,
  hostKey: string | undefined,
): { key: string; given: boolean; what: string }[] {
  const { proxies, relay, tunnel } = readableParts(raw);
  const relayToo = !relay || relay.ssh !== undefined || (tunnel !== "none" && relay.setup === "ssh");
  const hostsToo = proxies.some((proxy) => proxy?.whole && providerOf(proxy.whole).operatorKey);
  return [
    ...(relayToo ? [{ key: "relaySshKey", given: relayKey !== undefined, what: "the relay" }] : []),
    ...(hostsToo
      ? [{ key: "hostSshKey", given: (hostKey ?? relayKey) !== undefined, what: "the existing machines" }]
      : []),
  ];
}

/** Fault of the secret for the DNS provider, of which only the form is reported. */
export function checkDnsSecret(raw: Record<string, unknown>, secret: string | undefined): SettingFault[] {
  const key = "dnsSecret";
  const { provider = "hetzner" } = (raw.dns ?? {}) as { provider?: unknown };
  const set = "pulumi config set --secret dnsSecret";
  if (provider === "rfc2136") {
    if (!secret)
      return [
        {
          key,
          text: `is missing. Set the secret of the key dns.tsig.name, in base64 as the name server has it: ${set}`,
        },
      ];
    return /^([A-Za-z0-9+/]{4}){4,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret)
      ? []
      : [
          {
            key,
            text: `is not a key's secret in base64 (it has ${secret.length} characters). Copy it whole, without quotes: ${set}`,
          },
        ];
  }
  if (provider === "cloudflare") {
    if (!secret)
      return [
        {
          key,
          text: `is missing. Make an API token with the permission "DNS: Edit" (Zone) for the zone in Cloudflare's dashboard, then: ${set}`,
        },
      ];
    return /^[A-Za-z0-9_-]{30,}$/.test(secret)
      ? []
      : [
          {
            key,
            text: `is not an API token of Cloudflare's (it has ${secret.length} characters). Copy it whole, without spaces or quotes: ${set}`,
          },
        ];
  }
  return [];
}

/** Fault of a private key of the operator's, of which only the form is reported. */
export function checkPrivateKey(key: string, text: string | undefined): SettingFault[] {
  if (text === undefined) return [];
  if (!/^-----BEGIN ([A-Z]+ )?PRIVATE KEY-----\r?\n/.test(text)) {
    return [
      {
        key,
        text: `is no private SSH key (it has ${text.length} characters). Set it from the file: ${setFromFile(key)}`,
      },
    ];
  }
  if (isEncrypted(text)) {
    return [
      {
        key,
        text: `is locked with a passphrase, which nobody could type in here. Leave ${key} away and use an SSH agent (ssh-add), or make a key for this purpose.`,
      },
    ];
  }
  return [];
}

export function formatFaults(faults: readonly SettingFault[], project: string): string {
  const count = faults.length === 1 ? "One setting needs" : `${faults.length} settings need`;
  return [
    `${count} a change before anything is made (namespace ${project}, in Pulumi.<stack>.yaml):`,
    ...faults.map(formatFault),
  ].join("\n");
}

export const formatFault = ({ key, text }: SettingFault): string =>
  `  ${key}${key ? (/^is |^has /.test(text) ? " " : ": ") : ""}${text}`;

function faultOf(issue: z.core.$ZodIssue): SettingFault {
  return { key: keyOf(issue.path), text: issue.message };
}

/** ["proxies", 1, "name"] as it is written: proxies[1].name */
function keyOf(path: readonly PropertyKey[]): string {
  return path.map((part, i) => (typeof part === "number" ? `[${part}]` : (i > 0 ? "." : "") + String(part))).join("");
}

/** Each setting by itself, read as far as it can be. */
interface ReadableParts {
  readonly mailDomain?: string;
  /** Entry by entry, each undefined where it cannot be read. */
  readonly ports: (number | undefined)[];
  readonly udpPorts: (PortRange | undefined)[];
  readonly relay?: Settings["relay"];
  readonly egress?: Settings["egress"];
  readonly tunnel?: Settings["tunnel"];
  readonly dns?: Settings["dns"];
  /** Whether a public address of the relay's own is given. */
  readonly relayAddress: boolean;
  /** The entries of the list as they stand, each undefined where it cannot be read. */
  readonly proxies: ({ name: string; slot?: number | undefined; whole?: ProxySettings | undefined } | undefined)[];
}

function readableParts(raw: Record<string, unknown>): ReadableParts {
  const { shape } = settingsSchema;
  const read = <T extends z.ZodType>(schema: T, value: unknown) => schema.safeParse(value).data;
  const entries = Array.isArray(raw.proxies) ? (raw.proxies as unknown[]) : [];
  return {
    mailDomain: read(shape.mailDomain, raw.mailDomain),
    ports: Array.isArray(raw.ports) ? (raw.ports as unknown[]).map((value) => read(port, value)) : CHATMAIL_PORTS,
    udpPorts: Array.isArray(raw.udpPorts) ? (raw.udpPorts as unknown[]).map((value) => read(portRange, value)) : [],
    relay: read(shape.relay, raw.relay),
    egress: read(shape.egress, raw.egress),
    tunnel: read(shape.tunnel, raw.tunnel),
    dns: read(shape.dns, raw.dns),
    relayAddress: ["ipv4", "ipv6"].some(
      (family) => (raw.relay as Record<string, unknown> | null | undefined)?.[family] !== undefined,
    ),
    proxies: entries.map((value) => {
      const outline = read(proxyOutline, value);
      return outline && { ...outline, whole: read(shape.proxies.element, value) };
    }),
  };
}

function crossChecks(parts: ReadableParts): SettingFault[] {
  return [
    checkZone,
    checkRelay,
    checkSshHosts,
    checkOnDestroy,
    checkPorts,
    checkUdpPorts,
    checkNames,
    checkHosts,
    checkEgress,
    checkPlan,
  ].flatMap((check) => check(parts));
}

function checkZone({ mailDomain, dns }: ReadableParts): SettingFault[] {
  // Whole labels: notexample.org is not in example.org.
  if (!mailDomain || !dns || mailDomain === dns.zone || mailDomain.endsWith(`.${dns.zone}`)) return [];
  return [
    {
      key: "dns.zone",
      text: `${shown(dns.zone)} does not contain the mail domain ${mailDomain}. Name the zone that does.`,
    },
  ];
}

function checkRelay({ relay, tunnel }: ReadableParts): SettingFault[] {
  if (!relay || !tunnel) return [];
  if (tunnel === "none") {
    return [
      ...(relay.ipv4 || relay.ipv6
        ? []
        : [
            {
              key: "relay",
              text: 'has no public address here, to which proxies forward when tunnel is "none". Set relay.ipv4, relay.ipv6 or both.',
            },
          ]),
      ...(relay.setup === "script"
        ? [{ key: "relay.setup", text: '"script" has nothing to do when tunnel is "none". Remove it.' }]
        : []),
    ];
  }
  if (relay.setup === "ssh" && !relay.ssh)
    return [
      {
        key: "relay.ssh",
        text: 'is missing. Give how to reach the relay over SSH: host, port, user, hostKey. (If it cannot be reached from here, set relay.setup to "script".)',
      },
    ];
  return [];
}

/** Names whose records this program changes lead to a proxy once it has: another host key, from the second run on. */
function checkSshHosts({ mailDomain, relay, dns, proxies }: ReadableParts): SettingFault[] {
  const changed = (name: string): string | undefined => {
    if (name === mailDomain) return "is the mail domain, whose addresses are the proxies' once this program has run";
    const proxy = proxies.find((each) => each && dns && name === proxyDnsName(each.name, dns));
    return proxy ? `is the name that this program gives to the proxy ${proxy.name}` : undefined;
  };
  const hosts = [
    {
      key: "relay.ssh.host",
      host: relay?.gone ? undefined : relay?.ssh?.host,
      cure: "Use the relay's own address as you reach it: at home, the one in your own network. (chatmail's cmdeploy needs it too, as --ssh-host.)",
    },
    ...proxies.map((proxy, i) => ({
      key: `proxies[${i}].ssh.host`,
      host: proxy?.whole && propertiesOf(proxy.whole).sshHost,
      cure: "Use the machine's own address, or leave it out.",
    })),
  ];
  return hosts.flatMap(({ key, host, cure }) => {
    const why = host === undefined ? undefined : changed(host);
    return why === undefined ? [] : [{ key, text: `${shown(host)} ${why}. ${cure}` }];
  });
}

function checkOnDestroy({ dns, relayAddress }: ReadableParts): SettingFault[] {
  if (!dns || dns.provider === "manual" || dns.onDestroy !== "relay" || relayAddress) return [];
  return [
    {
      key: "dns.onDestroy",
      text: '"relay" needs an address to put there. Set relay.ipv4 or relay.ipv6, the relay\'s own public address.',
    },
  ];
}

function checkPorts({ ports, proxies }: ReadableParts): SettingFault[] {
  const sshPorts = new Set([
    22,
    ...proxies.flatMap((proxy) => (proxy?.whole ? propertiesOf(proxy.whole).sshPort : [])),
  ]);
  return ports.flatMap((number, i) => {
    const key = `ports[${i}]`;
    if (number === undefined) return [];
    if (ports.indexOf(number) < i) return [{ key, text: `${number} is named twice. Remove one.` }];
    if (sshPorts.has(number))
      return [{ key, text: `${number} is the proxy's own SSH port; forwarding it would lock you out. Remove it.` }];
    return [];
  });
}

function checkUdpPorts({ udpPorts, tunnel }: ReadableParts): SettingFault[] {
  return udpPorts.flatMap((range, i) => {
    const key = `udpPorts[${i}]`;
    if (!range) return [];
    const other = udpPorts.find((before, j) => j < i && before && before.from <= range.to && range.from <= before.to);
    if (other)
      return [{ key, text: `${rangeText(range)} and ${rangeText(other)} have ports in common. Change one of them.` }];
    if (tunnel && tunnel !== "none" && range.from <= tunnel.port && tunnel.port <= range.to) {
      return [
        {
          key,
          text: `${rangeText(range)} holds ${tunnel.port}, which is tunnel.port, by which the relay reaches the proxies. Change one of them.`,
        },
      ];
    }
    return [];
  });
}

function checkHosts({ proxies }: ReadableParts): SettingFault[] {
  const hosts = proxies.map((proxy) => proxy?.whole && propertiesOf(proxy.whole));
  return hosts.flatMap((host, i): SettingFault[] => {
    const key = `proxies[${i}]`;
    if (!host) return [];
    if (host.faults.length > 0) return host.faults.map((text) => ({ key, text }));
    const same = hosts.findIndex((other, j) => j < i && other?.identifiers.some((id) => host.identifiers.includes(id)));
    return same < 0
      ? []
      : [{ key, text: `is the same machine as proxies[${same}]. A machine is one proxy: remove one of the two.` }];
  });
}

/** Not a proxy, but the relay's own line, at the end of `egress`. */
export const OWN_LINE = "relay";

function checkEgress({ egress = [], proxies, tunnel }: ReadableParts): SettingFault[] {
  if (egress.length > 0 && tunnel === "none")
    return [{ key: "egress", text: 'needs a tunnel, and tunnel is "none". Remove one of the two.' }];
  const names = proxies.map((proxy) => proxy?.name);
  return egress.flatMap((name, i): SettingFault[] => {
    const key = `egress[${i}]`;
    if (egress.indexOf(name) < i) return [{ key, text: `${shown(name)} is named twice. Remove one.` }];
    if (name === OWN_LINE)
      return i === egress.length - 1 && i > 0
        ? []
        : [
            {
              key,
              text: `"${OWN_LINE}" (the relay's own line) can only be the last resort, behind a proxy. Move it to the end, or remove egress.`,
            },
          ];
    // An entry that cannot be read may well be the one that is meant.
    return names.includes(name) || names.includes(undefined)
      ? []
      : [{ key, text: `${shown(name)} is no proxy. Use names from proxies: ${names.join(", ")}.` }];
  });
}

function checkNames({ proxies }: ReadableParts): SettingFault[] {
  const names = proxies.map((proxy) => proxy?.name);
  return names.flatMap((name, i): SettingFault[] => {
    const key = `proxies[${i}].name`;
    if (name === undefined) return [];
    if (name === OWN_LINE) return [{ key, text: `"${OWN_LINE}" means the relay itself. Use another name.` }];
    const first = names.indexOf(name);
    return first < i
      ? [{ key, text: `${shown(name)} is taken by proxies[${first}]. Give each proxy a name of its own.` }]
      : [];
  });
}

function checkPlan({ proxies, tunnel }: ReadableParts): SettingFault[] {
  if (!tunnel || tunnel === "none") return [];
  const readable = proxies.flatMap((proxy, index) => (proxy ? [{ ...proxy, index }] : []));
  return planFaults(readable, tunnel).map(({ index, text }) => ({
    key: `proxies[${readable[index]?.index}].slot`,
    text,
  }));
}

// PEM keys say it in a header; OpenSSH's own format in the cipher's name behind the magic.
function isEncrypted(text: string): boolean {
  if (/ENCRYPTED/.test(text)) return true;
  const body = /BEGIN OPENSSH PRIVATE KEY-----([^-]*)-----END/.exec(text)?.[1] ?? "";
  const bytes = Buffer.from(body, "base64");
  const magic = "openssh-key-v1\0";
  if (bytes.subarray(0, magic.length).toString("latin1") !== magic) return false;
  const length = bytes.readUInt32BE(magic.length);
  return bytes.subarray(magic.length + 4, magic.length + 4 + length).toString("latin1") !== "none";
}
