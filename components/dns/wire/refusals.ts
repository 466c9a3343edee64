// What a name server's refusal means, and what to do about it. Pure.
import type { TsigKey, Tsig } from "./tsig";
import { TSIG_ERROR } from "./tsig";

export const RCODE = { YXRRSET: 7, NXRRSET: 8 } as const;

export interface Asked {
  readonly server: string;
  readonly zone: string;
  readonly key: Pick<TsigKey, "name" | "algorithm">;
}

export function rcodeText(rcode: number, { server, zone, key }: Asked, update: boolean): string {
  const what = update ? `to change ${zone}` : "to answer";
  switch (rcode) {
    case 1:
      return `${server} did not understand the request (FORMERR).`;
    case 2:
      return `${server} failed ${what} (SERVFAIL): its log says why.`;
    case 4:
      return `${server} cannot do that (NOTIMP)${update ? ": does it take dynamic updates, and is it the zone's primary?" : "."}`;
    case 5:
      return update
        ? `${server} does not let the key ${key.name} change ${zone} (REFUSED). Allow it there (BIND: allow-update or update-policy; Knot: an acl with "action: update"; PowerDNS: TSIG-ALLOW-DNSUPDATE).`
        : `${server} refuses to answer questions about ${zone} (REFUSED): check that dns.server is its primary name server, and dns.zone.`;
    case 9:
      return `${server} does not serve the zone ${zone}, or not to this key (NOTAUTH; some servers say no more of a wrong key). Check dns.zone, that dns.server is its primary name server, dns.tsig, and the key's secret in dnsSecret.`;
    case 10:
      return `${server} says that the name is not in the zone ${zone} (NOTZONE): check dns.zone; is the name in a zone of its own?`;
    default:
      return `${server} refused ${what}: DNS error ${rcode}.`;
  }
}

/** `now`: this machine's clock, seconds since 1970. */
export function tsigErrorText({ error, time, other }: Tsig, { server, key }: Asked, now: number): string {
  switch (error) {
    case TSIG_ERROR.BADSIG:
      return `${server} finds our signature wrong (BADSIG): the secret of the key ${key.name} there is another one than dnsSecret. Set it with: pulumi config set --secret dnsSecret`;
    case TSIG_ERROR.BADKEY:
      return `${server} knows no key ${key.name} with ${key.algorithm} (BADKEY): check dns.tsig.name and dns.tsig.algorithm, and that the server has it and lets it update the zone.`;
    case TSIG_ERROR.BADTIME: {
      // The server's own clock stands in the other data; without it, in the signature.
      const theirs = other.length >= 6 ? other.readUIntBE(0, 6) : time;
      return `the clocks are too far apart (BADTIME): ${server} has ${clock(theirs)}, this machine ${clock(now)}. Set the wrong one.`;
    }
    default:
      return `${server} refused our signature with TSIG error ${error}.`;
  }
}

const clock = (seconds: number) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
