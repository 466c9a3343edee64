// lab/mail.ts: proofs that mail flows, for the lab's report and for the tests. The client's part runs in its namespace.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { spawn, type ChildProcess } from "node:child_process";
import { nodeTs } from "../node";
import { enter } from "./enter";
import type { LabHandle } from "./lab";
import { MAIL_DOMAIN, OTHER_DOMAIN } from "./plan";
import { findHost } from "./run";
import { waitFor } from "./wait";
import { renderLetter, subjectOf } from "./mail/letter";
import type { Account, Letter, Reply, Requests, Target, Verb } from "./mail/protocol";

export type { Account, Found, Letter, Page, Scan, Target } from "./mail/protocol";

/** Machines that run a mail server. */
export type MailHost = "mx" | "relay" | "vps";

/** The relay by its public name; the address is DNS's choice unless given. */
export const relayTarget = (address?: string): Target => ({ host: MAIL_DOMAIN, ...(address ? { address } : {}) });

export const newId = (): string => randomBytes(6).toString("hex");

/** Accounts are made by their first login. */
export const newAccount = (name = "user", domain: string = MAIL_DOMAIN): Account => ({
  user: `${name}-${newId()}@${domain}`,
  password: randomBytes(12).toString("base64url"),
});

/** A mail client in the client's namespace; one node process that serves all its calls until it is closed. */
// A port scan holds thousands of sockets.
const WORKER = ["sh", "-c", 'ulimit -n 16384; exec "$@"', "sh", ...nodeTs(join(__dirname, "mail/worker.ts"))];

export class MailClient {
  private next = 1;
  private ended: Error | undefined;
  private readonly waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();

  private constructor(private readonly child: ChildProcess) {
    if (child.stdout)
      createInterface({ input: child.stdout }).on("line", (line) => this.settle(JSON.parse(line) as Reply));
    child.on("close", (code, signal) => {
      this.ended = new Error(
        `the mail client in the client's namespace has ended: ${signal ?? `status ${code ?? "none"}`}`,
      );
      for (const { reject } of this.waiting.values()) reject(this.ended);
      this.waiting.clear();
    });
    // Written to after its end: `ended` tells it better.
    child.stdin?.on("error", () => undefined);
  }

  static async open(lab: LabHandle): Promise<MailClient> {
    return new MailClient(
      await lab.spawn("client", WORKER, { stdio: ["pipe", "pipe", "inherit"], cwd: lab.dirs.project }),
    );
  }

  /** As if it ran on a machine of the lab: in that one's network, with the programs of this one. */
  static async inNetworkOf(lab: LabHandle, host: string): Promise<MailClient> {
    const [program = "", ...args] = enter(findHost(await lab.status(), host).namespace, WORKER);
    return new MailClient(spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], cwd: lab.dirs.project }));
  }

  /** Logs in over IMAPS, or over 143 with STARTTLS. */
  login(account: Account, target: Target = relayTarget(), port: 143 | 993 = 993): Promise<null> {
    return this.ask("login", { account, target, port });
  }

  /** Hands a letter in, over TLS (465) or STARTTLS (587). */
  submit(port: 465 | 587, account: Account, letter: Letter, target: Target = relayTarget()): Promise<null> {
    return this.ask("submit", { port, account, letter, target });
  }

  /** Delivers a letter on port 25 like any other server, to an address of one's choice. */
  deliver(letter: Letter, target: Target = relayTarget()): Promise<null> {
    return this.ask("deliver", { letter, target });
  }

  /** Waits for a letter in the inbox. */
  find(
    account: Account,
    id: string,
    target: Target = relayTarget(),
    seconds = 30,
  ): Promise<Requests["find"]["answer"]> {
    return this.ask("find", { account, id, target, seconds });
  }

  get(scheme: "http" | "https", target: Target = relayTarget()): Promise<Requests["get"]["answer"]> {
    return this.ask("get", { scheme, target });
  }

  /** A and AAAA of a name, as DNS has them now. */
  addresses(name: string): Promise<Requests["addresses"]["answer"]> {
    return this.ask("addresses", { name });
  }

  /** Every TCP port of an address: at most half a minute, also when nothing answers. */
  scan(address: string, first = 1, last = 65535): Promise<Requests["scan"]["answer"]> {
    return this.ask("scan", { address, first, last });
  }

  close(): void {
    this.child.stdin?.end();
  }

  private ask<V extends Verb>(verb: V, request: Requests[V]["request"]): Promise<Requests[V]["answer"]> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.child.stdin?.write(`${JSON.stringify({ id, verb, request })}\n`);
    });
  }

  private settle(reply: Reply): void {
    const asked = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if (reply.error !== undefined) asked?.reject(new Error(reply.error));
    else asked?.resolve(reply.answer);
  }
}

/** The other server's postman: queues a letter on mx, which finds its way by MX and A/AAAA as any server does. */
export async function sendFromOtherServer(lab: LabHandle, letter: Letter): Promise<void> {
  await lab.run("mx", ["sendmail", "-i", "-f", letter.from, letter.to], {
    stdin: renderLetter(letter).replaceAll("\r\n", "\n"),
    timeout: 60_000,
  });
}

/** Makes the account on a mail server from within it, without a client; on mx nobody logs in from outside. */
export async function createAccount(lab: LabHandle, host: MailHost, account: Account): Promise<void> {
  await lab.run(host, ["doveadm", "auth", "test", account.user], { stdin: `${account.password}\n`, timeout: 20_000 });
}

/** Waits until the letter lies in the account's mailbox on mx or on the relay, looked at from within. */
export function waitForLetter(
  lab: LabHandle,
  host: MailHost,
  user: string,
  id: string,
  seconds = 30,
): Promise<{ size: number }> {
  return waitFor(
    `letter ${id} for ${user} on ${host}`,
    seconds,
    async () => {
      const { stdout } = await lab.run(
        host,
        ["doveadm", "fetch", "-u", user, "size.physical", "subject", subjectOf(id)],
        { accept: [0, 68] },
      );
      const size = /size\.physical: (\d+)/.exec(stdout)?.[1];
      return size === undefined ? undefined : { size: Number(size) };
    },
    300,
  );
}

/** A letter as it lies in the account's mailbox, with what servers wrote above it on its way. */
export async function readLetter(lab: LabHandle, host: MailHost, user: string, id: string): Promise<string> {
  await waitForLetter(lab, host, user, id);
  const { stdout } = await lab.run(host, ["doveadm", "fetch", "-u", user, "text", "subject", subjectOf(id)], {
    timeout: 20_000,
  });
  return stdout.replace(/^text:\s*\n/, "");
}

/** Lines of a mail server's logs (postfix, dovecot, nginx) that hold this text, newest last. */
export async function logLines(lab: LabHandle, host: MailHost, text: string): Promise<string[]> {
  const { stdout } = await lab.run(
    host,
    [
      "journalctl",
      "--no-pager",
      "--output=cat",
      `--grep=${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`,
      "--case-sensitive=true",
    ],
    { accept: [0, 1] },
  );
  return stdout.split("\n").filter(Boolean);
}

export interface Proof {
  readonly what: string;
  readonly ms: number;
}

/**
 * Mail in both directions, as a person would try it: an account by first login, a letter out over each submission port,
 * one in from the other server, the relay's page. Fails on the first that does not work. With an address, the client
 * speaks to that one; mx always goes by DNS.
 */
export async function proveMail(lab: LabHandle, address?: string, domain: string = MAIL_DOMAIN): Promise<Proof[]> {
  const proofs: Proof[] = [];
  const prove = async (what: string, work: () => Promise<unknown>) => {
    const started = Date.now();
    await work();
    proofs.push({ what, ms: Date.now() - started });
  };
  const client = await MailClient.open(lab);
  const target: Target = { ...relayTarget(address), host: domain };
  const alice = newAccount("alice", domain);
  const bob = newAccount("bob", OTHER_DOMAIN);
  try {
    await createAccount(lab, "mx", bob);
    await prove("IMAPS login makes an account", () => client.login(alice, target));
    for (const port of [465, 587] as const) {
      const id = newId();
      await prove(`mail out: submitted on ${port}, arrived at ${OTHER_DOMAIN}`, async () => {
        await client.submit(port, alice, { from: alice.user, to: bob.user, id }, target);
        await waitForLetter(lab, "mx", bob.user, id);
      });
    }
    const id = newId();
    await prove(`mail in: sent by ${OTHER_DOMAIN}, read over IMAPS`, async () => {
      await sendFromOtherServer(lab, { from: bob.user, to: alice.user, id });
      await client.find(alice, id, target);
    });
    await prove("HTTPS: the relay's page", async () => {
      const page = await client.get("https", target);
      if (page.status !== 200 || !page.body.includes(domain))
        throw new Error(`https://${domain}: status ${page.status}, and not the relay's page`);
    });
    return proofs;
  } finally {
    client.close();
  }
}
