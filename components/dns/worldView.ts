// What the world answers for a zone, as far as it is seen from here. Never fails, and never takes long: where nothing can be
// seen, nothing is said. A zone whose name servers have private addresses is one for a network of its own, and not the world's.
import { Resolver } from "node:dns/promises";
import { isPrivate } from "../addresses";

export interface Soa {
  readonly primary: string;
  readonly hostmaster: string;
}

/**
 * served: these name servers answer for it, with these SOAs as far as they were heard.
 * undelegated: a zone above it is known, and names no servers for it. unanswered: the resolver gets no answer, or knows these
 * name servers, of which none answers here.
 */
export type WorldView =
  | { readonly kind: "served"; readonly nameServers: readonly string[]; readonly soas: readonly Soa[] }
  | { readonly kind: "undelegated"; readonly above: string }
  | { readonly kind: "unanswered"; readonly above: string; readonly nameServers?: readonly string[] };

/** Undefined: nothing is known from here. */
export type LookAtZone = (zone: string) => Promise<WorldView | undefined>;

/** The names at or below which another zone begins, among these; undefined where none does, or nothing is known. */
export type FindCut = (names: readonly string[]) => Promise<string | undefined>;

const TIMEOUTS = { timeout: 1500, tries: 2 };

/** For all of it, in milliseconds. */
const LIMIT = 5000;

/** A zone has a few; of more nothing new is learnt. */
const MOST_SERVERS = 8;

export const lookFromHere: LookAtZone = (zone) => inTime((open) => lookAt(open, zone));

export const findCutFromHere: FindCut = (names) => inTime((open) => cutAmong(open(), names));

/** Opens a resolver: the system's, or one that asks these servers (`address` or `address:port`). */
export type Open = (servers?: readonly string[]) => Resolver;

export async function lookAt(open: Open, zone: string): Promise<WorldView | undefined> {
  const system = open();
  try {
    const nameServers = await system.resolveNs(zone);
    const [ipv4, ipv6] = await Promise.all([addressesOf(system, nameServers, 4), addressesOf(system, nameServers, 6)]);
    const addresses = [...ipv4, ...ipv6];
    if (addresses.length > 0 && addresses.every(isPrivate)) return undefined;
    const soas = await soasOf(open, zone, addresses);
    const above = soas.length === 0 && ipv4.length > 0 ? await silentAlone(open, system, zone) : undefined;
    return above === undefined ? { kind: "served", nameServers, soas } : { kind: "unanswered", above, nameServers };
  } catch (error) {
    const kind = ABSENT.includes(codeOf(error))
      ? "undelegated"
      : codeOf(error) === "ESERVFAIL"
        ? "unanswered"
        : undefined;
    const above = kind && (await zoneAbove(system, zone));
    return kind && above !== undefined ? { kind, above } : undefined;
  }
}

/** Name servers are asked themselves: a resolver would say what it remembers. */
async function soasOf(open: Open, zone: string, addresses: readonly string[]): Promise<Soa[]> {
  const soas = addresses.slice(0, MOST_SERVERS).map((address) =>
    open([address])
      .resolveSoa(zone)
      .then(
        ({ nsname, hostmaster }) => [{ primary: nsname, hostmaster }],
        () => [],
      ),
  );
  return (await Promise.all(soas)).flat();
}

const addressesOf = async (system: Resolver, names: readonly string[], family: 4 | 6): Promise<string[]> =>
  (
    await Promise.all(
      names.map((name) => (family === 4 ? system.resolve4(name) : system.resolve6(name)).catch(() => [])),
    )
  ).flat();

/** Networks may let no questions out but to their own resolver, and a machine may have no IPv6: the servers of the zone above show it. */
async function silentAlone(open: Open, system: Resolver, zone: string): Promise<string | undefined> {
  const above = await zoneAbove(system, zone);
  if (above === undefined) return undefined;
  const servers = await addressesOf(system, await system.resolveNs(above), 4);
  return (await soasOf(open, above, servers)).length > 0 ? above : undefined;
}

/** That the resolver knows it shows that it knows the world: one without a network, or in a network of its own, finds nothing to compare with. */
async function zoneAbove(system: Resolver, zone: string): Promise<string | undefined> {
  const labels = zone.split(".");
  for (let i = 1; i < labels.length; i++) {
    const above = labels.slice(i).join(".");
    const found = await system.resolveNs(above).then(
      (names) => names.length > 0,
      (error: unknown) => (ABSENT.includes(codeOf(error)) ? false : undefined),
    );
    if (found) return above;
    if (found === undefined) return undefined;
  }
  return undefined;
}

export async function cutAmong(system: Resolver, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    // Behind a CNAME the answer would be another name's.
    const [servers, aliases] = await Promise.all([
      system.resolveNs(name).catch(() => []),
      system.resolveCname(name).catch(() => []),
    ]);
    if (servers.length === 0 || aliases.length > 0) continue;
    const addresses = await Promise.all([addressesOf(system, servers, 4), addressesOf(system, servers, 6)]);
    if (addresses.flat().some((address) => !isPrivate(address))) return name;
  }
  return undefined;
}

const ABSENT = ["ENOTFOUND", "ENODATA"];

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? "";

async function inTime<T>(work: (open: Open) => Promise<T | undefined>): Promise<T | undefined> {
  const opened: Resolver[] = [];
  const open: Open = (servers) => {
    const resolver = new Resolver(TIMEOUTS);
    if (servers) resolver.setServers(servers);
    opened.push(resolver);
    return resolver;
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      opened.forEach((resolver) => resolver.cancel());
      resolve(undefined);
    }, LIMIT);
  });
  return Promise.race([work(open).catch(() => undefined), late]).finally(() => clearTimeout(timer));
}
