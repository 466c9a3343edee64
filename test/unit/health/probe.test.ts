import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { probe, type PortAnswer } from "../../../components/health/probe";
import { hasFamily } from "../../../components/health/ownRoutes";
import type { Family } from "../../../components/addresses";
import { certificate, key } from "./certificate";

const running: { server: Server; sockets: Set<Socket> }[] = [];

/** Starts a server on a free port of loopback. */
const listen = (server: Server, port = 0) =>
  new Promise<number>((resolve) => {
    const sockets = new Set<Socket>();
    running.push({ server, sockets });
    server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => undefined)));
    server.listen(port, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });

const stopAll = () =>
  Promise.all(
    running.splice(0).map(({ server, sockets }) => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
afterEach(stopAll);

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const port = await listen(createServer());
  await stopAll();
  return port;
}

const QUICK = { attempt: 300, total: 0 };
const at = (port: number, timeouts = QUICK) =>
  probe({ address: "127.0.0.1", ports: [port], mailDomain: "chat.example.org" }, timeouts).then(
    ([answer]) => (answer as PortAnswer).answer,
  );

/** A free port that speaks as this well-known one does. */
async function as(port: number, serve: (socket: Socket) => void): Promise<PortAnswer["answer"]> {
  const free = await listen(createServer(serve));
  return (
    await probe(
      { address: "127.0.0.1", ports: [free], mailDomain: "chat.example.org", opensLike: { [free]: port } },
      QUICK,
    )
  )[0]?.answer as PortAnswer["answer"];
}

describe("probe", () => {
  it("takes a mail server's greeting for an answer", async () => {
    expect(await as(25, (socket) => socket.end("220 chat.example.org ESMTP\r\n"))).toEqual({ kind: "answered" });
    expect(await as(143, (socket) => socket.end("* OK ready\r\n"))).toEqual({ kind: "answered" });
  });

  it("notes a greeting that belongs elsewhere", async () => {
    expect(await as(25, (socket) => socket.end("SSH-2.0-OpenSSH\r\n"))).toEqual({
      kind: "answered",
      note: 'greets with "SSH-2.0-OpenSSH"',
    });
  });

  it("asks a web server for a word", async () => {
    expect(await as(80, (socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\n")))).toEqual({
      kind: "answered",
    });
  });

  it("does not take an open port for an answer if nobody speaks there", async () => {
    expect(await as(25, () => undefined)).toEqual({ kind: "silent" });
  });

  it("tells a refusal from silence", async () => {
    expect(await at(await closedPort())).toEqual({ kind: "refused" });
  });

  it("takes an error of the way for the target's fault where this machine has the family, and for its own lack where it has not", async () => {
    // The broadcast address: no connection can be made to it, whatever network the machine has.
    const asked = (has: boolean) =>
      probe({ address: "255.255.255.255", ports: [25, 80], mailDomain: "chat.example.org" }, QUICK, () =>
        Promise.resolve(has),
      ).then((answers) => answers.map(({ answer }) => answer));
    const error = { kind: "silent", code: expect.stringMatching(/^E/) as string };
    expect(await asked(true)).toEqual([error, error]);
    expect(await asked(false)).toEqual([{ kind: "notFromHere" }, { kind: "notFromHere" }]);
  });

  it.each<[boolean, Family, string | undefined]>([
    [true, 4, "192.168.1.7"],
    [true, 6, "2001:db8::7"],
    [true, 6, "fd00::7"],
    [false, 4, undefined],
    [false, 4, "127.0.0.1"],
    [false, 4, "169.254.3.4"],
    [false, 6, undefined],
    [false, 6, "::1"],
    [false, 6, "::"],
    [false, 6, "fe80::1%eth0"],
  ])("holds it for %s that a machine has IPv%s which would send from %s", async (has, family, source) => {
    expect(await hasFamily(family, () => Promise.resolve(source))).toBe(has);
  });

  it("takes any certificate, and notes one for another name", async () => {
    const tls = await listen(createTlsServer({ key, cert: certificate }));
    const asks = (mailDomain: string) =>
      probe(
        { address: "127.0.0.1", ports: [tls], mailDomain, opensLike: { [tls]: 443 } },
        { attempt: 2000, total: 0 },
      ).then(([answer]) => answer?.answer);
    expect(await asks("chat.example.org")).toEqual({ kind: "answered" });
    expect(await asks("chat.example.net")).toEqual({
      kind: "answered",
      note: "shows a certificate for chat.example.org, not for chat.example.net",
    });
  });

  it("notes a TLS port that speaks something else", async () => {
    expect(await as(443, (socket) => socket.end("220 hello\r\n"))).toMatchObject({
      kind: "answered",
      note: expect.stringContaining("no TLS") as string,
    });
  });

  it("goes on trying until something answers", async () => {
    const free = await closedPort();
    setTimeout(
      () =>
        void listen(
          createServer((socket) => socket.end("x")),
          free,
        ),
      500,
    );
    expect(await at(free, { attempt: 300, total: 5000 })).toEqual({ kind: "answered" });
  });
});
