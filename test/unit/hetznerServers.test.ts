// test/unit/hetznerServers.test.ts: servers of the fake Hetzner Cloud, from the order to the end.
import {
  aPrimaryIp,
  aPublicKey,
  aServer,
  expectPublishedForms,
  startHarness,
  type Harness,
  type Json,
} from "./hetznerHarness";

let cloud: Harness;
beforeEach(async () => (cloud = await startHarness()));
afterEach(async () => {
  expectPublishedForms(cloud);
  await cloud.stop();
});

const newServer = async (more: object = {}): Promise<Json> =>
  (await cloud.done("POST", "/servers", aServer(more))).server;
const newIp = async (more: object = {}): Promise<Json> =>
  (await cloud.done("POST", "/primary_ips", aPrimaryIp(more))).primary_ip;
const read = async (server: Json): Promise<Json> => (await cloud.call("GET", `/servers/${server.id}`)).body.server;
const act = (server: Json, action: string, body?: object) =>
  cloud.done("POST", `/servers/${server.id}/actions/${action}`, body);
const codeOf = async (method: string, path: string, body?: unknown) => {
  const answer = await cloud.call(method, path, body);
  return [answer.status, answer.body.error?.code];
};

describe("creating a server", () => {
  it("boots a machine with the primary IPs, keys and image of the order", async () => {
    const { ssh_key } = await cloud.done("POST", "/ssh_keys", { name: "operator", public_key: aPublicKey });
    const [ipv4, ipv6] = [await newIp(), await newIp({ name: "hel1-v6", type: "ipv6" })];
    const { body } = await cloud.call(
      "POST",
      "/servers",
      aServer({
        ssh_keys: [ssh_key.id],
        labels: { stack: "lab" },
        public_net: { enable_ipv4: true, enable_ipv6: true, ipv4: ipv4.id, ipv6: ipv6.id },
      }),
    );
    expect(body).toMatchObject({
      root_password: null,
      action: { command: "create_server", status: "running" },
      next_actions: [{ command: "start_server", status: "running" }],
      server: {
        name: "hel1",
        status: "initializing",
        locked: true,
        location: { name: "hel1" },
        image: { name: "debian-13", architecture: "x86" },
        server_type: { name: "cx23" },
        primary_disk_size: 40,
        labels: { stack: "lab" },
        public_net: {
          ipv4: { id: ipv4.id, ip: "203.0.113.1", dns_ptr: "static.1.113.0.203.clients.your-server.de" },
          ipv6: { id: ipv6.id, ip: "2001:db8:c000:1::/64", dns_ptr: [] },
        },
      },
    });
    expect(body.server.datacenter).toBeUndefined();
    await cloud.api.settled();
    expect(await read(body.server)).toMatchObject({ status: "running", locked: false });
    expect(cloud.room.machineCalls()).toEqual([
      "setFirewall none",
      "boot hel1 debian-13 hel1 203.0.113.1 2001:db8:c000:1::/64 keys=1",
    ]);
    expect((await cloud.call("GET", `/primary_ips/${ipv4.id}`)).body.primary_ip.assignee_id).toBe(body.server.id);
  });

  it("makes primary IPs that go with the server when none are named, and a root password without a key", async () => {
    const { server, root_password } = await cloud.done("POST", "/servers", aServer());
    expect(root_password).toHaveLength(20);
    expect(cloud.api.state.primaryIps).toMatchObject([
      { type: "ipv4", autoDelete: true, assigneeId: server.id },
      { type: "ipv6", autoDelete: true, assigneeId: server.id },
    ]);
    await cloud.done("DELETE", `/servers/${server.id}`);
    expect(cloud.api.state.primaryIps).toEqual([]);
  });

  it("does not boot a server that shall not start; its first power-on does", async () => {
    const { server, next_actions } = await cloud.done("POST", "/servers", aServer({ start_after_create: false }));
    expect(next_actions).toEqual([]);
    expect(await read(server)).toMatchObject({ status: "off" });
    expect(cloud.room.machineCalls()).toEqual(["setFirewall none"]);
    await act(server, "poweron");
    expect(cloud.room.machineCalls().at(-1)).toContain("boot hel1");
    expect((await read(server)).status).toBe("running");
  });

  it("takes names and ids, as numbers and as strings, and the location of the primary IP", async () => {
    const ip = await newIp({ location: "nbg1" });
    const server = await newServer({
      server_type: 114,
      image: "310557660",
      location: undefined,
      public_net: { ipv4: ip.id },
    });
    expect(server).toMatchObject({
      server_type: { name: "cx23" },
      image: { name: "debian-13" },
      location: { name: "nbg1" },
    });
    expect(await newServer({ name: "b", location: "1" })).toMatchObject({ location: { name: "fsn1" } });
  });

  it("takes the image for the server type's architecture", async () => {
    expect(await newServer({ server_type: "cax11" })).toMatchObject({
      image: { name: "debian-13", architecture: "arm" },
    });
  });

  it.each([
    ["a name that is no host name", { name: "under_score" }, 422, "invalid_input"],
    ["no name", { name: undefined }, 422, "invalid_input"],
    ["a server type that does not exist", { server_type: "cx99" }, 422, "invalid_input"],
    ["a server type that is gone", { server_type: "cx22" }, 412, "resource_unavailable"],
    ["a location without that server type", { location: "ash" }, 422, "invalid_input"],
    ["an image that does not exist", { image: "windows" }, 422, "invalid_input"],
    ["a datacenter", { location: undefined, datacenter: "hel1-dc2" }, 422, "invalid_input"],
    ["an SSH key that does not exist", { ssh_keys: ["nobody"] }, 422, "invalid_input"],
    ["a firewall that does not exist", { firewalls: [{ firewall: 1 }] }, 404, "not_found"],
    ["a primary IP that does not exist", { public_net: { ipv4: 1 } }, 422, "invalid_input"],
    ["user data over 32 KiB", { user_data: "x".repeat(32 * 1024 + 1) }, 422, "invalid_input"],
    ["no network at all", { public_net: { enable_ipv4: false, enable_ipv6: false } }, 422, "invalid_input"],
    ["a primary IP for a disabled family", { public_net: { enable_ipv4: false, ipv4: 1 } }, 422, "invalid_input"],
    ["a private network", { networks: [1] }, 422, "invalid_input"],
  ])("is refused with %s, and leaves nothing behind", async (_case, more, status, code) => {
    expect(await codeOf("POST", "/servers", aServer(more))).toEqual([status, code]);
    expect([cloud.api.state.servers, cloud.api.state.primaryIps, cloud.room.calls]).toEqual([[], [], []]);
  });

  it("takes user data of exactly 32 KiB", async () => {
    await newServer({ user_data: "x".repeat(32 * 1024) });
  });

  it("is refused with a primary IP that does not fit", async () => {
    const [ipv4, far] = [await newIp(), await newIp({ name: "far", location: "ash" })];
    expect(await codeOf("POST", "/servers", aServer({ public_net: { ipv6: ipv4.id } }))).toEqual([
      422,
      "primary_ip_version_mismatch",
    ]);
    expect(await codeOf("POST", "/servers", aServer({ public_net: { ipv4: far.id } }))).toEqual([
      422,
      "primary_ip_datacenter_mismatch",
    ]);
    await newServer({ public_net: { ipv4: ipv4.id } });
    expect(await codeOf("POST", "/servers", aServer({ name: "b", public_net: { ipv4: ipv4.id } }))).toEqual([
      422,
      "primary_ip_assigned",
    ]);
  });

  it("is refused with a taken name and beyond the limits, without using up addresses", async () => {
    const small = await startHarness({ limits: { servers: 1, primary_ips: 3 } });
    await small.done("POST", "/servers", aServer());
    const codes = [
      await small.call("POST", "/servers", aServer()),
      await small.call("POST", "/servers", aServer({ name: "b" })),
    ];
    expect(codes.map(({ body }) => body.error.code)).toEqual(["uniqueness_error", "resource_limit_exceeded"]);
    expect(small.api.state.primaryIps).toHaveLength(2);
    await small.stop();
    const tight = await startHarness({ limits: { primary_ips: 1 } });
    expect((await tight.call("POST", "/servers", aServer())).body.error.details).toEqual({
      limits: [{ name: "primary_ip_limit" }],
    });
    expect([tight.api.state.servers, tight.api.state.primaryIps]).toEqual([[], []]);
    await tight.stop();
  });

  it("ends its start in an error when the machine does not boot; the server stays, off", async () => {
    cloud.room.failNext("boot", "no space left on device");
    const { server, next_actions } = await cloud.done("POST", "/servers", aServer());
    expect((await cloud.call("GET", `/actions/${next_actions[0]?.id}`)).body.action.error).toEqual({
      code: "action_failed",
      message: "no space left on device",
    });
    expect((await read(server)).status).toBe("off");
    await act(server, "poweron");
    expect((await read(server)).status).toBe("running");
  });
});

describe("deleting a server", () => {
  it("erases the machine, keeps primary IPs that shall stay, and frees them only then", async () => {
    const ip = await newIp();
    const server = await newServer({ public_net: { ipv4: ip.id } });
    const release = cloud.room.holdNext("erase");
    const { status, body } = await cloud.call("DELETE", `/servers/${server.id}`);
    expect([status, body.action.command, body.action.status]).toEqual([200, "delete_server", "running"]);
    expect(await codeOf("GET", `/servers/${server.id}`)).toEqual([404, "not_found"]);
    expect(await codeOf("DELETE", `/primary_ips/${ip.id}`)).toEqual([422, "must_be_unassigned"]);
    release();
    await cloud.api.settled();
    expect(cloud.room.machineCalls().at(-1)).toBe("erase");
    expect((await cloud.call("GET", "/primary_ips")).body.primary_ips).toMatchObject([
      { id: ip.id, ip: ip.ip, assignee_id: null, assignee_type: "unassigned" },
    ]);
    expect((await newServer({ public_net: { ipv4: ip.id } })).public_net.ipv4.ip).toBe(ip.ip);
  });

  it("is refused while the server is protected", async () => {
    const server = await newServer();
    await act(server, "change_protection", { delete: true, rebuild: true });
    expect(await read(server)).toMatchObject({ protection: { delete: true, rebuild: true } });
    expect(await codeOf("DELETE", `/servers/${server.id}`)).toEqual([423, "protected"]);
    expect(await codeOf("POST", `/servers/${server.id}/actions/rebuild`, { image: "debian-13" })).toEqual([
      423,
      "protected",
    ]);
    expect(await codeOf("POST", `/servers/${server.id}/actions/change_protection`, { delete: false })).toEqual([
      422,
      "invalid_input",
    ]);
    await act(server, "change_protection", { delete: false, rebuild: false });
    await cloud.done("DELETE", `/servers/${server.id}`);
  });

  it("frees the addresses even if the room cannot erase the machine", async () => {
    const ip = await newIp();
    const server = await newServer({ public_net: { ipv4: ip.id } });
    cloud.room.failNext("erase", "still mounted");
    const { action } = await cloud.done("DELETE", `/servers/${server.id}`);
    expect((await cloud.call("GET", `/actions/${action.id}`)).body.action.status).toBe("error");
    expect((await cloud.call("GET", `/primary_ips/${ip.id}`)).body.primary_ip.assignee_id).toBeNull();
  });
});

describe("power", () => {
  it("goes off and on, gently and hard", async () => {
    const server = await newServer();
    await act(server, "shutdown");
    expect((await read(server)).status).toBe("off");
    await act(server, "poweron");
    await act(server, "reboot");
    await act(server, "reset");
    await act(server, "poweroff");
    await act(server, "poweroff");
    expect((await read(server)).status).toBe("off");
    expect(cloud.room.machineCalls().slice(2)).toEqual([
      "power shutdown",
      "power on",
      "power reboot",
      "power reboot",
      "power off",
    ]);
  });

  it("takes a shutdown as passed on, even if the system stays up", async () => {
    const server = await newServer();
    cloud.room.failNext("power", "still up");
    const { action } = await act(server, "shutdown");
    expect((await cloud.call("GET", `/actions/${action.id}`)).body.action.status).toBe("success");
    expect((await read(server)).status).toBe("running");
  });

  it("refuses a second change while one runs", async () => {
    const release = cloud.room.holdNext("boot");
    const { body } = await cloud.call("POST", "/servers", aServer());
    const path = `/servers/${body.server.id}`;
    expect(await codeOf("POST", `${path}/actions/poweroff`)).toEqual([423, "locked"]);
    expect(await codeOf("DELETE", path)).toEqual([423, "locked"]);
    release();
    await cloud.api.settled();
    expect((await cloud.call("DELETE", path)).status).toBe(200);
    await cloud.api.settled();
  });
});

describe("a server", () => {
  it("is rebuilt from another image, with its user data or new ones", async () => {
    const server = await newServer({ user_data: "#cloud-config\na: 1\n" });
    await act(server, "rebuild", { image: "debian-12" });
    expect(await read(server)).toMatchObject({ status: "running", image: { name: "debian-12" } });
    expect(cloud.api.state.servers[0]?.userData).toBe("#cloud-config\na: 1\n");
    await act(server, "rebuild", { image: "debian-13", user_data: "#cloud-config\na: 2\n" });
    expect(cloud.api.state.servers[0]?.userData).toBe("#cloud-config\na: 2\n");
    expect(cloud.room.machineCalls().slice(2, 5)).toEqual([
      "erase",
      "setFirewall none",
      expect.stringContaining("boot hel1 debian-12"),
    ]);
    expect(await codeOf("POST", `/servers/${server.id}/actions/rebuild`, { image: "windows" })).toEqual([
      422,
      "invalid_input",
    ]);
  });

  it("changes its type while it is off, and is started again", async () => {
    const server = await newServer();
    const change = { server_type: "cx33", upgrade_disk: false };
    expect(await codeOf("POST", `/servers/${server.id}/actions/change_type`, change)).toEqual([
      422,
      "server_not_stopped",
    ]);
    await act(server, "poweroff");
    await act(server, "change_type", change);
    expect(await read(server)).toMatchObject({
      server_type: { name: "cx33" },
      primary_disk_size: 40,
      status: "running",
    });
    await act(server, "poweroff");
    expect(
      await codeOf("POST", `/servers/${server.id}/actions/change_type`, { server_type: "cax11", upgrade_disk: false }),
    ).toEqual([422, "invalid_server_type"]);
  });

  it("changes name and labels", async () => {
    const server = await newServer();
    await newServer({ name: "other" });
    expect(await codeOf("PUT", `/servers/${server.id}`, { name: "other" })).toEqual([409, "uniqueness_error"]);
    expect(await codeOf("PUT", `/servers/${server.id}`, { name: "-" })).toEqual([422, "invalid_input"]);
    const { server: changed } = await cloud.done("PUT", `/servers/${server.id}`, { name: "new", labels: { a: "b" } });
    expect(changed).toMatchObject({ name: "new", labels: { a: "b" } });
    expect((await cloud.call("GET", "/servers?status=running&name=new")).body.servers).toHaveLength(1);
    expect((await cloud.call("GET", "/servers?status=off")).body.servers).toEqual([]);
  });

  it("has backups, a console, and reverse names of its own addresses", async () => {
    const server = await newServer();
    await act(server, "enable_backup");
    expect((await read(server)).backup_window).toBe("22-02");
    await act(server, "disable_backup");
    expect((await read(server)).backup_window).toBeNull();
    expect((await act(server, "request_console")).wss_url).toMatch(/^wss:/);
    await act(server, "change_dns_ptr", { ip: "2001:db8:c000:1::1", dns_ptr: "hel1.example.org" });
    expect((await read(server)).public_net.ipv6.dns_ptr).toEqual([
      { ip: "2001:db8:c000:1::1", dns_ptr: "hel1.example.org" },
    ]);
    expect(
      await codeOf("POST", `/servers/${server.id}/actions/change_dns_ptr`, {
        ip: "198.51.100.1",
        dns_ptr: "a.example.org",
      }),
    ).toEqual([422, "invalid_input"]);
  });

  it("says which actions are not part of the fake", async () => {
    const server = await newServer();
    expect(await codeOf("POST", `/servers/${server.id}/actions/enable_rescue`, {})).toEqual([422, "unsupported_error"]);
  });
});
