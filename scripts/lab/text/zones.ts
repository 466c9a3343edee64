// lab/text/zones.ts: the lab's own DNS zones as zone files, and the names of reverse zones. Pure; serves nothing.
import { isIPv6 } from "node:net";
import type { PublishedRecord, PublishedZone } from "../hetzner/world";
import {
  ACCESS,
  CLIENT_LEG,
  DEB1_LEG,
  DIRECT_DOMAIN,
  DNS_TTL,
  DYNAMIC_ZONE,
  HETZNER_NAME_SERVERS,
  HOME_LINE,
  MX_LEG,
  OPERATOR_LEG,
  OTHER_DOMAIN,
  OTHER_MX,
  SERVICES,
  VPS_LEG,
} from "../plan";
import { DKIM_SELECTOR, dkimRecord } from "./dkim";

/** Zones that are there before anybody asks for one; the key (PEM) is that of the other mail server. The root makes every other name NXDOMAIN, at once and for sure. */
export function ownZones(ptrs: ReadonlyMap<string, string>, dkimKey: string): PublishedZone[] {
  const server = SERVICES.dns.names[0];
  const host = (name: string, addresses: { ipv4: string; ipv6?: string }) => addressRecords(name, addresses);
  const zone = (name: string, records: PublishedRecord[]): PublishedZone => ({
    name,
    ttl: DNS_TTL,
    records: [...apex(server), ...records],
  });
  return [
    zone(".", []),
    zone(OTHER_DOMAIN, [
      ...host("ns1", SERVICES.dns),
      ...host("mx", MX_LEG),
      ...host("client", CLIENT_LEG),
      ...host("deb1", DEB1_LEG),
      ...host("vps", VPS_LEG),
      ...host("operator", OPERATOR_LEG),
      record("@", "MX", `10 ${OTHER_MX}.`),
      record("@", "TXT", '"v=spf1 mx -all"'),
      record(`${DKIM_SELECTOR}._domainkey`, "TXT", dkimRecord(dkimKey)),
    ]),
    zone("hetzner.cloud", host("api", SERVICES.api)),
    zone("debian.org", [...host("deb", SERVICES.mirror), ...host("security", SERVICES.mirror)]),
    ...["hetzner.com", "hetzner.de"].map((name) =>
      zone(
        name,
        HETZNER_NAME_SERVERS.filter((ns) => ns.endsWith(`.${name}`)).flatMap((ns) =>
          host(ns.slice(0, -name.length - 1), SERVICES.dns),
        ),
      ),
    ),
    ...reverseZones(new Map([...fixedPtrs(), ...ptrs])).map((reverse) => zone(reverse.name, reverse.records)),
  ];
}

/** Before its first update. */
export const freshDynamicZone = (): PublishedZone => ({
  name: DYNAMIC_ZONE,
  ttl: DNS_TTL,
  records: apex(SERVICES.dns.names[0]),
});

/** The zones in which reverse names stand; all of them exist from the start, so that an address without a name is NXDOMAIN. */
export const REVERSE_ZONES: readonly string[] = [
  "2.0.192.in-addr.arpa",
  "100.51.198.in-addr.arpa",
  "113.0.203.in-addr.arpa",
  "8.b.d.0.1.0.0.2.ip6.arpa",
];

export function reverseName(address: string): string {
  if (!isIPv6(address)) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  return `${[...expandIPv6(address).replaceAll(":", "")].reverse().join(".")}.ip6.arpa`;
}

/** All eight groups with four digits each. */
export function expandIPv6(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = (part: string) => part.split(":").filter(Boolean);
  const zeros = Array<string>(tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length).fill("0");
  return [...groups(head), ...zeros, ...groups(tail ?? "")]
    .map((group) => group.padStart(4, "0").toLowerCase())
    .join(":");
}

/** One zone as knot reads it. The serial only has to grow, and the API's zones keep their own. */
export function renderZone(zone: PublishedZone): string {
  const lines = zone.records.map(({ name, ttl, type, value }) => `${name} ${ttl} IN ${type} ${value}`);
  return `$ORIGIN ${origin(zone.name)}\n$TTL ${zone.ttl}\n${lines.join("\n")}\n`;
}

export const origin = (zone: string): string => (zone.endsWith(".") ? zone : `${zone}.`);

function reverseZones(ptrs: ReadonlyMap<string, string>): { name: string; records: PublishedRecord[] }[] {
  const all = [...ptrs]
    .map(([address, name]) => ({ owner: reverseName(address), target: origin(name) }))
    .sort((a, b) => a.owner.localeCompare(b.owner));
  return REVERSE_ZONES.map((name) => ({
    name,
    records: all
      .filter(({ owner }) => owner.endsWith(`.${name}`))
      .map(({ owner, target }) => record(owner.slice(0, -name.length - 1), "PTR", target)),
  }));
}

function fixedPtrs(): [string, string][] {
  const both = (leg: { ipv4: string; ipv6?: string }, name: string): [string, string][] => [
    [leg.ipv4, name],
    ...(leg.ipv6 ? [[leg.ipv6, name] as [string, string]] : []),
  ];
  return [
    ...both(SERVICES.dns, SERVICES.dns.names[0]),
    ...both(SERVICES.api, SERVICES.api.names[0]),
    ...both(MX_LEG, OTHER_MX),
    ...both(VPS_LEG, DIRECT_DOMAIN),
    ...both(DEB1_LEG, `deb1.${OTHER_DOMAIN}`),
    ...both(CLIENT_LEG, `client.${OTHER_DOMAIN}`),
    ...both(OPERATOR_LEG, `operator.${OTHER_DOMAIN}`),
    ...both({ ipv4: ACCESS.gateway4, ipv6: ACCESS.gateway6 }, `gateway.${OTHER_DOMAIN}`),
    // What providers call a line whose address changes: nobody takes mail from it.
    ...HOME_LINE.addresses4.map((address): [string, string] => [
      address,
      `dyn-${address.split(".").join("-")}.dsl.${OTHER_DOMAIN}`,
    ]),
  ];
}

function apex(server: string): PublishedRecord[] {
  return [
    record("@", "SOA", `${server}. hostmaster.${OTHER_DOMAIN}. 1 60 60 3600 ${DNS_TTL}`),
    record("@", "NS", `${server}.`),
  ];
}

function addressRecords(name: string, { ipv4, ipv6 }: { ipv4: string; ipv6?: string }): PublishedRecord[] {
  return [record(name, "A", ipv4), ...(ipv6 ? [record(name, "AAAA", ipv6)] : [])];
}

const record = (name: string, type: string, value: string): PublishedRecord => ({ name, ttl: DNS_TTL, type, value });
