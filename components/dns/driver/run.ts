// One errand of the driver: look, decide, change.
import { cloudflareBackend } from "./cloudflare";
import { drop, hold, put, restore, type Decision } from "./decide";
import { hetznerBackend } from "./hetzner";
import { Meanwhile, type Access, type Backend, type FarewellJob, type SetJob, type Standing } from "./job";
import { rfc2136Backend } from "./rfc2136";

export type Errand =
  | { readonly verb: "put" | "drop"; readonly job: SetJob }
  | { readonly verb: "hold" | "restore"; readonly job: FarewellJob };

/** How often a change is tried when others change the same set at the same time. */
const ATTEMPTS = 3;

/** Does it, and returns notes for the operator. Throws an Error in words for the operator, which hold no secret. */
export async function runErrand(errand: Errand, open = openBackend): Promise<readonly string[]> {
  const { name, access, stack } = errand.job;
  const backend = open(access, stack);
  for (let attempt = 1; ; attempt++) {
    const { changes, notes } = decide(errand, await backend.read(name));
    try {
      return [...notes, ...((changes.length > 0 && (await backend.apply(changes))) || [])];
    } catch (error) {
      if (!(error instanceof Meanwhile)) throw error;
      if (attempt === ATTEMPTS)
        throw new Error(
          `${name} was changed by somebody else each time that we tried: ${error.message} Run pulumi up again. If nobody changes it, dns.server may be a secondary that hands updates on to the primary: name the primary.`,
        );
    }
  }
}

function decide({ verb, job }: Errand, standing: readonly Standing[]): Decision {
  switch (verb) {
    case "put":
      return put(job, standing);
    case "drop":
      return drop(job, standing);
    case "hold":
      return hold(job, standing);
    case "restore":
      return restore(job, standing);
  }
}

function openBackend(access: Access, stack: string): Backend {
  switch (access.provider) {
    case "rfc2136":
      return rfc2136Backend(access);
    case "cloudflare":
      return cloudflareBackend(access as Access & { provider: "cloudflare" }, stack);
    case "hetzner":
      return hetznerBackend(access as Access & { provider: "hetzner" });
  }
}
