import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkAgent, findAgent } from "../../components/settings/agent";

describe("findAgent", () => {
  const dir = mkdtempSync(join(tmpdir(), "agent-"));
  afterAll(() => rmSync(dir, { recursive: true }));

  it("finds none where SSH_AUTH_SOCK is not set", async () => {
    expect(await findAgent("")).toEqual({ kind: "none" });
  });

  /** An agent that answers every request with this. */
  const agentAt = async (path: string, answer: Buffer | undefined) => {
    const server = createServer(
      (socket) => void (answer ? socket.on("data", () => socket.write(answer)) : socket.destroy()),
    );
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return () => new Promise((resolve) => server.close(resolve));
  };
  const identities = (keys: number) => Buffer.concat([Buffer.from([0, 0, 0, 5, 12]), Buffer.from([0, 0, 0, keys])]);

  it.each([0, 3, 7])("finds one that answers, and counts its keys: %i", async (keys) => {
    const path = join(dir, `alive-${keys}`);
    const close = await agentAt(path, identities(keys));
    expect(await findAgent(path)).toEqual({ kind: "answers", keys });
    await close();
  });

  it.each<[string, Buffer | undefined]>([
    ["that refuses", Buffer.from([0, 0, 0, 1, 5])],
    ["that hangs up", undefined],
  ])("takes one %s for none that answers", async (_what, answer) => {
    const path = join(dir, `odd-${answer ? "refuses" : "hangs-up"}`);
    const close = await agentAt(path, answer);
    expect(await findAgent(path)).toEqual({ kind: "silent", path });
    await close();
  });

  it("names one that is gone", async () => {
    const path = join(dir, "gone");
    expect(await findAgent(path)).toEqual({ kind: "silent", path });
  });
});

describe("an agent that holds", () => {
  const needed = (given: boolean) => [{ key: "relaySshKey", given, what: "the relay" }];

  it.each([
    [
      0,
      "is missing, and your SSH agent holds no keys. Set a key that may log in to the relay (pulumi config set --secret relaySshKey < ~/.ssh/id_ed25519), or give the agent one: ssh-add.",
    ],
    [
      6,
      "is missing, and your SSH agent holds 6 keys: it offers one after the other, and servers hang up after 5 (sshd: MaxAuthTries). Set a key",
    ],
  ])("%i keys is told before anything is bought", (keys, expected) => {
    expect(checkAgent({ kind: "answers", keys }, needed(false), "linux")).toEqual([
      { key: "relaySshKey", text: expect.stringContaining(expected) as string },
    ]);
    expect(checkAgent({ kind: "answers", keys }, needed(true), "linux")).toEqual([]);
  });

  it.each([1, 5])("%i keys is well", (keys) =>
    expect(checkAgent({ kind: "answers", keys }, needed(false), "linux")).toEqual([]),
  );
});
