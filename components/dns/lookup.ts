// What the world's resolvers see of a zone: its own name servers are asked, since caches would show what was.
import { Resolver } from "node:dns/promises";
import { operatorError } from "../operatorError";

export type LookupType = "A" | "AAAA" | "CNAME" | "TXT";

/** What is answered for a name and type now, from a wildcard or behind a CNAME too; empty when there is nothing. */
export type Lookup = (name: string, type: LookupType) => Promise<string[]>;

/** Opens a zone for look-ups. Throws a RunError when it has no name servers. */
export type OpenLookup = (zone: string) => Promise<Lookup>;

const TIMEOUTS = { timeout: 3000, tries: 2 };

/** Answers that mean "there is none". */
const NONE = ["ENOTFOUND", "ENODATA"];

export const lookupFromHere: OpenLookup = async (zone) => {
  const system = new Resolver(TIMEOUTS);
  const servers = await nameServers(system, zone);
  const resolver = (await answering(servers, zone)) ?? system;
  return (name, type) => lookupAt(resolver, name, type);
};

/** A resolver that asks these servers; undefined where they are out of reach, as in networks that let nothing out to port 53. */
async function answering(servers: readonly string[], zone: string): Promise<Resolver | undefined> {
  if (servers.length === 0) return undefined;
  const resolver = new Resolver(TIMEOUTS);
  resolver.setServers(servers);
  return resolver.resolveSoa(zone).then(
    () => resolver,
    () => undefined,
  );
}

export async function lookupAt(resolver: Resolver, name: string, type: LookupType): Promise<string[]> {
  try {
    if (type === "TXT") return (await resolver.resolveTxt(name)).map((parts) => parts.join(""));
    if (type === "CNAME") return await resolver.resolveCname(name);
    return await (type === "A" ? resolver.resolve4(name) : resolver.resolve6(name));
  } catch (error) {
    if (NONE.includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw operatorError(
      `dns: ${name} ${type} could not be looked up (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}): is your own network up, and do the zone's name servers answer?`,
    );
  }
}

async function nameServers(system: Resolver, zone: string): Promise<string[]> {
  const names = await system.resolveNs(zone).catch((error: NodeJS.ErrnoException) => {
    throw operatorError(
      `dns.zone: no name servers of ${zone} are known to your resolver (${error.code ?? error.message}). Is it the zone's name, and delegated?`,
    );
  });
  const addresses = await Promise.all(
    names.flatMap((name) => [system.resolve4(name).catch(() => []), system.resolve6(name).catch(() => [])]),
  );
  return addresses.flat();
}
