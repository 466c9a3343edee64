// Reverse DNS of addresses that mail leaves from, where it is not ours to set: other servers mistrust a sender whose
// address does not bear its name.
import { Resolver } from "node:dns/promises";

/** Names of an address; none when it has none, undefined when nobody could be asked. */
export type ReverseLookup = (address: string) => Promise<readonly string[] | undefined>;

export const reverseFromHere: ReverseLookup = async (address) => {
  const resolver = new Resolver({ timeout: 3000, tries: 2 });
  try {
    return await resolver.reverse(address);
  } catch (error) {
    return ["ENOTFOUND", "ENODATA"].includes((error as NodeJS.ErrnoException).code ?? "") ? [] : undefined;
  }
};

/** Sentences on the addresses whose names are not the mail domain. */
export async function reverseAdvice(mailDomain: string, senders: readonly { readonly proxy: string; readonly address: string }[], lookup: ReverseLookup): Promise<string[]> {
  const found = await Promise.all(senders.map(async (sender) => ({ ...sender, names: await lookup(sender.address) })));
  return found
    .filter(({ names }) => names && !names.some((name) => name.toLowerCase() === mailDomain))
    .map(({ proxy, address, names }) => `${proxy} is an egress, and the reverse DNS of ${address} ${names?.length ? `says ${names.join(", ")}` : "says nothing"}, not ${mailDomain}: many servers refuse such mail. Set it at the provider of that machine.`);
}
