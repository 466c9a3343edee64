// test/unit/hetznerPrimaryIps.test.ts: SSH keys and primary IPs of the fake Hetzner Cloud.
import {
  aPrimaryIp,
  aPublicKey,
  anotherPublicKey,
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

const newIp = async (more: object = {}): Promise<Json> =>
  (await cloud.done("POST", "/primary_ips", aPrimaryIp(more))).primary_ip;
const codeOf = async (method: string, path: string, body?: unknown) => {
  const answer = await cloud.call(method, path, body);
  return [answer.status, answer.body.error?.code];
};

describe("SSH keys", () => {
  it("are stored without the space around them, with their MD5 fingerprint", async () => {
    const { ssh_key } = await cloud.done("POST", "/ssh_keys", {
      name: "a",
      public_key: ` ${aPublicKey}\n`,
      labels: { stack: "lab" },
    });
    expect(ssh_key).toMatchObject({ public_key: aPublicKey, labels: { stack: "lab" } });
    expect(ssh_key.fingerprint).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
    expect((await cloud.call("GET", `/ssh_keys?fingerprint=${ssh_key.fingerprint}`)).body.ssh_keys).toHaveLength(1);
  });

  it("are refused when the same key is there under another name", async () => {
    await cloud.done("POST", "/ssh_keys", { name: "a", public_key: aPublicKey });
    const { status, body } = await cloud.call("POST", "/ssh_keys", {
      name: "b",
      public_key: aPublicKey.replace("operator", "someone"),
    });
    expect([status, body.error.message, body.error.details]).toEqual([
      409,
      "SSH key with the same fingerprint already exists",
      { fields: [{ name: "public_key" }] },
    ]);
  });

  it.each([
    "ssh-ed25519 AAAA",
    "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
    "hello",
  ])("refuses %s as a key", async (public_key) => {
    expect(await codeOf("POST", "/ssh_keys", { name: "a", public_key })).toEqual([422, "invalid_input"]);
  });

  it("change name and labels, and go", async () => {
    const { ssh_key } = await cloud.done("POST", "/ssh_keys", { name: "a", public_key: aPublicKey });
    await cloud.done("POST", "/ssh_keys", { name: "b", public_key: anotherPublicKey });
    expect(await codeOf("PUT", `/ssh_keys/${ssh_key.id}`, { name: "b" })).toEqual([409, "uniqueness_error"]);
    const { ssh_key: changed } = await cloud.done("PUT", `/ssh_keys/${ssh_key.id}`, { name: "c", labels: { x: "" } });
    expect(changed).toMatchObject({ id: ssh_key.id, name: "c", labels: { x: "" } });
    expect(await codeOf("DELETE", `/ssh_keys/${ssh_key.id}`)).toEqual([204, undefined]);
    expect(await codeOf("GET", `/ssh_keys/${ssh_key.id}`)).toEqual([404, "not_found"]);
  });
});

describe("addresses", () => {
  it.each([
    [{ ipv4Range: "203.0.113.0/33" }, "ipv4Range"],
    [{ ipv4Range: "2001:db8::/36" }, "ipv4Range"],
    [{ ipv6Range: "2001:db8::/64" }, "ipv6Range"],
  ])("refuses to start with %j", async (options, name) => {
    await expect(startHarness(options)).rejects.toThrow(name);
  });

  it("come in order from the range, freed ones last, until none is left", async () => {
    const small = await startHarness({ ipv4Range: "203.0.113.10-203.0.113.11" });
    const make = async (name: string) => (await small.call("POST", "/primary_ips", aPrimaryIp({ name }))).body;
    const first = await make("a");
    await small.done("DELETE", `/primary_ips/${first.primary_ip.id}`);
    const answers = [await make("b"), await make("c"), await make("d")];
    await small.stop();
    expect(first.primary_ip.ip).toBe("203.0.113.10");
    expect(answers.map((body) => body.primary_ip?.ip ?? body.error.code)).toEqual([
      "203.0.113.11",
      "203.0.113.10",
      "resource_unavailable",
    ]);
  });
});

describe("primary IPs", () => {
  it("are an IPv4 address with a default reverse name", async () => {
    const ip = await newIp({ labels: { proxy: "hel1" } });
    expect(ip).toMatchObject({
      ip: "203.0.113.1",
      location: { name: "hel1", network_zone: "eu-central" },
      assignee_id: null,
      assignee_type: "unassigned",
      auto_delete: false,
      dns_ptr: [{ ip: "203.0.113.1", dns_ptr: "static.1.113.0.203.clients.your-server.de" }],
      labels: { proxy: "hel1" },
    });
    expect(ip.datacenter).toBeUndefined();
    expect(cloud.room.ptrs.get("203.0.113.1")).toBe("static.1.113.0.203.clients.your-server.de");
    expect((await cloud.call("GET", "/primary_ips?ip=203.0.113.1")).body.primary_ips).toHaveLength(1);
  });

  it("are an IPv6 network of 64 bits without reverse names", async () => {
    expect(await newIp({ type: "ipv6" })).toMatchObject({ ip: "2001:db8:c000:1::/64", dns_ptr: [] });
  });

  it("need a location or an assignee; a datacenter is not looked at any more", async () => {
    const { status, body } = await cloud.call("POST", "/primary_ips", {
      name: "a",
      type: "ipv4",
      datacenter: "hel1-dc2",
    });
    expect([status, body.error.message]).toEqual([422, "invalid input in fields 'assignee_id', 'location'"]);
    expect(body.error.details.fields[1]).toEqual({
      name: "location",
      messages: ["either assignee_id or location must be provided"],
    });
    expect(await codeOf("POST", "/primary_ips", aPrimaryIp({ location: "mars" }))).toEqual([422, "invalid_input"]);
  });

  it("have names of their own", async () => {
    await newIp();
    expect(await codeOf("POST", "/primary_ips", aPrimaryIp())).toEqual([409, "uniqueness_error"]);
  });

  it("stay while they are protected, and cannot be protected while they would go with a server", async () => {
    const ip = await newIp();
    await cloud.done("POST", `/primary_ips/${ip.id}/actions/change_protection`, { delete: true });
    expect(await codeOf("DELETE", `/primary_ips/${ip.id}`)).toEqual([423, "protected"]);
    expect(await codeOf("PUT", `/primary_ips/${ip.id}`, { auto_delete: true })).toEqual([422, "invalid_input"]);
    await cloud.done("POST", `/primary_ips/${ip.id}/actions/change_protection`, { delete: false });
    const { primary_ip } = await cloud.done("PUT", `/primary_ips/${ip.id}`, {
      auto_delete: true,
      name: "new",
      labels: { a: "b" },
    });
    expect(primary_ip).toMatchObject({ auto_delete: true, name: "new", labels: { a: "b" }, ip: ip.ip });
    expect(await codeOf("POST", `/primary_ips/${ip.id}/actions/change_protection`, { delete: true })).toEqual([
      422,
      "invalid_input",
    ]);
  });

  it("lose their reverse names when they go", async () => {
    const ip = await newIp();
    await cloud.done("DELETE", `/primary_ips/${ip.id}`);
    expect(cloud.room.ptrs.size).toBe(0);
  });
});

describe("reverse names", () => {
  it("change, and fall back to the default", async () => {
    const ip = await newIp();
    const change = (dns_ptr: string | null) =>
      cloud.done("POST", `/primary_ips/${ip.id}/actions/change_dns_ptr`, { ip: ip.ip, dns_ptr });
    await change("chat.example.org");
    expect(cloud.room.ptrs.get(ip.ip)).toBe("chat.example.org");
    expect((await cloud.call("GET", `/primary_ips/${ip.id}`)).body.primary_ip.dns_ptr).toEqual([
      { ip: ip.ip, dns_ptr: "chat.example.org" },
    ]);
    await change(null);
    expect(cloud.room.ptrs.get(ip.ip)).toBe("static.1.113.0.203.clients.your-server.de");
  });

  it("belong to single addresses of an IPv6 network, found in any spelling", async () => {
    const ip = await newIp({ type: "ipv6" });
    const change = (address: string, dns_ptr: string | null) =>
      cloud.call("POST", `/primary_ips/${ip.id}/actions/change_dns_ptr`, { ip: address, dns_ptr });
    await change("2001:DB8:C000:1:0::1", "chat.example.org");
    await cloud.api.settled();
    expect((await cloud.call("GET", `/primary_ips/${ip.id}`)).body.primary_ip.dns_ptr).toEqual([
      { ip: "2001:db8:c000:1::1", dns_ptr: "chat.example.org" },
    ]);
    expect((await change("2001:db8:c000:2::1", "x.example.org")).body.error.code).toBe("invalid_input");
    expect((await change(ip.ip, "x.example.org")).body.error.code).toBe("invalid_input");
    expect((await change("2001:db8:c000:1::1", "no host")).body.error.code).toBe("invalid_input");
    await change("2001:db8:c000:1::1", null);
    await cloud.api.settled();
    expect(cloud.room.ptrs.has("2001:db8:c000:1::1")).toBe(false);
  });

  it("end their action in an error when the name server fails", async () => {
    const ip = await newIp();
    cloud.room.failNext("setPtr", "zone is read-only");
    const { action } = await cloud.done("POST", `/primary_ips/${ip.id}/actions/change_dns_ptr`, {
      ip: ip.ip,
      dns_ptr: "a.example.org",
    });
    expect((await cloud.call("GET", `/actions/${action.id}`)).body.action.error).toEqual({
      code: "action_failed",
      message: "zone is read-only",
    });
    expect(cloud.trouble).toEqual([`change_dns_ptr (action ${action.id}): zone is read-only`]);
  });
});

describe("assigning", () => {
  async function serverOff(more: object = {}): Promise<Json> {
    const body = aServer({
      start_after_create: false,
      public_net: { enable_ipv4: false, enable_ipv6: false },
      ...more,
    });
    return (await cloud.done("POST", "/servers", body)).server;
  }
  const assign = (ip: Json, server: { id: number }) =>
    codeOf("POST", `/primary_ips/${ip.id}/actions/assign`, { assignee_id: server.id, assignee_type: "server" });

  it("gives a server that is off an address, and takes it back", async () => {
    const server = await serverOff();
    const ip = await newIp();
    expect(await assign(ip, server)).toEqual([201, undefined]);
    await cloud.api.settled();
    expect((await cloud.call("GET", `/servers/${server.id}`)).body.server.public_net.ipv4).toMatchObject({
      id: ip.id,
      ip: ip.ip,
    });
    expect((await cloud.call("GET", `/primary_ips/${ip.id}`)).body.primary_ip).toMatchObject({
      assignee_id: server.id,
      assignee_type: "server",
    });
    expect(await codeOf("DELETE", `/primary_ips/${ip.id}`)).toEqual([422, "must_be_unassigned"]);
    await cloud.done("POST", `/primary_ips/${ip.id}/actions/unassign`);
    expect((await cloud.call("GET", `/servers/${server.id}`)).body.server.public_net.ipv4).toBeNull();
    expect(await codeOf("DELETE", `/primary_ips/${ip.id}`)).toEqual([204, undefined]);
  });

  it("tells the room when the machine exists already", async () => {
    const server = (await cloud.done("POST", "/servers", aServer({ public_net: { enable_ipv6: false } }))).server;
    const other = await newIp();
    const own = server.public_net.ipv4.id;
    expect(await codeOf("POST", `/primary_ips/${own}/actions/unassign`)).toEqual([422, "server_not_stopped"]);
    await cloud.done("POST", `/servers/${server.id}/actions/poweroff`);
    expect(await assign(other, server)).toEqual([422, "server_has_ipv4"]);
    await cloud.done("POST", `/primary_ips/${own}/actions/unassign`);
    await cloud.done("POST", `/primary_ips/${other.id}/actions/assign`, {
      assignee_id: server.id,
      assignee_type: "server",
    });
    await cloud.done("POST", `/servers/${server.id}/actions/poweron`);
    expect(cloud.room.machineCalls().slice(2)).toEqual([
      "power off",
      "setAddresses - -",
      `setAddresses ${other.ip} -`,
      "power on",
    ]);
  });

  it("is refused with the reason", async () => {
    const server = await serverOff();
    const elsewhere = await serverOff({ name: "ash1", server_type: "cpx11", location: "ash" });
    const running = (await cloud.done("POST", "/servers", aServer({ name: "up", public_net: { enable_ipv4: false } })))
      .server;
    const ip = await newIp();
    expect(await assign(ip, elsewhere)).toEqual([422, "primary_ip_datacenter_mismatch"]);
    expect(await assign(ip, running)).toEqual([422, "server_not_stopped"]);
    expect(await assign(ip, { id: 1 })).toEqual([404, "not_found"]);
    await cloud.done("POST", `/primary_ips/${ip.id}/actions/assign`, {
      assignee_id: server.id,
      assignee_type: "server",
    });
    expect(await assign(ip, server)).toEqual([422, "primary_ip_already_assigned"]);
    expect(await codeOf("POST", `/primary_ips/${(await newIp({ name: "b" })).id}/actions/unassign`)).toEqual([
      422,
      "invalid_input",
    ]);
  });

  it("works while the primary IP is made", async () => {
    const server = await serverOff();
    const { primary_ip, action } = await cloud.done("POST", "/primary_ips", {
      name: "a",
      type: "ipv6",
      assignee_id: server.id,
      assignee_type: "server",
      auto_delete: true,
    });
    expect(action).toMatchObject({ command: "assign_primary_ip", status: "running" });
    expect(primary_ip).toMatchObject({ assignee_id: server.id, location: { name: "hel1" } });
    await cloud.done("DELETE", `/servers/${server.id}`);
    expect(cloud.api.state.primaryIps).toEqual([]);
  });
});
