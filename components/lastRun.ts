// What the last whole run of `pulumi up` left standing, from the stack's own output `lastRun`. Some settings cannot follow
// it in one step: at the end of an `up` the engine deletes what the settings no longer want, and cannot be told to wait.
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { ExistingSet } from "./dns/recordSets";
import type { ProxySettings, Settings } from "./settings";
import type { ProxyReport } from "./report";
import { OWN_LINE, type Complaint } from "./settings/check";

const machine = z.discriminatedUnion("host", [
  z.object({ host: z.literal("hetzner"), location: z.string() }),
  z.object({ host: z.enum(["linux", "freebsd"]), hostKey: z.string(), gone: z.boolean() }),
]);
type Machine = z.output<typeof machine>;

const lastRun = z.object({
  mailDomain: z.string(),
  zone: z.object({ provider: z.string(), name: z.string(), onDestroy: z.string() }),
  relay: z.object({ setup: z.enum(["ssh", "script", "none"]), hostKey: z.string().optional(), gone: z.boolean() }),
  proxies: z.record(z.string(), machine),
  /** By host: another word than the time before means that it did not see all well, and is to be asked again. */
  lookAgain: z.record(z.string(), z.string()),
});
export type LastRun = z.output<typeof lastRun>;

const outputs = z.object({ lastRun, proxies: z.record(z.string(), z.object({ ipv4: z.string().optional(), ipv6: z.string().optional() })) });

/** What stands, and at which addresses. */
export type Before = LastRun & { readonly addresses: Readonly<Record<string, readonly string[]>> };

type Standing = Omit<LastRun, "lookAgain">;

type Wanted = Pick<Settings, "mailDomain" | "dns" | "relay" | "proxies" | "tunnel">;

/** What a run with these settings leaves standing. Pure. */
export function standingAfter({ mailDomain, dns, relay, proxies, tunnel }: Wanted): Standing {
  return {
    mailDomain,
    zone: { provider: dns.provider, name: dns.zone, onDestroy: dns.provider === "manual" ? "keep" : dns.onDestroy },
    relay: { setup: tunnel === "none" ? "none" : relay.setup, ...(relay.ssh && { hostKey: keyOf(relay.ssh) }), gone: relay.gone },
    proxies: Object.fromEntries(proxies.map((proxy) => [proxy.name, machineOf(proxy)])),
  };
}

/** The relay among the hosts to look at again; no proxy may have this name. */
export const RELAY = OWN_LINE;

/**
 * Who is to be asked again by the next run. What a host sees is remembered with its command, and asked after only when
 * something about it changes; what nobody sees from here (mail on its way out, firewalls) would else never be looked at
 * again. Pure.
 */
export function hostsToAsk(before: LastRun | undefined, reports: readonly ProxyReport[], now: Date): LastRun["lookAgain"] {
  const unwell = [
    ...reports.filter(({ outbound }) => outbound.some(({ open }) => !open)).map(({ name }) => name),
    ...(reports.some(({ families }) => families.some(({ verdict }) => verdict.faults.length > 0)) ? [RELAY] : []),
  ];
  return { ...before?.lookAgain, ...Object.fromEntries(unwell.map((name) => [name, now.toISOString()])) };
}

/** Undefined in a new stack, and where the last run was made by a version that left no word. */
export async function readLastRun(): Promise<Before | undefined> {
  const name = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  const answer = (await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name })) as { outputs?: unknown };
  const { data } = outputs.safeParse(answer.outputs);
  return data && { ...data.lastRun, addresses: Object.fromEntries(Object.entries(data.proxies).map(([proxy, { ipv4, ipv6 }]) => [proxy, [ipv4, ipv6].flatMap((address) => address ?? [])])) };
}

/** Complaints about settings that need a step in between, which each of them tells. Pure. */
export function checkAgainst(before: LastRun | undefined, settings: Wanted): Complaint[] {
  if (!before) return [];
  const now = standingAfter(settings);
  return [...checkZone(before, now), ...checkSetup(before, now), ...settings.proxies.flatMap((proxy, i) => checkProxy(before, now, proxy, i))];
}

/** Complaints about proxies that are to go, though a person has yet to take them out of DNS. Pure. */
export function checkStillNamed(before: Before | undefined, { mailDomain, proxies }: Wanted, existing: readonly ExistingSet[]): Complaint[] {
  const named = existing.filter(({ name }) => name === mailDomain).flatMap(({ values }) => values);
  const gone = Object.entries(before?.addresses ?? {}).filter(([name]) => !proxies.some((proxy) => proxy.name === name));
  return gone.flatMap(([name, addresses]) => {
    const still = addresses.filter((address) => named.includes(address));
    return still.length === 0 ? [] : [{ key: "proxies", text: `without ${name}, whose ${still.join(" and ")} still stands under ${mailDomain}: its clients would knock in vain. Put the entry back with publish: false, take the address out of the zone, wait for the TTL, and then remove the entry.` }];
  });
}

/** What is left of the last run after this one, and is not ours to take away: sentences. Pure. */
export function leftBehind(before: LastRun | undefined, settings: Wanted): string[] {
  if (!before) return [];
  const now = standingAfter(settings);
  const { zone, mailDomain, relay } = before;
  return [
    ...(isLeft(before, now)
      ? [`The addresses of ${mailDomain} still stand in ${zoneText(zone)}, where nobody keeps them any more. Delete them there when they are not needed any more: in an old zone, some days after its delegation has moved.`]
      : []),
    ...(relay.setup === "script" && now.relay.setup === "none" ? ["The relay still has its ends of the tunnels, which a script set up. Run there, as root: sh relay.sh --remove"] : []),
    ...(relay.setup === "ssh" && !relay.gone && now.relay.hostKey !== undefined && now.relay.hostKey !== relay.hostKey
      ? ["The relay has another host key than at the last run. If it is another machine: run on the old one, as root: /usr/local/lib/chatmail-proxy/hostctl uninstall. Two relays with the same keys take turns, and mail goes to either."]
      : []),
  ];
}

/** Addresses in a zone that is changed by hand, then or now, are looked after by whoever changes it. */
function isLeft({ zone, mailDomain }: LastRun, now: Standing): boolean {
  if (zone.provider === "manual" || (mailDomain === now.mailDomain && zone.name === now.zone.name && now.zone.provider === "manual")) return false;
  return mailDomain !== now.mailDomain || zoneText(zone) !== zoneText(now.zone);
}

const keyOf = ({ hostKey }: { hostKey: string }) => hostKey.split(" ").slice(0, 2).join(" ");

const machineOf = (proxy: ProxySettings): Machine =>
  proxy.host === "hetzner" ? { host: proxy.host, location: proxy.location } : { host: proxy.host, hostKey: keyOf(proxy.ssh), gone: proxy.gone };

const zoneText = ({ name, provider }: LastRun["zone"]) => `${name} (${provider})`;

const ADD_THEN_REMOVE = "A proxy cannot move while it lives: change this back, add a proxy with a new name beside it, and then: npm run remove --";

function checkZone(before: LastRun, now: Standing): Complaint[] {
  if (before.zone.onDestroy === "keep") return [];
  if (before.mailDomain !== now.mailDomain) {
    return [{ key: "mailDomain", text: `was ${before.mailDomain} until now, whose addresses this run would delete. Change it back, and make another stack for another mail domain; or set dns.onDestroy to "keep" first, with the old mailDomain, and run pulumi up.` }];
  }
  if (zoneText(before.zone) === zoneText(now.zone)) return [];
  const key = before.zone.provider === now.zone.provider ? "dns.zone" : "dns.provider";
  return [{ key, text: `is another than ${zoneText(before.zone)}, where this run would delete the addresses of ${before.mailDomain}: nobody could find your relay until the delegation has moved. Change dns back, with onDestroy "keep" in it, and run pulumi up; then change it again.` }];
}

function checkSetup({ relay }: LastRun, now: Standing): Complaint[] {
  if (relay.setup !== "ssh" || relay.gone || now.relay.setup !== "script") return [];
  return [{ key: "relay.setup", text: '"script" would first take all tunnels off the relay, over SSH, and cut its users off. Set it back to "ssh", add relay.gone: true and run pulumi up (it lets go of the relay without touching it); then set it to "script".' }];
}

function checkProxy(before: LastRun, now: Standing, proxy: ProxySettings, i: number): Complaint[] {
  const entry = `proxies[${i}]`;
  const [was, is] = [before.proxies[proxy.name], machineOf(proxy)];
  if (was === undefined) return checkName(before, now, is, entry);
  if (was.host !== is.host) return [{ key: `${entry}.host`, text: `was "${was.host}" until now. ${ADD_THEN_REMOVE} ${proxy.name}` }];
  if (was.host === "hetzner") {
    return is.host === "hetzner" && was.location !== is.location ? [{ key: `${entry}.location`, text: `was "${was.location}" until now. ${ADD_THEN_REMOVE} ${proxy.name}` }] : [];
  }
  if (is.host === "hetzner" || was.gone || was.hostKey === is.hostKey) return [];
  return [{ key: `${entry}.ssh.hostKey`, text: `is another than at the last run. If nobody but you changed it: set gone: true with the old key and run pulumi up; then give the new key without gone, and run it again.` }];
}

function checkName(before: LastRun, now: Standing, is: Machine, entry: string): Complaint[] {
  if (is.host === "hetzner") return [];
  const other = Object.entries(before.proxies).find(([name, was]) => was.host !== "hetzner" && !was.gone && was.hostKey === is.hostKey && now.proxies[name] === undefined);
  return other ? [{ key: `${entry}.name`, text: `is new, but this machine is the proxy ${other[0]}, and what that one leaves behind would be this one's. Change the name back; or remove ${other[0]} first, run pulumi up, and then add it under its new name.` }] : [];
}
