// The look at the hosts before anything is decided: one read-only login over SSH to each, in previews too. A host that cannot
// be reached, or does not let us in, is data. What differs from what was brought in is reported, and the next update puts it
// back.
import * as pulumi from "@pulumi/pulumi";
import type { SshEndpoint } from "./hosts/host";
import { providerOf, propertiesOf } from "./hosts/providerOf";
import { runRetrying, type SshAnswer, type SshLogin, type StillThere, type Unreachable } from "./hosts/ssh";
import { remarks } from "./hosts/remarks";
import { driftOf, parseHostStatus, type HostStatus } from "./hosts/status";
import type { Before } from "./lastRun";
import { outputValue } from "./outputValue";
import { sshAnswersFromHere } from "./health/sshAnswers";
import { framed } from "./remote/frame";
import { askStatus, becomeOf, hostctlProgram } from "./remote/hostctl";
import type { ProxySettings, StackSettings } from "./settings";
import { planTunnel } from "./tunnel/addressPlan";

/** Runs one command on a host, with the text on its stdin. */
export type AskHost = (login: SshLogin, command: string, stdin: string) => Promise<SshAnswer>;

/** Seconds for a host's whole answer; what it looks at has limits of its own. */
const SECONDS = 30;

/** The exit status of timeout(1) when it has ended a command. */
const CUT_OFF = 124;

/** Milliseconds within which a host that does not answer is tried again: one that restarts may well be back by then. */
const RETRY_FOR = 10_000;

/** The connection stays open: before something is written, the host is asked over it whether it is still there. */
export async function askFromHere(login: SshLogin, command: string, stdin: string): Promise<SshAnswer> {
  const timeout = (SECONDS + 10) * 1000;
  const answer = await runRetrying(
    { ...login, agent: process.env.SSH_AUTH_SOCK },
    { command, stdin, timeout, loginTimeout: RETRY_FOR, keepOpen: true },
    RETRY_FOR,
  );
  if (!answer.reachable || !answer.stillThere) return answer;
  const open = answer.stillThere;
  // A router on the way may have forgotten a connection that was silent for long.
  return { ...answer, stillThere: async () => (await open()) || (await sshAnswersFromHere(login.host, login.port)) };
}

/** `answer`: it lets us in, and its answer makes no sense. */
export type HostSeen = {
  /** Which machine it was (Host.machine); undefined of a relay. */
  readonly machine?: string;
} & (
  | {
      readonly reachable: true;
      readonly status: HostStatus;
      /** Whether it answers now; undefined where that cannot be asked. */
      readonly stillThere: StillThere | undefined;
    }
  | { readonly reachable: false; readonly why: Unreachable | "answer"; /** A sentence. */ readonly reason: string }
);

/** Why something that answers cannot be used: it does not let us in, or makes no sense. Undefined where nothing answers at all, too. */
export const refusal = (seen: HostSeen | undefined): string | undefined =>
  seen && !seen.reachable && LETS_NOBODY_IN.has(seen.why) ? seen.reason : undefined;

const LETS_NOBODY_IN: ReadonlySet<string> = new Set(["hostKey", "login", "answer"]);

export interface Seen {
  /** By proxy; one that is yet to be bought, or is given up, is none of them. */
  readonly proxies: ReadonlyMap<string, HostSeen>;
  /** Undefined where it is not asked. */
  readonly relay: HostSeen | undefined;
}

export interface Around {
  readonly settings: Pick<
    StackSettings,
    "proxies" | "relay" | "hostSshPrivateKey" | "relaySshPrivateKey" | "tunnel" | "ports" | "udpPorts" | "egress"
  >;
  readonly before: Before | undefined;
  readonly endpoints: ReadonlyMap<string, SshEndpoint>;
  /** The stack's own key, with which the servers that it bought are reached. */
  readonly key: () => pulumi.Output<string>;
}

export async function lookAround(around: Around, ask: AskHost): Promise<Seen> {
  const { settings } = around;
  const [proxies, relay] = await Promise.all([
    Promise.all(settings.proxies.map(async (entry) => [entry.name, await askProxy(entry, around, ask)] as const)),
    askRelay(settings, relayRequest(settings), ask),
  ]);
  return { proxies: new Map(proxies.flatMap(([name, seen]) => (seen ? [[name, seen]] : []))), relay };
}

/** Undefined where it is yet to be bought, or given up. */
export async function askProxy(
  entry: ProxySettings,
  { settings, before, endpoints, key }: Around,
  ask: AskHost,
): Promise<HostSeen | undefined> {
  const endpoint = endpoints.get(entry.name);
  // Not known of a server that was bought by an interrupted run; it is set up as a new one.
  const hostKey = endpoint?.hostKey ?? before?.hostKeys[entry.name];
  if (!endpoint || hostKey === undefined || isGone(entry)) return undefined;
  const { platform } = propertiesOf(entry);
  const privateKey = await valueOf(providerOf(entry).operatorKey ? settings.hostSshPrivateKey : key());
  const logins = endpoint.ports.map((port) => ({
    host: endpoint.host,
    port,
    user: endpoint.user,
    hostKey,
    privateKey,
  }));
  return {
    machine: endpoint.machine,
    ...(await seenBy(logins, platform.program(), proxyRequest(entry, settings), ask)),
  };
}

/** What a proxy is asked: lines for hostctl's `status`, and for `confirm`. Pure. */
export function proxyRequest(
  entry: ProxySettings,
  {
    tunnel,
    relay,
    ports,
    udpPorts,
    egress,
  }: Pick<Around["settings"], "tunnel" | "relay" | "ports" | "udpPorts" | "egress">,
): string[] {
  const { platform, wan } = propertiesOf(entry);
  const plan = tunnel === "none" ? undefined : planTunnel(entry, tunnel);
  const at = plan?.relay ?? { ipv4: relay.ipv4 ?? "-", ipv6: relay.ipv6 ?? "-" };
  const check = egress.includes(entry.name) && relay.outboundCheck !== false ? relay.outboundCheck : "-";
  return [
    `through ${plan ? platform.tunnelInterface : "-"} ${at.ipv4} ${at.ipv6} ${check} ${ports.join(" ")}`,
    wanLine(wan),
    // A server of ours serves nobody else.
    ...(providerOf(entry).operatorKey ? freeLines({ tunnel, plan, ports, udpPorts }) : []),
  ];
}

/** Asks for the interfaces towards the internet, those that are given or all that are found: a line of a request, or of a document. Pure. */
export const wanLine = (wan: readonly string[] = []): string => ["wan-of", ...wan].join(" ");

/** What nobody else may use on a machine that serves other things too: lines of a request, or of a document. Pure. */
export function freeLines({
  tunnel,
  plan,
  ports,
  udpPorts,
}: Pick<Around["settings"], "tunnel" | "ports" | "udpPorts"> & {
  readonly plan: ReturnType<typeof planTunnel> | undefined;
}): string[] {
  return [
    ...(plan && tunnel !== "none" ? [`free tunnel ${tunnel.port} ${plan.proxy.ipv4} ${plan.proxy.ipv6}`] : []),
    ...ports.map((port) => `free tcp ${port}`),
    ...udpPorts.map(({ from, to }) => `free udp ${from}-${to}`),
  ];
}

const relayRequest = ({ relay }: Pick<Around["settings"], "relay">): string[] => [
  "relay",
  ...outboundRequest(relay.outboundCheck),
];

/** `within`: seconds for which a proxy in egress is waited for to be heard. */
export const outboundRequest = (check: string | false, within?: number): string[] =>
  check === false ? [] : [["outbound", check, ...(within === undefined ? [] : [within])].join(" ")];

/** Undefined where it is not to be asked: it is set up by a person, or given up. */
export async function askRelay(
  { relay, relaySshPrivateKey }: Pick<Around["settings"], "relay" | "relaySshPrivateKey">,
  request: readonly string[],
  ask: AskHost,
): Promise<HostSeen | undefined> {
  if (!relay.ssh || relay.gone || relay.setup === "script") return undefined;
  const { host, port, user, hostKey } = relay.ssh;
  const login = { host, port, user, hostKey, privateKey: await valueOf(relaySshPrivateKey) };
  return seenBy([login], hostctlProgram(), request, ask);
}

/** The first that answers. One that is to get another SSH port answers on the old one. */
async function seenBy(
  logins: readonly SshLogin[],
  program: string,
  request: readonly string[],
  ask: AskHost,
): Promise<HostSeen> {
  const all = await Promise.all(
    logins.map((login) => {
      const command = askStatus(becomeOf(login.user), SECONDS, request);
      return ask(login, command, program).then((answer) => statusIn(answer, command));
    }),
  );
  return all.find(({ reachable }) => reachable) ?? (all[0] as HostSeen);
}

function statusIn(answer: SshAnswer, command: string): HostSeen {
  if (!answer.reachable) return answer;
  const said = framed(answer.stdout, command).trim();
  try {
    if (said.startsWith("failed ")) throw new Error(said.slice("failed ".length));
    if (answer.status === CUT_OFF) throw new Error(`its status did not come to an end within ${SECONDS} s`);
    return { reachable: true, status: parseHostStatus(said), stillThere: answer.stillThere };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = answer.stderr.trim().split("\n").at(-1) ?? "";
    return {
      reachable: false,
      why: "answer",
      reason: message === "" ? reason : message.replace(/^chatmail-proxy: /, ""),
    };
  }
}

/** A machine of somebody's that is dead permanently. */
const isGone = (entry: ProxySettings): boolean =>
  providerOf(entry).identity(providerOf(entry).snapshot(entry))?.gone ?? false;

const valueOf = async (key: pulumi.Output<string> | undefined): Promise<string | undefined> =>
  key && (await outputValue(key));

/** The status of a host that was reached. */
export const statusOf = (seen: HostSeen | undefined): HostStatus | undefined =>
  seen?.reachable ? seen.status : undefined;

/** Whether a host that was reached answers now; undefined where that cannot be asked. */
export const stillThereOf = (seen: HostSeen | undefined): StillThere | undefined =>
  seen?.reachable ? seen.stillThere : undefined;

/** A host, and the row in which the engine shows what is said of it. */
interface Row {
  readonly name: string;
  readonly component: pulumi.Resource;
}

/** Warns of what else is odd on a host, in that host's row. */
export async function warnOfRemarks(
  seen: Seen,
  rows: readonly Row[],
  relay: Pick<Row, "component"> | undefined,
  now: Date,
): Promise<void> {
  const hosts: readonly (readonly [string, HostSeen | undefined, pulumi.Resource | undefined])[] = [
    ...rows.map(({ name, component }) => [name, seen.proxies.get(name), component] as const),
    ["relay", seen.relay, relay?.component],
  ];
  for (const [name, host, row] of hosts) {
    const status = statusOf(host);
    for (const remark of status ? remarks(status, now) : []) await pulumi.log.warn(`${name}: ${remark}.`, row);
  }
}

/** Warns in a preview of what is in the way of an `up`, in that host's row; an `up` fails at it by itself. */
export async function warnOfConflicts(seen: Seen, rows: readonly Row[]): Promise<void> {
  if (!pulumi.runtime.isDryRun()) return;
  for (const row of rows) {
    const { conflicts = [], redirected } = statusOf(seen.proxies.get(row.name)) ?? {};
    for (const conflict of [...conflicts, ...(redirected ?? [])])
      await pulumi.log.warn(`${row.name}: ${conflict}.`, row.component);
  }
}

/** The sets that belong on a proxy, as far as is known: a host is one proxy, and all sets on it belong to this one. */
export const proxySets = (status: Pick<HostStatus, "sets"> | undefined): string[] => [
  ...new Set(["filter", ...Object.keys(status?.sets ?? {})]),
];

/** The sets that belong on the relay: the ends of these proxies' tunnels. */
export const relaySets = (proxies: readonly string[]): string[] =>
  proxies.flatMap((name) => [`keys-${name}`, `tunnel-${name}`]);

/** Warns of what differs from what an earlier run brought in, in that host's row. */
export async function warnOfDrift(
  seen: Seen,
  before: Before | undefined,
  rows: readonly Row[],
  relay: Pick<Row, "component"> | undefined,
): Promise<void> {
  const known = rows.filter(({ name }) => before?.proxies[name] && !before.failed.includes(name));
  const tell = async (
    where: string,
    status: HostStatus | undefined,
    row: pulumi.Resource | undefined,
    sets: string[],
  ) => {
    const drift = status ? driftOf(status, sets) : [];
    if (drift.length === 0) return;
    const when = pulumi.runtime.isDryRun() ? "pulumi up puts it back" : "This run puts it back";
    await pulumi.log.warn(`${where}: not as it was brought in (${drift.join("; ")}). ${when}.`, row);
  };
  const ends = relaySets(known.map(({ name }) => name));
  await Promise.all([
    ...known.map((row) => {
      const status = statusOf(seen.proxies.get(row.name));
      return tell(row.name, status, row.component, proxySets(status));
    }),
    ...(before?.relay.setup === "ssh" && relay ? [tell("relay", statusOf(seen.relay), relay.component, ends)] : []),
  ]);
}
