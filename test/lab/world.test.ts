// The lab's world, without the stack: network, machines, DNS, mail, firewall, and what it survives. Ends with destroy.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { takeDown } from "../../scripts/lab/cleanup";
import { controlClient } from "../../scripts/lab/control";
import { destroy } from "../../scripts/lab/destroy";
import { LAB_VARIABLE, labDirs, labName } from "../../scripts/lab/dirs";
import { openLab, type LabHandle } from "../../scripts/lab/lab";
import {
  MailClient,
  createAccount,
  logLines,
  newAccount,
  newId,
  proveMail,
  sendFromOtherServer,
  waitForLetter,
} from "../../scripts/lab/mail";
import { labNamespaces } from "../../scripts/lab/netns";
import { HOME_LINE, MAIL_PORTS, RELAY_LEG, RELAY_LEG_V6 } from "../../scripts/lab/plan";
import { sleep, waitFor } from "../../scripts/lab/wait";
import { ssh as sshTo, update } from "./reach";
import { underTraffic } from "./traffic";
import type { Progress } from "../../scripts/lab/up";
import { leftMounts } from "./mounts";

jest.setTimeout(600_000);

const dirs = labDirs();
const quiet: Progress = { say: () => undefined, step: (_name, work) => work() };
const ALL = ["0.0.0.0/0", "::/0"];

let lab: LabHandle;
let client: MailClient;

beforeAll(async () => {
  await destroy(dirs, quiet);
  lab = await openLab(quiet);
  client = await MailClient.open(lab);
});

afterAll(async () => {
  client.close();
  await destroy(dirs, quiet);
});

/** A request that must succeed. */
async function api<T>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T> {
  const answer = await lab.control.api({ method, path, ...(body === undefined ? {} : { body }) });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body as T;
}

const sh = async (host: string, script: string, accept: "any" | undefined = undefined): Promise<string> =>
  (await lab.run(host, ["sh", "-c", script], { timeout: 120_000, ...(accept ? { accept } : {}) })).stdout.trim();
const stateOf = async (name: string) => (await lab.status()).hosts.find((host) => host.name === name)?.state;
const bootOf = async (name: string) => (await lab.status()).hosts.find((host) => host.name === name)?.bootedAt;
const addressOf = async (name: string) =>
  (await lab.status()).hosts.find((host) => host.name === name)?.addresses[0] ?? "";

describe("names and ways", () => {
  it("answers A, AAAA and PTR, and NXDOMAIN for what nobody has", async () => {
    expect(await sh("client", "getent ahostsv4 mx.example.net | head -1")).toContain("192.0.2.25");
    expect(await sh("client", "getent ahostsv6 mx.example.net | head -1")).toContain("2001:db8:1::25");
    expect(await sh("client", "getent hosts 2001:db8:1::25")).toContain("mx.example.net");
    expect((await lab.run("client", ["getent", "hosts", "debian.net"], { accept: "any" })).status).toBe(2);
  });

  it("gives the machines the same resolver", async () => {
    expect(await sh("relay", "getent ahostsv4 mx.example.net | head -1")).toContain("192.0.2.25");
  });

  it("serves the API over HTTP and, with the lab's certificate, over HTTPS", async () => {
    for (const scheme of ["http", "https"])
      expect(await sh("operator", `curl -sS -m 5 ${scheme}://api.hetzner.cloud/v1/servers`)).toContain("unauthorized");
  });

  it("lets the operator log in to the relay over the home's LAN, with the pinned key", async () => {
    expect(await sh("operator", sshTo(lab, lab.relay, "hostname"))).toBe("chat.example.org");
  });

  it("has no way out to the real network", async () => {
    for (const host of ["client", "operator", "router", "relay"])
      expect(
        (await lab.run(host, ["curl", "-sS", "-m", "3", "-o", "/dev/null", "http://1.1.1.1/"], { accept: "any" }))
          .status,
      ).not.toBe(0);
  });

  it("passes input, output and the exit status through", async () => {
    for (const host of ["client", "relay"]) {
      const { status, stdout, stderr } = await lab.run(host, ["sh", "-c", "cat; echo err >&2; exit 7"], {
        stdin: "in",
        accept: [7],
      });
      expect([status, stdout, stderr.trim()]).toEqual([7, "in", "err"]);
    }
  });

  it("leaves this machine's own network alone", () => {
    expect(readFileSync("/proc/net/dev", "utf8")).not.toMatch(/to-|access|lan:/);
  });
});

describe("a second run", () => {
  it("finds all in place within 2 s, and reboots nothing", async () => {
    const before = await bootOf("relay");
    const started = Date.now();
    await openLab(quiet);
    expect(Date.now() - started).toBeLessThan(2000);
    expect(await bootOf("relay")).toBe(before);
  });
});

describe("mail through a port forward, as before there was a proxy", () => {
  beforeAll(async () => {
    await api("POST", "/zones/example.org/rrsets", {
      name: "chat",
      type: "A",
      records: [{ value: HOME_LINE.addresses4[0] }],
    });
    await lab.run("router", ["nft", "-f", "-"], {
      stdin: `table ip trial { chain pre { type nat hook prerouting priority dstnat; iifname "wan" tcp dport { ${MAIL_PORTS.join(", ")} } dnat to ${RELAY_LEG.ipv4}; }; }
insert rule inet cpl_home forward ct status dnat accept
`,
    });
  });

  it("flows in and out", async () => {
    expect((await proveMail(lab)).length).toBe(5);
    expect((await logLines(lab, "relay", "rip=198.51.100.10")).length).toBeGreaterThan(0);
  });

  it("makes an account by its first login, and insists on that password from then on", async () => {
    const account = newAccount();
    await client.login(account, undefined, 143);
    await client.login(account);
    await expect(client.login({ ...account, password: "another-password" })).rejects.toThrow("Authentication failed");
    await expect(client.login({ ...newAccount(), password: "short" })).rejects.toThrow("Authentication failed");
    await expect(client.login(newAccount("user", "example.com"))).rejects.toThrow("Authentication failed");
    expect(await sh("relay", `cat /home/vmail/accounts/${account.user}`)).toMatch(/^\$6\$/);
  });

  it("takes 25 MB both ways", async () => {
    const [account, bob] = [newAccount(), newAccount("bob", "example.net")];
    await client.login(account);
    await createAccount(lab, "mx", bob);
    const [out, back] = [newId(), newId()];
    await client.submit(465, account, { from: account.user, to: bob.user, id: out, bytes: 25_000_000 });
    expect((await waitForLetter(lab, "mx", bob.user, out, 60)).size).toBeGreaterThan(24_000_000);
    await sendFromOtherServer(lab, { from: bob.user, to: account.user, id: back, bytes: 25_000_000 });
    expect((await client.find(account, back, undefined, 60)).size).toBeGreaterThan(25_000_000);
  });

  it("is counted while it flows, letter by letter", async () => {
    const { sent, received, duplicates, lost, longestMs, failures } = await underTraffic(
      lab,
      async () => {
        await sleep(1500);
        await sh("relay", "systemctl stop postfix");
        await sleep(2000);
        await sh("relay", "systemctl start postfix");
      },
      { everyMs: 300 },
    );
    expect(sent.length).toBeGreaterThan(8);
    expect([...received].sort()).toEqual([...sent].sort());
    expect([duplicates, lost]).toEqual([[], []]);
    expect(longestMs).toBeGreaterThan(1000);
    expect(failures.join("\n")).toContain("ECONNREFUSED");
  });

  it("refuses to relay for strangers", async () => {
    await expect(client.deliver({ from: "eve@example.net", to: "bob@example.net", id: newId() })).rejects.toThrow(
      /Relay access denied|554/,
    );
  });

  it("scans all ports of an address that drops and of one that refuses, each within a minute", async () => {
    const home = await client.scan(HOME_LINE.addresses4[0]);
    expect(home.open).toEqual([...MAIL_PORTS]);
    expect(home.silent).toBe(65_535 - MAIL_PORTS.length);
    const other = await client.scan(await addressOf("mx"));
    expect(other.open).toEqual([...MAIL_PORTS]);
    expect(Math.max(home.ms, other.ms)).toBeLessThan(60_000);
  });
});

describe("a bought server", () => {
  let id: number;
  let address: string;

  beforeAll(async () => {
    const { ssh_key: key } = await api<{ ssh_key: { id: number } }>("POST", "/ssh_keys", {
      name: "operator",
      public_key: readFileSync(`${lab.operatorKeyFile}.pub`, "utf8"),
    });
    const user_data = "#cloud-config\nwrite_files:\n  - path: /etc/from-cloud-init\n    content: made\n";
    const { server } = await api<{ server: { id: number; public_net: { ipv4: { ip: string } } } }>("POST", "/servers", {
      name: "hel1",
      server_type: "cx23",
      image: "debian-13",
      location: "hel1",
      ssh_keys: [key.id],
      user_data,
    });
    id = server.id;
    address = server.public_net.ipv4.ip;
    await waitFor("the server to boot", 30, async () => (await stateOf("hel1")) === "running");
    await lab.run("hel1", ["cloud-init", "status", "--wait"], { timeout: 60_000 });
  });

  const ssh = (command: string) =>
    sh(
      "operator",
      `ssh -i ${lab.operatorKeyFile} -o ConnectTimeout=3 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@${address} ${command}`,
      "any",
    );

  it("boots, runs its cloud-init, and lets the project's key in", async () => {
    expect(await ssh("cat /etc/from-cloud-init")).toBe("made");
    expect(await sh("hel1", "systemctl is-system-running --wait", "any")).toBe("running");
  });

  it("has its addresses on links of its own, with a way to every network", async () => {
    expect(await sh("hel1", "ip -4 route show default")).toContain("via 172.31.1.1 dev eth0");
    expect(await sh("hel1", "ip -6 route show default")).toContain("via fe80::1 dev eth0");
    for (const target of ["192.0.2.25", "[2001:db8:1::25]"])
      expect(await sh("hel1", `curl -sS -m 5 -o /dev/null -w '%{http_code}' http://${target}/`)).toBe("200");
  });

  it("installs signed packages from the mirror, in the versions that fit", async () => {
    expect(await sh("hel1", "command -v nft wg", "any")).toBe("");
    await sh(
      "hel1",
      "apt-get -q update && apt-get -q -y install nftables wireguard-tools iputils-ping unattended-upgrades",
    );
    expect(await sh("hel1", "nft --version; wg --version; ping -c1 -W2 192.0.2.53 | grep -c ttl=")).toMatch(
      /nftables v.*\nwireguard-tools v.*\n1/s,
    );
  });

  it("is kept to its firewall on the wire, and free without one", async () => {
    await sh("hel1", "systemd-run -q --unit web python3 -m http.server 8080 --bind ::");
    const get = () =>
      lab.run("client", ["curl", "-sS", "-m", "2", "-o", "/dev/null", `http://${address}:8080/`], { accept: "any" });
    await waitFor("the server's web server", 10, async () => (await get()).status === 0);
    const rules = [
      { direction: "in", protocol: "tcp", port: "22", source_ips: ALL },
      { direction: "in", protocol: "icmp", source_ips: ALL },
    ];
    const { firewall } = await api<{ firewall: { id: number } }>("POST", "/firewalls", {
      name: "ssh-only",
      rules,
      apply_to: [{ type: "server", server: { id } }],
    });
    await waitFor("the firewall to bite", 5, async () => (await get()).status === 28);
    expect(await ssh("true; echo in")).toBe("in");
    expect(await sh("hel1", "curl -sS -m 5 -o /dev/null -w '%{http_code}' http://192.0.2.25/")).toBe("200");
    await api("POST", `/firewalls/${firewall.id}/actions/remove_from_resources`, {
      remove_from: [{ type: "server", server: { id } }],
    });
    await waitFor("the firewall to let go", 5, async () => (await get()).status === 0);
  });

  it("loses rules, routes and sysctls in a reboot from within, and comes back by itself", async () => {
    await sh("hel1", "nft add table inet gone; ip route add 192.0.2.99 dev eth0; sysctl -qw net.ipv4.ip_forward=1");
    const before = await bootOf("hel1");
    await sh("hel1", "systemctl reboot", "any");
    await waitFor(
      "the server to come back",
      60,
      async () => (await bootOf("hel1")) !== before && (await stateOf("hel1")) === "running",
    );
    await waitFor("its network", 30, async () => (await ssh("echo back")) === "back");
    expect(await sh("hel1", "nft list tables; ip route show 192.0.2.99; cat /proc/sys/net/ipv4/ip_forward")).toBe("0");
  });

  it("reboots on the control socket, and stays off when it powers itself off", async () => {
    const before = await bootOf("hel1");
    await lab.control.reboot("hel1");
    expect(await bootOf("hel1")).not.toBe(before);
    await waitFor(
      "its init to take orders",
      30,
      async () => (await sh("hel1", "systemctl is-system-running --wait", "any")) === "running",
    );
    await sh("hel1", "systemctl poweroff", "any");
    await waitFor("the server to be off", 60, async () => (await stateOf("hel1")) === "off");
    await lab.control.power("hel1", "on");
    expect(await stateOf("hel1")).toBe("running");
  });

  it("falls silent on demand", async () => {
    await waitFor("SSH", 30, async () => (await ssh("echo up")) === "up");
    await lab.control.silence("hel1", true);
    expect(await ssh("echo up")).toBe("");
    await lab.control.silence("hel1", false);
    await waitFor("SSH", 30, async () => (await ssh("echo up")) === "up");
  });

  it("is there again, with its disk, its zone and its reverse name, after the daemon was killed", async () => {
    await sh("hel1", "touch /root/kept");
    expect((await update(lab, "add kept.example.com. 60 A 203.0.113.9")).status).toBe(0);
    await api("POST", `/servers/${id}/actions/change_dns_ptr`, { ip: address, dns_ptr: "hel1.example.org" });
    await waitFor("the reverse name", 5, async () =>
      (await sh("client", `getent hosts ${address}`, "any")).includes("hel1.example.org"),
    );
    process.kill((await lab.status()).pid, "SIGKILL");
    await waitFor(
      "the daemon to be dead",
      5,
      async () =>
        (await controlClient(dirs)
          .status()
          .catch(() => undefined)) === undefined,
    );
    lab = await openLab(quiet);
    // What ran in the lab's namespaces went with them.
    client = await MailClient.open(lab);
    expect(await stateOf("hel1")).toBe("running");
    expect(await sh("hel1", "ls /root/kept")).toBe("/root/kept");
    expect(await sh("client", `getent hosts ${address}`)).toContain("hel1.example.org");
    expect(await sh("client", "getent ahostsv4 chat.example.org | head -1")).toContain(HOME_LINE.addresses4[0]);
    expect(await sh("client", "getent ahostsv4 kept.example.com | head -1")).toContain("203.0.113.9");
  });

  it("is gone with its machine, namespace and link when it is deleted", async () => {
    await api("DELETE", `/servers/${id}`);
    await waitFor("the server to be gone", 30, async () => (await stateOf("hel1")) === undefined);
    expect(labNamespaces()).not.toContain(`cpl-s${id}`);
    expect(existsSync(`${dirs.state}/machines/s${id}`)).toBe(false);
  });
});

describe("the home", () => {
  it("gets another address, and the relay still gets out", async () => {
    await lab.control.setHome({ address: HOME_LINE.addresses4[1] });
    expect(await addressOf("router")).toBe(HOME_LINE.addresses4[1]);
    expect(await sh("relay", "curl -sS -m 5 -o /dev/null -w '%{http_code}' http://192.0.2.25/")).toBe("200");
    expect((await logLines(lab, "mx", HOME_LINE.addresses4[1])).length).toBeGreaterThan(0);
    await expect(lab.control.setHome({ address: "198.51.100.99" })).rejects.toThrow("the provider has");
  });

  it("gets global IPv6, which lets out and nothing in, also after the relay's reboot, and loses it", async () => {
    const get = () => sh("relay", "curl -sS -m 5 -o /dev/null -w '%{http_code}' 'http://[2001:db8:1::25]/'", "any");
    expect(await get()).not.toBe("200");
    await lab.control.setHome({ ipv6: true });
    expect(await get()).toBe("200");
    await expect(
      client.login(newAccount(), { host: "chat.example.org", address: RELAY_LEG_V6.ipv6 }),
    ).rejects.toThrow();
    await lab.control.reboot("relay");
    await waitFor("IPv6 of the relay", 30, async () => (await get()) === "200");
    await lab.control.setHome({ ipv6: false });
    expect(await get()).not.toBe("200");
  });
});

describe("destroy", () => {
  it("leaves no namespace, process, mount, cgroup or file but the caches", async () => {
    client.close();
    await destroy(dirs, quiet);
    expect(labNamespaces()).toEqual([]);
    expect(existsSync(dirs.state)).toBe(false);
    expect(readdirSync(dirs.runtime).filter((name) => !name.startsWith("lock"))).toEqual([]);
    expect(
      leftMounts(labName(), readFileSync("/proc/self/mountinfo", "utf8"), readFileSync("/proc/1/mountinfo", "utf8")),
    ).toEqual([]);
    expect(
      readFileSync("/proc/mounts", "utf8")
        .split("\n")
        .flatMap((line) => (line.includes("cgroup") ? (line.split(" ")[1] ?? []) : []))
        .filter((mount) => existsSync(`${mount}/${labName()}`)),
    ).toEqual([]);
    expect(
      readdirSync("/proc")
        .filter((pid) => /^\d+$/.test(pid))
        .filter(commandLineNamesLab),
    ).toEqual([]);
    expect(existsSync(dirs.cache)).toBe(true);
  });

  it("finds nothing to take down a second time", async () => {
    expect(await takeDown(dirs)).toEqual([]);
  });
});

function commandLineNamesLab(pid: string): boolean {
  const ofThisLab = (environment: string) =>
    (environment.split("\0").find((line) => line.startsWith(`${LAB_VARIABLE}=`)) ?? "") ===
    (process.env[LAB_VARIABLE] === undefined ? "" : `${LAB_VARIABLE}=${labName()}`);
  try {
    // By names of the lab's own: this machine may run a knotd or containers of others.
    return (
      /--machine=cpl-|lab\/daemon\.ts|\/lab\/knot\.conf/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")) &&
      ofThisLab(readFileSync(`/proc/${pid}/environ`, "utf8"))
    );
  } catch {
    return false;
  }
}
