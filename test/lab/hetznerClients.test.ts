// test/lab/hetznerClients.test.ts: clients that others wrote, on the fake Hetzner Cloud: Debian's hcloud-cli and
// python3-hcloud, over loopback.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aPublicKey, expectPublishedForms, startHarness, token, type Harness, type Json } from "../unit/hetznerHarness";

interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

// hcloud-cli looks at progress about once a second, whatever its poll interval.
jest.setTimeout(60_000);

// Debian's own, wherever another python3 may stand earlier in PATH.
const debianPython = "/usr/bin/python3";

let cloud: Harness;
let folder: string;

beforeAll(async () => {
  const problems = [
    (await run("hcloud", ["version"])).status === 0 ? [] : ["hcloud"],
    (await run(debianPython, ["-c", "import hcloud"])).status === 0 ? [] : [`the module hcloud of ${debianPython}`],
  ].flat();
  if (problems.length > 0)
    throw new Error(`${problems.join(" and ")} not found; install the packages hcloud-cli and python3-hcloud`);
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hetzner-clients-"));
  cloud = await startHarness();
});

afterEach(async () => {
  // Not started when the clients are missing.
  if (cloud === undefined) return;
  await cloud.api.settled();
  expectPublishedForms(cloud);
  await cloud.stop();
  rmSync(folder, { recursive: true });
});

/** Without the rest of the environment: no proxy and no one's real token. */
function run(program: string, args: string[], input = ""): Promise<Outcome> {
  const env = {
    PATH: process.env["PATH"],
    HOME: folder,
    HCLOUD_TOKEN: token,
    HCLOUD_ENDPOINT: cloud?.endpoint ?? "http://127.0.0.1:9/v1",
    LC_ALL: "C.UTF-8",
  };
  return new Promise((resolve) => {
    const child = execFile(program, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === "number" ? error.code : 127;
      resolve({ status, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

/** hcloud's output; an error answer throws with its text. */
async function hcloud(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run("hcloud", ["--poll-interval", "20ms", ...args]);
  if (status !== 0) throw new Error(`hcloud ${args.join(" ")}: ${stderr.trim()}`);
  return stdout;
}

const describeJson = async (kind: string, name: string): Promise<Json> =>
  JSON.parse(await hcloud(kind, "describe", name, "-o", "json")) as Json;

describe("hcloud-cli", () => {
  it("lists the fixed facts", async () => {
    expect(await hcloud("location", "list", "-o", "columns=name", "-o", "noheader")).toBe(
      "fsn1\nnbg1\nhel1\nash\nhil\nsin\n",
    );
    expect(await hcloud("datacenter", "list")).toContain("hel1-dc2");
    expect(await hcloud("image", "list")).toContain("debian-13");
    expect((await describeJson("server-type", "cx23")).name).toBe("cx23");
  });

  it("makes, changes and deletes an SSH key", async () => {
    writeFileSync(join(folder, "key.pub"), `${aPublicKey}\n`);
    await hcloud(
      "ssh-key",
      "create",
      "--name",
      "operator",
      "--public-key-from-file",
      join(folder, "key.pub"),
      "--label",
      "stack=lab",
    );
    await hcloud("ssh-key", "update", "operator", "--name", "op");
    await hcloud("ssh-key", "add-label", "op", "a=b");
    expect(await describeJson("ssh-key", "op")).toMatchObject({
      public_key: aPublicKey,
      labels: { stack: "lab", a: "b" },
    });
    await hcloud("ssh-key", "delete", "op");
    await expect(hcloud("ssh-key", "describe", "op")).rejects.toThrow("not found");
  });

  it("takes a server through its life", async () => {
    await hcloud(
      "server",
      "create",
      "--name",
      "hel1",
      "--type",
      "cx23",
      "--image",
      "debian-13",
      "--location",
      "hel1",
      "--label",
      "stack=lab",
    );
    expect(await hcloud("server", "ip", "hel1")).toBe("203.0.113.1\n");
    for (const action of ["poweroff", "poweron", "reboot", "reset", "enable-backup", "disable-backup"])
      await hcloud("server", action, "hel1");
    await hcloud("server", "shutdown", "hel1");
    await cloud.api.settled();
    await hcloud("server", "change-type", "hel1", "cx33");
    await hcloud("server", "set-rdns", "hel1", "--hostname", "chat.example.org", "--ip", "203.0.113.1");
    await hcloud("server", "rebuild", "hel1", "--image", "debian-12");
    await hcloud("server", "update", "hel1", "--name", "hel1b");
    await hcloud("server", "request-console", "hel1b");
    await hcloud("server", "enable-protection", "hel1b", "delete", "rebuild");
    await expect(hcloud("server", "delete", "hel1b")).rejects.toThrow("(protected");
    await hcloud("server", "disable-protection", "hel1b", "delete", "rebuild");
    expect(await describeJson("server", "hel1b")).toMatchObject({
      status: "running",
      server_type: { name: "cx33" },
      image: { name: "debian-12" },
      public_net: { ipv4: { dns_ptr: "chat.example.org" } },
    });
    expect(await hcloud("server", "list", "-l", "stack=lab", "-o", "columns=name", "-o", "noheader")).toBe("hel1b\n");
    await hcloud("server", "delete", "hel1b");
    await cloud.api.settled();
    expect(cloud.api.state).toMatchObject({ servers: [], primaryIps: [] });
  });

  it("moves a primary IP from one server to another", async () => {
    for (const name of ["one", "two"])
      await hcloud(
        "server",
        "create",
        "--name",
        name,
        "--type",
        "cx23",
        "--image",
        "debian-13",
        "--location",
        "hel1",
        "--start-after-create=false",
      );
    const [first, second] = [await describeJson("server", "one"), await describeJson("server", "two")];
    const [ip, other] = [String(first.public_net.ipv4.id), String(second.public_net.ipv4.id)];
    await hcloud("primary-ip", "update", ip, "--name", "stays", "--auto-delete=false");
    await hcloud("primary-ip", "set-rdns", "stays", "--hostname", "a.example.org", "--ip", first.public_net.ipv4.ip);
    await expect(hcloud("primary-ip", "delete", "stays")).rejects.toThrow("(must_be_unassigned");
    await hcloud("primary-ip", "unassign", "stays");
    await hcloud("primary-ip", "unassign", other);
    await hcloud("primary-ip", "assign", "stays", "--server", "two");
    expect(await describeJson("primary-ip", "stays")).toMatchObject({
      name: "stays",
      assignee_id: second.id,
      auto_delete: false,
    });
    for (const name of ["one", "two"]) await hcloud("server", "delete", name);
    await cloud.api.settled();
    await hcloud("primary-ip", "delete", "stays");
    await hcloud("primary-ip", "delete", other);
    expect(cloud.api.state.primaryIps).toEqual([]);
  });

  it("is told why a datacenter is not enough for a primary IP", async () => {
    await expect(
      hcloud("primary-ip", "create", "--type", "ipv4", "--name", "a", "--datacenter", "hel1-dc2"),
    ).rejects.toThrow("invalid input in fields 'assignee_id', 'location'");
  });

  it("makes a firewall, applies it and takes it off", async () => {
    const rules = [{ direction: "in", protocol: "tcp", port: "22", source_ips: ["0.0.0.0/0", "::/0"] }];
    writeFileSync(join(folder, "rules.json"), JSON.stringify(rules));
    await hcloud("firewall", "create", "--name", "proxies", "--rules-file", join(folder, "rules.json"));
    await hcloud("firewall", "add-rule", "proxies", "--direction", "in", "--protocol", "icmp", "--source-ips", "::/0");
    await hcloud(
      "server",
      "create",
      "--name",
      "hel1",
      "--type",
      "cx23",
      "--image",
      "debian-13",
      "--firewall",
      "proxies",
    );
    await hcloud(
      "server",
      "create",
      "--name",
      "ash1",
      "--type",
      "cpx11",
      "--image",
      "debian-13",
      "--location",
      "ash",
      "--label",
      "role=proxy",
    );
    await hcloud(
      "firewall",
      "apply-to-resource",
      "proxies",
      "--type",
      "label_selector",
      "--label-selector",
      "role=proxy",
    );
    await expect(hcloud("firewall", "delete", "proxies")).rejects.toThrow("(resource_in_use");
    await hcloud("firewall", "replace-rules", "proxies", "--rules-file", join(folder, "rules.json"));
    await hcloud("firewall", "remove-from-resource", "proxies", "--type", "server", "--server", "hel1");
    expect(await describeJson("firewall", "proxies")).toMatchObject({
      rules: [{ port: "22" }],
      applied_to: [{ type: "label_selector", applied_to_resources: [{ type: "server" }] }],
    });
    await hcloud(
      "firewall",
      "remove-from-resource",
      "proxies",
      "--type",
      "label_selector",
      "--label-selector",
      "role=proxy",
    );
    expect(cloud.room.machineCalls().at(-1)).toBe("setFirewall none");
    await hcloud("firewall", "delete", "proxies");
  });
});

const python = `
import os, sys
from hcloud import Client, APIException
from hcloud.datacenters.domain import Datacenter
from hcloud.firewalls.domain import FirewallResource, FirewallRule
from hcloud.images.domain import Image
from hcloud.locations.domain import Location
from hcloud.server_types.domain import ServerType

client = Client(token=os.environ["HCLOUD_TOKEN"], api_endpoint=os.environ["HCLOUD_ENDPOINT"], poll_interval=0.02)

def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except APIException as error:
        assert error.code == code, (error.code, error.message)
    else:
        raise AssertionError("not refused with " + code)
`;

async function runPython(script: string): Promise<void> {
  const { status, stderr } = await run(debianPython, ["-"], python + script);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

describe("python3-hcloud", () => {
  it("reads the fixed facts, page by page", () =>
    runPython(`
assert [one.name for one in client.locations.get_all()] == ["fsn1", "nbg1", "hel1", "ash", "hil", "sin"]
assert client.datacenters.get_by_name("hel1-dc2").location.name == "hel1"
assert client.server_types.get_by_name("cx23").cores == 2
assert {image.name for image in client.images.get_all()} >= {"debian-12", "debian-13", "ubuntu-24.04"}
assert client.isos.get_all() == []
`));

  it("makes, changes and deletes an SSH key", () =>
    runPython(`
public_key = ${JSON.stringify(aPublicKey)}
key = client.ssh_keys.create(name="operator", public_key=public_key, labels={"stack": "lab"})
refused("uniqueness_error", client.ssh_keys.create, name="other", public_key=public_key)
assert client.ssh_keys.get_by_fingerprint(key.fingerprint).id == key.id
assert key.update(name="op", labels={}).name == "op"
key.delete()
refused("not_found", client.ssh_keys.get_by_id, key.id)
`));

  it("takes a server with firewall and primary IP through its life", () =>
    runPython(`
firewall = client.firewalls.create(name="proxies", rules=[FirewallRule(direction="in", protocol="tcp", port="25", source_ips=["0.0.0.0/0", "::/0"])]).firewall
order = dict(name="hel1", server_type=ServerType(name="cx23"), image=Image(name="debian-13"), location=Location(name="hel1"))
made = client.servers.create(**order, firewalls=[firewall], labels={"stack": "lab"}, user_data="#cloud-config")
made.action.wait_until_finished()
for action in made.next_actions:
    action.wait_until_finished()
refused("uniqueness_error", client.servers.create, **order)
server = client.servers.get_by_name("hel1")
assert server.status == "running" and server.public_net.ipv4.ip == "203.0.113.1", server.status
assert server.public_net.firewalls[0].status == "applied"
for act in (server.power_off, server.power_on, server.reboot, server.reset, server.enable_backup, server.disable_backup):
    act().wait_until_finished()
server.change_dns_ptr("203.0.113.1", "chat.example.org").wait_until_finished()
server.change_protection(delete=True, rebuild=True).wait_until_finished()
refused("protected", server.delete)
server.change_protection(delete=False, rebuild=False).wait_until_finished()
assert server.update(labels={"stack": "prod"}).labels == {"stack": "prod"}
assert len(server.get_actions()) >= 8

server.power_off().wait_until_finished()
own = server.public_net.primary_ipv4
own.unassign().wait_until_finished()
own.delete()
refused("invalid_input", client.primary_ips.create, type="ipv4", datacenter=Datacenter(name="hel1-dc2"), name="stays")
made = client.primary_ips.create(type="ipv4", datacenter=Datacenter(name="hel1-dc2"), name="stays", assignee_id=server.id, assignee_type="server")
made.action.wait_until_finished()
ip = made.primary_ip
refused("must_be_unassigned", ip.delete)
ip.change_protection(delete=True).wait_until_finished()
ip.change_dns_ptr(ip.ip, "mx.example.org").wait_until_finished()
ip.change_protection(delete=False).wait_until_finished()
ip.unassign().wait_until_finished()
ip.assign(server.id, "server").wait_until_finished()

for action in firewall.set_rules([]):
    action.wait_until_finished()
refused("resource_in_use", firewall.delete)
on_server = [FirewallResource(type="server", server=server)]
for action in firewall.remove_from_resources(on_server) + firewall.apply_to_resources(on_server):
    action.wait_until_finished()
server.delete().wait_until_finished()
assert client.primary_ips.get_by_name("stays").assignee_id is None
ip.delete()
firewall.delete()
`));
});
