// Whether a proxy works, from what was seen of it from outside and from the proxy itself. Pure.
import type { Family } from "../addresses";
import type { InsideView } from "../remote/facts";
import type { PortAnswer } from "./probe";

/** One address of a proxy, judged. */
export interface FamilyVerdict {
  /** The relay answers at this address: it may stand in the mail domain's records. */
  readonly healthy: boolean;
  /** The relay does not offer this family at all, which is no fault of the proxy. */
  readonly notOffered: boolean;
  /** What is wrong, in sentences; empty when all is well. */
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
  /** Why: a sentence. */
  readonly unreachable: string;
}

/** `onRelay`: others' firewalls there that may drop what comes through the tunnel: sentences. */
export function judge(
  family: Family,
  outside: OutsideView,
  inside: Inside,
  onRelay: readonly string[] = [],
): FamilyVerdict {
  const unreached = typeof inside !== "string" && "unreachable" in inside ? inside : undefined;
  const view = typeof inside === "string" || "unreachable" in inside ? undefined : inside;
  const relay = view?.ports.filter((seen) => seen.family === family) ?? [];
  const openInside = new Set(relay.filter(({ open }) => open).map(({ port }) => port));
  const ports = (kind: PortAnswer["answer"]["kind"]) =>
    outside.filter(({ answer }) => answer.kind === kind).map(({ port }) => port);
  const [answered, refused, silent, unseen] = [
    ports("answered"),
    ports("refused"),
    ports("silent"),
    ports("notFromHere"),
  ];
  const odd = outside.flatMap(({ port, answer }) =>
    answer.kind === "answered" && answer.note ? [`port ${port} ${answer.note}`] : [],
  );
  const byRelay = refused.filter((port) => !openInside.has(port));
  const refusedNote =
    byRelay.length > 0 ? [`the relay refuses connections on ${portList(byRelay)}: is the service running there?`] : [];
  const byWay = view?.tunnel === "none" ? "from the proxy" : "through the tunnel";
  const firewalls = view?.firewalls ?? [];

  const notFromHere = outside.length > 0 && unseen.length === outside.length;
  const onTheWay = wordsOfTheWay(family, outside);
  if (answered.length === 0 && unreached && !notFromHere) {
    return failed([
      unreached.silent
        ? "neither the relay's ports nor the proxy's own SSH answer: is the machine up? Nothing was changed on it in this run"
        : `the relay's ports do not answer, and ${sshText(unreached)}`,
      ...onTheWay,
    ]);
  }
  // It works, and yet what this run was to change on it is not changed.
  const unasked = unreached ? [sshText(unreached)] : [];
  if (answered.length === 0 && view?.tunnel === "silent") {
    return failed([
      "no WireGuard handshake from the relay: does its network let UDP out to the tunnel's port, and is the relay up?",
      ...firewalls,
    ]);
  }
  if (answered.length === 0 && view && openInside.size === 0) {
    // A tunnel that has worked until now may have been cut here, when the relay came from another port.
    const why = `the relay answers none of the ports ${byWay} over IPv${family}`;
    const other = view.ports.some((seen) => seen.family !== family && seen.open);
    return other
      ? { ...failed([]), notOffered: true, notes: [`${why}, so no IPv${family} address is published`] }
      : failed([
          `${why}: are postfix, dovecot and nginx running there?`,
          ...onRelay,
          ...(view.tunnel === "none" ? [] : firewalls),
        ]);
  }
  if (notFromHere) {
    const known = view
      ? `the proxy itself reaches the relay on ${portList([...openInside])}`
      : "and the proxy was not asked";
    const neither = unreached
      ? ["neither can its ports be looked at from here, nor does its SSH answer: nothing was changed on it in this run"]
      : [];
    return withFaults(neither, {
      ...passed([`IPv${family} is not checkable from here (this machine has no IPv${family}); ${known}`]),
      healthy: view !== undefined,
    });
  }
  // Refused from here though the relay takes it from the proxy: then it is not the relay that refuses.
  const rejected = refused.filter((port) => openInside.has(port));
  // Many home lines, offices and providers drop or reject port 25 outward. If all other ports answer, it is that.
  const unanswered = [...silent, ...rejected];
  const only25 =
    unanswered.length === 1 && unanswered[0] === 25 && (openInside.has(25) || !view) && answered.length > 0;
  if (only25) {
    const known = view ? `; ${byWay} the relay answers it` : "";
    return withFaults(
      unasked,
      passed([...odd, ...refusedNote, `port 25 is not checkable from here (many networks block it outward)${known}`]),
    );
  }
  const lost = silent.filter((port) => openInside.has(port) || answered.length === 0);
  const known = (dropped: readonly number[], does: string) =>
    dropped.some((port) => openInside.has(port))
      ? `, though the relay answers ${byWay}: something in between ${does} it`
      : "";
  const behind = [
    ...(lost.length > 0 ? [`no answer from here on ${portList(lost)}${known(lost, "drops")}`, ...onTheWay] : []),
    ...(rejected.length > 0
      ? [`refused from here on ${portList(rejected)}${known(rejected, "(a firewall that rejects?) refuses")}`]
      : []),
  ];
  if (behind.length > 0) return failed([...behind, ...firewalls], [...odd, ...refusedNote]);
  if (answered.length === 0) return failed(refusedNote.length > 0 ? refusedNote : ["nothing answers"]);
  const closed = silent.filter((port) => !openInside.has(port));
  return withFaults(
    unasked,
    passed([
      ...odd,
      ...refusedNote,
      ...(closed.length > 0
        ? [`the relay does not answer on ${portList(closed)}${view ? `, ${byWay} neither` : ""}`]
        : []),
    ]),
  );
}

/** What routers and firewalls on the way said, each kind once: sentences. */
function wordsOfTheWay(family: Family, outside: OutsideView): string[] {
  const codes = outside.flatMap(({ answer }) =>
    answer.kind === "silent" && answer.code !== undefined ? [answer.code] : [],
  );
  return [...new Set(codes)]
    .sort()
    .map((code) => `the way there ends with ${code}: ${WAY[code]?.(family) ?? "the connection could not be made"}`);
}

const WAY: Readonly<Record<string, (family: Family) => string>> = {
  EHOSTUNREACH: () =>
    `a firewall on the proxy or at its provider answers "prohibited" (its FORWARD and INPUT chains, the provider's security list), or its provider finds no machine at this address (is it up, and is the address its own?)`,
  ENETUNREACH: (family) =>
    `a router on the way has no route to it: does its provider route this address to the machine${family === 6 ? " (an IPv6 block often has to be assigned to it first)" : ""}?`,
  EACCES: () =>
    `a firewall or router of the proxy's provider answers "prohibited", unless a route or firewall of this machine forbids it`,
  EPERM: () => "a firewall of this machine forbids it, or the proxy's provider does",
};

const sshText = ({ silent, unreachable }: Unreached): string =>
  silent
    ? "its SSH does not answer from here (adminNetworks, a ban by fail2ban, a limit on new connections such as `ufw limit`, sshd?), so nothing was changed on it in this run"
    : `its SSH cannot be used from here: ${unreachable}. Nothing was changed on it in this run`;

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
