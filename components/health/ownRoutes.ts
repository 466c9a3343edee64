// Whether this machine has an address family towards the internet, asked of its own routes. Nothing is sent.
import { createSocket } from "node:dgram";
import type { Family } from "../addresses";

/** Public addresses that are only looked up in the routing table. */
const INTERNET: Readonly<Record<Family, string>> = { 4: "1.1.1.1", 6: "2606:4700:4700::1111" };

/** Whether this machine has a family. Does not depend on a proxy or its provider. */
export type HasFamily = (family: Family) => Promise<boolean>;

/** The address from which this machine would send there; undefined where it has no route. */
export type SourceTowards = (address: string, family: Family) => Promise<string | undefined>;

/** By a UDP connect: it chooses route and source, and sends nothing. */
const sourceTowards: SourceTowards = (address, family) =>
  new Promise((resolve) => {
    const socket = createSocket(family === 4 ? "udp4" : "udp6");
    const done = (source?: string) => {
      socket.close();
      resolve(source);
    };
    socket.on("error", () => done());
    socket.connect(443, address, () => done(socket.address().address));
  });

export const hasFamily = async (family: Family, source: SourceTowards = sourceTowards): Promise<boolean> =>
  reachesFurther(await source(INTERNET[family], family));

/** An address of the link or of the machine alone gets no answer from the internet. A private one may well, by NAT. */
const reachesFurther = (source: string | undefined): boolean =>
  source !== undefined && !/^(127\.|169\.254\.|0\.0\.0\.0$|::1?$|fe[89ab][0-9a-f]:)/i.test(source);
