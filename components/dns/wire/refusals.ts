// What a name server's refusal means, and what to do about it. Pure.
import type { TsigKey, Tsig } from "./tsig";
import { TSIG_ERROR } from "./tsig";

/** RFC 1035, 4.1.1 and RFC 2136, 2.2. */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
} as const;

export interface Asked {
  readonly server: string;
  readonly zone: string;
  readonly key: Pick<TsigKey, "name" | "algorithm">;
}

/** `signed`: whether the refusal bears a signature, which tells that the server knows the key. */
export function rcodeText(
  rcode: number,
  { server, zone, key }: Asked,
  update: boolean,
  signed: "signed" | "unsigned" = "signed",
): string {
  const what = update ? `to change ${zone}` : "to answer";
  switch (rcode) {
    case RCODE.FORMERR:
      return `${server} did not understand the request (FORMERR).`;
    case RCODE.SERVFAIL:
      return `${server} failed ${what} (SERVFAIL): its log says why.`;
    case RCODE.NXDOMAIN:
      return `${server} says that the zone ${zone} has no such name (NXDOMAIN): check dns.zone.`;
    case RCODE.NOTIMP:
      return `${server} cannot do that (NOTIMP)${update ? ": does it take dynamic updates, and is it the zone's primary?" : "."}`;
    case RCODE.REFUSED:
      return update
        ? `${server} does not let the key ${key.name} change ${zone} (REFUSED). Allow it there (BIND: allow-update or update-policy; Knot: an acl with "action: update"; PowerDNS: TSIG-ALLOW-DNSUPDATE). The same answer comes where the zone is frozen (BIND: rndc thaw ${zone}), where dns.server is a secondary and not the zone's primary, and from PowerDNS where the clocks of both machines are apart (${clockHint}).`
        : `${server} refuses to answer questions about ${zone} (REFUSED): check that dns.server is its primary name server, and dns.zone.`;
    case RCODE.YXDOMAIN:
    case RCODE.YXRRSET:
      return `${server} holds records at that name where none were when we looked.`;
    case RCODE.NXRRSET:
      return `${server} no longer holds at that name what was there when we looked.`;
    case RCODE.NOTAUTH:
      return `${server} does not serve the zone ${zone}, or not to this key (NOTAUTH${signed === "unsigned" ? ", not signed" : ""}; some servers say no more of a wrong key). Check dns.zone, that dns.server is its primary name server, dns.tsig, and the key's secret in dnsSecret. Knot answers so for a key that no acl of the zone names; PowerDNS for a key that the zone's TSIG-ALLOW-DNSUPDATE does not name, and where the clocks of both machines are apart (${clockHint}).`;
    case RCODE.NOTZONE:
      return `${server} says that the name is not in the zone ${zone} (NOTZONE): check dns.zone; is the name in a zone of its own?`;
    default:
      return `${server} refused ${what} for a reason that has no name here (DNS response code ${rcode}): its log says why.`;
  }
}

const clockHint = "compare: date -u";

/** An update that got no answer: `what` happened. */
export const noAnswerText = (what: string, { server, zone }: Asked) =>
  `${what}. If ${server} answers questions and only changes get no answer, the zone may be frozen there (Knot: knotc zone-thaw ${zone}): the change may then still be made when it is thawed. Thaw it, then run pulumi up again`;

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
    case TSIG_ERROR.BADTRUNC:
      return `${server} refuses our signature as too short, or as longer than it takes (BADTRUNC): check dns.tsig.algorithm.`;
    default:
      return `${server} refused our signature for a reason that has no name here (TSIG error ${error}): its log says why.`;
  }
}

const clock = (seconds: number) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
