import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findAgent } from "../../components/settings/agent";

describe("findAgent", () => {
  const dir = mkdtempSync(join(tmpdir(), "agent-"));
  afterAll(() => rmSync(dir, { recursive: true }));

  it("finds none where SSH_AUTH_SOCK is not set", async () => {
    expect(await findAgent("")).toEqual({ kind: "none" });
  });

  it("finds one that answers", async () => {
    const path = join(dir, "alive");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(await findAgent(path)).toEqual({ kind: "answers" });
    await new Promise((resolve) => server.close(resolve));
  });

  it("names one that is gone", async () => {
    const path = join(dir, "gone");
    expect(await findAgent(path)).toEqual({ kind: "silent", path });
  });
});
