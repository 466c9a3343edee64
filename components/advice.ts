// What an operator should know about how these settings work with this relay: messages. Pure.
import { familyOf, isPrivate } from "./addresses";
import type { ForeignAddress } from "./dns/reverse";
import { providerOf, propertiesOf } from "./hosts/providerOf";
import { networkAdvice } from "./hosts/networks";
import { healthyAddresses, type ProxyReport } from "./report";
import { FETCH_SCRIPT } from "./relayScript";
import type { RelayFacts } from "./remote/facts";
import { rebootTime } from "./platforms/unattendedUpgrades";
import type { Settings } from "./settings";
import { OWN_LINE } from "./settings/check";
import { planTunnel, REBOOT_SLOTS, slotOf } from "./tunnel/addressPlan";
import { trustedClients, trustedNetwork } from "./tunnel/relayConflicts";
import { turnAdvice } from "./turn";

export interface Situation {
  readonly settings: Omit<Settings, "dnsSecret">;
  /** What the relay says of itself, where it could be asked. */
  readonly facts: RelayFacts | undefined;
  readonly reports: readonly ProxyReport[];
  /** What the mail domain's records hold after this run. */
  readonly published: readonly string[];
}

export function advice(situation: Situation): string[] {
  return [
    scriptAdvice,
    drainedButPublished,
    networks,
    openRelay,
    publicTrust,
    turn,
    restarts,
    directLimits,
    drainedEgress,
    openSsh,
    crowded,
  ].flatMap((part) => part(situation));
}

/** From here on, clients that all reconnect at once may exceed the limit. */
const CROWDED = 0.8;

function crowded({ reports }: Situation): string[] {
  return reports.flatMap(({ name, tracked }) =>
    tracked && tracked.now >= CROWDED * tracked.most
      ? [
          `${name} keeps track of ${tracked.now} connections, and has room for ${tracked.most}: once that is full, new ones are dropped, SSH among them. Add another proxy, or a server with more memory; more room until its next restart: sysctl -w net.netfilter.nf_conntrack_max=${2 * tracked.most}`,
        ]
      : [],
  );
}

/** Proxies that the relay, set up by a script, has never called, and that never were in DNS: the script has not run yet. */
function awaitScript({ settings, reports, published }: Situation): ProxyReport[] {
  if (settings.relay.setup !== "script" || settings.tunnel === "none") return [];
  return reports.filter(
    ({ tunnel, families, failures }) =>
      failures.length === 0 && tunnel === "silent" && !families.some(({ address }) => published.includes(address)),
  );
}

/** Proxies whose faults count: until the script has run on the relay, it is only something left to do. */
export function faultyOnes(situation: Situation): ProxyReport[] {
  const waiting = new Set(awaitScript(situation));
  return situation.reports.filter((report) => !waiting.has(report));
}

/** Proxies that are there and do not work, by name. */
export const notWorking = (situation: Situation): string[] =>
  faultyOnes(situation)
    .filter(({ families }) => families.some(({ verdict }) => verdict.faults.length > 0))
    .map(({ name }) => name);

function scriptAdvice(situation: Situation): string[] {
  const waiting = awaitScript(situation).map(({ name }) => name);
  if (waiting.length === 0) return [];
  return [
    `The relay has not called ${waiting.join(", ")} yet. Set up its end: ${FETCH_SCRIPT} Then run pulumi up again: it proves that mail gets through, and publishes.`,
  ];
}

function drainedButPublished({ reports, published }: Situation): string[] {
  return reports
    .filter(({ publish, families }) => !publish && families.some(({ address }) => published.includes(address)))
    .map(
      ({ name }) =>
        `${name} has publish: false, but stays in DNS: there is no other proxy that works, and a mail domain without addresses would make senders give up and return mail.`,
    );
}

function networks({ settings, reports }: Situation): string[] {
  const working = new Set(reports.filter((report) => healthyAddresses([report]).length > 0).map(({ name }) => name));
  const text = networkAdvice(settings.proxies.filter(({ name }) => working.has(name)));
  return text === undefined ? [] : [text];
}

/** A client that postfix trusts by address may send anything anywhere; without a tunnel the whole internet has the proxies' addresses. */
export function openRelay({ settings, facts, reports }: Situation): string[] {
  if (settings.tunnel !== "none" || !facts) return [];
  return reports.flatMap(({ name, families }) =>
    families.flatMap(({ address }) => {
      const network = trustedNetwork(facts, address);
      return network
        ? [
            `OPEN RELAY: postfix's mynetworks on the relay holds ${network}, and with it ${name}'s address ${address}, under which it sees everybody who comes through that proxy: anybody can send through your relay. Take it out of mynetworks.`,
          ]
        : [];
    }),
  );
}

/** A proxy tells the relay its clients' addresses, and a captured one can claim any. Without a tunnel it has only its own address. */
export function publicTrust({ settings, facts }: Situation): string[] {
  const networks = settings.tunnel === "none" || !facts ? [] : trustedClients(facts);
  if (networks.length === 0) return [];
  return [
    `postfix's mynetworks on the relay holds ${networks.join(", ")}. Addresses in it are others' on the internet too, so they are let in from the proxies, and whoever captures a proxy could send through your relay under them. Take out of mynetworks what is not on the relay itself or in a private network; let such clients log in instead.`,
  ];
}

/** Minutes that a restart may take, with some to spare. */
const RESTART_MINUTES = 10;

function restarts({ settings }: Situation): string[] {
  const { tunnel } = settings;
  const times = settings.proxies.flatMap((proxy) => {
    const time = propertiesOf(proxy).rebootTime(
      rebootTime(tunnel === "none" ? slotOf(proxy, REBOOT_SLOTS) : planTunnel(proxy, tunnel).slot),
    );
    return time === undefined ? [] : [{ name: proxy.name, time }];
  });
  const minuteOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  const apart = (a: string, b: string) => {
    const minutes = Math.abs(minuteOf(a) - minuteOf(b));
    return Math.min(minutes, 24 * 60 - minutes);
  };
  const close = times.filter(({ name, time }) =>
    times.some((other) => other.name !== name && apart(time, other.time) < RESTART_MINUTES),
  );
  return close.length > 0
    ? [
        `${close.map(({ name, time }) => `${name} (${time})`).join(" and ")} may restart for updates at the same time: give one of them another rebootTime, ${RESTART_MINUTES} minutes or more away.`,
      ]
    : [];
}

function directLimits({ settings, facts }: Situation): string[] {
  if (settings.tunnel !== "none") return [];
  const limit = facts?.postfix.smtpd_client_connection_count_limit;
  const says = limit
    ? ` (smtpd_client_connection_count_limit = ${limit} on this relay)`
    : " (50 on port 25 unless set otherwise)";
  return [
    `Without a tunnel the relay sees all clients of a proxy under that proxy's one address. Postfix then counts them as one client${says}, and so do dovecot (mail_max_userip_connections, login limits) and whatever else counts or blocks by address, such as fail2ban: raise these limits (in postfix by smtpd_client_event_limit_exceptions), and never block a proxy's address. Never add it to mynetworks, though: everybody on the internet could then send through your relay. With a tunnel the relay sees its clients' real addresses.`,
  ];
}

const turn = ({ settings, facts }: Situation) => turnAdvice(settings.udpPorts, facts?.turn ?? false);

/** On a machine that others use too, what is not ours is not filtered, and SSH is not ours there. */
function openSsh({ settings }: Situation): string[] {
  if (settings.adminNetworks.length === 0) return [];
  const open = settings.proxies.filter((proxy) => !propertiesOf(proxy).closed).map(({ name }) => name);
  return open.length > 0
    ? [
        `adminNetworks has no effect on ${open.join(", ")}: on a machine that is not closed, its own firewall decides who reaches its SSH.`,
      ]
    : [];
}

function drainedEgress({ settings }: Situation): string[] {
  return settings.proxies
    .filter(({ name, publish }) => !publish && settings.egress.includes(name))
    .map(
      ({ name }) =>
        `${name} is an egress, and has publish: false: mail leaves from an address that the mail domain's A and AAAA do not name, so reverse DNS and an SPF record with "a" no longer fit it. Take it out of egress as well, or publish it.`,
    );
}

/** Addresses of proxies whose reverse DNS is their provider's to set, with what it should say. */
export function foreignAddresses({ settings, reports }: Pick<Situation, "settings" | "reports">): ForeignAddress[] {
  const foreign = new Set(settings.proxies.filter((proxy) => !providerOf(proxy).reverseDns).map(({ name }) => name));
  return reports
    .filter(({ name }) => foreign.has(name))
    .flatMap(({ name, dnsName, families }) => {
      const egress = settings.egress.includes(name);
      return families.map(({ address }) => ({
        proxy: name,
        address,
        egress,
        wanted: egress ? settings.mailDomain : dnsName,
      }));
    });
}

/** Those under which the relay sends and which mean something on the internet, of the families that its postfix uses. */
function publicSources({ sources, postfix }: RelayFacts): string[] {
  const silent = postfix.inet_protocols === "ipv4" ? 6 : postfix.inet_protocols === "ipv6" ? 4 : undefined;
  return sources.filter(
    (address) => familyOf(address) !== undefined && familyOf(address) !== silent && !isPrivate(address),
  );
}

/** Addresses from which the relay's mail leaves, as far as known. */
export function senders({ settings, facts, reports }: Pick<Situation, "settings" | "facts" | "reports">): string[] {
  const egress = reports
    .filter(({ name }) => settings.egress.includes(name))
    .flatMap(({ families }) => families.map(({ address }) => address));
  const direct = [settings.relay.ipv4, settings.relay.ipv6].flatMap((address) => address ?? []);
  // Seen from outside is only the family that it dials; it may have addresses of its own of the other.
  const seen = settings.tunnel === "none" ? [] : reports.flatMap(({ relayAddress }) => relayAddress ?? []);
  const own = [...direct, ...seen, ...(facts ? publicSources(facts) : [])];
  const all = settings.egress.length === 0 || settings.egress.includes(OWN_LINE) ? [...egress, ...own] : egress;
  return [...new Set(all)].filter((address) => familyOf(address) !== undefined);
}
