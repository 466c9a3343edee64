// lab/mail/portScan.ts: which TCP ports of an address answer. Knows no lab.
import { connect } from "node:net";
import type { Scan } from "./protocol";

/** A lost SYN is sent again after 1 s; what has not answered by then is silent. */
const PATIENCE_MS = 1500;
/** 65535 ports at this many at once and 1.5 s each, all silent: 13 s. */
const AT_ONCE = 8000;

export async function scanPorts(address: string, first: number, last: number): Promise<Scan> {
  const started = Date.now();
  const open: number[] = [];
  const counts = { refused: 0, silent: 0 };
  let next = first;
  const worker = async (_: unknown, i: number) => {
    // Not all in the same moment, now and at every repetition: that is more than a tunnel's queue holds.
    await new Promise((resolve) => setTimeout(resolve, (i * PATIENCE_MS) / AT_ONCE));
    for (let port = next++; port <= last; port = next++) {
      const verdict = await knock(address, port);
      if (verdict === "open") open.push(port);
      else counts[verdict] += 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, last - first + 1) }, worker));
  return { open: open.sort((a, b) => a - b), ...counts, ms: Date.now() - started };
}

function knock(host: string, port: number): Promise<"open" | "refused" | "silent"> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const done = (verdict: "open" | "refused" | "silent") => {
      clearTimeout(timer);
      socket.destroy();
      resolve(verdict);
    };
    // Timers come before what has arrived, when a busy process comes to look at both.
    const timer = setTimeout(() => setImmediate(() => setImmediate(() => done("silent"))), PATIENCE_MS);
    socket.once("connect", () => done("open"));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // Our own limit is no answer of the other side.
      if (error.code === "EMFILE" || error.code === "ENOBUFS" || error.code === "EADDRNOTAVAIL")
        reject(new Error(`port scan of ${host}: ${error.message}`));
      else done(error.code === "ETIMEDOUT" ? "silent" : "refused");
    });
  });
}
