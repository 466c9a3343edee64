// One command on a host over SSH, as a value: what it said, or why it could not be asked. Reads in the program itself, where
// @pulumi/command can neither look in a preview nor fail without ending the run.
import { createHash, timingSafeEqual } from "node:crypto";
import { Socket } from "node:net";
import { Client, type ClientChannel, type ConnectConfig, type ServerHostKeyAlgorithm } from "ssh2";
import { withoutPkcs8 } from "../tunnel/keys";

/** How to log in. The host key is not optional: without one anybody could answer. */
export interface SshLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Public host key, as a line of known_hosts without the name: type and base64. */
  readonly hostKey: string;
  /** Private key, in PEM; without one the agent is asked. */
  readonly privateKey?: string | undefined;
  /** Path of the SSH agent's socket. */
  readonly agent?: string | undefined;
}

export interface SshCommand {
  readonly command: string;
  readonly stdin?: string;
  /** Milliseconds for running it. */
  readonly timeout: number;
  /** Milliseconds for connecting and logging in; by default as long as for running it. */
  readonly loginTimeout?: number;
  /** Leaves the connection open, so that the host can be asked over it whether it is still there. It does not keep the process alive. */
  readonly keepOpen?: boolean;
}

/**
 * silent: nothing answers there. refused: something answers, and is no SSH server, or hangs up. hostKey: another host key than
 * the one that is pinned. login: the host key is right, and the login is not accepted. slow: it had not ended in time.
 * broken: the connection was cut before the command's end.
 */
export type Unreachable = "silent" | "refused" | "hostKey" | "login" | "slow" | "broken";

type NotReached = { readonly reachable: false; readonly why: Unreachable; /** A sentence. */ readonly reason: string };

export type SshAnswer =
  | {
      readonly reachable: true;
      /** Exit status; undefined when a signal ended it. */ readonly status: number | undefined;
      readonly stdout: string;
      readonly stderr: string;
      /** With keepOpen: whether the host answers now, asked over the same connection. */
      readonly stillThere?: StillThere;
    }
  | NotReached;

export type StillThere = () => Promise<boolean>;

/** Milliseconds to wait for a host that answered a moment ago. */
const STILL_THERE = 5000;

/** Logs in, runs one command to its end, and logs out. Never throws for what the host or the network does. */
export async function runOverSsh(
  login: SshLogin,
  { command, stdin = "", timeout, loginTimeout = timeout, keepOpen = false }: SshCommand,
): Promise<SshAnswer> {
  const client = new Client();
  const socket = new Socket();
  const answer = (await logIn(client, socket, login, loginTimeout)) ?? (await runOn(client, command, stdin, timeout));
  client.on("error", () => undefined);
  // A host that did not answer will not answer the goodbye either.
  if (!answer.reachable) client.destroy();
  else if (!keepOpen) client.end();
  else {
    socket.unref();
    const stillThere = async () => {
      // Nothing else may keep the process alive until it has answered.
      socket.ref();
      const { reachable } = await runOn(client, "true", "", STILL_THERE);
      socket.unref();
      return reachable;
    };
    return { ...answer, stillThere };
  }
  return answer;
}

/** The same; a host that does not answer, or hangs up, is tried again for so many milliseconds. */
export async function runRetrying(login: SshLogin, command: SshCommand, retryFor: number): Promise<SshAnswer> {
  const began = Date.now();
  for (;;) {
    const answer = await runOverSsh(login, command);
    const mayCome = !answer.reachable && (answer.why === "silent" || answer.why === "refused");
    if (!mayCome || Date.now() - began >= retryFor) return answer;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

const notReached = (why: Unreachable, reason: string): NotReached => ({ reachable: false, why, reason });

/** The stages of a login, with what to report when one takes too long. */
const TOO_LATE = {
  connecting: ["silent", "nothing answers"],
  hostKey: ["refused", "no SSH server greets"],
  login: ["slow", "the login does not come to an end"],
} as const;

/** Undefined when it lets us in. */
function logIn(client: Client, socket: Socket, login: SshLogin, within: number): Promise<NotReached | undefined> {
  return new Promise((resolve) => {
    let stage: keyof typeof TOO_LATE = "connecting";
    let offered: string | undefined;
    const done = (outcome: NotReached | undefined) => {
      clearTimeout(timer);
      client.removeAllListeners();
      // Errors after the outcome are ignored.
      client.on("error", () => undefined);
      resolve(outcome);
    };
    const timer = setTimeout(() => {
      const [why, what] = TOO_LATE[stage];
      done(notReached(why, `${what} within ${within / 1000} s`));
    }, within).unref();
    client.on("connect", () => void (stage = "hostKey"));
    client.on("handshake", () => void (stage = "login"));
    client.on("ready", () => done(undefined));
    client.on("close", () => done(notReached("refused", "the connection was closed")));
    client.on("error", (error: SshError) => done(refusedLogin(error, login, stage, offered)));
    try {
      const config = configOf(login, socket, within, (key) => void (offered = key));
      // First, since the library takes a socket that is not connecting for one that is connected.
      socket.connect({ host: login.host, port: login.port });
      client.connect(config);
    } catch (error) {
      socket.destroy();
      done(notReached("login", error instanceof Error ? withoutDot(error.message) : String(error)));
    }
  });
}

type SshError = Error & { readonly level?: string };

/** Pure. `offered`: the fingerprint of a host key that is not the pinned one. */
function refusedLogin(
  { message, level }: SshError,
  { user, hostKey }: SshLogin,
  stage: keyof typeof TOO_LATE,
  offered: string | undefined,
): NotReached {
  if (offered !== undefined)
    return notReached(
      "hostKey",
      `another host key is there (${offered}) than the one that is set (${fingerprint(keyOf(hostKey))}); on the machine itself this one is shown by: ssh-keygen -lf /etc/ssh/ssh_host_${nameOf(hostKey)}_key.pub`,
    );
  if (message.includes("no matching host key format"))
    return notReached("hostKey", `no host key of the type that is set (${hostKey.trim().split(/\s+/)[0]}) is there`);
  if (level === "client-authentication") return notReached("login", `${user} is not let in: ${withoutDot(message)}`);
  if (level === "agent") return notReached("login", `the SSH agent does not help: ${withoutDot(message)}`);
  return notReached(stage === "connecting" ? "silent" : "refused", withoutDot(message));
}

/** Runs a command over a connection that is open. */
function runOn(client: Client, command: string, stdin: string, timeout: number): Promise<SshAnswer> {
  return new Promise((resolve) => {
    const done = (answer: SshAnswer) => {
      clearTimeout(timer);
      client.off("close", cutOff).off("error", cutOff);
      resolve(answer);
    };
    const cutOff = (error?: Error) => {
      const detail = error ? ` (${withoutDot(error.message)})` : "";
      done(notReached("broken", `the connection was cut off before it had answered${detail}`));
    };
    const timer = setTimeout(
      () => done(notReached("slow", `it has not answered within ${timeout / 1000} s`)),
      timeout,
    ).unref();
    client.on("close", cutOff).on("error", cutOff);
    const started = (error: Error | undefined, channel: ClientChannel) => {
      if (error) return cutOff(error);
      const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
      channel.on("data", (chunk: Buffer) => stdout.push(chunk));
      channel.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
      let status: number | undefined;
      channel.on("exit", (code: number | null) => void (status = code ?? undefined));
      const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString();
      channel.on("close", () => done({ reachable: true, status, stdout: text(stdout), stderr: text(stderr) }));
      // A command that does not read it may be gone before all is written.
      channel.on("error", () => undefined);
      channel.end(stdin);
    };
    try {
      client.exec(command, started);
    } catch (error) {
      // The library's way to say that the connection has ended.
      cutOff(error instanceof Error ? error : undefined);
    }
  });
}

/** Pure, except for `refused`, which gets the fingerprint of a host key that is not the pinned one. */
function configOf(
  { user, hostKey, privateKey, agent }: SshLogin,
  socket: Socket,
  timeout: number,
  refused: (fingerprint: string) => void,
): ConnectConfig {
  const [type = ""] = hostKey.trim().split(/\s+/);
  const pinned = keyOf(hostKey);
  return {
    // Ours, so that an open connection does not keep the process alive.
    sock: socket,
    username: user,
    readyTimeout: timeout,
    // A server has keys of several types, and shows the one that is asked for.
    algorithms: { serverHostKey: [type as ServerHostKeyAlgorithm] },
    hostVerifier: (offered: Buffer) => {
      const same = offered.length === pinned.length && timingSafeEqual(offered, pinned);
      if (!same) refused(fingerprint(offered));
      return same;
    },
    ...(privateKey === undefined ? { agent } : { privateKey: withoutPkcs8(privateKey) }),
  };
}

const keyOf = (hostKey: string): Buffer => Buffer.from(hostKey.trim().split(/\s+/)[1] ?? "", "base64");

/** As OpenSSH names its file: ed25519, ecdsa or rsa. */
const nameOf = (hostKey: string): string => /ed25519|ecdsa|rsa/.exec(hostKey)?.[0] ?? "ed25519";

/** As `ssh-keygen -l` shows it. */
const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;

const withoutDot = (text: string): string => text.replace(/\.$/, "");
