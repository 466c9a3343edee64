// What is there on the hosts before anything is decided: each is asked over SSH, read-only, in previews too. What differs from
// what was brought in is named, and the next update puts it back.
import * as pulumi from "@pulumi/pulumi";
import type { Door } from "./hosts/host";
import { kindOf } from "./hosts/kindOf";
import { runOverSsh, type SshAnswer, type SshLogin } from "./hosts/ssh";
import { driftOf, parseHostStatus, type HostStatus } from "./hosts/status";
import type { Before } from "./lastRun";
import { outputValue } from "./outputValue";
import { framed } from "./remote/frame";
import { askStatus, becomeOf, NOTHING_THERE, type Become } from "./remote/hostctl";
import type { ProxySettings, StackSettings } from "./settings";

/** Asks a host what there is on it. */
export type AskHost = (login: SshLogin, become: Become) => Promise<SshAnswer>;

const SECONDS = 15;

export const askFromHere: AskHost = (login, become) =>
  runOverSsh(
    { ...login, agent: process.env.SSH_AUTH_SOCK },
    { command: askStatus(become, SECONDS - 3), timeout: SECONDS * 1000 },
  );

/** What differs on a host: sentences without a full stop; undefined where that is not known. */
export type Drift = readonly string[] | undefined;

export interface Seen {
  /** By proxy. */
  readonly proxies: ReadonlyMap<string, Drift>;
  readonly relay: Drift;
  /** Proxies whose set-up is to be done again: something differs there, or at their tunnels' ends on the relay. */
  readonly drifted: ReadonlySet<string>;
}

export interface Around {
  readonly settings: Pick<StackSettings, "proxies" | "relay" | "hostSshPrivateKey" | "relaySshPrivateKey">;
  readonly before: Before | undefined;
  readonly doors: ReadonlyMap<string, Door>;
  readonly silent: ReadonlySet<string>;
  /** The stack's own key, with which the servers that it bought are reached. */
  readonly key: () => pulumi.Output<string>;
}

/** Hosts that were never set up, are given up, or whose SSH does not answer, are not asked; nor those whose set-up failed, which is done again anyhow. */
export async function lookAround({ settings, before, doors, silent, key }: Around, ask: AskHost): Promise<Seen> {
  const asked = Promise.all(
    settings.proxies.map(async (entry): Promise<[string, Drift]> => {
      const { name } = entry;
      const door = doors.get(name);
      const hostKey = door?.hostKey ?? before?.hostKeys[name];
      if (
        !door ||
        hostKey === undefined ||
        silent.has(name) ||
        isGone(entry) ||
        !before?.proxies[name] ||
        before.attempts.failed.includes(name)
      )
        return [name, undefined];
      const login = {
        host: door.host,
        port: door.ports[0] ?? 22,
        user: door.user,
        hostKey,
        privateKey: await valueOf(kindOf(entry).operatorKey ? settings.hostSshPrivateKey : key()),
      };
      const status = await statusOf(name, login, ask);
      return [
        name,
        status === undefined ? undefined : status === NOTHING_THERE ? [NOTHING_LEFT] : driftOf(status, "proxy"),
      ];
    }),
  );
  const [proxies, relay] = await Promise.all([asked, relaysDrift(settings, before, ask)]);
  const drifted = proxies.flatMap(([name, drift]) =>
    (drift ?? []).length > 0 || relay?.proxies.has(name) ? [name] : [],
  );
  return { proxies: new Map(proxies), relay: relay?.drift, drifted: new Set(drifted) };
}

async function relaysDrift(
  { relay, proxies, relaySshPrivateKey }: Around["settings"],
  before: Before | undefined,
  ask: AskHost,
): Promise<{ readonly drift: readonly string[]; readonly proxies: ReadonlySet<string> } | undefined> {
  if (!relay.ssh || relay.gone || before?.relay.setup !== "ssh") return undefined;
  const { host, port, user, hostKey } = relay.ssh;
  const login = { host, port, user, hostKey, privateKey: await valueOf(relaySshPrivateKey) };
  const status = await statusOf("relay", login, ask);
  if (status === undefined) return undefined;
  if (status === NOTHING_THERE) return { drift: [NOTHING_LEFT], proxies: new Set(proxies.map(({ name }) => name)) };
  const byProxy = proxies.map(({ name }) => ({
    name,
    drift: driftOf(
      {
        ...status,
        drift: [],
        sets: Object.fromEntries(
          Object.entries(status.sets).filter(([set]) => set === `tunnel-${name}` || set === `keys-${name}`),
        ),
      },
      "relay",
    ),
  }));
  return {
    drift: [...status.drift, ...byProxy.flatMap(({ drift }) => drift)],
    proxies: new Set(byProxy.flatMap(({ name, drift }) => (drift.length > 0 ? [name] : []))),
  };
}

const NOTHING_LEFT = "nothing of chatmail-proxy is there any more";

/** A machine of somebody's that is dead for good. */
const isGone = (entry: ProxySettings): boolean => kindOf(entry).identity(kindOf(entry).remember(entry))?.gone ?? false;

/** Undefined where it did not say: it cannot be reached, or has a hostctl of a version that knows no such question. The look is no reason to end a run. */
async function statusOf(
  where: string,
  login: SshLogin,
  ask: AskHost,
): Promise<HostStatus | typeof NOTHING_THERE | undefined> {
  const answer = await ask(login, becomeOf(login.user));
  if (!answer.reachable || answer.status !== 0) return undefined;
  const said = framed(answer.stdout, askStatus("root", SECONDS)).trim();
  if (said === NOTHING_THERE) return NOTHING_THERE;
  if (said.startsWith("failed ")) return undefined;
  try {
    return parseHostStatus(said);
  } catch (error) {
    await pulumi.log.warn(
      `${where}: whether it is as it was brought in is not known: ${error instanceof Error ? error.message : String(error)}.`,
    );
    return undefined;
  }
}

const valueOf = async (key: pulumi.Output<string> | undefined): Promise<string | undefined> =>
  key && (await outputValue(key));

/** Tells what differs, each in its host's own row. */
export async function tellDrift(
  seen: Seen,
  rows: readonly (pulumi.Resource & { readonly name: string })[],
  relay: pulumi.Resource | undefined,
): Promise<void> {
  const tell = (where: string, drift: Drift, row: pulumi.Resource | undefined) =>
    (drift ?? []).length === 0
      ? undefined
      : pulumi.log.warn(
          `${where}: not as it was brought in (${(drift ?? []).join("; ")}). ${pulumi.runtime.isDryRun() ? "pulumi up puts it back" : "This run puts it back"}.`,
          row,
        );
  await Promise.all([
    ...rows.map((row) => tell(row.name, seen.proxies.get(row.name), row)),
    tell("relay", seen.relay, relay),
  ]);
}
