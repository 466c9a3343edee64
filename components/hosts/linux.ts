// A Linux machine that the operator has already. It may serve other things too; their ports stay open by default.
import { z } from "zod";
import { debian } from "../platforms/debian";
import { object } from "../settings/object";
import { flag } from "../settings/values";
import { existingKeys, existingMachine, existingSnapshot, type ExistingProvider } from "./existing";

export const linux: ExistingProvider<"linux"> = {
  name: "linux",
  schema: object("a proxy on an existing Linux machine", {
    ...existingKeys,
    host: z.literal("linux"),
    closed: flag.default(false),
  }),
  snapshotSchema: z.object({ host: z.literal("linux"), ...existingSnapshot }),
  ...existingMachine(debian),
};
