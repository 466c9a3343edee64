// DNS at Cloudflare.
import { canonicalAddress } from "../addresses";
import { operatorError } from "../operatorError";
import { cloudflare, type CloudflareRecord } from "./cloudflareApi";
import type { RawSet } from "./zoneView";

/** The zone's record sets. Throws a RunError when the token does not let us read it. */
export async function readCloudflareZone(api: string, token: string, zone: string): Promise<RawSet[]> {
  const client = cloudflare(api, token);
  try {
    return setsOf(await client.records(await client.zoneId(zone)));
  } catch (error) {
    throw operatorError(`dns: ${(error as Error).message}`);
  }
}

function setsOf(records: readonly CloudflareRecord[]): RawSet[] {
  const sets = new Map<string, { name: string; type: string; values: string[] }>();
  for (const { name, type, content } of records) {
    const set = sets.get(`${name} ${type}`) ?? { name, type, values: [] };
    set.values.push(canonicalAddress(content) ?? content);
    sets.set(`${name} ${type}`, set);
  }
  return [...sets.values()];
}
