// The kinds of value a setting can have, each with what it must be and how to mend it. Pure.
import { z } from "zod";
import { canonicalAddress, familyOf, formatRange, isPrivate, parseRange, type Family, type Range } from "../addresses";
import type { PortRange } from "../filter/spec";

/** `eth0`-like names hold 15 characters on Linux (IFNAMSIZ less the final NUL). */
export const INTERFACE_NAME_LENGTH = 15;

/** The relay's interface to a proxy is named after the proxy, with this in front. */
export const INTERFACE_PREFIX = "wg-";

const PROXY_NAME_LENGTH = INTERFACE_NAME_LENGTH - INTERFACE_PREFIX.length;

/** How a value looks in an error: as it would stand in the stack file, cut where it is long. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/**
 * A value of one kind: `check` returns the value as we use it, or a complaint that follows the value in the error
 * ("70000 is not a port …").
 */
function kind<T>(missing: string, check: (value: unknown) => { ok: T } | { no: string }): z.ZodType<T> {
  return z.unknown().transform((value, context): T => {
    if (value === undefined) {
      context.addIssue({ code: "custom", message: `is missing. ${missing}` });
      return z.NEVER;
    }
    const result = check(value);
    if ("ok" in result) return result.ok;
    context.addIssue({ code: "custom", message: `${shown(value)} ${result.no}` });
    return z.NEVER;
  });
}

const matching = (pattern: RegExp, no: string, missing: string) =>
  kind<string>(missing, (value) => (typeof value === "string" && pattern.test(value) ? { ok: value } : { no }));

/** A whole number from `low` to `high`. */
export const wholeNumber = (low: number, high: number, what: string) =>
  kind<number>(`Use ${what} from ${low} to ${high}.`, (value) =>
    Number.isInteger(value) && (value as number) >= low && (value as number) <= high
      ? { ok: value as number }
      : { no: `is not ${what}. Use a whole number from ${low} to ${high}.` },
  );

export const port = wholeNumber(1, 65535, "a port");

export const flag = kind<boolean>("Use true or false.", (value) =>
  typeof value === "boolean" ? { ok: value } : { no: "is not a truth value. Use true or false." },
);

const LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const HOST_NAME = new RegExp(`^(?=.{1,253}$)(${LABEL}\\.)+${LABEL}$`);

/** A domain name of at least two labels, without a final dot; upper case is folded. */
export const domainName = kind<string>("Use a domain name such as chat.example.org.", (value) => {
  const name = typeof value === "string" ? value.toLowerCase() : "";
  return HOST_NAME.test(name) ? { ok: name } : { no: "is not a domain name. Use one such as chat.example.org, without a final dot." };
});

/** One label or several, below a zone. */
export const subdomain = matching(
  new RegExp(`^(?=.{1,64}$)(${LABEL}\\.)*${LABEL}$`),
  "is not a subdomain. Use lower-case letters, digits and inner hyphens, such as proxy, or several such words with a dot between them.",
  "Use a subdomain such as proxy.",
);

/** A proxy's name: a DNS label that also fits into an interface name. */
export const proxyName = kind<string>("Give each proxy a name, such as hel1.", (value) => {
  if (typeof value !== "string" || !new RegExp(`^${LABEL}$`).test(value)) {
    return { no: "is not a DNS label. Use lower-case letters, digits and inner hyphens, such as hel1." };
  }
  if (value.length > PROXY_NAME_LENGTH) {
    const name = INTERFACE_PREFIX + value;
    return {
      no: `is too long: its interface "${name}" has ${name.length} characters, Linux allows ${INTERFACE_NAME_LENGTH}. Use at most ${PROXY_NAME_LENGTH}.`,
    };
  }
  return { ok: value };
});

/** An IPv4 or IPv6 address, or a domain name. */
export const hostAddress = kind<string>("Use an address or a name.", (value) => {
  if (typeof value !== "string") return { no: "is not an address or a name." };
  const address = canonicalAddress(value);
  if (address) return { ok: address };
  // All digits and dots, yet no address: a mistyped one, which no name server will ever know.
  if (/^[\d.:/]+$/.test(value) || !HOST_NAME.test(value.toLowerCase())) {
    return { no: "is neither an IP address nor a domain name. Use one such as 192.168.1.10 or relay.example.org." };
  }
  return { ok: value.toLowerCase() };
});

/** An address under which the world reaches something. */
export const publicAddress = (family: Family, example: string) =>
  kind<string>(`Use an IPv${family} address such as ${example}.`, (value) => {
    const address = typeof value === "string" && familyOf(value) === family ? canonicalAddress(value) : undefined;
    if (!address) return { no: `is not an IPv${family} address. Use one such as ${example}.` };
    return isPrivate(address) ? { no: `is an address inside a network, which nobody reaches from outside. Use the public one, such as ${example}.` } : { ok: address };
  });

/** The name of a key for signed updates, as the name server has it. */
export const keyName = kind<string>("Use the key's name as the name server has it.", (value) => {
  const name = typeof value === "string" ? value.toLowerCase().replace(/\.$/, "") : "";
  return /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name) ? { ok: name } : { no: "is not the name of a key. Use it as the name server has it, such as chatmail-proxy." };
});

/** A range of addresses of one family in CIDR form, its prefix between `shortest` and `longest`. */
export const cidr = (family: 4 | 6, shortest: number, longest: number, example: string) =>
  kind<Range>(`Use an IPv${family} range such as ${example}.`, (value) => {
    const range = typeof value === "string" ? parseRange(value) : undefined;
    if (range?.family !== family) return { no: `is not an IPv${family} range in CIDR form, with all bits behind the prefix zero. Use one such as ${example}.` };
    if (range.prefix < shortest || range.prefix > longest) {
      return { no: `has the prefix /${range.prefix}. Use one from /${shortest} to /${longest}, such as ${example}.` };
    }
    return { ok: range };
  });

/** A network of either family in CIDR form, as text; a single address stands for itself. */
export const anyCidr = kind<string>("Use a network such as 198.51.100.0/24.", (value) => {
  const text = typeof value === "string" ? value : "";
  const family = familyOf(text);
  const range = parseRange(family ? `${text}/${family === 4 ? 32 : 128}` : text);
  return range ? { ok: formatRange(range) } : { no: "is not a network in CIDR form, with all bits behind the prefix zero. Use one such as 198.51.100.0/24 or 2001:db8:1::/48." };
});

/** A port, or two with a hyphen between them. */
export const portRange = kind<PortRange>("Use a port such as 3478, or a range such as 50000-50999.", (value) => {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(value)) ?? [];
  const range = { from: Number(first ?? 0), to: Number(last ?? 0) };
  return range.from >= 1 && range.to <= 65535 && range.from <= range.to ? { ok: range } : { no: "is not a port or a range of ports. Use one such as 3478 or 50000-50999, from 1 to 65535." };
});

/** A time of the day. */
export const clockTime = matching(/^([01]\d|2[0-3]):[0-5]\d$/, "is not a time of the day. Use one such as 03:30 (the server's clock, which is UTC).", "Use a time such as 03:30.");

/** Characters that interface names of Linux and FreeBSD have. */
export const interfaceName = matching(/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$/, "is not an interface's name. Use one such as eth0.", "Use an interface's name such as eth0.");

/** A label's value at Hetzner Cloud. */
export const labelText = matching(/^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/, "is not a label's value. Use letters, digits, and inner dots, hyphens and underscores.", "Use a label's value.");

/** Labels that tell the program which of a project's things are whose; hosts/hetzner.ts gives them. */
const OUR_LABELS: readonly string[] = ["managed-by", "stack", "proxy", "sshport"];

/** A label's key at Hetzner Cloud: a name, with a domain in front of it or not. */
const LABEL_KEY = new RegExp(`^((${LABEL}\\.)*${LABEL}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`);

/** Labels of the operator's own. */
export const labels = z.record(z.string(), labelText, { error: (issue) => `${shown(issue.input)} is not a set of labels. Use keys with a value each, such as cost: mail.` }).superRefine((value, context) => {
  for (const key of Object.keys(value)) {
    if (OUR_LABELS.includes(key)) context.addIssue({ code: "custom", path: [key], message: "is a label that this program gives itself. Use another key." });
    else if (!LABEL_KEY.test(key)) context.addIssue({ code: "custom", path: [key], message: "is not a label's key. Use letters, digits, and inner dots, hyphens and underscores." });
  }
});

/** A public SSH key in the form of a line of authorized_keys or of a .pub file; a comment may follow. */
export const sshPublicKey = matching(
  /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{40,}={0,2}( [^\n]*)?$/,
  'is not a public SSH key. Use one line such as "ssh-ed25519 AAAA…", as a .pub file holds it.',
  'Use one line such as "ssh-ed25519 AAAA…", as a .pub file holds it.',
);

/** A public SSH key is the same whatever its comment says. */
export const keyWithoutComment = (key: string): string => key.split(" ").slice(0, 2).join(" ");

export const unixUser = matching(/^[a-z_][a-z0-9_-]{0,31}$/, "is not a user name. Use one such as root.", "Use a user name such as root.");

/** A short lower-case word as Hetzner names locations, server types and images. */
export const slug = (what: string, example: string) =>
  matching(/^[a-z0-9][a-z0-9.-]{0,63}$/, `is not ${what}. Use one such as ${example}.`, `Use ${what} such as ${example}.`);
