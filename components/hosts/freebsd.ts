// A FreeBSD machine that the operator has already. As in the guide, ports that are not listed are closed by default.
import { z } from "zod";
import { freebsd as platform } from "../platforms/freebsd";
import { object } from "../settings/object";
import { flag } from "../settings/values";
import { existingKeys, existingMachine, existingSnapshot, type ExistingProvider } from "./existing";

export const freebsd: ExistingProvider<"freebsd"> = {
  name: "freebsd",
  schema: object("a proxy on an existing FreeBSD machine", {
    ...existingKeys,
    host: z.literal("freebsd"),
    closed: flag.default(true),
  }),
  snapshotSchema: z.object({ host: z.literal("freebsd"), ...existingSnapshot }),
  ...existingMachine(platform),
};
