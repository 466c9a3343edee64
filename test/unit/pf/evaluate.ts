// What pf does with a packet, in its order: skipped interfaces; states; translation, first match; the filter, last match
// or quick. As pf.conf(5) of FreeBSD 14 says it, and sys/netpfil/pf/pf.c where that says more: a packet that goes out
// has its key the other way round than one that comes in, so a state passes what goes on in its own direction and what
// comes back in the other, and a forwarded connection needs two.
//
// Translation differs by version (pf_lb.c). 14: the first match anywhere ends the search. 15: it ends the search in its own
// rule set only; what stands behind the anchor is asked too, and of several matches the last one counts, while tags of
// those before it stay.
//
// A state of TCP that was made in the middle of a connection knows no window scale. Unless it is sloppy, what follows by it
// mismatches and is dropped (to some it happens later than to others; here it happens to all).
import * as ipaddr from "ipaddr.js";
import { familyOf } from "../../../components/addresses";
import { parsePf, type HostSpec, type Rule, type RuleSet } from "./parse";

export interface Packet {
  readonly proto: "tcp" | "udp" | "icmp" | "icmp6";
  readonly src: string;
  readonly dst: string;
  /** ICMP: the id of an echo. */
  readonly sport?: number;
  readonly dport?: number;
  /** TCP: S, SA, A, FA, R ... */
  readonly flags?: string;
  readonly mss?: number;
  readonly icmpType?: string;
  /** ICMP errors: the packet that they are about. */
  readonly about?: Packet;
  /** pf's own mark, which stays with the packet on its way through the host. */
  readonly tag?: string;
}

export interface Verdict {
  readonly pass: boolean;
  readonly packet: Packet;
  /** The deciding rule's text; "state", "state mismatch", "skip", or "no rule". */
  readonly by: string;
  readonly stateMade: boolean;
}

interface State {
  readonly direction: Direction;
  readonly iface: string;
  /** The packet that made it, as it is on the wire, and as it is within the host. */
  readonly wire: Packet;
  readonly stack: Packet;
  readonly maxMss: number | undefined;
  /** Checks windows of a connection whose beginning pf has not seen. */
  readonly blind: boolean;
}

/** What a rule set says of a packet; `ends`: nobody else is asked. */
interface Translation {
  readonly rule?: Rule | undefined;
  readonly tag?: string | undefined;
  readonly ends: boolean;
}

const NOTHING: RuleSet = { skip: [], ifBound: false, rules: [] };

/** Major version of FreeBSD. */
export type Version = 14 | 15;
export const VERSIONS: readonly Version[] = [14, 15];

export type Direction = "in" | "out";

export class Pf {
  private readonly main: RuleSet;
  private readonly anchors: Record<string, RuleSet>;
  private states: State[] = [];
  private natPort = 50_000;

  /** `addresses`: of each interface; the first of a family is what :0 and a translation to it mean. */
  constructor(
    main: string,
    anchors: Record<string, string>,
    private readonly addresses: Record<string, readonly string[]>,
    private readonly version: Version = 14,
  ) {
    this.main = parsePf(main);
    this.anchors = Object.fromEntries(Object.entries(anchors).map(([name, text]) => [name, parsePf(text)]));
  }

  flushStates(): void {
    this.states = [];
  }

  test(direction: Direction, iface: string, packet: Packet): Verdict {
    if (this.main.skip.includes(iface)) return { pass: true, packet, by: "skip", stateMade: false };
    for (const state of this.states) {
      const seen = this.byState(state, direction, iface, packet);
      if (seen && state.blind && packet.proto === "tcp")
        return { pass: false, packet, by: "state mismatch", stateMade: false };
      if (seen) return { pass: true, packet: clamp(seen, state.maxMss), by: "state", stateMade: false };
    }
    const found = this.translation(direction, iface, packet);
    const translation = found.rule;
    const tagged = { ...packet, ...(found.tag === undefined ? {} : { tag: found.tag }) };
    const translated = translation ? this.translate(translation, tagged) : tagged;
    const { rule, packet: marked } = translation?.passes
      ? { rule: undefined, packet: translated }
      : this.filter(direction, iface, translated);
    if (rule?.kind === "block") return { pass: false, packet: marked, by: rule.text, stateMade: false };
    // "Matching translation rules make a state as long as the filter does not block": also by the default pass.
    const stateMade = rule?.state ?? translation !== undefined;
    if (stateMade) {
      const [wire, stack] = direction === "in" ? [packet, marked] : [marked, packet];
      const blind = packet.proto === "tcp" && !/^[^A]*S[^A]*$/.test(packet.flags ?? "S") && rule?.sloppy !== true;
      this.states.push({ direction, iface, wire, stack, maxMss: rule?.maxMss, blind });
    }
    return {
      pass: true,
      packet: clamp(marked, rule?.maxMss),
      by: rule?.text ?? translation?.text ?? "no rule",
      stateMade,
    };
  }

  /** The packet as this state passes it, or undefined when it is none of it. */
  private byState(state: State, direction: Direction, iface: string, packet: Packet): Packet | undefined {
    if (this.main.ifBound && state.iface !== iface) return undefined;
    if (packet.about) {
      // An error travels against the packet that it is about.
      const as = this.byState(state, direction, iface, { ...reversed(packet.about), tag: packet.tag });
      return as && { ...packet, dst: packet.dst === packet.about.src ? as.dst : packet.dst, about: reversed(as) };
    }
    const [from, to] = direction === "in" ? [state.wire, state.stack] : [state.stack, state.wire];
    const [seen, becomes] = direction === state.direction ? [from, to] : [reversed(from), reversed(to)];
    if (
      seen.proto !== packet.proto ||
      seen.src !== packet.src ||
      seen.dst !== packet.dst ||
      seen.sport !== packet.sport ||
      seen.dport !== packet.dport
    )
      return undefined;
    return { ...packet, src: becomes.src, dst: becomes.dst, sport: becomes.sport, dport: becomes.dport };
  }

  private translation(direction: Direction, iface: string, packet: Packet, set = this.main): Translation {
    const kind = direction === "in" ? "rdr" : "nat";
    let found: Translation = { ends: false };
    for (const rule of set.rules) {
      if (!rule.kind.startsWith(kind) || !this.matches(rule, direction, iface, packet)) continue;
      if (rule.kind === kind) {
        // Of `no rdr` version 15 only takes that it ends the search.
        const chosen =
          this.version === 14 || !rule.no ? { rule: rule.no ? undefined : rule, tag: rule.tag ?? found.tag } : found;
        return { ...chosen, ends: this.version === 14 };
      }
      const inner = this.translation(direction, iface, packet, this.anchors[rule.anchor ?? ""] ?? NOTHING);
      found = { rule: inner.rule ?? found.rule, tag: inner.tag ?? found.tag, ends: false };
      if (inner.ends) return { ...found, ends: true };
    }
    return found;
  }

  private translate(rule: Rule, packet: Packet): Packet {
    const target = this.one(rule.target ?? "", familyOf(packet.dst));
    return rule.kind === "rdr"
      ? { ...packet, dst: target }
      : { ...packet, src: target, ...(packet.sport === undefined ? {} : { sport: ++this.natPort }) };
  }

  private filter(
    direction: Direction,
    iface: string,
    packet: Packet,
    set = this.main,
  ): { rule: Rule | undefined; packet: Packet; final: boolean } {
    let found: Rule | undefined;
    let now = packet;
    for (const rule of set.rules) {
      if (rule.kind === "anchor" && this.matches(rule, direction, iface, now)) {
        const inner = this.filter(direction, iface, now, this.anchors[rule.anchor ?? ""]);
        now = inner.packet;
        found = inner.rule ?? found;
        if (inner.final || (inner.rule && rule.quick)) return { rule: found, packet: now, final: true };
      }
      if (!["pass", "block", "match"].includes(rule.kind) || !this.matches(rule, direction, iface, now)) continue;
      if (rule.tag) now = { ...now, tag: rule.tag };
      if (rule.kind === "match") continue;
      found = rule;
      if (rule.quick) return { rule, packet: now, final: true };
    }
    return { rule: found, packet: now, final: false };
  }

  private matches(rule: Rule, direction: Direction, iface: string, packet: Packet): boolean {
    if (rule.direction && rule.direction !== direction) return false;
    if (rule.on && rule.on.names.includes(iface) === rule.on.not) return false;
    if (rule.af && rule.af !== familyOf(packet.src)) return false;
    if (rule.protos.length > 0 && !rule.protos.includes(packet.proto)) return false;
    if (rule.tagged && rule.tagged !== packet.tag) return false;
    if (rule.icmpTypes.length > 0 && !rule.icmpTypes.includes(packet.icmpType ?? "")) return false;
    if (!within(rule.fromPorts, packet.sport) || !within(rule.toPorts, packet.dport)) return false;
    if (!this.isOne(rule.from, packet.src) || !this.isOne(rule.to, packet.dst)) return false;
    return packet.proto !== "tcp" || flagsMatch(rule, packet.flags ?? "S");
  }

  private isOne(specs: readonly HostSpec[], address: string): boolean {
    return specs.some(
      (spec) =>
        (spec.of === "any" ||
          (spec.of === "net" ? inNet(spec.value, address) : this.addressesOf(spec.value).includes(address))) !==
        spec.not,
    );
  }

  private addressesOf(name: string): readonly string[] {
    return name === "self" ? Object.values(this.addresses).flat() : (this.addresses[name.replace(/:0$/, "")] ?? []);
  }

  private one(target: string, family: 4 | 6 | undefined): string {
    if (familyOf(target)) return target;
    const found = this.addressesOf(target).find(
      (address) => familyOf(address) === family && !address.startsWith("fe80:"),
    );
    if (!found) throw new Error(`${target} has no address of family ${family}`);
    return found;
  }
}

/** S/SA is the default of rules that keep state; it asks of SYN and ACK that SYN alone is set. */
function flagsMatch(rule: Rule, flags: string): boolean {
  const wanted = rule.flags ?? (rule.kind === "pass" && rule.state ? (["S", "SA"] as const) : "any");
  if (wanted === "any") return true;
  return [...wanted[1]].every((flag) => flags.includes(flag) === wanted[0].includes(flag));
}

const within = (ranges: readonly [number, number][], port = -1) =>
  ranges.length === 0 || ranges.some(([from, to]) => from <= port && port <= to);

function inNet(net: string, address: string): boolean {
  const [base = "", length] = net.split("/");
  if (familyOf(base) !== familyOf(address)) return false;
  const parsed = ipaddr.parse(address);
  return parsed.match([ipaddr.parse(base), Number(length ?? parsed.toByteArray().length * 8)] as [ipaddr.IPv4, number] &
    [ipaddr.IPv6, number]);
}

export const reversed = (packet: Packet): Packet => ({
  ...packet,
  src: packet.dst,
  dst: packet.src,
  sport: packet.dport,
  dport: packet.sport,
});

const clamp = (packet: Packet, most: number | undefined): Packet =>
  most !== undefined && packet.mss !== undefined && packet.flags?.includes("S")
    ? { ...packet, mss: Math.min(packet.mss, most) }
    : packet;
