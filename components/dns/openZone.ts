// The one place where the DNS provider is chosen.
import * as pulumi from "@pulumi/pulumi";
import { operatorError } from "../operatorError";
import { outputValue } from "../outputValue";
import type { StackSettings } from "../settings";
import { readCloudflareZone } from "./cloudflare";
import { CLOUDFLARE_API } from "./cloudflareApi";
import { drivenZone } from "./drivenZone";
import type { Access } from "./driver/job";
import { hetznerZone } from "./hetzner";
import { lookupFromHere, type OpenLookup } from "./lookup";
import { manualZone } from "./manual";
import { proxyDnsName } from "./proxyDnsName";
import { readRfc2136Zone } from "./rfc2136";
import type { DnsZone, Farewell } from "./zone";
import { viewZone } from "./zoneView";

/** What lies outside: tests have their own. */
export interface DnsWorld {
  readonly cloudflareApi: string;
  readonly openLookup: OpenLookup;
}

export const REAL_DNS: DnsWorld = { cloudflareApi: CLOUDFLARE_API, openLookup: lookupFromHere };

/** Reads the zone. Throws a RunError when it is not there, or not ours to change. `labels`: Hetzner's, on our record sets. */
export async function openZone(settings: ZoneSettings, labels: Record<string, string>, world: DnsWorld): Promise<DnsZone> {
  const opened = await adapterFor(settings, labels, world);
  const { mailDomain, dns } = settings;
  const alias = opened.existing.find(({ name, type }) => name === mailDomain && type === "CNAME");
  if (!alias) return opened;
  throw operatorError(
    `dns.zone: ${mailDomain} is a CNAME of ${alias.values.join(", ")} in ${dns.zone}, and a name with a CNAME can have no A or AAAA. Delete it there, and give ${mailDomain} its present addresses as A and AAAA instead; those are then adopted.`,
  );
}

type ZoneSettings = Pick<StackSettings, "dns" | "mailDomain" | "relay" | "dnsSecret" | "hcloud" | "proxies">;

const BOTH = ["A", "AAAA"] as const;

/** A machine that is there already says its addresses; one that is bought gets both. */
function familiesOf(proxy: { readonly name: string; readonly ipv4?: string | undefined; readonly ipv6?: string | undefined }) {
  const given = [...(proxy.ipv4 ? (["A"] as const) : []), ...(proxy.ipv6 ? (["AAAA"] as const) : [])];
  return given.length > 0 ? given : BOTH;
}

async function adapterFor(settings: ZoneSettings, labels: Record<string, string>, world: DnsWorld): Promise<DnsZone> {
  const { dns, mailDomain, relay: { ipv4, ipv6 }, hcloud } = settings;
  const { zone, ttl } = dns;
  const stack = pulumi.getStack();
  const onDestroy = dns.provider === "manual" ? "keep" : dns.onDestroy;
  const farewell: Farewell = onDestroy === "relay" ? { kind: "relay", addresses: { A: ipv4 ? [ipv4] : [], AAAA: ipv6 ? [ipv6] : [] } } : { kind: onDestroy };
  const secret = settings.dnsSecret ?? pulumi.secret("");
  // Known before anything is registered: it is a setting.
  const plain = (await outputValue(secret)) ?? "";

  switch (dns.provider) {
    case "hetzner":
      return hetznerZone({ zone, names: [mailDomain, ...settings.proxies.map(({ name }) => proxyDnsName(name, dns))], ttl, labels, stack, farewell, ...hcloud });
    case "rfc2136": {
      const { server, port, tsig } = dns;
      const sets = await readRfc2136Zone({ server, port, zone, key: { ...tsig, secret: plain } }, [{ name: mailDomain, types: BOTH }, ...settings.proxies.map((proxy) => ({ name: proxyDnsName(proxy.name, dns), types: familiesOf(proxy) }))]);
      const access = secret.apply((value): Access => ({ provider: "rfc2136", zone, server, port, key: { ...tsig, secret: value } }));
      return drivenZone({ access, zone, ttl, stack, farewell, view: viewZone(sets, stack) });
    }
    case "cloudflare": {
      const sets = await readCloudflareZone(world.cloudflareApi, plain, zone);
      const access = secret.apply((token): Access => ({ provider: "cloudflare", zone, api: world.cloudflareApi, token }));
      return drivenZone({ access, zone, ttl, stack, farewell, view: viewZone(sets, stack) });
    }
    case "manual":
      return manualZone({ zone, mailDomain, ttl, lookup: await world.openLookup(zone) });
  }
}
