// Whether the world asks a zone at Hetzner Cloud: the provider's look-ups do not tell, its API does.
import { z } from "zod";
import { callApi } from "./apiCall";

export interface HetznerDelegation {
  readonly assigned: readonly string[];
  readonly delegated: readonly string[];
  /** valid, partially-valid, invalid, lame, unregistered, unknown. */
  readonly status: string;
  /** When Hetzner looked last. */
  readonly checked: string | undefined;
}

const zoneAnswer = z.object({
  zone: z.object({
    authoritative_nameservers: z.object({
      assigned: z.array(z.string()),
      delegated: z.array(z.string()).nullish(),
      delegation_status: z.string().nullish(),
      delegation_last_check: z.string().nullish(),
    }),
  }),
});

/** In milliseconds: what is only worth a word is not waited for. */
const TIMEOUT = 10_000;

/** Undefined where the API does not say. */
export async function hetznerDelegation(
  api: string,
  token: string,
  zone: string,
): Promise<HetznerDelegation | undefined> {
  const answer = await callApi({
    service: "Hetzner Cloud",
    url: `${api}/zones/${encodeURIComponent(zone)}`,
    method: "GET",
    token,
    timeout: TIMEOUT,
  }).catch(() => undefined);
  const servers = zoneAnswer.safeParse(answer?.body).data?.zone.authoritative_nameservers;
  return (
    servers && {
      assigned: servers.assigned,
      delegated: servers.delegated ?? [],
      status: servers.delegation_status ?? "unknown",
      checked: servers.delegation_last_check ?? undefined,
    }
  );
}

/** By Hetzner's own look: the domain leads elsewhere, to servers that do not know the zone, or does not exist. */
export const NOT_ASKED: readonly string[] = ["invalid", "lame", "unregistered"];
