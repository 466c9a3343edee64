// What hosts say of themselves: hostctl's lines, read into values. Pure; judging them is for others.
import type { Wan } from "../filter/sysctl";
import type { Family } from "../addresses";

/** What a proxy sees of the relay through its tunnel (`hostctl through`). */
export interface InsideView {
  /** Seconds since the tunnel's last handshake; undefined when there was none. */
  readonly handshakeAge: number | undefined;
  /** The public address from which the relay reaches the proxy. */
  readonly relayAddress: string | undefined;
  readonly ports: readonly { readonly port: number; readonly family: Family; readonly open: boolean; readonly greeting: string }[];
}

/** What is there on the relay (`hostctl relay-facts`). */
export interface RelayFacts {
  /** Interfaces of ours. */
  readonly ours: readonly string[];
  /** Addresses with prefix, by interface. */
  readonly addresses: readonly { readonly device: string; readonly cidr: string }[];
  readonly routes: readonly { readonly device: string; readonly cidr: string }[];
  /** Routing tables in use, by interface; names for the well-known ones, else numbers. */
  readonly tables: readonly { readonly device: string; readonly table: string }[];
  readonly rules: readonly string[];
  readonly ipv6: boolean;
  /** Values of postfix's settings; empty when there is no postfix. */
  readonly postfix: Readonly<Record<string, string>>;
}

export function parseWan(stdout: string): Wan[] {
  return rows(stdout, "wan").map(([name = "", acceptRa = "0"]) => ({ name, acceptRa: Number(acceptRa) }));
}

export function parseInsideView(stdout: string): InsideView {
  const age = Number(rows(stdout, "handshake")[0]?.[0] ?? NONE);
  const endpoint = rows(stdout, "endpoint")[0]?.[0];
  return {
    handshakeAge: age < NONE ? age : undefined,
    relayAddress: endpoint && endpoint !== "(none)" ? endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, "") : undefined,
    ports: rows(stdout, "port").map(([port, family, state, ...greeting]) => ({
      port: Number(port),
      family: family === "6" ? 6 : 4,
      open: state === "open",
      greeting: greeting.join(" "),
    })),
  };
}

export function parseRelayFacts(stdout: string): RelayFacts {
  const pairs = (word: string) => rows(stdout, word).map(([device = "", cidr = ""]) => ({ device, cidr }));
  return {
    ours: rows(stdout, "ours").map(([name = ""]) => name),
    addresses: pairs("address"),
    routes: pairs("route"),
    tables: rows(stdout, "table").map(([device = "", table = ""]) => ({ device, table })),
    rules: rows(stdout, "rule").map((words) => words.join(" ")),
    ipv6: rows(stdout, "ipv6")[0]?.[0] !== "off",
    postfix: Object.fromEntries(rows(stdout, "postfix").map(([key = "", ...value]) => [key, value.join(" ")])),
  };
}

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
