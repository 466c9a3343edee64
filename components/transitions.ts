// Changes of settings that are refused in one step: at the end of an `up` the engine deletes what the settings no longer
// want, and cannot be made to wait. Each fault says which steps to take instead. Pure.
import type { ExistingSet } from "./dns/recordSets";
import { addThenRemove } from "./hosts/host";
import { providerOf, type MachineSnapshot } from "./hosts/providerOf";
import { snapshotOf, type Before, type LastRun, type Snapshot, type Wanted } from "./lastRun";
import { HOSTCTL } from "./remote/hostctl";
import type { ProxySettings } from "./settings";
import type { SettingFault } from "./settings/fault";

/** Faults of settings that need a step in between. */
export function unsafeTransitions(before: Before | undefined, settings: Wanted): SettingFault[] {
  if (!before) return [];
  const now = snapshotOf(settings);
  return [
    ...checkZone(before, now, settings.dns.left),
    ...checkSetup(before, now),
    ...checkMode(before, now),
    ...settings.proxies.flatMap((proxy, i) => checkProxy(before, now, proxy, i)),
  ];
}

/**
 * Faults of removed proxies that are still published in a manually changed zone. `answered`: what is answered for the mail
 * domain, from a wildcard or behind a CNAME too.
 */
export function checkStillNamed(
  before: Before | undefined,
  { mailDomain, proxies }: Wanted,
  answered: readonly ExistingSet[],
): SettingFault[] {
  const named = answered.filter(({ name }) => name === mailDomain).flatMap(({ values }) => values);
  const gone = Object.entries(before?.addresses ?? {}).filter(
    ([name]) => !proxies.some((proxy) => proxy.name === name),
  );
  return gone.flatMap(([name, addresses]) => {
    const still = addresses.filter((address) => named.includes(address));
    return still.length === 0
      ? []
      : [
          {
            key: "proxies",
            text: `without ${name}, whose ${still.join(" and ")} is still published under ${mailDomain}: its clients could not connect any more. Put the entry back with publish: false, take the address out of the zone, wait for the TTL, and then remove the entry.`,
          },
        ];
  });
}

/** Messages on what the last run set up and this one leaves behind, since it may not remove it. `stack`: as it is marked on the relay. */
export function leftBehind(before: LastRun | undefined, settings: Wanted, stack: string): string[] {
  if (!before) return [];
  const now = snapshotOf(settings);
  const { zone, mailDomain, relay } = before;
  return [
    ...(isLeft(before, now)
      ? [
          `The addresses of ${mailDomain} are still in ${zoneText(zone)}, and no longer updated. Delete them there when they are no longer needed: in an old zone, some days after its delegation has moved.`,
        ]
      : []),
    ...(relay.setup === "script" && now.relay.setup === "none"
      ? [
          `The relay still has its ends of the tunnels, which a script set up. Run there, as root: ${HOSTCTL} release ${stack}`,
        ]
      : []),
    ...(relay.setup === "ssh" && !relay.gone && now.relay.hostKey !== undefined && now.relay.hostKey !== relay.hostKey
      ? [
          `The relay has another host key than at the last run. If it is another machine: run on the old one, as root: ${HOSTCTL} release ${stack}. Two relays with the same keys take turns, and mail goes to either.`,
        ]
      : []),
  ];
}

/** Addresses in a zone that is, or was, changed manually are the operator's own business. */
function isLeft({ zone, mailDomain }: LastRun, now: Snapshot): boolean {
  if (
    zone.provider === "manual" ||
    (mailDomain === now.mailDomain && zone.name === now.zone.name && now.zone.provider === "manual")
  )
    return false;
  return mailDomain !== now.mailDomain || zoneText(zone) !== zoneText(now.zone);
}

const zoneText = ({ name, provider }: LastRun["zone"]) => `${name} (${provider})`;

function checkZone(before: Before, now: Snapshot, left: string | undefined): SettingFault[] {
  if (before.zone.onDestroy === "keep" || before.published.length === 0 || left === before.zone.name) return [];
  if (before.mailDomain !== now.mailDomain) {
    return [
      {
        key: "mailDomain",
        text: `was ${before.mailDomain} until now, whose addresses this run would delete. Change it back, and make another stack for another mail domain; or set dns.onDestroy to "keep" first, with the old mailDomain, and run pulumi up.`,
      },
    ];
  }
  if (zoneText(before.zone) === zoneText(now.zone)) return [];
  const key = before.zone.provider === now.zone.provider ? "dns.zone" : "dns.provider";
  return [
    {
      key,
      text: `has changed from ${zoneText(before.zone)}. This run would delete the addresses of ${before.mailDomain} there, and nobody could find your relay until the delegation has moved. Restore the old dns, with onDestroy "keep" in it, and run pulumi up; then change it. (If that zone no longer exists: dns.left: ${before.zone.name})`,
    },
  ];
}

function checkSetup({ relay }: LastRun, now: Snapshot): SettingFault[] {
  if (relay.setup !== "ssh" || relay.gone || now.relay.setup !== "script") return [];
  return [
    {
      key: "relay.setup",
      text: '"script" would first take all tunnels off the relay, over SSH, and cut its users off. Set it back to "ssh", add relay.gone: true and run pulumi up (it lets go of the relay without touching it); then set it to "script".',
    },
  ];
}

/** The proxies' ends of new tunnels are set up at once; the relay's, which a person sets up by the script, come later. */
function checkMode(before: Before, now: Snapshot): SettingFault[] {
  if (before.relay.setup !== "none" || now.relay.setup !== "script" || before.published.length === 0) return [];
  const own =
    before.zone.provider === "manual"
      ? "put the relay's own addresses into the zone, in place of the proxies'"
      : "set dns.onDestroy: relay and run pulumi up";
  return [
    {
      key: "tunnel",
      text: `was "none" until now, and with relay.setup "script" all mail would stop at once: proxies would lead it into tunnels that have no other end until a person has run the script on the relay. With relay.setup "ssh" both ends come in together, and no mail is lost (for "script" afterwards: first relay.gone: true and pulumi up). Where the relay cannot be reached by SSH, it takes its mail itself meanwhile: set tunnel back to "none" (and leave relay.setup away), let everybody in to its mail ports, ${own}, then run pulumi destroy; then set these settings again, run pulumi up, the script, and pulumi up once more.`,
    },
  ];
}

function checkProxy(before: LastRun, now: Snapshot, { name }: ProxySettings, i: number): SettingFault[] {
  const entry = `proxies[${i}]`;
  const [was, is] = [before.proxies[name], now.proxies[name]];
  if (is === undefined) return [];
  if (was === undefined) return checkName(before, now, is, entry);
  if (was.host !== is.host)
    return [{ key: `${entry}.host`, text: `was "${was.host}" until now. ${addThenRemove(name)}` }];
  return providerOf(is)
    .immutableChanges(name, was, is)
    .map(({ key, text }) => ({ key: `${entry}.${key}`, text }));
}

const identityOf = (machine: MachineSnapshot) => providerOf(machine).identity(machine);

function checkName(before: LastRun, now: Snapshot, is: MachineSnapshot, entry: string): SettingFault[] {
  const who = identityOf(is);
  const other = Object.entries(before.proxies).find(([name, was]) => {
    const old = identityOf(was);
    return old && !old.gone && old.id === who?.id && now.proxies[name] === undefined;
  });
  return other
    ? [
        {
          key: `${entry}.name`,
          text: `is new, but this machine is the proxy ${other[0]}, and what that one leaves behind would be this one's. Change the name back; or remove ${other[0]} first, run pulumi up, and then add it under its new name.`,
        },
      ]
    : [];
}
