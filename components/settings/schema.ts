// What may be in the stack's settings: keys, kinds and defaults. Pure; cross-checks are in check.ts.
import { z } from "zod";
import { PROVIDERS } from "../hosts/providers";
import { dnsSchema } from "./dnsSchema";
import { list, object } from "./object";
import {
  anyCidr,
  cidr,
  flag,
  hostAddress,
  mailDomain,
  port,
  portRange,
  proxyName,
  publicAddress,
  shown,
  sshHost,
  sshHostKey,
  sshPublicKey,
  unixUser,
  wholeNumber,
} from "./values";

/** The ports of a chatmail relay: SMTP, HTTP, IMAP, HTTPS, submissions, submission, IMAPS. */
export const CHATMAIL_PORTS = [25, 80, 143, 443, 465, 587, 993];

/** One of some words; `what` goes on from "is not". */
const oneOf = <const T extends readonly [string, ...string[]]>(words: T, what: string) =>
  z.enum(words, {
    error: (issue) =>
      `${issue.input === undefined ? "is missing." : `${shown(issue.input)} is not ${what}.`} Use ${words.map((word) => `"${word}"`).join(" or ")}.`,
  });

const relaySsh = object("how to reach the relay over SSH", {
  host: sshHost,
  port: port.default(22),
  user: unixUser.default("root"),
  hostKey: sshHostKey,
});

const relay = object("the relay", {
  setup: oneOf(["ssh", "script"], "a way to set up the relay").default("ssh"),
  ssh: relaySsh.optional(),
  gone: flag.default(false),
  dial: z
    .enum(["ipv4", "ipv6"], {
      error: (issue) =>
        `${shown(issue.input)} is neither "ipv4" nor "ipv6". Say which family the relay dials out with.`,
    })
    .default("ipv4"),
  outboundCheck: z
    .union([hostAddress, z.literal(false)], {
      error: (issue) => `${shown(issue.input)} is neither a mail server's name nor false.`,
    })
    .default("gmail-smtp-in.l.google.com"),
  ipv4: publicAddress(4, "198.51.100.20").optional(),
  ipv6: publicAddress(6, "2001:db8::20").optional(),
});

type EntrySchema = (typeof PROVIDERS)[number]["schema"];

const proxy = z.discriminatedUnion("host", PROVIDERS.map(({ schema }) => schema) as [EntrySchema, ...EntrySchema[]], {
  error: (issue) => {
    const { input } = issue;
    if (input === null || typeof input !== "object" || Array.isArray(input))
      return `${shown(input)} is not a proxy. Give it the keys name, host, and those of its kind of host.`;
    const { host } = input as { host?: unknown };
    const kinds = PROVIDERS.map(({ name }) => `"${name}"`).join(", ");
    return host === undefined
      ? `is missing. Use one of ${kinds}.`
      : `${shown(host)} is not a kind of host. Use one of ${kinds}.`;
  },
});

const tunnelKeys = object("the tunnels", {
  port: port.default(51820),
  mtu: wholeNumber(1280, 1500, "an MTU").default(1420),
  ipv4Range: cidr(4, 8, 28, "10.213.64.0/18").prefault("10.213.64.0/18"),
  ipv6Range: cidr(6, 32, 124, "fd6d:6169:6c70::/64").prefault("fd6d:6169:6c70::/64"),
  routingTables: wholeNumber(1000, 4_000_000_000, "the first routing table's number").default(5_182_000),
  keyGeneration: wholeNumber(1, 1_000_000, "a generation of keys").default(1),
});

/** "none": the relay has a public address of its own, and proxies forward to it without a tunnel. */
const tunnel = z.unknown().transform((value, context): "none" | TunnelSettings => {
  if (value === "none") return value;
  // Not a union, whose message would be that none of its members fits.
  const result = tunnelKeys.safeParse(value ?? {});
  if (result.success) return result.data;
  for (const issue of result.error.issues)
    context.addIssue({ code: "custom", path: issue.path, message: issue.message });
  return z.NEVER;
});

/** All settings of a stack below the project's own namespace, as they are in the stack file. */
export const settingsSchema = object("the settings", {
  mailDomain,
  relay,
  relaySshKey: z.string().optional(),
  hostSshKey: z.string().optional(),
  proxies: list(proxy, "a list with an entry for each proxy"),
  ports: list(port, "a list of TCP ports").default(CHATMAIL_PORTS),
  udpPorts: list(portRange, "a list of UDP ports").default([]),
  adminKeys: list(sshPublicKey, "a list of public SSH keys").default([]),
  adminNetworks: list(anyCidr, "a list of networks").default([]),
  egress: z.preprocess(
    (value) => (typeof value === "string" ? [value] : value),
    list(proxyName, "a proxy's name, or a list of them").default([]),
  ),
  tunnel: tunnel.prefault({}),
  dns: dnsSchema,
  dnsSecret: z.string().optional(),
});

export type Settings = z.output<typeof settingsSchema>;
export type RelaySettings = Settings["relay"];
export type { ProxySettings } from "../hosts/providers";
export type TunnelSettings = z.output<typeof tunnelKeys>;
