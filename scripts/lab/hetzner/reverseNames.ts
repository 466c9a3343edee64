// scripts/lab/hetzner/reverseNames.ts: reverse names (PTR) of primary IPs; servers change those of their own addresses here, too.
import { blockContains, canonicalAddress } from "./addresses";
import { actionReply } from "./actions";
import type { Cloud } from "./cloud";
import { invalidField } from "./errors";
import { formOf, type Call, type Reply } from "./router";
import type { ResourceRef, StoredPrimaryIp } from "./state";

const hostName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+\.?$/i;

/** What an IPv4 address is called until its owner says otherwise; IPv6 addresses then have no name. */
export const defaultPtr = (ipv4: string) => `static.${ipv4.split(".").reverse().join(".")}.clients.your-server.de`;

/** Tells the name servers the address's present name; null when it has none (any more). */
async function publishPtr(cloud: Cloud, address: string): Promise<void> {
  const owner = cloud.state.primaryIps.find((ip) => ip.dnsPtr[address] !== undefined);
  await cloud.names.setPtr(address, owner?.dnsPtr[address] ?? null);
}

const queueOf = (address: string) => `ptr:${address}`;

/** After addresses came or went outside of a change_dns_ptr action. */
export function publishPtrsOf(cloud: Cloud, addresses: string[]): void {
  for (const address of addresses)
    cloud.runner.background(queueOf(address), `reverse name of ${address}`, () => publishPtr(cloud, address));
}

/** The change_dns_ptr action: `candidates` are the primary IPs that the request may be about. */
export function changeDnsPtr(cloud: Cloud, call: Call, candidates: StoredPrimaryIp[], resource: ResourceRef): Reply {
  const form = formOf(call);
  const address = canonicalAddress(form.string("ip"));
  const name = form.optionalString("dns_ptr", { pattern: hostName, hint: "must be a fully qualified host name" });
  if (address === undefined) form.complain("ip", "must be a single IP address");
  form.done();
  const ip = candidates.find((one) =>
    one.type === "ipv4" ? one.ip === address : blockContains(one.ip, address ?? ""),
  );
  if (!ip || address === undefined) throw invalidField("ip", "does not belong to this resource");
  if (name !== undefined) ip.dnsPtr[address] = name;
  else if (ip.type === "ipv4") ip.dnsPtr[address] = defaultPtr(address);
  else delete ip.dnsPtr[address];
  return actionReply(
    cloud.runner.start({
      command: "change_dns_ptr",
      resources: [resource],
      queue: queueOf(address),
      work: () => publishPtr(cloud, address),
    }),
  );
}
