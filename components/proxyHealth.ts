// What a run finds out about a proxy, as plain values: the decisions about records and warnings are made from them.
import * as pulumi from "@pulumi/pulumi";
import type { MailDomainArgs } from "./dns/mailDomain";
import type { DnsZone } from "./dns/zone";
import { refusal, type HostSeen, type Seen } from "./look";
import { outputValue } from "./outputValue";
import type { ProxySetup } from "./proxySetup";
import type { RelayFacts } from "./remote/facts";
import { failingFamilies, healthyAddresses, reportOn, type ProxyReport } from "./report";
import type { Settings } from "./settings";

export interface ProxyHealth {
  readonly addresses: readonly string[];
  /** Undefined where nothing is known: in a preview of something new, or when the set-up was interrupted and the run continues without it. */
  readonly report: ProxyReport | undefined;
  /** Addresses that this run could not check. */
  readonly unknown: readonly string[];
  /** All of the set-up was tried. */
  readonly complete: boolean;
  /** Some of the set-up failed. */
  readonly failed: boolean;
  /** Its host is there, and could not be used. */
  readonly unreached: boolean;
}

/** All proxies, once they are set up. */
export const checkProxies = (
  proxies: readonly ProxySetup[],
  settings: Pick<Settings, "proxies">,
  seen: Seen,
  facts: RelayFacts | undefined,
): Promise<ProxyHealth[]> =>
  Promise.all(
    proxies.map((proxy, i) =>
      checkProxy(proxy, {
        publish: settings.proxies[i]?.publish ?? true,
        host: seen.proxies.get(proxy.name),
        onRelay: facts?.firewalls ?? [],
      }),
    ),
  );

/** A preview knows nothing yet of what it would make. */
export const allKnown = (health: readonly ProxyHealth[]): boolean =>
  health.every(({ report }) => report !== undefined) || !pulumi.runtime.isDryRun();

export const reportsOf = (health: readonly ProxyHealth[]): ProxyReport[] =>
  health.flatMap(({ report }) => report ?? []);

/** The arguments of the mail domain's records. */
export function mailDomainArgs(
  mailDomain: string,
  zone: DnsZone,
  proxies: readonly ProxySetup[],
  health: readonly ProxyHealth[],
): MailDomainArgs {
  const known = allKnown(health);
  const reports = reportsOf(health);
  const setUp = reports.filter(({ failures }) => failures.length === 0);
  // At the others somebody else's mail server may answer. If the address was ours until now, it probably still is.
  const doubtful = reports.filter(({ failures }) => failures.length > 0);
  return {
    mailDomain,
    zone,
    healthy: known ? healthyAddresses(setUp) : undefined,
    unchecked: [...health.flatMap(({ unknown }) => unknown), ...healthyAddresses(doubtful)],
    own: health.flatMap(({ addresses }) => addresses),
    failing: failingFamilies(reports),
    proxies: proxies.filter((_, i) => !known || health[i]?.complete).map(({ component }) => component),
  };
}

interface CheckArgs {
  readonly publish: boolean;
  /** Others' firewalls on the relay: messages. */
  readonly onRelay: readonly string[];
  /** What was seen of its host at the beginning. */
  readonly host: HostSeen | undefined;
}

async function checkProxy(proxy: ProxySetup, { publish, onRelay, host }: CheckArgs): Promise<ProxyHealth> {
  const of = (address: ProxySetup["ipv4"]) => (address ? outputValue(address) : Promise.resolve(undefined));
  const [machine, ipv4, ipv6, outside, inside, told] = await Promise.all([
    outputValue(proxy.machine),
    of(proxy.ipv4),
    of(proxy.ipv6),
    outputValue(proxy.outside),
    outputValue(proxy.inside),
    outputValue(proxy.failures),
  ]);
  // Undefined in an update: the set-up was interrupted, and what failed before that is not known either.
  const brokeOff = told === undefined && !pulumi.runtime.isDryRun();
  const failures = told ?? [];
  const addresses = { ...(ipv4 ? { 4: ipv4 } : {}), ...(ipv6 ? { 6: ipv6 } : {}) };
  const unreached =
    host && !host.reachable && host.machine === machine
      ? { silent: refusal(host) === undefined, unreachable: host.reason }
      : undefined;
  // Neither seen from here (no IPv6, say) nor by the proxy, which could not be asked: its set-up failed, or its SSH is shut
  // to this machine though it works.
  const works = Object.values(outside ?? {}).some((view) => view.some(({ answer }) => answer.kind === "answered"));
  const notAsked = unreached ? works : failures.length > 0 && inside === "not asked";
  const unseen = ([4, 6] as const).filter(
    (family) => notAsked && outside?.[family]?.every(({ answer }) => answer.kind === "notFromHere"),
  );
  return {
    // An address that is not wanted there goes in any case.
    unknown: !publish ? [] : outside ? unseen.flatMap((family) => addresses[family] ?? []) : Object.values(addresses),
    complete: inside !== undefined,
    failed: brokeOff || failures.length > 0,
    unreached: unreached !== undefined,
    addresses: Object.values(addresses),
    report:
      outside &&
      reportOn({
        name: proxy.name,
        dnsName: proxy.dnsName,
        publish,
        addresses,
        outside,
        inside: unreached ?? inside ?? "not asked",
        onRelay,
        failures: unreached ? [] : failures,
      }),
  };
}
