// What is there now: the look at all hosts, what answers from outside, DNS and certificates. Asks all at once, reads only, and
// never fails for what a host or the network does.
import { familyOf, type Family } from "../../components/addresses";
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

/** Milliseconds in which ports are tried alone. Logins keep this process busy, and would be taken for the time that a port takes. */
const HEAD_START = 700;

/** Milliseconds from one address to the next: all ports of all proxies lead to one relay. */
const STEP = 40;

export async function gather(stack: KnownStack, world: StatusWorld): Promise<Found> {
  const at = world.now();
  const { proxies, mailDomain, dns } = stack.settings;
  const addresses = proxies.flatMap(({ name }) => stack.before?.addresses[name] ?? []);
  const probing = probeAll(addresses, stack, world);
  const [seen, outside, certificates, names, reverse] = await Promise.all([
    Promise.race([probing, pause(HEAD_START)]).then(() => look(stack, world)),
    probing,
    probing.then((answers) => lookAtCertificates(answers, stack, world)),
    world.answers(mailDomain, dns.zone),
    Promise.all(addresses.map(async (address) => [address, await world.reverse(address)] as const)),
  ]);
  return { at, seen, outside, names, reverse: new Map(reverse), certificates };
}

async function look({ settings, before, managementKey }: KnownStack, world: StatusWorld): Promise<Seen> {
  const key = () => {
    if (!managementKey) throw new Error("the stack has servers that it bought, and no key for them");
    return managementKey;
  };
  const endpoints = await knownEndpoints(settings.proxies, managementKey ? (before?.addresses ?? {}) : {});
  return lookAround({ settings, before, endpoints, key }, world.ask);
}

async function probeAll(
  addresses: readonly string[],
  { settings: { ports, mailDomain } }: KnownStack,
  world: StatusWorld,
): Promise<Found["outside"]> {
  return new Map(
    await Promise.all(
      addresses.map(async (address, i) => {
        await pause(i * STEP);
        return [address, await probeAgain({ address, ports, mailDomain }, world)] as const;
      }),
    ),
  );
}

/** Where some ports answered, the silent ones are asked once more: a relay that many ask at once may be slow for a moment. */
async function probeAgain(target: ProbeTarget, world: StatusWorld): Promise<readonly PortAnswer[]> {
  const first = await world.probe(target);
  const silent = first.filter(({ answer }) => answer.kind === "silent").map(({ port }) => port);
  if (silent.length === 0 || !first.some(({ answer }) => answer.kind === "answered")) return first;
  const second = new Map((await world.probe({ ...target, ports: silent })).map((each) => [each.port, each]));
  return first.map((each) => second.get(each.port) ?? each);
}

/** Each port's at the first address at which it answers: it is the relay's, by whatever proxy. */
const lookAtCertificates = (
  outside: Found["outside"],
  { settings: { ports, mailDomain } }: KnownStack,
  world: StatusWorld,
): Promise<PortCertificate[]> =>
  Promise.all(
    TLS_PORTS.filter((port) => ports.includes(port)).map(async (port) => {
      const open = [...outside].find(([, answers]) =>
        answers.some((each) => each.port === port && each.answer.kind === "answered"),
      );
      return { port, view: open && (await world.certificate(open[0], port, mailDomain)) };
    }),
  );

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Addresses by family, one of each. */
export const byFamily = (addresses: readonly string[]): Partial<Record<Family, string>> =>
  Object.fromEntries(addresses.map((address) => [familyOf(address) ?? 4, address]));
