// lab/mail/worker.ts: a mail client in the client's namespace: takes requests on stdin, answers on stdout. mail.ts starts it.
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { createInterface } from "node:readline";
import { resolve4, resolve6 } from "node:dns/promises";
import { isIP } from "node:net";
import { ImapFlow } from "imapflow";
import { createTransport } from "nodemailer";
import { waitFor } from "../wait";
import { renderLetter, subjectOf } from "./letter";
import { scanPorts } from "./portScan";
import type { Account, Envelope, Found, Letter, Page, Reply, Requests, Target, Verb } from "./protocol";

const CONNECT_MS = 10_000;

const verbs: { [V in Verb]: (request: Requests[V]["request"]) => Promise<Requests[V]["answer"]> } = {
  login: async ({ target, account, port = 993 }) => {
    await (await mailbox(target, account, port)).logout();
    return null;
  },
  submit: ({ target, account, port, letter }) => send(target, port, letter, account),
  deliver: ({ target, letter }) => send(target, 25, letter),
  find: ({ target, account, id, seconds }) =>
    waitFor(`letter ${id} in ${account.user}'s inbox`, seconds, () => find(target, account, id), 300),
  get: ({ target, scheme }) => page(target, scheme),
  addresses: ({ name }) => addresses(name),
  scan: ({ address, first, last }) => scanPorts(address, first, last),
};

async function mailbox(target: Target, account: Account, port: number): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: target.address ?? target.host,
    port,
    servername: target.host,
    secure: port === 993,
    ...(port === 143 ? { doSTARTTLS: true } : {}),
    auth: { user: account.user, pass: account.password },
    logger: false,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
  });
  // Without a listener an error after the login would end the process.
  client.on("error", () => undefined);
  await client.connect().catch((error: unknown) => {
    const reply = (error as { responseText?: string }).responseText;
    throw new Error(
      `IMAP login of ${account.user} at ${target.address ?? target.host} port ${port}: ${reply ?? (error instanceof Error ? error.message : String(error))}`,
    );
  });
  return client;
}

async function find(target: Target, account: Account, id: string): Promise<Found | undefined> {
  const client = await mailbox(target, account, 993);
  try {
    await client.mailboxOpen("INBOX", { readOnly: true });
    const hits = await client.search({ subject: subjectOf(id) });
    const last = hits ? hits.at(-1) : undefined;
    if (last === undefined) return undefined;
    const message = await client.fetchOne(String(last), { envelope: true, size: true });
    if (message === false) return undefined;
    return {
      subject: message.envelope?.subject ?? "",
      from: message.envelope?.from?.[0]?.address ?? "",
      size: message.size ?? 0,
    };
  } finally {
    await client.logout().catch(() => undefined);
  }
}

async function send(target: Target, port: 25 | 465 | 587, letter: Letter, account?: Account): Promise<null> {
  const transport = createTransport({
    host: target.address ?? target.host,
    port,
    name: "client.example.net",
    secure: port === 465,
    requireTLS: port === 587,
    tls: { servername: target.host },
    ...(account ? { auth: { user: account.user, pass: account.password } } : {}),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: 60_000,
  });
  try {
    await transport.sendMail({ envelope: { from: letter.from, to: [letter.to] }, raw: renderLetter(letter) });
    return null;
  } catch (error) {
    throw new Error(
      `SMTP to ${target.address ?? target.host} port ${port}: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  } finally {
    transport.close();
  }
}

/** Both families, IPv6 first, as most clients have it; a family without any is no error, none at all is. */
async function addresses(name: string): Promise<string[]> {
  const answers = await Promise.allSettled([resolve6(name), resolve4(name)]);
  const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (found.length === 0)
    throw new Error(
      answers.flatMap((answer) => (answer.status === "rejected" ? String(answer.reason) : [])).join("; "),
    );
  return found;
}

function page(target: Target, scheme: "http" | "https"): Promise<Page> {
  const address = target.address ?? target.host;
  const options = {
    host: address,
    family: isIP(address) || undefined,
    servername: target.host,
    headers: { host: target.host },
    path: "/",
    timeout: CONNECT_MS,
    agent: false,
  } as const;
  return new Promise((resolve, reject) => {
    const call = (scheme === "https" ? httpsRequest : httpRequest)(options, (response) => {
      let body = "";
      response
        .setEncoding("utf8")
        .on("data", (chunk: string) => (body += chunk))
        .on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on("timeout", () => call.destroy(new Error("timed out")));
    call.on("error", (error) => reject(new Error(`${scheme}://${target.host} at ${address}: ${error.message}`)));
    call.end();
  });
}

async function carryOut(line: string): Promise<void> {
  const { id, verb, request } = JSON.parse(line) as Envelope;
  let reply: Reply;
  try {
    reply = { id, answer: await (verbs[verb] as (request: unknown) => Promise<unknown>)(request) };
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : String(error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

createInterface({ input: process.stdin })
  .on("line", (line) => void carryOut(line))
  .on("close", () => process.exit(0));
