// One command on a host over SSH, as a value: what it said, or why it could not be asked. Reads in the program itself, where
// @pulumi/command can neither look in a preview nor fail without ending the run.
import { createHash, timingSafeEqual } from "node:crypto";
import { Client, type ConnectConfig, type ServerHostKeyAlgorithm } from "ssh2";
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
  /** Milliseconds for all of it: connecting, logging in, running. */
  readonly timeout: number;
  /** Milliseconds for connecting and logging in; by default as long as for all of it. */
  readonly loginTimeout?: number;
}

/**
 * silent: nothing answers there. refused: something answers, and is no SSH server, or hangs up. hostKey: another host key than
 * the one that is pinned. login: the host key is right, and the login is not accepted. slow: it had not ended in time.
 * broken: the connection was cut before the command's end.
 */
export type Unreachable = "silent" | "refused" | "hostKey" | "login" | "slow" | "broken";

export type SshAnswer =
  | {
      readonly reachable: true;
      /** Exit status; undefined when a signal ended it. */ readonly status: number | undefined;
      readonly stdout: string;
      readonly stderr: string;
    }
  | { readonly reachable: false; readonly why: Unreachable; /** A sentence. */ readonly reason: string };

/** Logs in, runs one command to its end, and logs out. Never throws for what the host or the network does. */
export async function runOverSsh(
  login: SshLogin,
  { command, stdin = "", timeout, loginTimeout = timeout }: SshCommand,
): Promise<SshAnswer> {
  const client = new Client();
  const answer = await askOver(client, login, { command, stdin, timeout, loginTimeout });
  client.removeAllListeners().on("error", () => undefined);
  if (answer.reachable) client.end();
  // Of who does not talk no farewell is to be expected either.
  else client.destroy();
  return answer;
}

/** The same; a host that nobody answers at, or that hangs up, is tried again until so many milliseconds have passed. */
export async function runPatiently(login: SshLogin, command: SshCommand, patience: number): Promise<SshAnswer> {
  const began = Date.now();
  for (;;) {
    const answer = await runOverSsh(login, command);
    const mayCome = !answer.reachable && (answer.why === "silent" || answer.why === "refused");
    if (!mayCome || Date.now() - began >= patience) return answer;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function askOver(
  client: Client,
  login: SshLogin,
  { command, stdin, timeout, loginTimeout }: Required<SshCommand>,
): Promise<SshAnswer> {
  return new Promise<SshAnswer>((resolve) => {
    const failed = (why: Unreachable, reason: string) => resolve({ reachable: false, why, reason });
    let stage: "connecting" | "hostKey" | "login" | "running" = "connecting";
    let offered: string | undefined;
    const expired = (after: number) => () => {
      const [why, what] = {
        connecting: ["silent", "nothing answers"],
        hostKey: ["refused", "no SSH server greets"],
        login: ["slow", "the login does not come to an end"],
        running: ["slow", "it has not answered"],
      }[stage] as [Unreachable, string];
      failed(why, `${what} within ${after / 1000} s`);
    };
    let timer = setTimeout(expired(loginTimeout), loginTimeout).unref();
    client.on("close", () => {
      clearTimeout(timer);
      failed(
        stage === "running" ? "broken" : "refused",
        stage === "running" ? "the connection was cut off before it had answered" : "the connection was closed",
      );
    });
    client.on("error", (error: Error & { level?: string; code?: string }) => {
      clearTimeout(timer);
      if (offered !== undefined) failed("hostKey", `another host key is there (${offered}) than the one that is set`);
      else if (error.message.includes("no matching host key format"))
        failed("hostKey", `no host key of the type that is set (${login.hostKey.trim().split(/\s+/)[0]}) is there`);
      else if (error.level === "client-authentication")
        failed("login", `${login.user} is not let in: ${withoutDot(error.message)}`);
      else if (error.level === "agent") failed("login", `the SSH agent does not help: ${withoutDot(error.message)}`);
      else if (stage === "running")
        failed("broken", `the connection was cut off before it had answered (${withoutDot(error.message)})`);
      else if (stage === "connecting") failed("silent", withoutDot(error.message));
      else failed("refused", withoutDot(error.message));
    });
    client.on("connect", () => void (stage = "hostKey"));
    client.on("handshake", () => void (stage = "login"));
    client.on("ready", () => {
      stage = "running";
      clearTimeout(timer);
      timer = setTimeout(expired(timeout), timeout).unref();
      client.exec(command, (error, channel) => {
        if (error) return failed("broken", withoutDot(error.message));
        const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
        channel.on("data", (chunk: Buffer) => stdout.push(chunk));
        channel.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
        let status: number | undefined;
        channel.on("exit", (code: number | null) => void (status = code ?? undefined));
        channel.on("close", () => {
          clearTimeout(timer);
          resolve({
            reachable: true,
            status,
            stdout: Buffer.concat(stdout).toString(),
            stderr: Buffer.concat(stderr).toString(),
          });
        });
        // A command that does not read it may be gone before all is written.
        channel.on("error", () => undefined);
        channel.end(stdin);
      });
    });
    try {
      client.connect(configOf(login, timeout, (key) => void (offered = key)));
    } catch (error) {
      clearTimeout(timer);
      failed("login", error instanceof Error ? withoutDot(error.message) : String(error));
    }
  });
}

/** Pure but for `refused`, which is told the fingerprint of a host key that is not the pinned one. */
function configOf(
  { host, port, user, hostKey, privateKey, agent }: SshLogin,
  timeout: number,
  refused: (fingerprint: string) => void,
): ConnectConfig {
  const [type = "", key = ""] = hostKey.trim().split(/\s+/);
  const pinned = Buffer.from(key, "base64");
  return {
    host,
    port,
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

/** As `ssh-keygen -l` shows it. */
const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;

const withoutDot = (text: string): string => text.replace(/\.$/, "");
