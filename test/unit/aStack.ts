// A stack with one proxy as the tests' plain case, and the answers that its providers give.
import main from "../../index";
import type { OutsideView } from "../../components/proof/verdict";
import type { ProbeTarget } from "../../components/proof/probe";
import type { DnsWorld } from "../../components/dns/openZone";
import type { Agent } from "../../components/settings/agent";
import type { SshAnswer } from "../../components/hosts/ssh";
import type { HostStatus } from "../../components/hosts/status";
import type { AskHost } from "../../components/look";
import type { Meaning } from "../../components/sshHosts";
import { frame } from "../../components/remote/frame";
import { run, type Expectations, type Run } from "./engine";

export const HOST_KEY = `ssh-ed25519 ${"A".repeat(68)}`;
export const PORTS = [25, 80, 143, 443, 465, 587, 993];

export interface StackCase {
  readonly proxies?: readonly (string | Record<string, unknown>)[];
  /** Settings by key, over those of the plain case; undefined takes one away. */
  readonly settings?: Record<string, unknown>;
  readonly preview?: boolean;
  /** The operator's SSH agent; by default one that answers. */
  readonly agent?: Agent;
  /** Keys that are encrypted in the stack file; by default all that should be. */
  readonly secretKeys?: readonly string[];
  /** Record sets in the zone. */
  readonly rrsets?: readonly Record<string, unknown>[];
  /** What the operator's machine sees; by default every port answers. */
  readonly outside?: (target: ProbeTarget) => OutsideView;
  /** Reverse DNS by address; others cannot be asked after. */
  readonly reverse?: Readonly<Record<string, string[]>>;
  /** What names are on the operator's machine; others are unknown there. */
  readonly resolves?: Readonly<Record<string, Meaning>>;
  /** Hosts whose SSH port does not answer. */
  readonly silent?: readonly string[];
  /** What hosts say of themselves, by address (hosts/status.ts); others do not answer. */
  readonly seen?: Readonly<Record<string, Partial<HostStatus>>>;
  /** Is told whenever a host is asked. */
  readonly asked?: (...question: Parameters<AskHost>) => void;
  /** Servers that were bought before. */
  readonly servers?: readonly Record<string, unknown>[];
  /** What a proxy sees through the tunnel, as hostctl prints it; by default every port answers. */
  readonly inside?: string;
  /** What single commands print instead, by name: `failed REASON` for a step that failed. */
  readonly prints?: Readonly<Record<string, string>>;
  /** What the relay says of itself. */
  readonly relayFacts?: string;
  /** When it runs; by default always the same. */
  readonly now?: Date;
  /** The stack's outputs of the last run; by default there was none. */
  readonly before?: Record<string, unknown>;
  /** What it says when it is asked once more. */
  readonly relayFactsNow?: string;
  /** DNS providers, where the stack has another one than Hetzner Cloud. */
  readonly dns?: Partial<DnsWorld>;
}

export const allAnswer = ({ ports }: ProbeTarget): OutsideView =>
  ports.map((port) => ({ port, answer: { kind: "answered" } }));
export const noneAnswers = ({ ports }: ProbeTarget): OutsideView =>
  ports.map((port) => ({ port, answer: { kind: "silent" } }));

export const INSIDE = [
  "handshake 3",
  "endpoint 198.51.100.20:40000",
  ...PORTS.flatMap((port) => [`port ${port} 4 open`, `port ${port} 6 open`]),
].join("\n");
export const RELAY_FACTS = [
  "address lo 127.0.0.1/8",
  "address eth0 192.168.77.10/24",
  "route eth0 192.168.77.0/24",
  "rule 0: from all lookup local",
  "ipv6 on",
].join("\n");

/** A record set as the provider's look-up gives it. */
export const rrset = (name: string, type: string, values: string[], labels: Record<string, string> = {}) => ({
  name,
  type,
  ttl: 300,
  labels,
  records: values.map((value) => ({ value, comment: "" })),
});

export const OURS = { "managed-by": "chatmail-proxy", stack: "test" };

export function aStack(stack: StackCase = {}): Promise<Run> {
  const proxies = (stack.proxies ?? ["hel1"]).map((proxy) =>
    typeof proxy === "string" ? { name: proxy, host: "hetzner", location: "hel1" } : proxy,
  );
  const settings: Record<string, unknown> = {
    "hcloud:token": "t".repeat(64),
    mailDomain: "chat.example.org",
    relay: { ssh: { host: "192.168.77.10", hostKey: HOST_KEY } },
    proxies,
    dns: { zone: "example.org" },
    ...stack.settings,
  };
  const config = Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]) =>
      value === undefined
        ? []
        : [
            [
              key.includes(":") ? key : `chatmail-proxy:${key}`,
              typeof value === "string" ? value : JSON.stringify(value),
            ],
          ],
    ),
  ) as Record<string, string>;
  const look = stack.outside ?? allAnswer;
  return run({
    config,
    secretKeys: stack.secretKeys ?? ["hcloud:token", "chatmail-proxy:relaySshKey", "chatmail-proxy:dnsSecret"],
    expectations: expectations(stack),
    preview: stack.preview ?? false,
    program: () =>
      main({
        agent: () => Promise.resolve(stack.agent ?? { kind: "answers", keys: 1 }),
        prove: (target) => Promise.resolve(look(target)),
        knock: (host) => Promise.resolve(!stack.silent?.includes(host)),
        ask: (login, become) => {
          stack.asked?.(login, become);
          return Promise.resolve(answerOf(stack.seen?.[login.host]));
        },
        dns: { ...NO_DNS, ...stack.dns },
        reverse: (address) => Promise.resolve(stack.reverse?.[address]),
        resolve: (host) => Promise.resolve(stack.resolves?.[host] ?? { addresses: [], aliases: [] }),
        now: () => stack.now ?? NOW,
        fail: () => undefined,
      }),
  });
}

const answerOf = (seen: Partial<HostStatus> | undefined): SshAnswer =>
  seen
    ? {
        reachable: true,
        status: 0,
        stderr: "",
        stdout: frame(
          JSON.stringify({ version: 1, owner: "", drift: [], sets: {}, healed: 0, lastHealed: "", ...seen }),
        ),
      }
    : { reachable: false, why: "silent", reason: "nobody there" };

const NOW = new Date("2026-11-24T03:00:00Z");

/** Nothing of it must be reached. */
const NO_DNS: DnsWorld = {
  cloudflareApi: "http://127.0.0.1:9/nowhere",
  openLookup: () => {
    throw new Error("the program looks up names, which no test expects");
  },
  hetznerDelegation: () => Promise.resolve(undefined),
  lookAtZone: () => Promise.resolve(undefined),
  findCut: () => Promise.resolve(undefined),
};

function expectations({
  rrsets = [],
  servers = [],
  inside = INSIDE,
  relayFacts = RELAY_FACTS,
  relayFactsNow = relayFacts,
  before = {},
  prints = {},
}: StackCase): Expectations {
  const stdout: Record<string, string> = { through: inside, "relay-facts": relayFacts, wan: "wan eth0 1" };
  return {
    calls: {
      "hcloud:index/getZoneRrsets:getZoneRrsets": () => ({ rrsets }),
      "hcloud:index/getServers:getServers": () => ({ servers }),
      "pulumi:pulumi:readStackOutputs": () => ({ outputs: before }),
    },
    resources: {
      "random:index/randomPassword:RandomPassword": ({ name }) => ({ result: name.padEnd(64, "x") }),
      "hcloud:index/sshKey:SshKey": () => ({}),
      "hcloud:index/primaryIp:PrimaryIp": ({ name, inputs }) => ({ ipAddress: addressOf(name, String(inputs.type)) }),
      "hcloud:index/firewall:Firewall": () => ({}),
      "hcloud:index/server:Server": () => ({}),
      "hcloud:index/rdns:Rdns": () => ({}),
      "hcloud:index/zoneRrset:ZoneRrset": () => ({}),
      "command:local:Command": () => ({ stdout: "", stderr: "" }),
      "command:remote:Command": ({ name, inputs }) => {
        if (name === "relay-facts-now") return { stdout: frame(relayFactsNow), stderr: "" };
        const verb = /(?:hostctl(?: attempt \d+ \S+)?|sh -s) ([\w-]+)/.exec(String(inputs.create))?.[1] ?? "";
        return { stdout: frame(verb === "" ? "held" : (prints[name] ?? stdout[verb] ?? "")), stderr: "" };
      },
    },
  };
}

/** Addresses by name, so that they do not depend on the order of things. */
function addressOf(name: string, type: string): string {
  const proxy = name.replace(/-ipv[46]$/, "");
  const number = [...proxy].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 250, 7) + 1;
  return type === "ipv4" ? `203.0.113.${number}` : `2001:db8:c000:${number.toString(16)}::`;
}
