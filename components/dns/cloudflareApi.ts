// The few calls of Cloudflare's API (v4) that we need.
import { domainToASCII, domainToUnicode } from "node:url";
import { z } from "zod";
import { callApi } from "./apiCall";

export const CLOUDFLARE_API = "https://api.cloudflare.com/client/v4";

export interface CloudflareRecord {
  readonly id: string;
  /** Fully qualified, without a final dot. */
  readonly name: string;
  readonly type: string;
  readonly content: string;
  readonly ttl: number;
  readonly proxied: boolean;
  readonly comment: string | undefined;
}

export type NewRecord = Omit<CloudflareRecord, "id">;

/** Executed as one transaction, in this order. */
export interface Batch {
  readonly deletes: readonly { readonly id: string }[];
  readonly puts: readonly CloudflareRecord[];
  readonly posts: readonly NewRecord[];
}

const envelope = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ code: z.number(), message: z.string() })).nullish(),
  result: z.unknown(),
  result_info: z
    .object({
      page: z.number(),
      total_pages: z.number().optional(),
      count: z.number(),
      per_page: z.number(),
      total_count: z.number().optional(),
    })
    .nullish(),
});

const zones = z.array(
  z.object({
    id: z.string(),
    name: z.string(),
    status: z.string().nullish(),
    name_servers: z.array(z.string()).nullish(),
  }),
);

export interface CloudflareZone {
  readonly id: string;
  /** "active" where the world asks it. */
  readonly status: string;
  /** The name servers that Cloudflare gave it. */
  readonly nameServers: readonly string[];
}

/** Zones with letters beyond ASCII are listed by these; everywhere here they stand in their xn-- form. */
const ascii = (name: string) => domainToASCII(name) || name;
const records = z.array(
  z.object({
    id: z.string(),
    name: z.string(),
    type: z.string(),
    content: z.string().nullish(),
    ttl: z.number(),
    proxied: z.boolean().nullish(),
    comment: z.string().nullish(),
  }),
);

/** Names such as _dmarc stay as they are. */
const hostNameOf = (name: string) => (/[^\x20-\x7e]/.test(name) ? ascii(name) : name);

const PER_PAGE = 100;

export type Cloudflare = ReturnType<typeof cloudflare>;

/** All functions throw an Error in words for the operator, without the token. */
export function cloudflare(api: string, token: string) {
  async function call(method: "GET" | "POST", path: string, body?: unknown) {
    const response = await callApi({ service: "Cloudflare", url: `${api}${path}`, method, token, body });
    const answer = envelope.safeParse(response.body);
    if (!answer.success)
      throw new Error(
        `Cloudflare's API answered ${method} ${path} with status ${response.status}, and nothing that it documents`,
      );
    if (!answer.data.success) throw new Error(refusal(response.status, answer.data.errors ?? []));
    return answer.data;
  }

  async function list<T>(path: string, schema: z.ZodType<T[]>): Promise<T[]> {
    const all: T[] = [];
    for (let page = 1; ; page++) {
      const { result, result_info: info } = await call(
        "GET",
        `${path}${path.includes("?") ? "&" : "?"}per_page=${PER_PAGE}&page=${page}`,
      );
      all.push(...schema.parse(result));
      const pages = info?.total_pages ?? Math.ceil((info?.total_count ?? 0) / (info?.per_page ?? PER_PAGE));
      if (page >= pages) return all;
    }
  }

  return {
    async zone(zone: string): Promise<CloudflareZone> {
      for (const name of new Set([zone, domainToUnicode(zone) || zone])) {
        const found = (await list(`/zones?name=${encodeURIComponent(name)}`, zones)).find(
          (each) => ascii(each.name) === zone,
        );
        if (found) return { id: found.id, status: found.status ?? "active", nameServers: found.name_servers ?? [] };
      }
      throw new Error(
        `this token sees no zone ${zone} at Cloudflare: check dns.zone, and that dnsSecret is a token with the permission "DNS: Edit" (Zone) for that zone`,
      );
    },

    async records(zoneId: string): Promise<CloudflareRecord[]> {
      const found = await list(`/zones/${zoneId}/dns_records`, records);
      return found.map(({ content, proxied, comment, ...rest }) => ({
        ...rest,
        name: hostNameOf(rest.name),
        content: content ?? "",
        proxied: proxied ?? false,
        comment: comment ?? undefined,
      }));
    },

    async batch(zoneId: string, batch: Batch): Promise<void> {
      await call("POST", `/zones/${zoneId}/dns_records/batch`, batch);
    },
  };
}

function refusal(status: number, errors: readonly { code: number; message: string }[]): string {
  const said = errors.map(({ code, message }) => `${message} (${code})`).join("; ") || `status ${status}`;
  if (status === 401 || status === 403 || errors.some(({ code }) => [6003, 9109, 10000].includes(code))) {
    return `Cloudflare refuses the token: ${said}. dnsSecret must be an API token with the permission "DNS: Edit" (Zone) for the zone: pulumi config set --secret dnsSecret`;
  }
  if (status === 429)
    return `Cloudflare has had too many requests from you: ${said}. Wait five minutes, then run pulumi up again.`;
  return `Cloudflare refused: ${said}`;
}
