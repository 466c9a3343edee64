// Whether a proxy works, from what was seen of it from outside and from the proxy itself. Pure.
import type { Family } from "../addresses";
import type { InsideView } from "../remote/facts";
import { SMTP_PORT } from "../filter/spec";
import type { PortAnswer } from "./probe";

/** One address of a proxy, judged. */
export interface FamilyVerdict {
  /** The relay answers at this address: it may be in the mail domain's records. */
  readonly healthy: boolean;
  /** The relay does not offer this family at all, which is no fault of the proxy. */
  readonly notOffered: boolean;
  /** What is wrong: messages; empty when all is well. */
  readonly faults: readonly string[];
  /** What is worth knowing, but stops nothing. */
  readonly notes: readonly string[];
}

/** What the operator's machine saw at one address. */
export type OutsideView = readonly PortAnswer[];

/** What could be learnt from the proxy itself: its view, or why there is none. */
export type Inside = InsideView | "not asked" | Unreached;

/** Its SSH cannot be used from here, so that nothing is changed on it. */
export interface Unreached {
  /** Nothing answers there; else something does, and does not let us in. */
  readonly silent: boolean;
  /** Why: a message. */
  readonly unreachable: string;
  /** Nothing was to be changed anyway. */
  readonly onlyLooked?: boolean;
}

/** `onRelay`: others' firewalls there that may drop what comes through the tunnel: messages. */
export function judge(
  family: Family,
  outside: OutsideView,
  inside: Inside,
  onRelay: readonly string[] = [],
): FamilyVerdict {
  const seen = evidence(family, outside, inside);
  // The first that applies.
  return (
    unreachableProxy(seen) ??
    silentTunnel(seen) ??
    silentRelay(seen, onRelay) ??
    notCheckable(seen) ??
    onlySmtpMissing(seen) ??
    blockedPorts(seen) ??
    working(seen)
  );
}

/** What was seen, sorted. */
interface Evidence {
  readonly family: Family;
  /** Ports by what this machine saw. */
  readonly answered: readonly number[];
  readonly refused: readonly number[];
  readonly silent: readonly number[];
  /** This machine has no address of the family. */
  readonly notFromHere: boolean;
  readonly unreached: Unreached | undefined;
  readonly view: InsideView | undefined;
  /** Ports at which the relay answers the proxy. */
  readonly openInside: ReadonlySet<number>;
  /** How the proxy reaches the relay. */
  readonly throughWhat: string;
  /** What errors on the way there mean. */
  readonly errors: readonly string[];
  /** What is odd about answers, and ports that the relay itself refuses. */
  readonly notes: readonly string[];
  /** Ports that the relay itself refuses, said as a fault. */
  readonly refusedByRelay: readonly string[];
}

function evidence(family: Family, outside: OutsideView, inside: Inside): Evidence {
  const unreached = typeof inside !== "string" && "unreachable" in inside ? inside : undefined;
  const view = typeof inside === "string" || "unreachable" in inside ? undefined : inside;
  const open = view?.ports.filter((seen) => seen.family === family && seen.open) ?? [];
  const openInside = new Set(open.map(({ port }) => port));
  const ports = (kind: PortAnswer["answer"]["kind"]) =>
    outside.filter(({ answer }) => answer.kind === kind).map(({ port }) => port);
  const odd = outside.flatMap(({ port, answer }) =>
    answer.kind === "answered" && answer.note ? [`port ${port} ${answer.note}`] : [],
  );
  const byRelay = ports("refused").filter((port) => !openInside.has(port));
  const refusedByRelay =
    byRelay.length > 0 ? [`the relay refuses connections on ${portList(byRelay)}: is the service running there?`] : [];
  return {
    family,
    answered: ports("answered"),
    refused: ports("refused"),
    silent: ports("silent"),
    notFromHere: outside.length > 0 && ports("notFromHere").length === outside.length,
    unreached,
    view,
    openInside,
    throughWhat: view?.tunnel === "none" ? "from the proxy" : "through the tunnel",
    errors: errorsOnTheWay(family, outside),
    notes: [...odd, ...refusedByRelay],
    refusedByRelay,
  };
}

function unreachableProxy({ answered, unreached, notFromHere, errors }: Evidence): FamilyVerdict | undefined {
  if (answered.length > 0 || !unreached || notFromHere) return undefined;
  return failed([
    unreached.silent
      ? `neither the relay's ports nor the proxy's own SSH answer: is the machine up?${unchanged(unreached, " N")}`
      : `the relay's ports do not answer, and ${sshText(unreached)}`,
    ...errors,
  ]);
}

function silentTunnel({ answered, view }: Evidence): FamilyVerdict | undefined {
  if (answered.length > 0 || view?.tunnel !== "silent") return undefined;
  return failed([
    "no WireGuard handshake from the relay: does its network let UDP out to the tunnel's port, and is the relay up?",
    ...view.firewalls,
  ]);
}

function silentRelay(
  { family, answered, view, openInside, throughWhat }: Evidence,
  onRelay: readonly string[],
): FamilyVerdict | undefined {
  if (answered.length > 0 || !view || openInside.size > 0) return undefined;
  const last = (view.handshakeAge ?? 0) > LONG_AGO ? ` (it last called ${view.handshakeAge} s ago)` : "";
  const why = `the relay answers none of the ports ${throughWhat} over IPv${family}`;
  if (view.ports.some((seen) => seen.family !== family && seen.open))
    return { ...failed([]), notOffered: true, notes: [`${why}, so no IPv${family} address is published`] };
  return failed([
    // A tunnel that has worked until now may have been cut here, when the relay came from another port.
    last === ""
      ? `${why}: are postfix, dovecot and nginx running there?`
      : `${why}${last}: does its network still let UDP out to the tunnel's port, is it up, and are postfix, dovecot and nginx running there?`,
    ...onRelay,
    ...(view.tunnel === "none" ? [] : view.firewalls),
  ]);
}

/** Seconds. An end of a tunnel that is used shakes hands every two minutes; only three minutes without one count as silence. */
const LONG_AGO = 135;

/** This machine cannot check: what the proxy itself sees decides. */
function notCheckable({ family, notFromHere, view, openInside, unreached }: Evidence): FamilyVerdict | undefined {
  if (!notFromHere) return undefined;
  const known = view
    ? `the proxy itself reaches the relay on ${portList([...openInside])}`
    : "and the proxy was not asked";
  const neither = unreached
    ? [`neither can its ports be looked at from here, nor does its SSH answer${unchanged(unreached, ": n")}`]
    : [];
  return withFaults(neither, {
    ...passed([`IPv${family} is not checkable from here (this machine has no IPv${family}); ${known}`]),
    healthy: view !== undefined,
  });
}

/** Many home lines, offices and providers drop or reject port 25 outward. If all other ports answer, it is that. */
function onlySmtpMissing(seen: Evidence): FamilyVerdict | undefined {
  const { answered, silent, view, openInside, throughWhat, notes } = seen;
  const unanswered = [...silent, ...rejected(seen)];
  if (unanswered.length !== 1 || unanswered[0] !== SMTP_PORT || answered.length === 0) return undefined;
  if (view && !openInside.has(SMTP_PORT)) return undefined;
  const known = view ? `; ${throughWhat} the relay answers it` : "";
  return withFaults(
    notChanged(seen),
    passed([...notes, `port 25 is not checkable from here (many networks block it outward)${known}`]),
  );
}

function blockedPorts(seen: Evidence): FamilyVerdict | undefined {
  const { answered, silent, view, openInside, throughWhat, errors, notes } = seen;
  const inBetween = (ports: readonly number[], does: string) =>
    ports.some((port) => openInside.has(port))
      ? `, though the relay answers ${throughWhat}: something in between ${does} it`
      : "";
  const lost = silent.filter((port) => openInside.has(port) || answered.length === 0);
  const turnedAway = rejected(seen);
  const faults = [
    ...(lost.length > 0 ? [`no answer from here on ${portList(lost)}${inBetween(lost, "drops")}`, ...errors] : []),
    ...(turnedAway.length > 0
      ? [`refused from here on ${portList(turnedAway)}${inBetween(turnedAway, "(a firewall that rejects?) refuses")}`]
      : []),
  ];
  return faults.length > 0 ? failed([...faults, ...(view?.firewalls ?? [])], [...notes]) : undefined;
}

function working(seen: Evidence): FamilyVerdict {
  const { answered, silent, view, openInside, throughWhat, notes, refusedByRelay } = seen;
  if (answered.length === 0) return failed(refusedByRelay.length > 0 ? [...refusedByRelay] : ["nothing answers"]);
  const closed = silent.filter((port) => !openInside.has(port));
  const closedNote =
    closed.length > 0
      ? [`the relay does not answer on ${portList(closed)}${view ? `, ${throughWhat} neither` : ""}`]
      : [];
  return withFaults(notChanged(seen), passed([...notes, ...closedNote]));
}

/** Refused from here though the relay takes it from the proxy: then it is not the relay that refuses. */
const rejected = ({ refused, openInside }: Evidence) => refused.filter((port) => openInside.has(port));

/** It works, and yet what this run was to change on it is not changed. */
const notChanged = ({ unreached }: Evidence) => (unreached ? [sshText(unreached)] : []);

/** What routers and firewalls on the way said, each kind once: messages. */
function errorsOnTheWay(family: Family, outside: OutsideView): string[] {
  const codes = outside.flatMap(({ answer }) =>
    answer.kind === "silent" && answer.code !== undefined ? [answer.code] : [],
  );
  return [...new Set(codes)]
    .sort()
    .map((code) => `the way there ends with ${code}: ${ERRORS[code]?.(family) ?? "the connection could not be made"}`);
}

const ERRORS: Readonly<Record<string, (family: Family) => string>> = {
  EHOSTUNREACH: () =>
    `a firewall on the proxy or at its provider answers "prohibited" (its FORWARD and INPUT chains, the provider's security list), or its provider finds no machine at this address (is it up, and is the address its own?)`,
  ENETUNREACH: (family) =>
    `a router on the way has no route to it: does its provider route this address to the machine${family === 6 ? " (an IPv6 block often has to be assigned to it first)" : ""}?`,
  EACCES: () =>
    `a firewall or router of the proxy's provider answers "prohibited", unless a route or firewall of this machine forbids it`,
  EPERM: () => "a firewall of this machine forbids it, or the proxy's provider does",
};

const sshText = (unreached: Unreached): string =>
  unreached.silent
    ? `its SSH does not answer from here (adminNetworks, a ban by fail2ban, a limit on new connections such as \`ufw limit\`, sshd?)${unchanged(unreached, ", so n")}`
    : `its SSH cannot be used from here: ${unreached.unreachable}${unchanged(unreached, ". N")}`;

/** `how` it follows, with the first letter of "nothing". */
const unchanged = ({ onlyLooked }: Unreached, how: string): string =>
  onlyLooked ? "" : `${how}othing was changed on it in this run`;

const passed = (notes: string[]): FamilyVerdict => ({ healthy: true, notOffered: false, faults: [], notes });

const withFaults = (faults: string[], verdict: FamilyVerdict): FamilyVerdict => ({
  ...verdict,
  faults: [...faults, ...verdict.faults],
});

const failed = (faults: string[], notes: string[] = []): FamilyVerdict => ({
  healthy: false,
  notOffered: false,
  faults,
  notes,
});

const portList = (ports: readonly number[]) =>
  `${ports.length === 1 ? "port" : "ports"} ${[...ports].sort((a, b) => a - b).join(", ")}`;
