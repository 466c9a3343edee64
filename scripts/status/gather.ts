// What is there now: the look at all hosts, what answers from outside, DNS and certificates. Asks all at once, reads only, and
// never fails for what a host or the network does.
import type { Family } from "../../components/addresses";
import { familyOf } from "../../components/addresses";
import type { AskForName, NameAnswers } from "../../components/dns/answers";
import type { ReverseLookup } from "../../components/dns/reverse";
import type { CertificateView, LookAtCertificate } from "../../components/health/certificates";
import type { PortAnswer, ProbeTarget } from "../../components/health/probe";
import { knownEndpoints } from "../../components/hosts/endpoints";
import { runOverSsh } from "../../components/hosts/ssh";
import { lookAround, type AskHost, type Seen } from "../../components/look";
import type { KnownStack } from "./stack";

export interface StatusWorld {
  readonly ask: AskHost;
  readonly probe: (target: ProbeTarget) => Promise<readonly PortAnswer[]>;
  readonly answers: AskForName;
  readonly reverse: ReverseLookup;
  readonly certificate: LookAtCertificate;
  readonly now: () => Date;
}

/** What one port shows, asked at an address at which it answers. */
export interface PortCertificate {
  readonly port: number;
  readonly view: CertificateView | undefined;
}

export interface Found {
  readonly at: Date;
  readonly seen: Seen;
  /** By address. */
  readonly outside: ReadonlyMap<string, readonly PortAnswer[]>;
  readonly names: NameAnswers;
  /** By address; undefined where nobody could be asked. */
  readonly reverse: ReadonlyMap<string, readonly string[] | undefined>;
  readonly certificates: readonly PortCertificate[];
}

/** Milliseconds for a host to let us in, and for its whole answer. */
const LOGIN = 5000;
const ANSWER = 20_000;

/** Once: who waits for a picture of now waits for nobody to come back. */
export const askOnce: AskHost = (login, command, stdin) =>
  runOverSsh({ ...login, agent: process.env.SSH_AUTH_SOCK }, { command, stdin, timeout: ANSWER, loginTimeout: LOGIN });

/** Ports that speak TLS from the first byte. */
const TLS_PORTS = [443, 465, 993];

export async function gather({ settings, before, managementKey }: KnownStack, world: StatusWorld): Promise<Found> {
  const at = world.now();
  const { proxies, mailDomain, dns, ports } = settings;
  const addresses = proxies.flatMap(({ name }) => before?.addresses[name] ?? []);
  const key = () => {
    if (!managementKey) throw new Error("the stack has servers that it bought, and no key for them");
    return managementKey;
  };
  const look = async () => {
    const endpoints = await knownEndpoints(proxies, managementKey ? (before?.addresses ?? {}) : {});
    return lookAround({ settings, before, endpoints, key }, world.ask);
  };
  const reached = async () => {
    const outside = await Promise.all(
      addresses.map(async (address) => [address, await world.probe({ address, ports, mailDomain })] as const),
    );
    return { outside: new Map(outside), certificates: await certificates(outside) };
  };
  const certificates = (outside: readonly (readonly [string, readonly PortAnswer[]])[]) =>
    Promise.all(
      TLS_PORTS.filter((port) => ports.includes(port)).map(async (port) => {
        const open = outside.find(([, answers]) =>
          answers.some((each) => each.port === port && each.answer.kind === "answered"),
        );
        return { port, view: open && (await world.certificate(open[0], port, mailDomain)) };
      }),
    );
  const reverse = async () =>
    new Map(await Promise.all(addresses.map(async (address) => [address, await world.reverse(address)] as const)));
  const [seen, { outside, certificates: shown }, names, pointers] = await Promise.all([
    look(),
    reached(),
    world.answers(mailDomain, dns.zone),
    reverse(),
  ]);
  return { at, seen, outside, names, reverse: pointers, certificates: shown };
}

/** Addresses by family, one of each. */
export const byFamily = (addresses: readonly string[]): Partial<Record<Family, string>> =>
  Object.fromEntries(addresses.map((address) => [familyOf(address) ?? 4, address]));
