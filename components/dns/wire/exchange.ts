// One DNS request over TCP, and all messages of its answer.
import { connect } from "node:net";

export interface NameServer {
  /** Address or name. */
  readonly server: string;
  readonly port: number;
}

/** In milliseconds: for each pause, connecting included. */
const PATIENCE = 10_000;

/** Sends the request and reads until `complete` says so of what has come. Throws when the server is silent or hangs up before. */
export function exchange({ server, port }: NameServer, request: Buffer, complete: (messages: readonly Buffer[]) => boolean): Promise<Buffer[]> {
  const where = `${server} port ${port}`;
  return new Promise((resolve, reject) => {
    const messages: Buffer[] = [];
    let rest = Buffer.alloc(0);
    const socket = connect({ host: server, port });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(PATIENCE, () => fail(new Error(`${where} (TCP) did not answer within ${PATIENCE / 1000} s: check dns.server and dns.port, and that nothing in between drops it`)));
    socket.on("error", (error) => fail(new Error(`${where} (TCP) cannot be reached: ${error.message || (error as NodeJS.ErrnoException).code || "no reason given"}. Check dns.server and dns.port`)));
    socket.on("close", () => fail(new Error(`${where} hung up before its answer was complete`)));
    socket.on("connect", () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(request.length);
      socket.write(Buffer.concat([length, request]));
    });
    socket.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        messages.push(rest.subarray(2, end));
        rest = rest.subarray(end);
        try {
          if (!complete(messages)) continue;
        } catch (error) {
          return fail(error as Error);
        }
        resolve(messages);
        return socket.destroy();
      }
    });
  });
}
