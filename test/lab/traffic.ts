// Mail that never stops: one small letter per second to an account on the relay, the way other servers send it, while a
// test changes things underneath. In the end: which arrived, which twice, which not at all.
import { createAccount, MailClient, newAccount, newId, type MailHost } from "../../scripts/lab/mail";
import type { LabHandle } from "../../scripts/lab/lab";
import { MAIL_DOMAIN, OTHER_DOMAIN } from "../../scripts/lab/plan";
import { sleep, waitFor } from "../../scripts/lab/wait";

export interface TrafficOptions {
  /** Mail domain whose addresses are tried; the relay's by default. */
  readonly domain?: string;
  /** Machine whose mailboxes are looked at in the end. */
  readonly relay?: MailHost;
  readonly everyMs?: number;
  /** No new letters after this, whether stopped or not; 600 by default. */
  readonly seconds?: number;
  /** How long after the stop letters may still be tried; 60 s by default. */
  readonly patience?: number;
}

export interface TrafficReport {
  /** Ids of all letters that were to be sent. */
  readonly sent: readonly string[];
  readonly received: readonly string[];
  /** Ids that lie in the mailbox more than once. A server whose OK got lost sends again, so these are no fault by themselves. */
  readonly duplicates: readonly string[];
  /** Sent, and not in the mailbox: not accepted in time, or accepted and gone. */
  readonly lost: readonly string[];
  /** The longest that a letter had to be tried until it was accepted, in milliseconds. */
  readonly longestMs: number;
  /** What went wrong on the way, oldest first: seconds since the start, address, reason. */
  readonly failures: readonly string[];
}

interface Traffic {
  stop(): Promise<TrafficReport>;
}

const RETRY_MS = 1000;
/** What was accepted lies in the queue of a server for a moment. */
const DELIVERY_SECONDS = 30;

/** Runs a test's work while mail is written all the time; the report of what became of it. When the work fails, nothing goes on. */
export async function underTraffic(
  lab: LabHandle,
  work: () => Promise<void>,
  options: TrafficOptions = {},
): Promise<TrafficReport> {
  const traffic = await startTraffic(lab, options);
  try {
    await work();
  } catch (error) {
    // Else letters that nobody takes would be sent again for ever, and keep the process.
    await traffic.stop().catch(() => undefined);
    throw error;
  }
  return traffic.stop();
}

async function startTraffic(lab: LabHandle, options: TrafficOptions = {}): Promise<Traffic> {
  const { domain = MAIL_DOMAIN, relay = "relay", everyMs = 1000, seconds = 600, patience = 60 } = options;
  const account = newAccount("traffic", domain);
  await createAccount(lab, relay, account);
  const client = await MailClient.open(lab);
  const started = Date.now();
  const letters: { readonly id: string; readonly sending: Promise<void> }[] = [];
  const accepted = new Set<string>();
  const failures: string[] = [];
  let longestMs = 0;
  // Also for a test that never comes to its end.
  let deadline = started + (seconds + patience) * 1000;
  let stopped = false;

  /** One after the other, each letter from another one on, until one takes it. DNS is asked anew each time. */
  const send = async (id: string, turn: number): Promise<void> => {
    const first = Date.now();
    const fail = (at: string, error: unknown) =>
      void failures.push(
        `${((Date.now() - started) / 1000).toFixed(1)} s, ${at}: ${error instanceof Error ? error.message : String(error)}`,
      );
    do {
      const found = await client.addresses(domain).catch((error: unknown) => (fail(domain, error), []));
      for (const address of [...found.slice(turn % found.length), ...found.slice(0, turn % found.length)]) {
        try {
          await client.deliver({ from: `traffic@${OTHER_DOMAIN}`, to: account.user, id }, { host: domain, address });
          accepted.add(id);
          longestMs = Math.max(longestMs, Date.now() - first);
          return;
        } catch (error) {
          fail(address, error);
        }
      }
      await sleep(RETRY_MS);
    } while (Date.now() < deadline);
  };

  const producing = (async () => {
    for (let turn = 0; !stopped && Date.now() - started < seconds * 1000; turn++) {
      const id = newId();
      letters.push({ id, sending: send(id, turn) });
      await sleep(Math.max(0, started + (turn + 1) * everyMs - Date.now()));
    }
  })();

  const inMailbox = async (): Promise<string[]> => {
    const { stdout } = await lab.run(
      relay,
      ["doveadm", "fetch", "-u", account.user, "hdr.subject", "mailbox", "INBOX"],
      { accept: [0, 68], timeout: 20_000 },
    );
    return [...stdout.matchAll(/lab letter ([0-9a-f]+)/g)].map(([, id = ""]) => id);
  };

  return {
    stop: async () => {
      stopped = true;
      deadline = Date.now() + patience * 1000;
      await producing;
      await Promise.all(letters.map(({ sending }) => sending));
      client.close();
      // Late or never: the count tells.
      await waitFor("the letters in the mailbox", DELIVERY_SECONDS, async () => {
        const there = new Set(await inMailbox());
        return [...accepted].every((id) => there.has(id));
      }).catch(() => undefined);
      const found = await waitFor(`the mailbox on ${relay}`, DELIVERY_SECONDS, inMailbox);
      const received = [...new Set(found)];
      const sent = letters.map(({ id }) => id);
      return {
        sent,
        received,
        duplicates: received.filter((id) => found.filter((other) => other === id).length > 1),
        lost: sent.filter((id) => !received.includes(id)),
        longestMs,
        failures,
      };
    },
  };
}
