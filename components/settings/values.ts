// The kinds of value a setting can have, each with what it must be and how to fix it. Pure.
import { z } from "zod";
import { canonicalAddress, familyOf, formatRange, isPrivate, parseRange, type Family, type Range } from "../addresses";
import type { PortRange } from "../ports";

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
 * A value of one kind: `check` returns the value as we use it, or a fault that follows the value in the error
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
  return HOST_NAME.test(name) && familyOf(name) === undefined
    ? { ok: name }
    : { no: "is not a domain name. Use one such as chat.example.org, without a final dot." };
});

/** chatmail takes a name that begins with "_" for a relay with a certificate of its own making. */
const MAIL_DOMAIN = new RegExp(`^(?=.{1,253}$)(_(?!.{63}))?(${LABEL}\\.)+${LABEL}$`);

/** The name behind the @; chatmail also has relays without one. */
export const mailDomain = kind<string>("Use a domain name such as chat.example.org.", (value) => {
  const name = typeof value === "string" ? value.toLowerCase() : "";
  if (familyOf(name.replace(/^\[(ipv6:)?(.*)\]$/, "$2")) !== undefined) {
    return {
      no: "is an address, not a domain name. The users of such a relay have its one address in their own, so that no proxy can stand in for it, and there are no DNS records to change. Set the relay up with a domain name (mail_domain in its chatmail.ini), and use that here.",
    };
  }
  return MAIL_DOMAIN.test(name)
    ? { ok: name }
    : { no: "is not a domain name. Use one such as chat.example.org, without a final dot." };
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

/** A link-local address is one only together with the interface behind which it is. */
const LINK_LOCAL = /^(fe[89ab][0-9a-f]:[0-9a-f:]*)(%[A-Za-z0-9_.-]+)$/i;

/** What the operator's own machine makes an address of, its hosts file among other things: so one label will do. */
const LOCAL_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/** Where an SSH server is, as seen from the operator's machine. */
export const sshHost = kind<string>("Use an address or a name.", (value) => {
  if (typeof value !== "string") return { no: "is not an address or a name." };
  const [, linkLocal = "", zone = ""] = LINK_LOCAL.exec(value) ?? [];
  const address =
    canonicalAddress(value) ?? (familyOf(linkLocal) === 6 ? `${linkLocal.toLowerCase()}${zone}` : undefined);
  if (address) return { ok: address };
  if (/^[\d.:/]+$/.test(value) || !LOCAL_NAME.test(value.toLowerCase())) {
    return {
      no: "is neither an IP address nor a name. Use one such as 192.168.1.10, fe80::1%eth0 or relay.example.org, without user and port.",
    };
  }
  return { ok: value.toLowerCase() };
});

/** An address under which the world reaches something. */
export const publicAddress = (family: Family, example: string) =>
  kind<string>(`Use an IPv${family} address such as ${example}.`, (value) => {
    const address = typeof value === "string" && familyOf(value) === family ? canonicalAddress(value) : undefined;
    if (!address) return { no: `is not an IPv${family} address. Use one such as ${example}.` };
    return isPrivate(address)
      ? {
          no: `is an address inside a network, which nobody reaches from outside. Use the public one, such as ${example}.`,
        }
      : { ok: address };
  });

/** The name of a key for signed updates, as the name server has it. */
export const keyName = kind<string>("Use the key's name as the name server has it.", (value) => {
  const name = typeof value === "string" ? value.toLowerCase().replace(/\.$/, "") : "";
  return /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name)
    ? { ok: name }
    : { no: "is not the name of a key. Use it as the name server has it, such as chatmail-proxy." };
});

/** A range of addresses of one family in CIDR form, its prefix between `shortest` and `longest`. */
export const cidr = (family: 4 | 6, shortest: number, longest: number, example: string) =>
  kind<Range>(`Use an IPv${family} range such as ${example}.`, (value) => {
    const range = typeof value === "string" ? parseRange(value) : undefined;
    if (range?.family !== family)
      return {
        no: `is not an IPv${family} range in CIDR form, with all bits behind the prefix zero. Use one such as ${example}.`,
      };
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
  return range
    ? { ok: formatRange(range) }
    : {
        no: "is not a network in CIDR form, with all bits behind the prefix zero. Use one such as 198.51.100.0/24 or 2001:db8:1::/48.",
      };
});

/** A port, or two with a hyphen between them. */
export const portRange = kind<PortRange>("Use a port such as 3478, or a range such as 50000-50999.", (value) => {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(value)) ?? [];
  const range = { from: Number(first ?? 0), to: Number(last ?? 0) };
  return range.from >= 1 && range.to <= 65535 && range.from <= range.to
    ? { ok: range }
    : { no: "is not a port or a range of ports. Use one such as 3478 or 50000-50999, from 1 to 65535." };
});

/** A time of the day. */
export const clockTime = matching(
  /^([01]\d|2[0-3]):[0-5]\d$/,
  "is not a time of the day. Use one such as 03:30 (the server's clock, which is UTC).",
  "Use a time such as 03:30.",
);

/** Characters that interface names of Linux and FreeBSD have. */
export const interfaceName = matching(
  /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$/,
  "is not an interface's name. Use one such as eth0.",
  "Use an interface's name such as eth0.",
);

/** A label's value at Hetzner Cloud. */
export const labelText = matching(
  /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/,
  "is not a label's value. Use letters, digits, and inner dots, hyphens and underscores.",
  "Use a label's value.",
);

/** Labels that tell the program which of a project's things are whose; hosts/hetzner.ts gives them. */
const OUR_LABELS: readonly string[] = ["managed-by", "stack", "proxy", "sshport"];

/** A label's key at Hetzner Cloud: a name, with a domain in front of it or not. */
const LABEL_KEY = new RegExp(`^((${LABEL}\\.)*${LABEL}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`);

/** Labels of the operator's own. */
export const labels = z
  .record(z.string(), labelText, {
    error: (issue) => `${shown(issue.input)} is not a set of labels. Use keys with a value each, such as cost: mail.`,
  })
  .superRefine((value, context) => {
    for (const key of Object.keys(value)) {
      if (OUR_LABELS.includes(key))
        context.addIssue({
          code: "custom",
          path: [key],
          message: "is a label that this program gives itself. Use another key.",
        });
      else if (!LABEL_KEY.test(key))
        context.addIssue({
          code: "custom",
          path: [key],
          message: "is not a label's key. Use letters, digits, and inner dots, hyphens and underscores.",
        });
    }
  });

const KEY = "[A-Za-z0-9+/]{40,}={0,2}( [^\\n]*)?$";
const PUBLIC_KEY = new RegExp(
  `^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa|sk-ssh-ed25519@openssh\\.com|sk-ecdsa-sha2-nistp256@openssh\\.com) ${KEY}`,
);
const KEY_MISSING = 'Use one line such as "ssh-ed25519 AAAA…", as a .pub file holds it.';

/** The key as one line: YAML's "|" leaves a line's end behind it. */
const keyLine = (value: unknown): string => (typeof value === "string" ? value.trim() : "");

/** A public SSH key in the form of a line of authorized_keys or of a .pub file; a comment may follow. */
export const sshPublicKey = kind<string>(KEY_MISSING, (value) =>
  PUBLIC_KEY.test(keyLine(value)) ? { ok: keyLine(value) } : { no: `is not a public SSH key. ${KEY_MISSING}` },
);

/** Types for which the signature's algorithm bears the key's own name: the command provider asks the host for no other. */
const PINNED_KEY = new RegExp(`^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)) ${KEY}`);

/** A host's public key, by which it is known again. */
export const sshHostKey = kind<string>(KEY_MISSING, (value) => {
  const line = keyLine(value);
  if (PINNED_KEY.test(line)) return { ok: line };
  if (!PUBLIC_KEY.test(line)) return { no: `is not a public SSH key. ${KEY_MISSING}` };
  return {
    no: `is a key of a type by which no connection can be made: servers sign with it by other algorithms than its name says. Use the line of the host's /etc/ssh/ssh_host_ed25519_key.pub (or ssh_host_ecdsa_key.pub; if it has neither, run ssh-keygen -A there and restart sshd).`,
  };
});

/** A public SSH key is the same with any comment. */
export const keyWithoutComment = (key: string): string => key.split(" ").slice(0, 2).join(" ");

export const unixUser = matching(
  /^[a-z_][a-z0-9_.-]{0,31}$/,
  "is not a user name. Use one such as root.",
  "Use a user name such as root.",
);

/** A short lower-case word as Hetzner names locations, server types and images. */
export const slug = (what: string, example: string) =>
  matching(
    /^[a-z0-9][a-z0-9.-]{0,63}$/,
    `is not ${what}. Use one such as ${example}.`,
    `Use ${what} such as ${example}.`,
  );
