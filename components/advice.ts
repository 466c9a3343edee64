// What an operator should know about the way these settings work with this relay: sentences. Pure.
import { familyOf } from "./addresses";
import { networkAdvice } from "./hosts/networks";
import { provenAddresses, type ProxyReport } from "./report";
import type { RelayFacts } from "./remote/facts";
import type { Settings } from "./settings";
import { OWN_LINE } from "./settings/check";

export interface Situation {
  readonly settings: Omit<Settings, "dnsSecret">;
  /** What the relay says of itself, where it could be asked. */
  readonly facts: RelayFacts | undefined;
  readonly reports: readonly ProxyReport[];
  /** What the mail domain's records hold after this run. */
  readonly published: readonly string[];
}

export function advice(situation: Situation): string[] {
  return [scriptAdvice, drainedButPublished, networks, directLimits, turnAdvice, drainedEgress].flatMap((part) => part(situation));
}

/** The relay is set up by a script that nobody has run yet (or not to the end). */
export const awaitsScript = ({ settings, reports }: Pick<Situation, "settings" | "reports">): boolean =>
  settings.relay.setup === "script" && settings.tunnel !== "none" && reports.length > 0 && reports.some(({ tunnel }) => tunnel === "silent");

function scriptAdvice(situation: Situation): string[] {
  if (!awaitsScript(situation)) return [];
  const waiting = situation.reports.filter(({ tunnel }) => tunnel === "silent").map(({ name }) => name);
  return [
    `The relay has not called ${waiting.join(", ")} yet. Set up its end: pulumi stack output --show-secrets relayScript > relay.sh; copy relay.sh to the relay (it holds private keys: delete it afterwards) and run there, as root: sh relay.sh. Then run pulumi up again: it proves that mail gets through, and publishes.`,
  ];
}

function drainedButPublished({ reports, published }: Situation): string[] {
  return reports
    .filter(({ publish, families }) => !publish && families.some(({ address }) => published.includes(address)))
    .map(({ name }) => `${name} has publish: false, but stays in DNS: there is no other proxy that works, and a mail domain without addresses would turn mail away for good.`);
}

function networks({ settings, reports }: Situation): string[] {
  const working = new Set(reports.filter((report) => provenAddresses([report]).length > 0).map(({ name }) => name));
  const text = networkAdvice(settings.proxies.filter(({ name }) => working.has(name)));
  return text === undefined ? [] : [text];
}

function directLimits({ settings, facts }: Situation): string[] {
  if (settings.tunnel !== "none") return [];
  const limit = facts?.postfix.smtpd_client_connection_count_limit;
  const says = limit ? ` (smtpd_client_connection_count_limit = ${limit} on this relay)` : " (50 on port 25 unless set otherwise)";
  return [
    `Without a tunnel the relay sees all clients of a proxy under that proxy's one address. Postfix then counts them as one client${says}, and so do dovecot (mail_max_userip_connections, login limits) and whatever else counts or blocks by address, such as fail2ban: raise these limits, and never block a proxy's address. With a tunnel the relay sees its clients' real addresses.`,
  ];
}

/** UDP port on which chatmail's TURN server listens, and the ports on which its media flows. */
const TURN_PORT = 3478;

function turnAdvice({ settings, facts }: Situation): string[] {
  const covers = (port: number) => settings.udpPorts.some(({ from, to }) => from <= port && port <= to);
  const media = settings.udpPorts.some(({ from, to }) => from >= 1024 && to > from);
  const ways = "Two ways out: stop advertising it on the relay (calls then need a direct connection between the two sides), or give the TURN server one of the relay's tunnel addresses as its own, a range of its own for media, and name both under udpPorts.";
  if (covers(TURN_PORT) && !media) return [`udpPorts forwards ${TURN_PORT} (TURN), but no range for its media, which flows on UDP 49152-65535 of the relay's own address: calls ring and stay silent. ${ways}`];
  if (facts?.turn && !covers(TURN_PORT)) return [`The relay runs a TURN server (UDP ${TURN_PORT}), which it advertises to its users, and which nobody reaches through the proxies: calls between users behind NAT fail. ${ways}`];
  return [];
}

function drainedEgress({ settings }: Situation): string[] {
  return settings.proxies
    .filter(({ name, publish }) => !publish && settings.egress.includes(name))
    .map(({ name }) => `${name} is an egress, and has publish: false: mail leaves from an address that the mail domain's A and AAAA do not name, so reverse DNS and an SPF record with "a" no longer fit it. Take it out of egress as well, or publish it.`);
}

/** Addresses of egress proxies whose reverse DNS is their provider's to set. */
export function foreignSenders({ settings, reports }: Pick<Situation, "settings" | "reports">): { proxy: string; address: string }[] {
  const existing = new Set(settings.proxies.filter(({ host }) => host !== "hetzner").map(({ name }) => name));
  return reports.filter(({ name }) => settings.egress.includes(name) && existing.has(name)).flatMap(({ name, families }) => families.map(({ address }) => ({ proxy: name, address })));
}

/** Addresses from which the relay's mail leaves, as far as known. */
export function senders({ settings, reports }: Pick<Situation, "settings" | "reports">): string[] {
  const egress = reports.filter(({ name }) => settings.egress.includes(name)).flatMap(({ families }) => families.map(({ address }) => address));
  const direct = [settings.relay.ipv4, settings.relay.ipv6].flatMap((address) => address ?? []);
  const own = settings.tunnel === "none" ? direct : reports.flatMap(({ relayAddress }) => relayAddress ?? []);
  const all = settings.egress.length === 0 || settings.egress.includes(OWN_LINE) ? [...egress, ...own] : egress;
  return [...new Set(all)].filter((address) => familyOf(address) !== undefined);
}
