// From what was found to what it means: the state of each part, with its faults. Pure.
import { proxyDnsName } from "../../components/dns/proxyDnsName";
import type { CertificateView } from "../../components/health/certificates";
import { clockOffset, events, troubles } from "../../components/hosts/remarks";
import { driftOf } from "../../components/hosts/status";
import { proxySets, refusal, relaySets, statusOf, type HostSeen } from "../../components/look";
import { told } from "../../components/relayFaults";
import { parseInsideView, parseRelayFacts } from "../../components/remote/facts";
import { findings, reportOn } from "../../components/report";
import type { ProxySettings } from "../../components/settings";
import { byFamily, type Found } from "./gather";
import type { HostPart, ProxyStatus, StackStatus, State } from "./schema";
import type { KnownStack } from "./stack";

/** Days before its end by which a certificate should have been renewed: Let's Encrypt's are, 30 days before. */
const RENEWED_BY = 14;
const DAY = 24 * 3600 * 1000;

export function stateOf(stack: KnownStack, found: Found): StackStatus {
  const { settings } = stack;
  const proxies = settings.proxies.map((entry) => proxyState(stack, entry, found));
  const relay = relayState(stack, found);
  const zone = zoneState(stack, proxies, found);
  const certificate = certificateState(settings.mailDomain, found);
  const parts = [...proxies.filter(({ publish }) => publish), relay, zone, certificate];
  // A client tries all that is published: one that works is enough, and none is the end of it.
  const reached = proxies.some((proxy) => proxy.addresses.some(({ works, published }) => works && published));
  return {
    version: 1,
    stack: stack.name,
    mailDomain: settings.mailDomain,
    at: found.at.toISOString(),
    state:
      !reached || certificate.state === "down"
        ? "down"
        : parts.some(({ state }) => state !== "well") || proxies.some(({ state }) => state !== "well")
          ? "degraded"
          : "well",
    proxies,
    relay,
    zone,
    certificate,
  };
}

function proxyState({ settings, before }: KnownStack, entry: ProxySettings, found: Found): ProxyStatus {
  const { name, publish } = entry;
  const seen = found.seen.proxies.get(name);
  const status = statusOf(seen);
  const view = status?.view ? parseInsideView(status.view.join("\n")) : undefined;
  const dnsName = proxyDnsName(name, settings.dns);
  const addresses = byFamily(before?.addresses[name] ?? []);
  const relay = statusOf(found.seen.relay)?.relay;
  const report = reportOn({
    name,
    dnsName,
    publish,
    addresses,
    outside: Object.fromEntries(
      Object.entries(addresses).map(([family, address]) => [family, found.outside.get(address) ?? []]),
    ),
    inside:
      view ??
      (seen && !seen.reachable
        ? { silent: refusal(seen) === undefined, unreachable: seen.reason, onlyLooked: true }
        : "not asked"),
    onRelay: relay ? parseRelayFacts(relay.join("\n")).firewalls : [],
    failures: [],
  });
  const { faults: wrong, warnings } = findings([report]);
  const answered = new Set(found.names.authoritative.flatMap((each) => each.addresses ?? []));
  const families = report.families.map(({ family, address, verdict }) => ({
    family,
    address,
    works: verdict.healthy,
    published: answered.has(address),
    reverse: found.reverse.get(address)?.slice() ?? null,
    ports: (found.outside.get(address) ?? []).map(({ port, answer, ms }) => ({
      port,
      answer: answer.kind,
      ms: ms ?? null,
      note: (answer.kind === "answered" && answer.note) || null,
    })),
  }));
  const works = families.some((each) => each.works);
  const part = seen ? hostPart(seen, status ? driftOf(status, proxySets(status)) : [], found.at) : null;
  const faults = [
    ...(before?.proxies[name] === undefined
      ? [`${name}: it was never set up: run pulumi up`]
      : before.failed.includes(name)
        ? [`${name}: its set-up failed the last time, or has yet to begin: run pulumi up`]
        : []),
    ...wrong,
    ...driftFaults(name, part),
    ...(status ? [...status.conflicts, ...(status.redirected ?? []), ...troubles(status, found.at)] : []).map(
      (fault) => `${name}: ${fault}`,
    ),
  ];
  return {
    name,
    dnsName,
    publish,
    state: publish && !works ? "down" : faults.length > 0 ? "degraded" : "well",
    addresses: families,
    tunnel: view
      ? {
          state: view.tunnel,
          handshakeAge: view.handshakeAge ?? null,
          received: view.traffic?.received ?? null,
          sent: view.traffic?.sent ?? null,
          ports: view.ports.map(({ port, family, open, ms }) => ({ port, family, open, ms: ms ?? null })),
          outbound: [...view.outbound],
        }
      : null,
    host: part,
    faults,
    notes: [...warnings, ...(status ? events(status).map((event) => `${name}: ${event}`) : [])],
  };
}

const driftFaults = (name: string, part: HostPart | null): string[] =>
  part && part.drift.length > 0
    ? [`${name}: not as it was brought in (${part.drift.join("; ")}). pulumi up puts it back`]
    : [];

function hostPart(seen: HostSeen, drift: string[], now: Date): HostPart {
  const status = statusOf(seen);
  if (!status)
    return {
      reachable: false,
      reason: seen.reachable ? null : seen.reason,
      system: null,
      drift: [],
      putBack: null,
      lastPutBack: null,
      reboot: null,
      clockOffset: null,
      disk: null,
      tracked: null,
    };
  const [tracked, most] = status.tracked.split(" ").map(Number);
  return {
    reachable: true,
    reason: null,
    system: status.system,
    drift,
    putBack: status.healed,
    lastPutBack: status.lastHealed.replace(/^\d+ /, "") || null,
    reboot: status.reboot || null,
    clockOffset: clockOffset(status.clock, now),
    disk: status.disk,
    tracked: tracked !== undefined && most !== undefined && most > 0 ? { now: tracked, most } : null,
  };
}

function relayState({ settings, before }: KnownStack, found: Found): StackStatus["relay"] {
  const { relay: seen } = found.seen;
  if (!seen) return { state: "well", host: null, faults: [], notes: ["it is not asked from here"] };
  const status = statusOf(seen);
  const names = settings.proxies.map(({ name }) => name).filter((name) => before?.proxies[name]);
  const ends = settings.tunnel === "none" ? [] : relaySets(names);
  const part = hostPart(seen, status ? driftOf(status, ends) : [], found.at);
  const outbound = status?.outbound ?? [];
  const faults = [
    ...(seen.reachable ? [] : [`relay: its SSH cannot be used from here: ${seen.reason}`]),
    ...driftFaults("relay", part),
    ...[...told(outbound, "fault"), ...(status ? troubles(status, found.at) : [])].map((fault) => `relay: ${fault}`),
  ];
  return {
    state: faults.length > 0 ? "degraded" : "well",
    host: part,
    faults,
    notes: [...told(outbound, "warning"), ...(status ? events(status) : [])].map((note) => `relay: ${note}`),
  };
}

function zoneState(
  { settings, before }: KnownStack,
  proxies: readonly ProxyStatus[],
  found: Found,
): StackStatus["zone"] {
  const { authoritative, resolver } = found.names;
  const wanted = [...(before?.published ?? [])].sort();
  const same = (addresses: readonly string[] | undefined) =>
    addresses?.length === wanted.length && wanted.every((each) => addresses.includes(each));
  const heard = authoritative.filter(({ addresses }) => addresses);
  const says = (addresses: readonly string[] | undefined) => (addresses?.length ? addresses.join(", ") : "nothing");
  const dead = proxies.flatMap((proxy) =>
    proxy.addresses
      .filter(({ works, published }) => published && !works)
      .map(({ address }) => `${address} (${proxy.name})`),
  );
  const faults = [
    ...(authoritative.length === 0
      ? [
          `zone: no name server of ${settings.dns.zone} is known from here: is your own network up, and the zone delegated?`,
        ]
      : heard.length === 0
        ? [`zone: none of the name servers of ${settings.dns.zone} answers from here`]
        : []),
    ...heard
      .filter(({ addresses }) => !same(addresses))
      .map(
        ({ server, addresses }) =>
          `zone: ${server} answers ${says(addresses)} for ${settings.mailDomain}, and the last run published ${says(wanted)}. A change takes its time to reach all servers; else run pulumi up`,
      ),
    ...(dead.length > 0
      ? [`zone: the records hold what does not work: ${dead.join(", ")}. pulumi up takes it out`]
      : []),
  ];
  const remembers =
    resolver.addresses && !same(resolver.addresses)
      ? [
          `zone: the resolver of this machine answers ${says(resolver.addresses)}: it may remember what was, for as long as the TTL`,
        ]
      : [];
  return {
    name: settings.dns.zone,
    provider: settings.dns.provider,
    state: faults.length > 0 ? "degraded" : "well",
    wanted,
    authoritative: authoritative.map(answerPart),
    resolver: answerPart(resolver),
    faults,
    notes: remembers,
  };
}

const answerPart = ({ server, addresses }: { server: string; addresses: readonly string[] | undefined }) => ({
  server,
  addresses: addresses ? [...addresses] : null,
});

function certificateState(mailDomain: string, { certificates, at }: Found): StackStatus["certificate"] {
  const shown = certificates.flatMap(({ port, view }) => (view ? [{ port, view, left: daysLeft(view, at) }] : []));
  const faults = shown.flatMap(({ port, view, left }) => [
    ...(left < 0
      ? [
          `certificate: that of port ${port} expired on ${view.expires.slice(0, 10)}: see on the relay why it was not renewed`,
        ]
      : left < RENEWED_BY
        ? [
            `certificate: that of port ${port} expires in ${left} days, and should have been renewed: see on the relay why it was not`,
          ]
        : []),
    ...(view.otherName
      ? [`certificate: that of port ${port} is for ${view.names.join(", ") || "no name"}, not for ${mailDomain}`]
      : []),
  ]);
  const useless = shown.length > 0 && shown.every(({ view, left }) => left < 0 || view.otherName);
  const untrusted = shown.filter(({ view }) => view.untrusted !== undefined);
  return {
    state: useless ? "down" : faults.length > 0 ? "degraded" : "well",
    ports: shown.map(({ port, view, left }) => ({
      port,
      names: [...view.names],
      issuer: view.issuer,
      expires: view.expires,
      daysLeft: left,
      untrusted: view.untrusted ?? null,
    })),
    faults,
    notes:
      untrusted.length === 0
        ? []
        : [`certificate: its issuer is not one that this machine trusts (${untrusted[0]?.view.untrusted})`],
  };
}

const daysLeft = ({ expires }: CertificateView, now: Date): number =>
  Math.floor((Date.parse(expires) - now.getTime()) / DAY);

/** For the exit status. */
export const EXIT: Readonly<Record<State, number>> = { well: 0, degraded: 1, down: 2 };
