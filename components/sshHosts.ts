// Whether the names by which machines are reached over SSH lead to a proxy: then another machine answers there than the one
// that is meant, as soon as the records have changed.
import { lookup, Resolver } from "node:dns/promises";
import { familyOf, isPrivate } from "./addresses";
import { providerOf } from "./hosts/providerOf";
import type { Settings } from "./settings";

/** What a name means on the operator's machine. */
export interface Meaning {
  readonly addresses: readonly string[];
  /** Names of which it is a CNAME, one after the other. */
  readonly aliases: readonly string[];
}

/** Nothing where nobody could be asked. */
export type Resolve = (host: string) => Promise<Meaning>;

const MOST_ALIASES = 8;

export const resolveFromHere: Resolve = async (host) => {
  if (familyOf(host.split("%")[0] ?? "") !== undefined) return { addresses: [host], aliases: [] };
  const found = lookup(host, { all: true }).then(
    (all) => all.map(({ address }) => address),
    () => [],
  );
  if (!host.includes(".")) return { addresses: await found, aliases: [] };
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  const aliases: string[] = [];
  for (let name: string | undefined = host; name !== undefined && aliases.length < MOST_ALIASES;) {
    name = (await resolver.resolveCname(name).catch(() => []))[0]?.toLowerCase();
    if (name !== undefined) aliases.push(name);
  }
  return { addresses: await found, aliases };
};

export interface SshHost {
  /** As in the settings. */
  readonly key: string;
  readonly host: string;
  /** The proxy that is meant; none for the relay. */
  readonly proxy?: string;
}

/** Proxies' addresses, and the names whose records this program changes. */
export interface ProxyNames {
  readonly mailDomain: string;
  /** By proxy. */
  readonly names: Readonly<Record<string, string>>;
  /** By proxy, as far as known. */
  readonly addresses: Readonly<Record<string, readonly string[]>>;
}

/** The hosts that are reached over SSH and are no server of ours. */
export function sshHostsOf({ relay, proxies }: Pick<Settings, "relay" | "proxies">): SshHost[] {
  return [
    ...(relay.ssh && !relay.gone ? [{ key: "relay.ssh.host", host: relay.ssh.host }] : []),
    ...proxies.flatMap((proxy, i) => {
      const host = providerOf(proxy).properties(proxy).sshHost;
      return host === undefined ? [] : [{ key: `proxies[${i}].ssh.host`, host, proxy: proxy.name }];
    }),
  ];
}

/** Warnings about those that lead to a proxy which is not meant. */
export async function sshHostAdvice(hosts: readonly SshHost[], ours: ProxyNames, resolve: Resolve): Promise<string[]> {
  const found = await Promise.all(hosts.map(async (each) => ({ each, meaning: await resolve(each.host) })));
  return found.flatMap(({ each, meaning }) => misled(each, meaning, ours));
}

/** Pure. */
export function misled(
  { key, host, proxy }: SshHost,
  { addresses, aliases }: Meaning,
  { mailDomain, names, addresses: proxies }: ProxyNames,
): string[] {
  const [other, theirs = []] =
    Object.entries(proxies).find(
      ([name, all]) => name !== proxy && all.some((address) => addresses.includes(address)),
    ) ?? [];
  const cure = `Set ${key} to an address at which the machine itself answers SSH${proxy === undefined ? " (at home, the one in your own network)" : ""}.`;
  const say = (what: string) => [
    `${key}: ${host} ${what}, so that a proxy answers its SSH, not the machine that you mean: "another host key is there". ${cure}`,
  ];
  if (other !== undefined)
    return say(`is ${theirs.find((address) => addresses.includes(address))}, the proxy ${other}'s address`);
  // What the machine's own hosts file says of it, as it may well at home, is not what the records say.
  if (addresses.length > 0 && addresses.every((address) => familyOf(address) !== undefined && isPrivate(address)))
    return [];
  const alias = aliases.find(
    (name) => name === mailDomain || Object.entries(names).some(([of, theName]) => of !== proxy && theName === name),
  );
  return alias === undefined ? [] : say(`is a CNAME of ${alias}, whose records name proxies`);
}
