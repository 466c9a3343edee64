// scripts/lab/hetzner/recordValues.ts: which names and values a zone's records may have, by type. Pure.
import { isIPv4, isIPv6 } from "node:net";

export const rrsetTypes = [
  "A",
  "AAAA",
  "CAA",
  "CNAME",
  "DS",
  "HINFO",
  "HTTPS",
  "MX",
  "NS",
  "PTR",
  "RP",
  "SOA",
  "SRV",
  "SVCB",
  "TLSA",
  "TXT",
] as const;
export type RrsetType = (typeof rrsetTypes)[number];

const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const relativeName = new RegExp(`^(?:@|(?:\\*|${label})(?:\\.${label})*)$`);
const target = new RegExp(`^(?:@|\\.|(?:\\*\\.)?${label}(?:\\.${label})*\\.?)$`, "i");
const zoneName = /^(?=.{1,255}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/;

// The real API knows the public suffix list; these are the second-level registries one meets most.
const secondLevel =
  /^(co|com|org|net|gov|edu|ac|ne|or|gob|nom|ltd|plc|me)\.(uk|jp|nz|za|au|br|mx|ar|tr|kr|in|il|th|id|tw|sg|hk|my|pl|at)$/;

/** What is wrong with the name of a zone; undefined: nothing. */
export function zoneNameComplaint(name: string): string | undefined {
  if (!zoneName.test(name)) return "must be a domain name in lower case without a dot at the end";
  const labels = name.split(".");
  const suffix = secondLevel.test(labels.slice(-2).join(".")) ? 2 : 1;
  return labels.length === suffix + 1
    ? undefined
    : "must be a name directly under a public suffix; subdomains are not supported";
}

export function rrsetNameComplaint(name: string, zone: string): string | undefined {
  if (name.length + 1 + zone.length > 255 || !relativeName.test(name))
    return "must be in lower case, relative to the zone, without a dot at the end; @ for the zone itself";
  if (name === zone || name.endsWith(`.${zone}`)) return "must not end with the zone's name";
  return undefined;
}

const number = (text: string | undefined, max: number) =>
  text !== undefined && /^\d{1,10}$/.test(text) && Number(text) <= max;
const name = (text: string | undefined) => text !== undefined && text.length <= 255 && target.test(text);
const hex = (text: string) => text.length > 0 && text.length % 2 === 0 && /^[0-9a-f]+$/i.test(text);
const fields = (value: string) => value.split(/[ \t]+/);

function isService(value: string): boolean {
  const [priority, host, ...parameters] = fields(value);
  return (
    number(priority, 65535) &&
    name(host) &&
    parameters.every((parameter) => /^[a-z0-9-]+(=("[^"]*"|[^\s"]+))?$/.test(parameter))
  );
}

const checks: Record<RrsetType, { test: (value: string) => boolean; form: string }> = {
  A: { test: isIPv4, form: "an IPv4 address" },
  AAAA: { test: (value) => isIPv6(value) && !value.includes("%"), form: "an IPv6 address" },
  CAA: {
    test: (value) => /^(\d{1,3}) [a-z0-9]+ "[^"]*"$/i.test(value) && Number(value.split(" ")[0]) <= 255,
    form: 'flags, tag and quoted value, such as 0 issue "letsencrypt.org"',
  },
  CNAME: { test: name, form: "a host name" },
  DS: {
    test: (value) => {
      const [tag, algorithm, digestType, ...digest] = fields(value);
      return number(tag, 65535) && number(algorithm, 255) && number(digestType, 255) && hex(digest.join(""));
    },
    form: "key tag, algorithm, digest type and digest",
  },
  HINFO: { test: (value) => /^("[^"]*"|[^\s"]+) ("[^"]*"|[^\s"]+)$/.test(value), form: "two strings" },
  HTTPS: { test: isService, form: "priority, target and parameters" },
  MX: {
    test: (value) => {
      const [preference, host, ...more] = fields(value);
      return number(preference, 65535) && name(host) && more.length === 0;
    },
    form: "preference and host name, such as 10 mail.example.org.",
  },
  NS: { test: name, form: "a host name" },
  PTR: { test: name, form: "a host name" },
  RP: { test: (value) => fields(value).length === 2 && fields(value).every(name), form: "two names" },
  SOA: { test: () => false, form: "left to the API" },
  SRV: {
    test: (value) => {
      const [priority, weight, port, host, ...more] = fields(value);
      return [priority, weight, port].every((one) => number(one, 65535)) && name(host) && more.length === 0;
    },
    form: "priority, weight, port and host name",
  },
  SVCB: { test: isService, form: "priority, target and parameters" },
  TLSA: {
    test: (value) => {
      const [usage, selector, matching, ...data] = fields(value);
      return [usage, selector, matching].every((one) => number(one, 255)) && hex(data.join(""));
    },
    form: "usage, selector, matching type and data",
  },
  TXT: { test: isQuotedText, form: 'one or more quoted strings of at most 255 bytes each, such as "v=spf1 a ~all"' },
};

function isQuotedText(value: string): boolean {
  if (!/^"(?:[^"\\]|\\.)*"(?:[ \t]+"(?:[^"\\]|\\.)*")*$/.test(value)) return false;
  const strings = value.match(/"(?:[^"\\]|\\.)*"/g) ?? [];
  return strings.every((quoted) => Buffer.byteLength(quoted.slice(1, -1).replace(/\\(\d{3}|.)/g, "x")) <= 255);
}

export function recordComplaint(type: RrsetType, value: string): string | undefined {
  return checks[type].test(value)
    ? undefined
    : `'${value}' is not valid for type ${type}: must be ${checks[type].form}`;
}
