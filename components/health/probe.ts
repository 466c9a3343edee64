// What answers at a proxy's public address, seen from the operator's machine: a real connection to each port, and the
// first message of its protocol. Looks only; verdict.ts judges.
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { familyOf } from "../addresses";
import { hasFamily, type HasFamily } from "./ownRoutes";

/**
 * answered: the port's own protocol was spoken; `note` says what is odd about it.
 * refused: the connection was reset; a proxy drops what it does not forward, so the relay itself said no, or a firewall that rejects.
 * silent: no connection came about. `code` is the error that a router or firewall on the way sent, where one did:
 *   they do so for some packets only (ICMP is rate-limited), so it is not a kind of its own.
 * notFromHere: this machine has no address of that family towards the internet (no IPv6 at home, say).
 */
export type Answer =
  | { readonly kind: "answered"; readonly note?: string }
  | { readonly kind: "refused" }
  | { readonly kind: "silent"; readonly code?: string }
  | { readonly kind: "notFromHere" };

export interface PortAnswer {
  readonly port: number;
  readonly answer: Answer;
  /** Milliseconds until the port's own protocol was spoken, where it was. */
  readonly ms?: number;
}

export interface ProbeTarget {
  /** IPv4 or IPv6 address. */
  readonly address: string;
  readonly ports: readonly number[];
  /** The mail domain, which the relay's certificate should name. */
  readonly mailDomain: string;
  /** Ports that begin as one of the well-known ports does; a relay may serve them elsewhere. */
  readonly opensLike?: Readonly<Record<number, number>>;
}

export interface ProbeTimeouts {
  /** How long one connection may take until the first message, in ms. */
  readonly attempt: number;
  /** How long to go on trying until any port answers at all, in ms: a tunnel needs a moment to come up. */
  readonly total: number;
}

/** Probes all ports side by side. Once something answers, what is still silent gets two more attempts. */
export async function probe(
  target: ProbeTarget,
  timeouts: ProbeTimeouts,
  has: HasFamily = hasFamily,
): Promise<PortAnswer[]> {
  const deadline = Date.now() + timeouts.total;
  const answers = new Map<number, Answer>();
  const took = new Map<number, number>();
  const askOnce = async (port: number) => {
    const began = performance.now();
    answers.set(port, await ask(target, port, timeouts.attempt));
    took.set(port, Math.round(performance.now() - began));
  };
  for (let attemptsLeft = 2; ;) {
    const open = target.ports.filter((port) => answers.get(port)?.kind !== "answered");
    await Promise.all(open.map(askOnce));
    const kinds = [...answers.values()].map(({ kind }) => kind);
    // "No route" is the error on a machine that lacks the family, and also a router's answer for a dead target: this
    // machine's own routes tell which of the two it is.
    if ([...answers.values()].every(wordOfTheWay) && !(await has(familyOf(target.address) ?? 4)))
      return target.ports.map((port) => ({ port, answer: { kind: "notFromHere" } }));
    if (kinds.every((kind) => kind === "answered") || Date.now() >= deadline) break;
    if (kinds.includes("answered") && attemptsLeft-- === 0) break;
    await pause(1000);
  }
  return target.ports.map((port) => {
    const answer = answers.get(port) as Answer;
    const ms = took.get(port);
    return { port, answer, ...(answer.kind === "answered" && ms !== undefined && { ms }) };
  });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** How a port's protocol begins: the server greets, the client asks in plain text, or TLS comes first. */
type Opening = "greets" | "http" | "tls" | "unknown";

const OPENINGS: Readonly<Record<number, Opening>> = {
  25: "greets",
  143: "greets",
  587: "greets",
  80: "http",
  443: "tls",
  465: "tls",
  993: "tls",
};

const wordOfTheWay = (answer: Answer) => answer.kind === "silent" && answer.code !== undefined;

/** What an error in place of a connection says. */
function answerTo(code: string): Answer {
  if (code === "ECONNREFUSED" || code === "ECONNRESET" || code === "EPIPE") return { kind: "refused" };
  return { kind: "silent", ...(code === "ETIMEDOUT" ? {} : { code }) };
}

function ask(target: ProbeTarget, port: number, timeout: number): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: target.address, port });
    const timer = setTimeout(() => done({ kind: "silent" }), timeout);
    const done = (answer: Answer) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.on("error", ({ code = "ECONNRESET" }: NodeJS.ErrnoException) => done(answerTo(code)));
    socket.once("connect", () =>
      open(OPENINGS[target.opensLike?.[port] ?? port] ?? "unknown", socket, target.mailDomain, done),
    );
  });
}

function open(opening: Opening, socket: Socket, mailDomain: string, done: (answer: Answer) => void): void {
  const word = (expected: RegExp) =>
    socket.once("data", (data) => {
      const line = data.toString("latin1").split(/\r?\n/, 1)[0] ?? "";
      done({
        kind: "answered",
        ...(expected.test(line) ? {} : { note: `greets with ${JSON.stringify(line.slice(0, 60))}` }),
      });
    });
  switch (opening) {
    case "greets":
      word(/^(220|\* OK)/);
      break;
    case "http":
      word(/^HTTP\/1/);
      socket.write(`HEAD / HTTP/1.0\r\nHost: ${mailDomain}\r\n\r\n`);
      break;
    case "tls":
      startTls(socket, mailDomain, done);
      break;
    case "unknown":
      done({ kind: "answered" });
      break;
  }
}

// Any certificate will do as an answer: a relay that is being set up may hold none of its own yet, and gets one only
// once it is reachable. A wrong one is a warning, not a failure.
function startTls(socket: Socket, mailDomain: string, done: (answer: Answer) => void): void {
  const tls = connectTls({ socket, servername: mailDomain, rejectUnauthorized: false }, () => {
    const { subject, subjectaltname = "" } = tls.getPeerCertificate();
    const names = [
      ...new Set([String(subject?.CN ?? ""), ...subjectaltname.split(", ").map((name) => name.replace(/^DNS:/, ""))]),
    ].filter(Boolean);
    const fits = names.some(
      (name) =>
        name === mailDomain || (name.startsWith("*.") && mailDomain.split(".").slice(1).join(".") === name.slice(2)),
    );
    done({
      kind: "answered",
      ...(fits
        ? {}
        : { note: `shows a certificate for ${names.slice(0, 3).join(", ") || "no name"}, not for ${mailDomain}` }),
    });
  });
  tls.on("error", (error: Error) => done({ kind: "answered", note: `speaks, but no TLS: ${error.message}` }));
}
