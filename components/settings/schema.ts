// What may stand in the stack's settings: keys, kinds and defaults. Pure; cross-checks are in check.ts.
import { z } from "zod";
import { dnsSchema } from "./dnsSchema";
import { object } from "./object";
import { cidr, domainName, flag, hostAddress, port, proxyName, publicAddress, shown, slug, sshPublicKey, unixUser, wholeNumber } from "./values";

/** The ports of a chatmail relay: SMTP, HTTP, IMAP, HTTPS, submissions, submission, IMAPS. */
export const CHATMAIL_PORTS = [25, 80, 143, 443, 465, 587, 993];

const list = <T extends z.ZodType>(of: T, what: string) =>
  z.array(of, { error: (issue) => (issue.input === undefined ? `is missing. Give ${what}.` : `${shown(issue.input)} is not a list. Give ${what}.`) });

const relaySsh = object("how to reach the relay over SSH", {
  host: hostAddress,
  port: port.default(22),
  user: unixUser.default("root"),
  hostKey: sshPublicKey,
});

const relay = object("the relay", {
  ssh: relaySsh,
  dial: z.enum(["ipv4", "ipv6"], { error: (issue) => `${shown(issue.input)} is neither "ipv4" nor "ipv6". Say which family the relay dials out with.` }).default("ipv4"),
  outboundCheck: z.union([hostAddress, z.literal(false)], { error: (issue) => `${shown(issue.input)} is neither a mail server's name nor false.` }).default("gmail-smtp-in.l.google.com"),
  ipv4: publicAddress(4, "198.51.100.20").optional(),
  ipv6: publicAddress(6, "2001:db8::20").optional(),
});

const hetznerHost = object("a proxy", {
  name: proxyName,
  host: z.literal("hetzner", { error: (issue) => (issue.input === undefined ? 'is missing. Use "hetzner".' : `${shown(issue.input)} is not a kind of host. Use "hetzner".`) }),
  location: slug("a location", "hel1"),
  serverType: slug("a server type", "cx23").default("cx23"),
  image: slug("an image", "debian-13").default("debian-13"),
  deleteProtection: flag.default(false),
  backups: flag.default(false),
  publish: flag.default(true),
  slot: wholeNumber(0, 16383, "a slot").optional(),
});

const tunnel = object("the tunnels", {
  port: port.default(51820),
  mtu: wholeNumber(1280, 1500, "an MTU").default(1420),
  ipv4Range: cidr(4, 8, 28, "10.213.64.0/18").prefault("10.213.64.0/18"),
  ipv6Range: cidr(6, 32, 124, "fd6d:6169:6c70::/64").prefault("fd6d:6169:6c70::/64"),
  routingTables: wholeNumber(1000, 4_000_000_000, "the first routing table's number").default(5_182_000),
  keyGeneration: wholeNumber(1, 1_000_000, "a generation of keys").default(1),
});

/** All settings of a stack below the project's own namespace, as they stand in the stack file. */
export const settingsSchema = object("the settings", {
  mailDomain: domainName,
  relay,
  relaySshKey: z.string().optional(),
  proxies: list(hetznerHost, "a list with an entry for each proxy"),
  ports: list(port, "a list of TCP ports").default(CHATMAIL_PORTS),
  adminKeys: list(sshPublicKey, "a list of public SSH keys").default([]),
  tunnel: tunnel.prefault({}),
  dns: dnsSchema,
  dnsSecret: z.string().optional(),
});

export type Settings = z.output<typeof settingsSchema>;
export type RelaySettings = Settings["relay"];
export type ProxySettings = Settings["proxies"][number];
export type TunnelSettings = Settings["tunnel"];
