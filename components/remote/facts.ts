// What hosts say of themselves: hostctl's lines, read into values. Pure; judges nothing.
import type { Wan } from "../filter/sysctl";
import type { Family } from "../addresses";

/** What a proxy sees of the relay through its tunnel (a `through` line of a request). */
export interface InsideView {
  /** up: the relay has called (or there is no tunnel to wait for); silent: it never did. */
  readonly tunnel: "up" | "silent" | "none";
  /** Seconds since the relay last called; undefined where it never did, and without a tunnel. */
  readonly handshakeAge?: number;
  /** The public address from which the relay reaches the proxy. */
  readonly relayAddress: string | undefined;
  readonly ports: readonly {
    readonly port: number;
    readonly family: Family;
    readonly open: boolean;
    readonly greeting: string;
    /** Milliseconds until it accepted; undefined where that is not known. */
    readonly ms?: number;
  }[];
  /** Bytes that have gone through the tunnel since its interface is there; undefined without one. */
  readonly traffic?: { readonly received: number; readonly sent: number };
  /** Whether another mail server's port 25 answered the proxy, by address family. */
  readonly outbound: readonly { readonly family: Family; readonly open: boolean }[];
  /** What of others' firewalls and routes on the machine may be in the way: messages. */
  readonly firewalls: readonly string[];
  /** Connections that the machine keeps track of now, and how many it can; undefined where that is not known. */
  readonly tracked: { readonly now: number; readonly most: number } | undefined;
}

/** What there is on the relay (a `relay` line of a request). */
export interface RelayFacts {
  /** Interfaces of ours, with the stack that they belong to where that is noted. */
  readonly ours: readonly { readonly device: string; readonly stack: string | undefined }[];
  /** Addresses with prefix, by interface. */
  readonly addresses: readonly { readonly device: string; readonly cidr: string }[];
  readonly routes: readonly { readonly device: string; readonly cidr: string }[];
  /** Its own addresses under which it sends to the internet, one a family at most; they may be private. */
  readonly sources: readonly string[];
  /** Routing tables in use, by interface; names for the well-known ones, else numbers. */
  readonly tables: readonly { readonly device: string; readonly table: string }[];
  readonly rules: readonly string[];
  /** What switches IPv6 off for a tunnel there; undefined where nothing does. */
  readonly ipv6Off: string | undefined;
  /** Something listens on TURN's UDP port. */
  readonly turn: boolean;
  /** What of others' firewalls there may block the tunnels: messages. */
  readonly firewalls: readonly string[];
  /** Values of postfix's settings; empty when there is no postfix. */
  readonly postfix: Readonly<Record<string, string>>;
}

export function parseWan(stdout: string): Wan[] {
  return rows(stdout, "wan").map(([name = "", acceptRa = "0"]) => ({ name, acceptRa: Number(acceptRa) }));
}

export function parseInsideView(stdout: string): InsideView {
  const handshake = rows(stdout, "handshake")[0]?.[0];
  const age = Number(handshake);
  const took = new Map(rows(stdout, "took").map(([port, of, ms]) => [`${port} ${of}`, Number(ms)]));
  const [received, sent] = (rows(stdout, "traffic")[0] ?? []).map(Number);
  const family = (word: string | undefined): Family => (word === "6" ? 6 : 4);
  const endpoint = rows(stdout, "endpoint")[0]?.[0];
  return {
    tunnel: handshake === "none" ? "none" : Number(handshake ?? NONE) < NONE ? "up" : "silent",
    ...(age < NONE && { handshakeAge: age }),
    relayAddress: endpoint && endpoint !== "(none)" ? endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, "") : undefined,
    ports: rows(stdout, "port").map(([port, of, state, ...greeting]) => {
      const ms = took.get(`${port} ${of}`);
      return {
        port: Number(port),
        family: family(of),
        open: state === "open",
        greeting: greeting.join(" "),
        ...(ms !== undefined && { ms }),
      };
    }),
    ...(received !== undefined && sent !== undefined && { traffic: { received, sent } }),
    outbound: rows(stdout, "outbound").map(([of, state]) => ({ family: family(of), open: state === "open" })),
    firewalls: messages(stdout),
    tracked: rows(stdout, "tracked").map(([now, most]) => ({ now: Number(now), most: Number(most) }))[0],
  };
}

export function parseRelayFacts(stdout: string): RelayFacts {
  const pairs = (word: string) => rows(stdout, word).map(([device = "", cidr = ""]) => ({ device, cidr }));
  return {
    ours: rows(stdout, "ours").map(([device = "", stack]) => ({ device, stack })),
    addresses: pairs("address"),
    routes: pairs("route"),
    sources: rows(stdout, "source").flatMap(([address]) => address ?? []),
    tables: rows(stdout, "table").map(([device = "", table = ""]) => ({ device, table })),
    rules: rows(stdout, "rule").map((words) => words.join(" ")),
    turn: rows(stdout, "turn").length > 0,
    ipv6Off: rows(stdout, "ipv6").flatMap(([state, ...by]) =>
      state === "off" ? [by.join(" ") || "in its kernel"] : [],
    )[0],
    firewalls: messages(stdout),
    postfix: Object.fromEntries(rows(stdout, "postfix").map(([key = "", ...value]) => [key, value.join(" ")])),
  };
}

const messages = (stdout: string) => rows(stdout, "firewall").map((words) => words.join(" "));

/** hostctl's number for "never". */
const NONE = 999999;

/** The words behind `word` of each line that begins with it. */
function rows(stdout: string, word: string): string[][] {
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([first]) => first === word)
    .map((words) => words.slice(1));
}
