// What a run comes to know of a proxy, as plain values: the decisions about records and warnings stand on them.
import * as pulumi from "@pulumi/pulumi";
import { outputValue } from "./outputValue";
import type { ProxyRelay } from "./proxyRelay";
import { reportOn, type ProxyReport, type Seen } from "./report";

export interface Examined {
  readonly addresses: readonly string[];
  /** Undefined where nothing is known: in a preview of something new, or when the set-up broke off and the run goes on without it. */
  readonly report: ProxyReport | undefined;
  /** Addresses of which this run could learn nothing. */
  readonly unknown: readonly string[];
  /** All of it was tried in this run or an earlier one. */
  readonly whole: boolean;
  /** Some of it failed when it was tried last, and wants to be tried again. */
  readonly failed: boolean;
}

export async function examine(
  proxy: ProxyRelay,
  { publish, silent, onRelay }: Pick<Seen, "publish" | "onRelay"> & { readonly silent: boolean },
): Promise<Examined> {
  const of = (address: ProxyRelay["ipv4"]) => (address ? outputValue(address) : Promise.resolve(undefined));
  const [ipv4, ipv6, outside, inside, told] = await Promise.all([
    of(proxy.ipv4),
    of(proxy.ipv6),
    outputValue(proxy.outside),
    outputValue(proxy.inside),
    outputValue(proxy.failures),
  ]);
  // In a run that goes on past what broke off, what failed before that is not known either.
  const brokeOff = told === undefined && !pulumi.runtime.isDryRun();
  const failures = told ?? [];
  const addresses = { ...(ipv4 ? { 4: ipv4 } : {}), ...(ipv6 ? { 6: ipv6 } : {}) };
  // Neither seen from here (no IPv6, say) nor by the proxy, which could not be asked: its set-up failed, or its SSH is shut
  // to this machine though it works.
  const works = Object.values(outside ?? {}).some((view) => view.some(({ answer }) => answer.kind === "answered"));
  const notAsked = silent ? works : failures.length > 0 && inside === "not asked";
  const unseen = ([4, 6] as const).filter(
    (family) => notAsked && outside?.[family]?.every(({ answer }) => answer.kind === "notFromHere"),
  );
  return {
    // What is not wanted there goes whatever is known of it.
    unknown: !publish ? [] : outside ? unseen.flatMap((family) => addresses[family] ?? []) : Object.values(addresses),
    whole: inside !== undefined,
    failed: brokeOff || failures.length > 0,
    addresses: Object.values(addresses),
    report:
      outside &&
      reportOn({
        name: proxy.name,
        dnsName: proxy.dnsName,
        publish,
        addresses,
        outside,
        inside: silent ? "silent" : (inside ?? "not asked"),
        onRelay,
        failures: silent ? [] : failures,
      }),
  };
}
