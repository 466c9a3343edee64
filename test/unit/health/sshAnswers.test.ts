// Against real servers on the loopback.
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { sshAnswersFromHere } from "../../../components/health/sshAnswers";

let server: Server;
afterEach(() => new Promise((resolve) => server.close(resolve)));

/** A port; `serve` is called with each connection and its number. */
async function listening(serve: (socket: Socket, turn: number) => void): Promise<number> {
  let turn = 0;
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    serve(socket, turn++);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

it("sees an SSH server that greets", async () => {
  const port = await listening((socket) => socket.end("SSH-2.0-OpenSSH_10.0\r\n"));
  expect(await sshAnswersFromHere("127.0.0.1", port)).toBe(true);
});

it("takes another greeting for none", async () => {
  const port = await listening((socket) => socket.end("220 mail\r\n"));
  expect(await sshAnswersFromHere("127.0.0.1", port, 0)).toBe(false);
});

it.each([
  ["closes the connection", (socket: Socket) => socket.end()],
  ["resets it", (socket: Socket) => socket.resetAndDestroy()],
])("waits for one that %s without a word at first, as while it is being restarted", async (_what, hangUp) => {
  const port = await listening((socket, turn) => void (turn < 2 ? hangUp(socket) : socket.end("SSH-2.0-OpenSSH\r\n")));
  expect(await sshAnswersFromHere("127.0.0.1", port, 5000)).toBe(true);
});
