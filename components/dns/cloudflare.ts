// DNS at Cloudflare.
import * as pulumi from "@pulumi/pulumi";
import { canonicalAddress } from "../addresses";
import { operatorError } from "../operatorError";
import { cloudflare, type CloudflareRecord } from "./cloudflareApi";
import { notAsked } from "./delegation";
import type { RawSet } from "./zoneView";

/** The zone's record sets. Throws a RunError when the token does not let us read it. */
export async function readCloudflareZone(api: string, token: string, zone: string): Promise<RawSet[]> {
  const client = cloudflare(api, token);
  try {
    const { id, status, nameServers } = await client.zone(zone);
    if (status !== "active")
      await pulumi.log.warn(notAsked({ provider: "Cloudflare", zone, status, assigned: nameServers }));
    return setsOf(await client.records(id));
  } catch (error) {
    throw operatorError(`dns: ${(error as Error).message}`);
  }
}

function setsOf(records: readonly CloudflareRecord[]): RawSet[] {
  const sets = new Map<string, { name: string; type: string; values: string[]; altered?: boolean }>();
  for (const { name, type, content, proxied } of records) {
    const set = sets.get(`${name} ${type}`) ?? { name, type, values: [] };
    // Cloudflare's own proxy, which somebody switched on: it carries no mail.
    if (proxied) set.altered = true;
    set.values.push(canonicalAddress(content) ?? content);
    sets.set(`${name} ${type}`, set);
  }
  return [...sets.values()];
}
