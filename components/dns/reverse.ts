// Reverse DNS of addresses where it is not ours to set: other servers mistrust a sender whose address does not have its name.
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

export interface ForeignAddress {
  readonly proxy: string;
  readonly address: string;
  /** The relay's mail leaves through it. */
  readonly egress: boolean;
  /** The name that the address should have. */
  readonly wanted: string;
}

export interface ReverseAdvice {
  /** Mail suffers from it. */
  readonly warnings: string[];
  /** Nothing does. */
  readonly notes: string[];
}

/** Messages on the addresses whose names are not what they should be. */
export async function reverseAdvice(
  addresses: readonly ForeignAddress[],
  lookup: ReverseLookup,
): Promise<ReverseAdvice> {
  const found = await Promise.all(addresses.map(async (each) => ({ ...each, names: await lookup(each.address) })));
  const wrong = found.filter(({ names, wanted }) => names && !names.some((name) => name.toLowerCase() === wanted));
  const says = ({ address, names, wanted }: (typeof wrong)[number]) =>
    `the reverse DNS of ${address} ${names?.length ? `says ${names.join(", ")}` : "says nothing"}, not ${wanted}`;
  return {
    warnings: wrong
      .filter(({ egress }) => egress)
      .map(
        (each) =>
          `${each.proxy} is an egress, and ${says(each)}: many servers refuse such mail. Set it at the provider of that machine.`,
      ),
    notes: wrong
      .filter(({ egress }) => !egress)
      .map(
        (each) =>
          `${each.proxy}: ${says(each)}. Set it at the provider of that machine, if you like: no mail depends on it.`,
      ),
  };
}
