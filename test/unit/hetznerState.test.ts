// test/unit/hetznerState.test.ts: what the fake Hetzner Cloud does over time: actions, injected faults, the log, the state file.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  aPrimaryIp,
  aPublicKey,
  aServer,
  expectPublishedForms,
  startHarness,
  token,
  type Harness,
} from "./hetznerHarness";

let cloud: Harness;
beforeEach(async () => (cloud = await startHarness()));
afterEach(async () => {
  expectPublishedForms(cloud);
  await cloud.stop();
});

describe("actions", () => {
  it("are running for the set delay, then success", async () => {
    const slow = await startHarness({ actionDelayMs: 40 });
    const { body } = await slow.call("POST", "/zones", { name: "example.org", mode: "primary" });
    expect(body.action).toMatchObject({ status: "running", progress: 0, finished: null });
    expect(body.zone.status).toBe("updating");
    await slow.api.settled();
    const { body: later } = await slow.call("GET", `/actions?id=${body.action.id}&sort=status&sort=id`);
    expect(later.actions).toEqual([expect.objectContaining({ status: "success", progress: 100 })]);
    expectPublishedForms(slow);
    await slow.stop();
  });

  it("are found by several ids at once, under their resource, and nowhere else", async () => {
    const { action, zone } = await cloud.done("POST", "/zones", { name: "example.org", mode: "primary" });
    const { action: second } = await cloud.done("POST", "/zones/example.org/actions/change_ttl", { ttl: 300 });
    expect((await cloud.call("GET", `/actions?id=${action.id}&id=${second.id}`)).body.actions).toHaveLength(2);
    expect((await cloud.call("GET", `/zones/${zone.id}/actions`)).body.actions).toHaveLength(2);
    expect((await cloud.call("GET", "/zones/example.org/actions?status=error")).body.actions).toEqual([]);
    expect((await cloud.call("GET", `/zones/actions/${action.id}`)).body.action.command).toBe("create_zone");
    expect((await cloud.call("GET", `/zones/${zone.id}/actions/${second.id}`)).body.action.command).toBe("change_ttl");
    expect((await cloud.call("GET", `/servers/actions/${action.id}`)).status).toBe(404);
  });
});

describe("injected faults", () => {
  it("answer for the next matching call and leave the state alone", async () => {
    cloud.api.faults.answer({ on: "POST /servers", code: "resource_unavailable", message: "error during placement" });
    const { status, body } = await cloud.call("POST", "/servers", aServer());
    expect([status, body.error.code, body.error.message]).toEqual([
      412,
      "resource_unavailable",
      "error during placement",
    ]);
    expect(cloud.api.state.servers).toEqual([]);
    expect((await cloud.call("POST", "/servers", aServer())).status).toBe(201);
    await cloud.api.settled();
  });

  it("match one part of a path by a star", async () => {
    cloud.api.faults.answer({ on: "GET /zones/*", code: "server_error", times: 2 });
    expect((await cloud.call("GET", "/zones/example.org")).status).toBe(500);
    expect((await cloud.call("GET", "/zones/example.org/rrsets")).status).toBe(404);
    expect((await cloud.call("GET", "/zones/1")).status).toBe(500);
    expect((await cloud.call("GET", "/zones/1")).status).toBe(404);
  });

  it("limit the rate of the next calls", async () => {
    cloud.api.faults.rateLimit(2);
    const codes = [
      await cloud.call("GET", "/zones"),
      await cloud.call("GET", "/zones"),
      await cloud.call("GET", "/zones"),
    ];
    expect(codes.map(({ status }) => status)).toEqual([429, 429, 200]);
  });

  it("delay answers until cleared", async () => {
    cloud.api.faults.latency(60);
    const started = Date.now();
    await cloud.call("GET", "/zones");
    expect(Date.now() - started).toBeGreaterThanOrEqual(55);
    cloud.api.faults.clear();
    expect(cloud.api.faults.currentLatency).toBe(0);
  });

  it("let an action fail", async () => {
    cloud.api.faults.failAction({ command: "start_server", code: "placement_error", message: "no host has room" });
    const { next_actions } = await cloud.done("POST", "/servers", aServer());
    const { body } = await cloud.call("GET", `/actions/${next_actions[0]?.id}`);
    expect(body.action).toMatchObject({
      status: "error",
      error: { code: "placement_error", message: "no host has room" },
    });
    expect(cloud.room.machineCalls()).toEqual(["setFirewall none"]);
  });
});

describe("the log", () => {
  it("holds requests and answers, but no token, user data or password", async () => {
    await cloud.done("POST", "/servers", aServer({ user_data: "#cloud-config\nsecret: hush" }));
    const text = JSON.stringify(cloud.log);
    expect(text).not.toContain("hush");
    expect(text).not.toContain(token);
    const entry = cloud.log.find(({ path }) => path === "/servers");
    expect(entry).toMatchObject({
      method: "POST",
      status: 201,
      request: { name: "hel1", user_data: "[26 characters]" },
      response: { root_password: "[20 characters]" },
    });
  });
});

describe("the state file", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "hetzner-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("lets a new start go on where the old one was stopped", async () => {
    const stateFile = join(folder, "state.json");
    const before = await startHarness({ stateFile });
    const { primary_ip } = await before.done("POST", "/primary_ips", aPrimaryIp());
    await before.done("POST", "/zones", { name: "example.org", mode: "primary" });
    await before.done("POST", "/servers", aServer({ public_net: { ipv4: primary_ip.id } }));
    await before.stop();
    const after = await startHarness({ stateFile });
    expect(after.api.state).toEqual(before.api.state);
    expect((await after.call("GET", "/servers?name=hel1")).body.servers[0]).toMatchObject({
      status: "running",
      public_net: { ipv4: { ip: "203.0.113.1" } },
    });
    await after.api.resync();
    expect(after.room.zones.get("example.org")?.records).toHaveLength(4);
    expect(after.room.ptrs.get("203.0.113.1")).toBe("static.1.113.0.203.clients.your-server.de");
    expect(after.room.machineCalls()).toEqual(["setFirewall none"]);
    await after.stop();
  });

  it("is readable by its owner alone and leaves nothing beside it", async () => {
    const stateFile = join(folder, "state.json");
    const harness = await startHarness({ stateFile });
    await harness.done("POST", "/ssh_keys", { name: "a", public_key: aPublicKey });
    await harness.stop();
    expect(statSync(stateFile).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["state.json"]);
    expect(JSON.parse(readFileSync(stateFile, "utf8"))).toMatchObject({ version: 1, sshKeys: [{ name: "a" }] });
  });

  it("ends actions that were under way when the daemon was killed", async () => {
    const stateFile = join(folder, "state.json");
    const killed = await startHarness({ stateFile, actionDelayMs: 500 });
    const { body } = await killed.call("POST", "/servers", aServer());
    await killed.stop();
    const after = await startHarness({ stateFile });
    const { body: found } = await after.call("GET", `/actions/${body.action.id}`);
    expect(found.action).toMatchObject({
      status: "error",
      error: { message: "the cloud was stopped while this action ran" },
    });
    expect((await after.call("GET", `/servers/${body.server.id}`)).body.server.status).toBe("unknown");
    await after.done("DELETE", `/servers/${body.server.id}`);
    expect(after.api.state.primaryIps).toEqual([]);
    // Nor do they go on after that, on what is another's state by now.
    const text = readFileSync(stateFile, "utf8");
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(readFileSync(stateFile, "utf8")).toBe(text);
    await after.stop();
  });
});
