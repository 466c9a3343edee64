// What an entry in `proxies` has for every kind of host. Pure.
import { z } from "zod";
import { flag, proxyName, wholeNumber } from "./values";

export const anyProxy = {
  name: proxyName,
  publish: flag.default(true),
  slot: wholeNumber(0, 16383, "a slot").optional(),
};

export type AnyProxy = z.output<z.ZodObject<typeof anyProxy>> & { readonly host: string };

/** What the cross-checks read of an entry when the rest of it cannot be read. */
export const proxyOutline = z.object({ name: anyProxy.name, slot: anyProxy.slot });
