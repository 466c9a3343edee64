// hosts/ssh.ts against an SSH server on loopback: what is heard, and each way not to be let in, as a value.
import { execFile, execFileSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { createServer, type AddressInfo, type Server as TcpServer } from "node:net";
import { promisify } from "node:util";
import { Server, utils, type Connection } from "ssh2";
import { runOverSsh, type SshLogin } from "../../../components/hosts/ssh";
import { sshKeyPair, withoutPkcs8 } from "../../../components/tunnel/keys";

const SEED = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const HOST = sshKeyPair(SEED, "the server's", "host");
const OTHER = sshKeyPair(SEED, "another server's", "host");
const OPERATOR = sshKeyPair(SEED, "the operator's", "operator");

const open: (Server | TcpServer)[] = [];
const connections: Connection[] = [];
afterEach(async () => {
  connections.splice(0).forEach((each) => each.end());
  await Promise.all(open.splice(0).map((each) => new Promise<void>((resolve) => each.close(() => resolve()))));
});

/** Answers each command by `reply`; lets in nobody but the operator. */
async function sshServer(
  reply: (channel: import("ssh2").ServerChannel, command: string, connection: Connection) => void,
  { authenticates = true } = {},
): Promise<SshLogin> {
  const server = new Server({ hostKeys: [HOST.privateKey] }, (connection) => {
    connections.push(connection);
    connection.on("error", () => undefined);
    connection.on("authentication", (context) => {
      if (!authenticates) return;
      const known =
        context.method === "publickey" &&
        context.key.data.equals(Buffer.from(OPERATOR.publicKey.split(" ")[1] ?? "", "base64"));
      if (known && context.username === "root") context.accept();
      else context.reject(["publickey"]);
    });
    connection.on("session", (accept) =>
      accept().on("exec", (accepted, _reject, { command }) => reply(accepted(), command, connection)),
    );
  });
  open.push(server);
  const port = await listening(server);
  return { host: "127.0.0.1", port, user: "root", hostKey: HOST.publicKey, privateKey: OPERATOR.privateKey };
}

const listening = (server: Server | TcpServer) =>
  new Promise<number>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
  );

const ask = (login: SshLogin, stdin = "", timeout = 5000) =>
  runOverSsh(login, { command: "hostctl status", stdin, timeout });

it("hears all of what a command says, and its exit status, and gives it all of stdin", async () => {
  const login = await sshServer((channel, command) => {
    let bytes = 0;
    channel.on("data", (chunk: Buffer) => void (bytes += chunk.length));
    channel.on("end", () => {
      channel.write(`${command} ${bytes} ${"x".repeat(300_000)}`);
      channel.stderr.write("a word");
      channel.exit(3);
      channel.end();
    });
  });
  const answer = await ask(login, "y".repeat(400_000));
  expect(answer).toEqual({
    reachable: true,
    status: 3,
    stdout: `hostctl status 400000 ${"x".repeat(300_000)}`,
    stderr: "a word",
  });
});

it("keeps the connection open where that is wished, and hears over it whether the host is still there", async () => {
  const asked: [string, Connection][] = [];
  const login = await sshServer((channel, command, connection) => {
    asked.push([command, connection]);
    channel.exit(0);
    channel.end();
  });
  const answer = await runOverSsh(login, { command: "hostctl status", timeout: 5000, keepOpen: true });
  const stillThere = answer.reachable ? answer.stillThere : undefined;
  expect(await stillThere?.()).toBe(true);
  expect(asked.map(([command]) => command)).toEqual(["hostctl status", "true"]);
  expect(connections).toHaveLength(1);
  asked[0]?.[1].end();
  expect(await stillThere?.()).toBe(false);
  // Once it has ended, too.
  expect(await stillThere?.()).toBe(false);
});

it("keeps a process alive as long as a host is asked, and no longer", async () => {
  const login = await sshServer((channel) => {
    channel.exit(0);
    channel.end();
  });
  const program = `
    const { runOverSsh } = require("./components/hosts/ssh");
    (async () => {
      const answer = await runOverSsh(JSON.parse(process.env.LOGIN), { command: "x", timeout: 5000, keepOpen: true });
      console.log(answer.reachable, await answer.stillThere());
    })();`;
  const { stdout } = await promisify(execFile)(process.execPath, ["-r", "sucrase/register/ts", "-e", program], {
    env: { ...process.env, LOGIN: JSON.stringify(login) },
    timeout: 10_000,
  });
  expect(stdout).toBe("true true\n");
}, 15_000);

it("does not take a host for being there which takes packets and says nothing", async () => {
  let dead = false;
  const login = await sshServer((channel) => {
    if (dead) return;
    channel.exit(0);
    channel.end();
  });
  const answer = await runOverSsh(login, { command: "hostctl status", timeout: 5000, keepOpen: true });
  dead = true;
  expect(await (answer.reachable ? answer.stillThere?.() : undefined)).toBe(false);
}, 10_000);

it("takes a host key with a comment and blanks around it, and one of several", async () => {
  const login = await sshServer((channel) => {
    channel.exit(0);
    channel.end();
  });
  expect(await ask({ ...login, hostKey: `  ${HOST.publicKey}  \n` })).toMatchObject({ reachable: true, status: 0 });
});

/** By OpenSSH itself. */
const fingerprint = (publicKey: string) =>
  execFileSync("ssh-keygen", ["-lf", "-"], { input: publicKey, encoding: "utf8" }).split(" ")[1];

it("does not log in where another host key is than the one that is pinned, and names both", async () => {
  let asked = false;
  const login = await sshServer(() => void (asked = true));
  const answer = await ask({ ...login, hostKey: OTHER.publicKey });
  expect(answer).toMatchObject({ reachable: false, why: "hostKey" });
  expect(answer).toHaveProperty(
    "reason",
    `another host key is there (${fingerprint(HOST.publicKey)}) than the one that is set (${fingerprint(OTHER.publicKey)}); on the machine itself this one is shown by: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`,
  );
  expect(asked).toBe(false);
});

it("takes a server without a host key of the pinned one's type for another machine, too", async () => {
  const login = await sshServer(() => undefined);
  expect(await ask({ ...login, hostKey: "ecdsa-sha2-nistp256 AAAA" })).toEqual({
    reachable: false,
    why: "hostKey",
    reason: "no host key of the type that is set (ecdsa-sha2-nistp256) is there",
  });
});

it.each([
  ["ed25519", () => generateKeyPairSync("ed25519")],
  ["rsa", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ["ec", () => generateKeyPairSync("ec", { namedCurve: "prime256v1" })],
] as const)("reads a private key of type %s as openssl writes it, like the command provider does", (_type, make) => {
  const { privateKey } = make();
  const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  expect(utils.parseKey(pem)).toBeInstanceOf(Error);
  const read = utils.parseKey(withoutPkcs8(pem));
  if (read instanceof Error) throw read;
  const spki = (text: string | Buffer) => createPublicKey(text).export({ format: "pem", type: "spki" });
  expect(spki(read.getPublicPEM())).toBe(spki(pem));
  expect(withoutPkcs8(OPERATOR.privateKey)).toBe(OPERATOR.privateKey);
});

it("offers such a key", async () => {
  const login = await sshServer((channel) => {
    channel.exit(0);
    channel.end();
  });
  const pem = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  // Read, and not known there.
  expect(await ask({ ...login, privateKey: pem })).toMatchObject({
    why: "login",
    reason: expect.stringContaining("root is not let in") as string,
  });
});

it("tells that the login is not accepted from everything else", async () => {
  const login = await sshServer(() => undefined);
  expect(await ask({ ...login, privateKey: OTHER.privateKey })).toMatchObject({
    reachable: false,
    why: "login",
    reason: expect.stringContaining("root is not let in") as string,
  });
  expect(await ask({ ...login, user: "nobody" })).toMatchObject({ reachable: false, why: "login" });
  expect(await ask({ ...login, privateKey: undefined, agent: "/nonexistent/agent" })).toMatchObject({
    reachable: false,
    why: "login",
  });
  expect(await ask({ ...login, privateKey: "no key at all" })).toMatchObject({ reachable: false, why: "login" });
});

it("says that nothing answers, at once where the port is closed", async () => {
  const server = createServer();
  const port = await listening(server);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  const began = Date.now();
  expect(
    await ask({ host: "127.0.0.1", port, user: "root", hostKey: HOST.publicKey, privateKey: OPERATOR.privateKey }),
  ).toMatchObject({ reachable: false, why: "silent", reason: expect.stringContaining("ECONNREFUSED") as string });
  expect(Date.now() - began).toBeLessThan(1000);
});

it("does not wait for ever for what takes a connection and says nothing, is no SSH server, or hangs up", async () => {
  const behave = async (on: (socket: import("node:net").Socket) => void) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.resume();
      on(socket);
    });
    open.push(server);
    const answer = await ask(
      {
        host: "127.0.0.1",
        port: await listening(server),
        user: "root",
        hostKey: HOST.publicKey,
        privateKey: OPERATOR.privateKey,
      },
      "",
      400,
    );
    return answer;
  };
  expect(await behave(() => undefined)).toMatchObject({
    reachable: false,
    why: "refused",
    reason: "no SSH server greets within 0.4 s",
  });
  expect(await behave((socket) => socket.write("220 mail.example.org ESMTP\r\n220 and no more\r\n"))).toMatchObject({
    reachable: false,
    why: "refused",
  });
  expect(await behave((socket) => socket.destroy())).toMatchObject({ reachable: false, why: "refused" });
});

it("does not wait for ever for a login, a command that hangs, or one whose connection is cut", async () => {
  expect(await ask(await sshServer(() => undefined, { authenticates: false }), "", 400)).toMatchObject({
    reachable: false,
    why: "slow",
    reason: "the login does not come to an end within 0.4 s",
  });
  expect(await ask(await sshServer(() => undefined), "", 600)).toMatchObject({
    reachable: false,
    why: "slow",
    reason: "it has not answered within 0.6 s",
  });
  expect(await ask(await sshServer((_channel, _command, connection) => connection.end()))).toMatchObject({
    reachable: false,
    why: "broken",
  });
});

it("is not misled by a command that leaves its stdin alone", async () => {
  const login = await sshServer((channel) => {
    channel.write("done");
    channel.exit(0);
    channel.end();
  });
  expect(await ask(login, "z".repeat(2_000_000))).toMatchObject({ reachable: true, status: 0, stdout: "done" });
});
