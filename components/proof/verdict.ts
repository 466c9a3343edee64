// Whether a proxy works, from what was seen of it from outside and through its tunnel. Pure.
import type { Family } from "../addresses";
import type { InsideView } from "../remote/facts";
import type { PortAnswer } from "./probe";

/** One address of a proxy, judged. */
export interface FamilyVerdict {
  /** The relay answers at this address: it may stand in the mail domain's records. */
  readonly proven: boolean;
  /** The relay does not offer this family at all, which is no fault of the proxy. */
  readonly notOffered: boolean;
  /** What is wrong, in sentences; empty when all is well. */
  readonly faults: readonly string[];
  /** What is worth knowing, but stops nothing. */
  readonly notes: readonly string[];
}

export type Verdict = Readonly<Record<Family, FamilyVerdict>>;

/** What the operator's machine saw at one address. */
export type OutsideView = readonly PortAnswer[];

export function judge(family: Family, outside: OutsideView, inside: InsideView): FamilyVerdict {
  const relay = inside.ports.filter((seen) => seen.family === family);
  const openInside = new Set(relay.filter(({ open }) => open).map(({ port }) => port));
  const ports = (kind: PortAnswer["answer"]["kind"]) => outside.filter(({ answer }) => answer.kind === kind).map(({ port }) => port);
  const [answered, refused, silent, unreachable] = [ports("answered"), ports("refused"), ports("silent"), ports("unreachable")];
  const odd = outside.flatMap(({ port, answer }) => (answer.kind === "answered" && answer.note ? [`port ${port} ${answer.note}`] : []));
  const refusedNote = refused.length > 0 ? [`the relay refuses connections on ${portList(refused)}: is the service running there?`] : [];

  if (answered.length === 0 && inside.handshakeAge === undefined) {
    return failed(["no WireGuard handshake from the relay: does its network let UDP out to the tunnel's port, and is the relay up?"]);
  }
  if (answered.length === 0 && openInside.size === 0) {
    const why = `the relay answers none of the ports through the tunnel over IPv${family}`;
    const other = inside.ports.some((seen) => seen.family !== family && seen.open);
    return other ? { ...failed([]), notOffered: true, notes: [`${why}, so no IPv${family} address is published`] } : failed([`${why}: are postfix, dovecot and nginx running there?`]);
  }
  if (outside.length > 0 && unreachable.length === outside.length) {
    return passed([`IPv${family} is not checkable from here (this machine has no IPv${family}); the proxy itself reaches the relay on ${portList([...openInside])}`]);
  }
  // Many home lines, offices and providers drop port 25 outward. If all other ports answer, it is that.
  const only25 = silent.length === 1 && silent[0] === 25 && openInside.has(25) && answered.length > 0;
  if (only25) {
    return passed([...odd, ...refusedNote, "port 25 is not checkable from here (many networks block it outward); through the tunnel the relay answers it"]);
  }
  const lost = silent.filter((port) => openInside.has(port) || answered.length === 0);
  if (lost.length > 0) {
    const behind = lost.some((port) => openInside.has(port)) ? ", though the relay answers through the tunnel: something in between drops it" : "";
    return failed([`no answer from here on ${portList(lost)}${behind}`], [...odd, ...refusedNote]);
  }
  if (answered.length === 0) return failed(refusedNote.length > 0 ? refusedNote : ["nothing answers"]);
  const closed = silent.filter((port) => !openInside.has(port));
  return passed([...odd, ...refusedNote, ...(closed.length > 0 ? [`the relay does not answer on ${portList(closed)}, through the tunnel neither`] : [])]);
}

/** The verdict in the short form by which a host knows that something has changed since it was asked last. */
export function summary(views: Readonly<Record<Family, OutsideView>>): string {
  const line = (family: Family) => views[family].map(({ port, answer }) => `${port} ${answer.kind}`).join(", ");
  return `IPv4: ${line(4)}\nIPv6: ${line(6)}\n`;
}

const passed = (notes: string[]): FamilyVerdict => ({ proven: true, notOffered: false, faults: [], notes });

const failed = (faults: string[], notes: string[] = []): FamilyVerdict => ({ proven: false, notOffered: false, faults, notes });

const portList = (ports: readonly number[]) => `${ports.length === 1 ? "port" : "ports"} ${[...ports].sort((a, b) => a - b).join(", ")}`;
