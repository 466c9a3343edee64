// The status for a person: a line for each proxy, the relay, the zone and the certificate, with details below. Pure.
import type { HostPart, ProxyStatus, StackStatus, State } from "./schema";

/** Wraps text in a colour; on no terminal it stays as it is. */
export type Paint = (state: State | "quiet", text: string) => string;

const CODES = { well: 32, degraded: 33, down: 31, quiet: 2 } as const;

export const inColour: Paint = (state, text) => `\u001b[${CODES[state]}m${text}\u001b[0m`;
export const plain: Paint = (_state, text) => text;

const WORDS: Readonly<Record<State, string>> = { well: "well", degraded: "not well", down: "down" };

export function statusText(status: StackStatus, paint: Paint): string {
  const { proxies, relay, zone, certificate } = status;
  const faults = [...proxies, relay, zone, certificate].flatMap((part) => part.faults);
  const notes = [...proxies, relay, zone, certificate].flatMap((part) => part.notes);
  const width = Math.max("certificate".length, ...proxies.map(({ name }) => name.length));
  const line = (name: string, state: State, words: readonly string[], details: readonly string[] = []) => [
    `${name.padEnd(width)}  ${paint(state, WORDS[state].padEnd(8))}  ${words.filter(Boolean).join(", ")}`,
    ...details.map((detail) => `${" ".repeat(width + 2)}${paint("quiet", detail)}`),
  ];
  return [
    `${status.mailDomain} (stack ${status.stack}), ${status.at.slice(0, 19).replace("T", " ")} UTC: ${paint(status.state, WORDS[status.state])}`,
    "",
    ...proxies.flatMap((proxy) => line(proxy.name, proxy.state, proxyWords(proxy), proxyDetails(proxy))),
    ...line("relay", relay.state, relay.host ? hostWords(relay.host) : [], []),
    ...line("zone", zone.state, zoneWords(zone)),
    ...line("certificate", certificate.state, certificateWords(certificate)),
    ...section("What is wrong:", faults),
    ...section("Worth knowing:", notes),
    "",
  ].join("\n");
}

const section = (title: string, lines: readonly string[]) =>
  lines.length === 0 ? [] : ["", title, ...lines.map((text) => `  - ${text}`)];

function proxyWords({ publish, addresses, tunnel, host }: ProxyStatus): string[] {
  const published = addresses.some((each) => each.published);
  const outbound = tunnel?.outbound ?? [];
  return [
    publish ? (published ? "published" : "not in DNS") : published ? "drained, and still in DNS" : "drained",
    tunnel ? tunnelWords(tunnel) : "not asked",
    ...(outbound.length > 0
      ? [`mail out ${outbound.map(({ family, open }) => `IPv${family} ${open ? "open" : "shut"}`).join(", ")}`]
      : []),
    ...(host ? hostWords(host) : []),
  ];
}

function tunnelWords({ state, handshakeAge, received, sent }: NonNullable<ProxyStatus["tunnel"]>): string {
  if (state === "none") return "no tunnel";
  if (state === "silent") return "the relay has not called";
  const traffic = received === null || sent === null ? "" : `, ${bytes(received)} in, ${bytes(sent)} out`;
  return `called ${handshakeAge ?? "?"} s ago${traffic}`;
}

function proxyDetails({ addresses, tunnel }: ProxyStatus): string[] {
  const ms = (value: number | null) => (value === null ? "" : ` ${value} ms`);
  return [
    ...addresses.map(({ address, works, ports, reverse }) => {
      const seen = ports.map(
        ({ port, answer, ms: took }) => `${port}${answer === "answered" ? ms(took) : ` ${ANSWERS[answer]}`}`,
      );
      const names = reverse === null ? "PTR not known" : `PTR ${reverse.join(", ") || "none"}`;
      return `${address} ${works ? "works" : "does not work"}: ${seen.join(", ")}; ${names}`;
    }),
    ...(tunnel && tunnel.ports.length > 0
      ? [
          `inside: ${tunnel.ports.map(({ port, family, open, ms: took }) => `${port}/IPv${family}${open ? ms(took) : " shut"}`).join(", ")}`,
        ]
      : []),
  ];
}

const ANSWERS = { refused: "refused", silent: "silent", notFromHere: "not from here" } as const;

function hostWords({ reachable, reason, putBack, reboot, clockOffset, disk, tracked, drift }: HostPart): string[] {
  if (!reachable) return [`SSH: ${reason ?? "no answer"}`];
  return [
    ...(drift.length > 0 ? [`${drift.length} things differ`] : []),
    ...(reboot ? ["waits for a reboot"] : []),
    ...(putBack ? [`put back ${putBack} times`] : []),
    ...(clockOffset && Math.abs(clockOffset) > 2 ? [`clock ${clockOffset > 0 ? "+" : ""}${clockOffset} s`] : []),
    ...(disk ? [`${bytes(disk.free)} free`] : []),
    ...(tracked ? [`${tracked.now} of ${tracked.most} connections`] : []),
  ];
}

function zoneWords({ name, provider, authoritative, resolver, wanted }: StackStatus["zone"]): string[] {
  const agree = (addresses: readonly string[] | null) =>
    addresses !== null && [...addresses].sort().join() === [...wanted].sort().join();
  const right = authoritative.filter(({ addresses }) => agree(addresses)).length;
  return [
    `${name} at ${provider}`,
    `${right} of ${authoritative.length} name servers answer what was published (${wanted.join(", ") || "nothing"})`,
    agree(resolver.addresses) ? "so does the resolver" : "the resolver does not",
  ];
}

const certificateWords = ({ ports }: StackStatus["certificate"]): string[] => {
  if (ports.length === 0) return ["no port shows one"];
  const [first] = ports;
  const least = Math.min(...ports.map(({ daysLeft }) => daysLeft));
  return [
    `${least} days left`,
    `for ${first?.names.join(", ") || "no name"}`,
    `by ${first?.issuer}`,
    `on ${ports.map(({ port }) => port).join(", ")}`,
  ];
};

/** In the unit that leaves up to three digits. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = count;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
