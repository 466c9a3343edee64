// One DNS request over TCP, and all messages of its answer, each passed on as it arrives.
import { connect } from "node:net";

export interface NameServer {
  /** Address or name. */
  readonly server: string;
  readonly port: number;
}

/** The server was reached, and gave no answer in time. */
export class NoAnswer extends Error {}

/** In milliseconds: for each pause, connecting included. */
const TIMEOUT = 10_000;

/**
 * Sends the request and hands each message of the answer to `take` until that says that it was the last. Never waits between
 * two messages: some servers hang up on a reader that pauses for half a second. Throws what `take` throws, and when the
 * server is silent or hangs up before.
 */
export function exchange(
  { server, port }: NameServer,
  request: Buffer,
  take: (message: Buffer) => boolean,
): Promise<void> {
  const where = `${server} port ${port}`;
  return new Promise((resolve, reject) => {
    let rest = Buffer.alloc(0);
    let connected = false;
    const socket = connect({ host: server, port });
    const end = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    socket.setTimeout(TIMEOUT, () => {
      const text = `${where} (TCP) did not answer within ${TIMEOUT / 1000} s: check dns.server and dns.port, and that nothing in between drops it`;
      end(connected ? new NoAnswer(text) : new Error(text));
    });
    socket.on("error", (error) =>
      end(
        new Error(
          `${where} (TCP) cannot be reached: ${error.message || (error as NodeJS.ErrnoException).code || "no reason given"}. Check dns.server and dns.port`,
        ),
      ),
    );
    socket.on("close", () => end(new NoAnswer(`${where} hung up before its answer was complete`)));
    socket.on("connect", () => {
      connected = true;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(request.length);
      socket.write(Buffer.concat([length, request]));
    });
    socket.on("data", (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      try {
        while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
          const behind = 2 + rest.readUInt16BE(0);
          const message = rest.subarray(2, behind);
          rest = rest.subarray(behind);
          if (take(message)) return end();
        }
      } catch (error) {
        end(error as Error);
      }
    });
  });
}
