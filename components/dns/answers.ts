// What is answered for the mail domain now: by each of the zone's own name servers, and by the resolver that this machine uses.
import { Resolver } from "node:dns/promises";

/** A server's answer; undefined where it gave none. */
export interface NameAnswer {
  /** Its name, and its address where it was asked itself. */
  readonly server: string;
  readonly addresses: readonly string[] | undefined;
}

export interface NameAnswers {
  readonly authoritative: readonly NameAnswer[];
  readonly resolver: NameAnswer;
}

export type AskForName = (name: string, zone: string) => Promise<NameAnswers>;

const TIMEOUTS = { timeout: 2000, tries: 2 };

export const answersFromHere: AskForName = async (name, zone) => {
  const system = new Resolver(TIMEOUTS);
  const [servers, resolver] = await Promise.all([
    serversOf(system, zone),
    addressesBy(system, name).then((addresses) => ({ server: "resolver", addresses })),
  ]);
  const authoritative = await Promise.all(
    servers.map(async ({ server, address }) => {
      const itself = new Resolver(TIMEOUTS);
      itself.setServers([address]);
      return { server: `${server} (${address})`, addresses: await addressesBy(itself, name) };
    }),
  );
  return { authoritative, resolver };
};

/** One address of each: where two of one server's differ, it is that server's business. */
async function serversOf(system: Resolver, zone: string): Promise<{ server: string; address: string }[]> {
  const names = await system.resolveNs(zone).catch(() => []);
  const found = await Promise.all(
    names.sort().map(async (server) => {
      const [ipv4, ipv6] = await Promise.all([
        system.resolve4(server).catch(() => []),
        system.resolve6(server).catch(() => []),
      ]);
      const address = ipv4[0] ?? ipv6[0];
      return address === undefined ? [] : [{ server, address }];
    }),
  );
  return found.flat();
}

/** A and AAAA, sorted; undefined where one of both is not answered at all. */
async function addressesBy(resolver: Resolver, name: string): Promise<string[] | undefined> {
  const none = (error: NodeJS.ErrnoException) => (NONE.includes(error.code ?? "") ? [] : undefined);
  const [ipv4, ipv6] = await Promise.all([resolver.resolve4(name).catch(none), resolver.resolve6(name).catch(none)]);
  return ipv4 && ipv6 && [...ipv4.sort(), ...ipv6.sort()];
}

/** Answers that mean "there is none". */
const NONE = ["ENOTFOUND", "ENODATA"];
