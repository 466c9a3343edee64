// What the mail domain's SPF record must name, so that other servers take the relay's mail. Pure.
import { familyOf, networkOf, overlap } from "../addresses";
import type { ExistingSet } from "./recordSets";
import { sameSet } from "./wildcard";

export interface SpfQuestion {
  readonly mailDomain: string;
  /** Addresses from which the relay's mail leaves, as far as known. */
  readonly senders: readonly string[];
  /** What the mail domain's A and AAAA hold, which the mechanism `a` stands for. */
  readonly published: readonly string[];
  /** TXT values of the mail domain. */
  readonly texts: readonly string[];
}

/**
 * Without egress the relay's mail leaves from its own address, while the mail domain's A and AAAA, and so the
 * mechanism `a`, name the proxies: the address must be named itself. Returns a message, or nothing when all is well.
 */
export function spfAdvice({ mailDomain, senders, published, texts }: SpfQuestion): string | undefined {
  const needed = senders.map((address) => `ip${familyOf(address)}:${address}`);
  if (needed.length === 0) return undefined;
  const spf = texts.map(unquote).find((text) => /^v=spf1( |$)/i.test(text));
  const names = spf?.split(/\s+/).map((term) => term.replace(/^[+]/, "").toLowerCase()) ?? [];
  // The mail domain's own addresses, by either name: those of the proxies by now.
  const own = ["a", `a:${mailDomain.toLowerCase()}`];
  // What names another host may well cover the address, which only a look-up would tell.
  if (names.some((term) => !own.includes(term) && /^(a:|mx:|include:|exists:|redirect=)/.test(term))) return undefined;
  const covered = names.some((term) => own.includes(term)) ? new Set(published) : new Set<string>();
  const missing = senders
    .filter((address) => !covered.has(address) && !names.some((term) => holds(term, address)))
    .map((address) => `ip${familyOf(address)}:${address}`);
  if (missing.length === 0) return undefined;
  const now = spf ? `it says "${spf}"` : "there is none";
  const wanted = spf ? spf.replace(/^v=spf1/i, `v=spf1 ${missing.join(" ")}`) : `v=spf1 ${missing.join(" ")} ~all`;
  const changing =
    "If that address changes now and then (a home line), name a host that follows it instead (a:home.example.net).";
  return `SPF: the relay's mail leaves from ${senders.join(" and ")}, which the SPF record of ${mailDomain} must name (${now}). Use: "${wanted}". ${changing}`;
}

/** The mail domain's texts. Those of a wildcard, or behind a CNAME, go with the first address that is put in their place. */
export function textsOf(
  mailDomain: string,
  {
    existing,
    answered,
    published,
  }: {
    readonly existing: readonly ExistingSet[];
    readonly answered: readonly ExistingSet[];
    readonly published: readonly string[];
  },
): readonly string[] {
  const find = (sets: readonly ExistingSet[], type: string) =>
    sets.find((set) => set.name === mailDomain && set.type === type)?.values;
  const stays =
    published.length === 0 || sameSet([...(find(answered, "A") ?? []), ...(find(answered, "AAAA") ?? [])], published);
  return find(existing, "TXT") ?? (stays ? find(answered, "TXT") : undefined) ?? [];
}

/** What to mind with a text for a mail domain that has its addresses from a wildcard, or behind a CNAME: a message, or nothing. */
export function textPlace(
  mailDomain: string,
  existing: readonly ExistingSet[],
  answered: readonly ExistingSet[],
): string {
  const own = existing.filter(({ name }) => name === mailDomain);
  if (own.some(({ type }) => type === "CNAME"))
    return ` While ${mailDomain} is a CNAME, the text belongs to the name that it leads to: beside a CNAME nothing can stand.`;
  if (own.length > 0 || !answered.some(({ name, type }) => name === mailDomain && (type === "A" || type === "AAAA")))
    return "";
  return ` It would be the first record of ${mailDomain} itself, which then has no addresses from the wildcard any more: add its A and AAAA with it (pulumi stack output zoneLines).`;
}

/** Whether an ip4 or ip6 mechanism, with or without a prefix, covers an address. */
function holds(term: string, address: string): boolean {
  const network = /^ip[46]:/.test(term) ? networkOf(term.slice(4)) : undefined;
  const here = networkOf(address);
  return network !== undefined && here !== undefined && overlap(network, here);
}

/** TXT values come as quoted strings of up to 255 characters, one after the other. */
const unquote = (text: string) =>
  text.startsWith('"') ? [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => part).join("") : text;
