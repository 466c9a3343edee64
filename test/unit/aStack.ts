// A stack with one proxy as the tests' plain case, and the answers that its providers give.
import type * as pulumi from "@pulumi/pulumi";
import main from "../../index";
import type { OutsideView } from "../../components/health/verdict";
import type { HealthTarget } from "../../components/health/healthCheck";
import type { ProbeTarget } from "../../components/health/probe";
import type { DnsWorld } from "../../components/dns/openZone";
import type { Agent } from "../../components/settings/agent";
import type { SshAnswer } from "../../components/hosts/ssh";
import type { HostStatus } from "../../components/hosts/status";
import type { AskHost } from "../../components/look";
import type { Meaning } from "../../components/sshHosts";
import type { World } from "../../components/world";
import { frame } from "../../components/remote/frame";
import { hostsAfter, type Hosts } from "./hostsAfter";
import { run, type Expectations, type Run } from "./engine";

export const HOST_KEY = `ssh-ed25519 ${"A".repeat(68)}`;
export const PORTS = [25, 80, 143, 443, 465, 587, 993];

export interface StackCase {
  readonly proxies?: readonly (string | Record<string, unknown>)[];
  /** Settings by key, over those of the plain case; undefined takes one away. */
  readonly settings?: Record<string, unknown>;
  readonly preview?: boolean;
  /** The program; by default the ready-made one. */
  readonly program?: (world: World) => Promise<pulumi.Inputs>;
  /** The operator's SSH agent; by default one that answers. */
  readonly agent?: Agent;
  /** Keys that are encrypted in the stack file; by default all that should be. */
  readonly secretKeys?: readonly string[];
  /** Record sets in the zone. */
  readonly rrsets?: readonly Record<string, unknown>[];
  /** What the operator's machine sees; by default every port answers. */
  readonly outside?: (target: HealthTarget) => OutsideView;
  /** Reverse DNS by address; others cannot be asked after. */
  readonly reverse?: Readonly<Record<string, string[]>>;
  /** What names are on the operator's machine; others are unknown there. */
  readonly resolves?: Readonly<Record<string, Meaning>>;
  /** Hosts whose SSH port does not answer. */
  readonly silent?: readonly string[];
  /** Hosts that answer the look, and nothing after it. */
  readonly dying?: readonly string[];
  /** Ports on which no host's SSH answers. */
  readonly refusedPorts?: readonly number[];
  /** What hosts say of themselves (hosts/status.ts) other than what the run before has left there, by address. */
  readonly seen?: Readonly<Record<string, Partial<HostStatus>>>;
  /** What hosts say otherwise when they are asked a second time in a run, by address. */
  readonly again?: Readonly<Record<string, Partial<HostStatus>>>;
  /** Hosts that answer otherwise, by address. */
  readonly answers?: Readonly<Record<string, SshAnswer>>;
  /** Is told whenever a host is asked. */
  readonly asked?: (...question: Parameters<AskHost>) => void;
  /** Whether the SSH of a server that was just bought answers; by default it does. */
  readonly boots?: boolean;
  /** Servers that were bought before; by default those of the run before. */
  readonly servers?: readonly Record<string, unknown>[];
  /** What a proxy sees through the tunnel, as hostctl prints it; by default every port answers. */
  readonly inside?: string;
  /** What single commands answer instead, by name: `failed REASON`, or `failed SET: REASON` for one of several sets. */
  readonly prints?: Readonly<Record<string, string>>;
  /** What the relay says of itself. */
  readonly relayFacts?: string;
  /** When it runs; by default always the same, and a day and an hour after the run before. */
  readonly now?: Date;
  /** The run before this one: what stands, what it left word of, and what the hosts keep of it. */
  readonly after?: StackRun;
  /** The stack's outputs of the last run, where they are not those of `after`. */
  readonly before?: Record<string, unknown>;
  /** Why mail does not leave the relay, or what to say of it: `fault SENTENCE`, `warning SENTENCE`. */
  readonly outbound?: readonly string[];
  /** DNS providers, where the stack has another one than Hetzner Cloud. */
  readonly dns?: Partial<DnsWorld>;
}

export interface StackRun extends Run {
  /** What hosts say of themselves after it, by address. */
  readonly hosts: Hosts;
  readonly ranAt: Date;
  /** Servers that there are after it. */
  readonly servers: readonly Record<string, unknown>[];
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

export async function aStack(stack: StackCase = {}): Promise<StackRun> {
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
  const ranAt = stack.now ?? (stack.after ? new Date(stack.after.ranAt.getTime() + 25 * 3600 * 1000) : NOW);
  const asked = new Map<string, number>();
  const made = await run({
    config,
    state: stack.after?.state,
    secretKeys: stack.secretKeys ?? ["hcloud:token", "chatmail-proxy:relaySshKey", "chatmail-proxy:dnsSecret"],
    expectations: expectations(stack),
    preview: stack.preview ?? false,
    program: () =>
      (stack.program ?? main)({
        agent: () => Promise.resolve(stack.agent ?? { kind: "answers", keys: 1 }),
        healthCheck: (target) => Promise.resolve(look(target)),
        sshAnswers: () => Promise.resolve(stack.boots ?? true),
        ask: (login, command, stdin) => {
          stack.asked?.(login, command, stdin);
          if (stack.refusedPorts?.includes(login.port))
            return Promise.resolve({ reachable: false, why: "refused", reason: "the connection is refused" });
          const times = (asked.get(login.host) ?? 0) + 1;
          asked.set(login.host, times);
          return Promise.resolve(answerOf(login.host, stack, times, ranAt));
        },
        dns: { ...NO_DNS, ...stack.dns },
        reverse: (address) => Promise.resolve(stack.reverse?.[address]),
        resolve: (host) => Promise.resolve(stack.resolves?.[host] ?? { addresses: [], aliases: [] }),
        now: () => ranAt,
        fail: () => undefined,
      }),
  });
  const servers = made.registered
    .filter(({ type }) => type === "hcloud:index/server:Server")
    .map(({ name, inputs: { labels } }) => ({
      id: `${name}-id`,
      ipv4Address: addressOf(name.replace(/-server$/, ""), "ipv4"),
      labels: labels,
    }));
  return stack.preview
    ? { ...made, ranAt, hosts: stack.after?.hosts ?? {}, servers: stack.after?.servers ?? [] }
    : { ...made, ranAt, hosts: hostsAfter(made, stack.after), servers };
}

/** What a host says on which nothing of ours is. */
export const BARE_STATUS: HostStatus = {
  version: 2,
  system: "Debian GNU/Linux 13 (trixie), kernel 6.12.48",
  owner: "",
  drift: [],
  sets: {},
  documents: {},
  healed: 0,
  lastHealed: "",
  conflicts: [],
  redirected: null,
  view: null,
  wan: ["wan eth0 1"],
  relay: null,
  outbound: null,
  reboot: "",
  clock: 1_795_000_000,
  disk: { free: 1e9, of: 2e10 },
  tracked: "",
};

function answerOf(host: string, stack: StackCase, times: number, now: Date): SshAnswer {
  if (stack.silent?.includes(host)) return { reachable: false, why: "silent", reason: "nothing answers within 10 s" };
  const facts = { relay: (stack.relayFacts ?? RELAY_FACTS).split("\n"), outbound: [...(stack.outbound ?? [])] };
  const known = stack.after?.hosts[host];
  const view = known?.documents.config ? (stack.inside ?? INSIDE).split("\n") : null;
  const status = {
    ...BARE_STATUS,
    ...facts,
    ...known,
    clock: now.getTime() / 1000,
    view,
    ...stack.seen?.[host],
    ...(times > 1 ? stack.again?.[host] : {}),
  };
  const stillThere = () => Promise.resolve(!stack.dying?.includes(host));
  const stdout = frame(JSON.stringify(status));
  return stack.answers?.[host] ?? { reachable: true, status: 0, stderr: "", stdout, stillThere };
}

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
  after,
  servers = after?.servers ?? [],
  inside = INSIDE,
  before = after?.outputs ?? {},
  prints = {},
}: StackCase): Expectations {
  return {
    calls: {
      "hcloud:index/getZoneRrsets:getZoneRrsets": () => ({ rrsets }),
      "hcloud:index/getServers:getServers": () => ({ servers }),
      "pulumi:pulumi:readStackOutputs": () => ({ outputs: before }),
    },
    resources: {
      "random:index/randomPassword:RandomPassword": ({ name, inputs }) => {
        const { generation = "1" } = (inputs.keepers ?? {}) as { generation?: string };
        return { result: name.padEnd(64, generation === "1" ? "x" : generation) };
      },
      "hcloud:index/sshKey:SshKey": () => ({}),
      "hcloud:index/primaryIp:PrimaryIp": ({ name, inputs }) => ({ ipAddress: addressOf(name, String(inputs.type)) }),
      "hcloud:index/firewall:Firewall": () => ({}),
      "hcloud:index/server:Server": () => ({}),
      "hcloud:index/rdns:Rdns": () => ({}),
      "hcloud:index/zoneRrset:ZoneRrset": () => ({}),
      "command:local:Command": () => ({ stdout: "", stderr: "" }),
      "command:remote:Command": ({ name, inputs, before: old }) => {
        // The provider then keeps what the last one said.
        if (inputs.create === undefined) return old ?? { stdout: "", stderr: "" };
        const verb = /hostctl(?:\.new)? (apply|confirm) /.exec(inputs.create as string)?.[1];
        const well = verb === "confirm" ? { ok: true, view: inside.split("\n") } : { ok: true, wan: ["wan eth0 1"] };
        const failed = /^failed (?:([a-z]+-\w+): )?(.*)$/s.exec(prints[name] ?? "");
        const answer = failed
          ? { ok: false, reason: failed[1] ? "" : failed[2], failed: failed[1] ? { [failed[1]]: failed[2] } : {} }
          : well;
        return { stdout: frame(JSON.stringify(answer)), stderr: "" };
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
