// The one place where the DNS provider is chosen.
import * as pulumi from "@pulumi/pulumi";
import { operatorError } from "../operatorError";
import { outputValue } from "../outputValue";
import type { StackSettings } from "../settings";
import { readCloudflareZone } from "./cloudflare";
import { CLOUDFLARE_API } from "./cloudflareApi";
import { commandZone } from "./commandZone";
import type { Access } from "./driver/job";
import { isAsked, notAsked, seenInstead, unanswered } from "./delegation";
import { openHetznerZone } from "./hetzner";
import { hetznerDelegation, NOT_ASKED } from "./hetznerDelegation";
import { lookupFromHere, type OpenLookup } from "./lookup";
import { openManualZone } from "./manual";
import { proxyDnsName } from "./proxyDnsName";
import { ownZone, readRfc2136Zone } from "./rfc2136";
import type { DnsZone, OnDestroy } from "./zone";
import { findCutFromHere, lookFromHere, type FindCut, type LookAtZone } from "./worldView";
import { viewZone } from "./zoneView";

/** What lies outside: tests have their own. */
export interface DnsWorld {
  readonly cloudflareApi: string;
  readonly openLookup: OpenLookup;
  readonly hetznerDelegation: typeof hetznerDelegation;
  readonly lookAtZone: LookAtZone;
  readonly findCut: FindCut;
}

export const REAL_DNS: DnsWorld = {
  cloudflareApi: CLOUDFLARE_API,
  openLookup: lookupFromHere,
  hetznerDelegation,
  lookAtZone: lookFromHere,
  findCut: findCutFromHere,
};

/** Reads the zone. Throws a RunError when it is not there, or not ours to change. `labels`: Hetzner's, on our record sets. */
export async function openZone(settings: ZoneSettings, labels: ZoneLabels, world: DnsWorld): Promise<DnsZone> {
  const opened = await adapterFor(settings, labels, world);
  const { mailDomain, dns } = settings;
  const cut = opened.existing.find(
    ({ name, type }) => type === "NS" && name !== dns.zone && (mailDomain === name || mailDomain.endsWith(`.${name}`)),
  );
  if (cut) throw operatorError(otherZone(mailDomain, dns.zone, cut.name));
  // By hand: a CNAME may lead where it should, and where it does not, what has to change is told once that is known.
  if (opened.manual) return opened;
  const alias = opened.existing.find(({ name, type }) => name === mailDomain && type === "CNAME");
  if (!alias) return opened;
  throw operatorError(
    `dns.zone: ${mailDomain} is a CNAME of ${alias.values.join(", ")} in ${dns.zone}, and a name with a CNAME can have no A or AAAA. Delete it there, and give ${mailDomain} its present addresses as A and AAAA instead; those are then adopted.`,
  );
}

/** `stack`: the mark of what is ours in the zone. */
type ZoneLabels = Record<string, string> & { readonly stack: string };

type ZoneSettings = Pick<StackSettings, "dns" | "mailDomain" | "relay" | "dnsSecret" | "hcloud" | "proxies">;
type Rfc2136Settings = Extract<ZoneSettings["dns"], { provider: "rfc2136" }>;

const BOTH = ["A", "AAAA"] as const;

/** A machine that is there already says its addresses; one that is bought gets both. */
function familiesOf(proxy: {
  readonly name: string;
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
}) {
  const given = [...(proxy.ipv4 ? (["A"] as const) : []), ...(proxy.ipv6 ? (["AAAA"] as const) : [])];
  return given.length > 0 ? given : BOTH;
}

/** What adapters of more than one provider need. */
interface ZoneContext {
  readonly settings: ZoneSettings;
  readonly world: DnsWorld;
  readonly stack: string;
  readonly onDestroy: OnDestroy;
  readonly secret: pulumi.Output<string>;
  /** The same, known before anything is registered: it is a setting. */
  readonly plainSecret: string;
}

async function adapterFor(settings: ZoneSettings, labels: ZoneLabels, world: DnsWorld): Promise<DnsZone> {
  const { dns } = settings;
  const secret = settings.dnsSecret ?? pulumi.secret("");
  const context: ZoneContext = {
    settings,
    world,
    stack: labels.stack,
    onDestroy: onDestroyOf(settings),
    secret,
    plainSecret: (await outputValue(secret)) ?? "",
  };
  switch (dns.provider) {
    case "hetzner":
      return openHetzner(context, labels);
    case "rfc2136":
      return openRfc2136(context, dns);
    case "cloudflare":
      return openCloudflare(context);
    case "manual":
      return openManual(context);
  }
}

function onDestroyOf({ dns, relay: { ipv4, ipv6 } }: ZoneSettings): OnDestroy {
  const kind = dns.provider === "manual" ? "keep" : dns.onDestroy;
  return kind === "relay" ? { kind, addresses: { A: ipv4 ? [ipv4] : [], AAAA: ipv6 ? [ipv6] : [] } } : { kind };
}

async function openHetzner(context: ZoneContext, labels: Record<string, string>): Promise<DnsZone> {
  const { settings, world, stack, onDestroy } = context;
  const { dns, mailDomain, proxies, hcloud } = settings;
  const opened = await openHetznerZone({
    zone: dns.zone,
    names: [mailDomain, ...proxies.map(({ name }) => proxyDnsName(name, dns))],
    ttl: dns.ttl,
    labels,
    stack,
    onDestroy,
    ...hcloud,
  });
  await warnAtHetzner(settings, world);
  return opened;
}

async function openRfc2136(
  { settings, world, stack, onDestroy, secret, plainSecret }: ZoneContext,
  { zone, ttl, server, port, tsig }: Rfc2136Settings,
): Promise<DnsZone> {
  const options = { server, port, zone, key: { ...tsig, secret: plainSecret } };
  const seen = Promise.all([ownZone(options), world.lookAtZone(zone)]);
  const sets = await readRfc2136Zone(options, [
    { name: settings.mailDomain, types: BOTH },
    ...settings.proxies.map((proxy) => ({ name: proxyDnsName(proxy.name, settings.dns), types: familiesOf(proxy) })),
  ]);
  const [own, view] = await seen;
  if (own && isAsked(own, view) === false)
    await pulumi.log.warn(notAsked({ provider: server, zone, assigned: own.nameServers, ...seenInstead(view) }));
  const access = secret.apply((value): Access => ({
    provider: "rfc2136",
    zone,
    server,
    port,
    key: { ...tsig, secret: value },
  }));
  return commandZone({ access, zone, ttl, stack, onDestroy, view: viewZone(sets, stack) });
}

async function openCloudflare(context: ZoneContext): Promise<DnsZone> {
  const { settings, world, stack, onDestroy, secret, plainSecret } = context;
  const { zone, ttl } = settings.dns;
  const sets = await readCloudflareZone(world.cloudflareApi, plainSecret, zone);
  const access = secret.apply((token): Access => ({ provider: "cloudflare", zone, api: world.cloudflareApi, token }));
  return commandZone({ access, zone, ttl, stack, onDestroy, view: viewZone(sets, stack) });
}

async function openManual({ settings, world }: ZoneContext): Promise<DnsZone> {
  const { mailDomain } = settings;
  const { zone, ttl } = settings.dns;
  const [cut, view] = await Promise.all([world.findCut(namesDownTo(zone, mailDomain)), world.lookAtZone(zone)]);
  // No reason to stop: only the resolver says so, and networks may have a zone of their own for a name.
  if (cut !== undefined)
    await pulumi.log.warn(
      `DNS: as your resolver has it, ${inOtherZone(mailDomain, zone, cut)} Where that zone is only for your own network, all is well.`,
    );
  if (view?.kind === "unanswered" && view.nameServers)
    await pulumi.log.warn(unanswered(zone, view.above, view.nameServers));
  return openManualZone({ zone, mailDomain, ttl, lookup: await world.openLookup(zone) });
}

/** Hetzner's own look, which may be some hours old: what is seen from here may be newer, and says so where all is well by now. */
async function warnAtHetzner({ dns: { zone }, hcloud: { api, token } }: ZoneSettings, world: DnsWorld): Promise<void> {
  const said = await world.hetznerDelegation(api, (await outputValue(pulumi.output(token))) ?? "", zone);
  if (!said || !NOT_ASKED.includes(said.status)) return;
  if (isAsked({ nameServers: said.assigned, soa: undefined }, await world.lookAtZone(zone)) === true) return;
  const status = said.checked ? `${said.status}, as Hetzner saw it on ${said.checked}` : said.status;
  await pulumi.log.warn(
    notAsked({ provider: "Hetzner Cloud", zone, status, assigned: said.assigned, delegated: said.delegated }),
  );
}

const otherZone = (mailDomain: string, zone: string, cut: string) => `dns.zone: ${inOtherZone(mailDomain, zone, cut)}`;

const inOtherZone = (mailDomain: string, zone: string, cut: string) =>
  `${mailDomain} is not in the zone ${zone}, but in ${cut}, which is a zone of its own: nobody asks ${zone} for it. Set dns.zone to ${cut}, and dns.provider to where that is.`;

/** The mail domain and the names between it and its zone, longest first. */
function namesDownTo(zone: string, mailDomain: string): string[] {
  const names: string[] = [];
  for (let name = mailDomain; name !== zone && name.endsWith(`.${zone}`); name = name.slice(name.indexOf(".") + 1))
    names.push(name);
  return names;
}
