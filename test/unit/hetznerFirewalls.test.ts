// test/unit/hetznerFirewalls.test.ts: firewalls of the fake Hetzner Cloud: rules, where they apply, what the room is told.
import { aRule, aServer, expectPublishedForms, startHarness, type Harness, type Json } from "./hetznerHarness";

let cloud: Harness;
beforeEach(async () => (cloud = await startHarness()));
afterEach(async () => {
  expectPublishedForms(cloud);
  await cloud.stop();
});

const newFirewall = async (more: object = {}): Promise<Json> =>
  (await cloud.done("POST", "/firewalls", { name: "proxies", rules: [aRule()], ...more })).firewall;
const newServer = async (more: object = {}): Promise<Json> =>
  (await cloud.done("POST", "/servers", aServer(more))).server;
const onServer = (server: Json) => ({ type: "server", server: { id: server.id } });
const onLabel = (selector: string) => ({ type: "label_selector", label_selector: { selector } });
const codeOf = async (method: string, path: string, body?: unknown) => {
  const answer = await cloud.call(method, path, body);
  return [answer.status, answer.body.error?.code];
};

describe("rules", () => {
  it("come back in canonical form, with every field", async () => {
    const firewall = await newFirewall({
      rules: [
        aRule({ port: "1024-5000", source_ips: ["2001:0DB8::/32"] }),
        { direction: "out", protocol: "icmp", destination_ips: ["0.0.0.0/0"], description: "ping" },
      ],
    });
    expect(firewall.rules).toEqual([
      {
        direction: "in",
        protocol: "tcp",
        port: "1024-5000",
        source_ips: ["2001:db8::/32"],
        destination_ips: [],
        description: null,
      },
      {
        direction: "out",
        protocol: "icmp",
        port: null,
        source_ips: [],
        destination_ips: ["0.0.0.0/0"],
        description: "ping",
      },
    ]);
  });

  it.each([
    ["a port on icmp", aRule({ protocol: "icmp" }), "rules.0.port"],
    ["no port on tcp", aRule({ port: undefined }), "rules.0.port"],
    ["a port of 0", aRule({ port: "0" }), "rules.0.port"],
    ["a range upside down", aRule({ port: "90-80" }), "rules.0.port"],
    ["an address with host bits", aRule({ source_ips: ["10.0.0.1/8"] }), "rules.0.source_ips"],
    ["no source", aRule({ source_ips: [] }), "rules.0.source_ips"],
    ["a destination on a rule for in", aRule({ destination_ips: ["::/0"] }), "rules.0.destination_ips"],
    ["an unknown protocol", aRule({ protocol: "sctp" }), "rules.0.protocol"],
    ["an unknown direction", aRule({ direction: "up" }), "rules.0.direction"],
    ["a long description", aRule({ description: "x".repeat(256) }), "rules.0.description"],
  ])("are refused with %s", async (_case, rule, field) => {
    const { body } = await cloud.call("POST", "/firewalls", { name: "a", rules: [rule] });
    expect(body.error.details.fields.map((one: { name: string }) => one.name)).toContain(field);
  });

  it("are at most 50", async () => {
    expect(await codeOf("POST", "/firewalls", { name: "a", rules: Array.from({ length: 51 }, () => aRule()) })).toEqual(
      [422, "invalid_input"],
    );
  });

  it("are replaced on every server that has the firewall", async () => {
    const firewall = await newFirewall();
    await newServer({ firewalls: [{ firewall: firewall.id }] });
    const { actions } = await cloud.done("POST", `/firewalls/${firewall.id}/actions/set_rules`, {
      rules: [aRule({ port: "443" })],
    });
    expect(actions.map((action: { command: string }) => action.command)).toEqual([
      "set_firewall_rules",
      "apply_firewall",
    ]);
    await cloud.done("POST", `/firewalls/${firewall.id}/actions/set_rules`, { rules: [] });
    expect(cloud.room.machineCalls().filter((call) => call.startsWith("setFirewall"))).toEqual([
      "setFirewall in:tcp:25",
      "setFirewall in:tcp:443",
      "setFirewall",
    ]);
    expect(await codeOf("POST", `/firewalls/${firewall.id}/actions/set_rules`, {})).toEqual([422, "invalid_input"]);
  });
});

describe("applying", () => {
  it("reaches the link before the server's first boot", async () => {
    const firewall = await newFirewall();
    const server = await newServer({ firewalls: [{ firewall: firewall.id }] });
    expect(cloud.room.machineCalls()).toEqual(["setFirewall in:tcp:25", expect.stringContaining("boot hel1")]);
    expect(server.public_net.firewalls).toEqual([{ id: firewall.id, status: "applied" }]);
    expect((await cloud.call("GET", `/firewalls/${firewall.id}`)).body.firewall.applied_to).toEqual([onServer(server)]);
  });

  it("adds up the rules of several firewalls, and opens all when the last is gone", async () => {
    const [first, second] = [await newFirewall(), await newFirewall({ name: "web", rules: [aRule({ port: "443" })] })];
    const server = await newServer({ firewalls: [{ firewall: first.id }] });
    const { actions } = await cloud.done("POST", `/firewalls/${second.id}/actions/apply_to_resources`, {
      apply_to: [onServer(server)],
    });
    expect(actions).toMatchObject([
      {
        command: "apply_firewall",
        resources: [
          { id: server.id, type: "server" },
          { id: second.id, type: "firewall" },
        ],
      },
    ]);
    for (const firewall of [first, second])
      await cloud.done("POST", `/firewalls/${firewall.id}/actions/remove_from_resources`, {
        remove_from: [onServer(server)],
      });
    expect(cloud.room.machineCalls().filter((call) => call.startsWith("setFirewall"))).toEqual([
      "setFirewall in:tcp:25",
      "setFirewall in:tcp:25,in:tcp:443",
      "setFirewall in:tcp:443",
      "setFirewall none",
    ]);
  });

  it("is pending while its action runs", async () => {
    const slow = await startHarness({ actionDelayMs: 500 });
    const { server } = await slow.done("POST", "/servers", aServer());
    const { body } = await slow.call("POST", "/firewalls", { name: "a", rules: [], apply_to: [onServer(server)] });
    expect(body.actions).toMatchObject([{ command: "apply_firewall", status: "running" }]);
    expect((await slow.call("GET", `/servers/${server.id}`)).body.server.public_net.firewalls).toEqual([
      { id: body.firewall.id, status: "pending" },
    ]);
    await slow.api.settled();
    expect((await slow.call("GET", `/servers/${server.id}`)).body.server.public_net.firewalls[0]?.status).toBe(
      "applied",
    );
    await slow.stop();
  });

  it("follows a label selector as servers and labels come and go", async () => {
    const firewall = await newFirewall({ apply_to: [onLabel("role=proxy")] });
    const server = await newServer({ labels: { role: "proxy" } });
    const read = async () =>
      (await cloud.call("GET", `/firewalls/${firewall.id}`)).body.firewall.applied_to[0]?.applied_to_resources;
    expect(await read()).toEqual([onServer(server)]);
    await cloud.done("PUT", `/servers/${server.id}`, { labels: { role: "relay" } });
    expect(await read()).toEqual([]);
    expect(cloud.room.machineCalls().at(-1)).toBe("setFirewall none");
    await cloud.done("PUT", `/servers/${server.id}`, { labels: { role: "proxy" } });
    const path = `/firewalls/${firewall.id}/actions/remove_from_resources`;
    expect(await codeOf("POST", path, { remove_from: [onServer(server)] })).toEqual([
      422,
      "firewall_managed_by_label_selector",
    ]);
    expect(await codeOf("POST", path, { remove_from: [onLabel("role=other")] })).toEqual([
      404,
      "firewall_resource_not_found",
    ]);
    await cloud.done("POST", path, { remove_from: [onLabel("role=proxy")] });
    expect(cloud.room.machineCalls().at(-1)).toBe("setFirewall none");
  });

  it("is refused with the reason", async () => {
    const firewall = await newFirewall();
    const server = await newServer();
    const path = `/firewalls/${firewall.id}/actions/apply_to_resources`;
    const missing = { type: "server", server: { id: 1 } };
    expect(await codeOf("POST", path, { apply_to: [missing] })).toEqual([404, "firewall_resource_not_found"]);
    expect(await codeOf("POST", "/firewalls", { name: "b", apply_to: [missing] })).toEqual([
      422,
      "firewall_resource_not_found",
    ]);
    expect(await codeOf("POST", path, { apply_to: [onServer(server), onServer(server)] })).toEqual([
      422,
      "server_already_added",
    ]);
    expect(await codeOf("POST", path, { apply_to: [{ type: "server" }] })).toEqual([422, "invalid_input"]);
    expect(await codeOf("POST", path, { apply_to: [onLabel("a in")] })).toEqual([422, "invalid_input"]);
    await cloud.done("POST", path, { apply_to: [onServer(server)] });
    expect(await codeOf("POST", path, { apply_to: [onServer(server)] })).toEqual([422, "firewall_already_applied"]);
    const hidden = await newServer({
      name: "hidden",
      start_after_create: false,
      public_net: { enable_ipv4: false, enable_ipv6: false },
    });
    expect(await codeOf("POST", path, { apply_to: [onServer(hidden)] })).toEqual([422, "private_net_only_server"]);
  });

  it("allows five firewalls on a server", async () => {
    const server = await newServer();
    for (const name of ["a", "b", "c", "d", "e"]) await newFirewall({ name, apply_to: [onServer(server)] });
    expect(await codeOf("POST", "/firewalls", { name: "f", apply_to: [onServer(server)] })).toEqual([
      403,
      "resource_limit_exceeded",
    ]);
  });

  it("takes the removal from a server without the firewall as done", async () => {
    const [firewall, server] = [await newFirewall(), await newServer()];
    const body = { remove_from: [onServer(server)] };
    expect((await cloud.done("POST", `/firewalls/${firewall.id}/actions/remove_from_resources`, body)).actions).toEqual(
      [],
    );
  });
});

it("refuses to delete a firewall in use, and lets a deleted server free it", async () => {
  const firewall = await newFirewall();
  const server = await newServer({ firewalls: [{ firewall: firewall.id }] });
  expect(await codeOf("DELETE", `/firewalls/${firewall.id}`)).toEqual([422, "resource_in_use"]);
  await cloud.done("DELETE", `/servers/${server.id}`);
  expect(await codeOf("DELETE", `/firewalls/${firewall.id}`)).toEqual([204, undefined]);
});

it("changes a firewall's name and labels", async () => {
  const firewall = await newFirewall();
  await newFirewall({ name: "other" });
  expect(await codeOf("PUT", `/firewalls/${firewall.id}`, { name: "other" })).toEqual([409, "uniqueness_error"]);
  const { firewall: changed } = await cloud.done("PUT", `/firewalls/${firewall.id}`, {
    name: "new",
    labels: { a: "b" },
  });
  expect(changed).toMatchObject({ id: firewall.id, name: "new", labels: { a: "b" }, rules: firewall.rules });
  expect((await cloud.call("GET", "/firewalls?label_selector=a")).body.firewalls).toHaveLength(1);
});
