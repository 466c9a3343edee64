// One operation on the mail domain or on one record set: read, decide, change.
import { cloudflareBackend } from "./cloudflare";
import { drop, hold, put, restore, type Decision } from "./decide";
import { hetznerBackend } from "./hetzner";
import { ConflictError, type Access, type Backend, type OnDestroyJob, type SetJob, type PresentSet } from "./job";
import { rfc2136Backend } from "./rfc2136";

export type Operation =
  | { readonly verb: "put" | "drop"; readonly job: SetJob }
  | { readonly verb: "hold" | "restore"; readonly job: OnDestroyJob };

/** How often a change is tried when others change the same set at the same time. */
const ATTEMPTS = 3;

/** Does it, and returns notes for the operator. Throws an Error in words for the operator, which hold no secret. */
export async function runOperation(operation: Operation, open = openBackend): Promise<readonly string[]> {
  const { name, access, stack } = operation.job;
  const backend = open(access, stack);
  for (let attempt = 1; ; attempt++) {
    const { changes, notes } = decide(operation, await backend.read(name));
    try {
      return [...notes, ...((changes.length > 0 && (await backend.apply(changes))) || [])];
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      if (attempt === ATTEMPTS)
        throw new Error(
          `${name} was changed by somebody else each time that we tried: ${error.message} Run pulumi up again. If nobody changes it, dns.server may be a secondary that hands updates on to the primary: name the primary.`,
        );
    }
  }
}

function decide({ verb, job }: Operation, present: readonly PresentSet[]): Decision {
  switch (verb) {
    case "put":
      return put(job, present);
    case "drop":
      return drop(job, present);
    case "hold":
      return hold(job, present);
    case "restore":
      return restore(job, present);
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
