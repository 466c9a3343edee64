// What a Linux host says of itself, and of what a request asks after; under dash, with stand-ins.
import { createServer, type AddressInfo, type Server } from "node:net";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseHostStatus, type HostStatus } from "../../../components/hosts/status";
import { digestIn, documentOf } from "./aDocument";
import { LinuxHost } from "./linuxHost";

let host: LinuxHost;
beforeEach(() => {
  host = new LinuxHost();
  host.stub("ss", "");
});
afterEach(() => host.close());

const status = (...request: string[]): HostStatus =>
  parseHostStatus(host.spawn(["status"], request.map((line) => `${line}\n`).join("")).stdout);

describe("a host's status", () => {
  it("is one line, and has an answer for whatever was not asked", () => {
    const { stdout } = host.spawn(["status"]);
    expect(stdout).toMatch(/^[^\n]+\n$/);
    expect(parseHostStatus(stdout)).toMatchObject({
      version: 2,
      owner: "",
      drift: [],
      sets: {},
      documents: {},
      healed: 0,
      lastHealed: "",
      conflicts: [],
      redirected: null,
      view: null,
      wan: null,
      relay: null,
      outbound: null,
      reboot: "",
    });
    expect(status().system).toMatch(/^.*, kernel \d/);
    expect(Math.abs(status().clock - Date.now() / 1000)).toBeLessThan(5);
    expect(status().disk.of).toBeGreaterThan(status().disk.free);
    expect(host.has("state")).toBe(false);
  });

  it("tells the documents and sets that are there", () => {
    const text = documentOf("config", ["one", host.set("one")], ["filter guarded 60", host.set("proxy")]);
    host.apply("config", "g", text);
    expect(status()).toMatchObject({
      documents: { config: { digest: digestIn(text), generation: "g", state: "armed" } },
      sets: {
        one: { state: "confirmed", digest: host.set("one").digest, drift: [] },
        filter: { state: "armed", digest: host.set("proxy").digest, drift: [] },
      },
    });
    expect(Object.keys(status().documents)).toEqual(["config"]);
    host.write("etc/one.nft", "# by hand\n");
    expect(status().sets.one?.drift).toEqual([`${host.dir}/etc/one.nft is not the file that was brought in`]);
  });

  it("says why the machine should be rebooted", () => {
    host.write("run/reboot-required", "*** System restart required ***\n");
    expect(status().reboot).toBe("an update waits for it");
    host.write("run/reboot-required.pkgs", "libc6\nlinux-image-amd64\nlibc6\n");
    expect(status().reboot).toBe("an update waits for it (libc6 linux-image-amd64)");
  });

  it("tells how many connections it keeps track of", () => {
    host.write("proc/sys/net/netfilter/nf_conntrack_count", "12\n");
    host.write("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
    expect(status().tracked).toBe("12 65536");
  });

  it("is the same by a program that comes on stdin, whose request is an argument", () => {
    host.stub("ss", `echo 'LISTEN 0 1 *:443 *:* users:(("nginx",pid=7,fd=8))'`);
    const asked = (request: string) =>
      parseHostStatus(host.spawn(["-s", "status", request], host.read("lib/hostctl"), { interpreter: "sh" }).stdout);
    expect(asked("")).toMatchObject({ conflicts: [], wan: null });
    expect(asked("free tcp 443;wan-of lo;sunshine")).toMatchObject({
      conflicts: [expect.stringMatching(/^port 443 is in use on this host \(by nginx\)/)],
      wan: [expect.stringMatching(/^wan lo \d$/)],
    });
  });
});

describe("what is asked after", () => {
  it("is all that is in the way of a proxy, and not only the first", () => {
    host.stub(
      "ss",
      `case $1 in -Hltnp) echo 'LISTEN 0 1 *:443 *:* users:(("nginx",pid=7,fd=8))'; echo 'LISTEN 0 1 0.0.0.0:25 *:*' ;; -Hlunp) echo 'UNCONN 0 0 *:3478 *:* users:(("turn",pid=7,fd=8))' ;; esac`,
    );
    host.stub("sleep", "");
    host.stub(
      "ip",
      `[ "$*" != "-4 route show to match 10.213.0.1" ] || echo "10.213.0.0/16 dev docker0 proto kernel scope link"`,
    );
    host.stub("wg", "");
    expect(
      status("free tcp 443", "free tcp 25", "free tcp 80", "free udp 3478-3500", "free tunnel 51820 10.213.0.1 fd00::1")
        .conflicts,
    ).toEqual([
      expect.stringMatching(/^port 25 is in use on this host \(by something\)/),
      expect.stringMatching(/^port 443 is in use on this host \(by nginx\)/),
      expect.stringMatching(/^UDP port 3478 is in use on this host \(by turn\)/),
      expect.stringMatching(/^this host already uses the network of the tunnel's address 10\.213\.0\.1 \(10\.213/),
    ]);
  });

  it("is an interface that is not there, or none at all, which is in the way too", () => {
    expect(status("wan-of eth7")).toMatchObject({
      wan: null,
      conflicts: [expect.stringMatching(/^this host has no interface eth7; it has: .*lo/)],
    });
    host.stub("ip", "");
    expect(status("wan-of")).toMatchObject({
      wan: null,
      conflicts: [expect.stringMatching(/^this host has no default route, /)],
    });
  });

  it("is what there is on a relay", () => {
    host.stub("ip", `[ "$*" != "-o -4 addr show" ] || echo "2: eth0    inet 192.168.77.10/24 brd"`);
    expect(status("relay").relay).toContain("address eth0 192.168.77.10/24");
  });
});

describe("what a proxy sees of its relay", () => {
  let server: Server;
  let port = 0;
  beforeEach(async () => {
    // It accepts, since the kernel does, and says nothing, since this process waits for hostctl.
    server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    port = (server.address() as AddressInfo).port;
    host.stub("sleep", `echo "sleep $*" >>"${host.dir}/log"`);
    host.stub("ip", "");
  });
  afterEach(() => server.close());

  it("is a port that accepts, though nobody greets there for a while, and one that does not", () => {
    expect(status(`through - 127.0.0.1 - - ${port} 1`).view).toEqual(
      expect.arrayContaining(["handshake none", `port ${port} 4 open `, "port 1 4 shut"]),
    );
  });

  const heard = (age: number) =>
    host.stub(
      "wg",
      `case "$3" in latest-handshakes) echo "KEY $(($(date +%s) - ${age}))" ;; endpoints) echo "KEY 203.0.113.9:41000" ;; esac`,
    );
  const waits = () => host.asked.filter((line) => line === "sleep 1").length;

  it("is not waited for by a look, and for a while by a confirmation", () => {
    heard(1000);
    expect(status("through wg-relay 127.0.0.1 - - 1").view?.slice(0, 2)).toEqual([
      expect.stringMatching(/^handshake 100\d$/),
      "endpoint 203.0.113.9:41000",
    ]);
    expect(waits()).toBe(0);
    host.apply("config", "g", documentOf("config", ["one", host.set("one")]));
    expect(host.confirm("config", "g", "through wg-relay 127.0.0.1 - - 1\n")).toMatchObject({
      ok: true,
      view: expect.arrayContaining(["port 1 4 shut"]) as unknown,
    });
    expect(waits()).toBe(30);
    heard(20);
    expect(host.confirm("config", "g", "through wg-relay 127.0.0.1 - - 1\n")).toMatchObject({ ok: true });
    expect(waits()).toBe(0);
  });

  it("is nothing where the tunnel's interface is not there: another line would be asked instead", () => {
    host.stub("wg", "exit 1");
    expect(status("through wg-relay 127.0.0.1 - - 1").view).toEqual(["handshake 999999"]);
  });

  it("is told in time though nobody answers at all", () => {
    host.stub("bash", "exec /bin/sleep 60");
    host.stub("getent", "exec /bin/sleep 60");
    host.stub("ip", `[ "$4" != default ] || echo default`);
    const began = Date.now();
    const { view, outbound } = status(
      "through - 192.0.2.1 2001:db8::1 mx.example.net 25 443 993",
      "outbound mx.example.net",
    );
    expect(Date.now() - began).toBeLessThan(20_000);
    expect(view).toEqual(expect.arrayContaining(["port 25 4 shut", "port 993 6 shut"]));
    expect(outbound).toEqual([expect.stringMatching(/^fault this relay cannot reach/)]);
  }, 30_000);
});

it("is not held up by what a run has left that was killed", () => {
  mkdirSync(join(host.dir, "run/chatmail-proxy.abcdef"), { recursive: true });
  expect(status().version).toBe(2);
});
