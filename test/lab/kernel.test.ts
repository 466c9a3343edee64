// What the kernel makes of our rules, in network namespaces of this test's own: connections that go on through a proxy's restart,
// and through nftables.service's; refusals that take no time; which of two redirections wins. No stack and no machine is needed.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRange, type Range } from "../../components/addresses";
import { renderProxyFilter } from "../../components/filter/nftables";
import { renderRelayFilter } from "../../components/filter/relay";
import { hostctlProgram } from "../../components/remote/hostctl";
import { planTunnel } from "../../components/tunnel/addressPlan";
import { sleep } from "../../scripts/lab/wait";
import { client, endPrograms, inside, ip, program, SERVER } from "./namespaces";

jest.setTimeout(60_000);

const NAMES = ["client", "proxy", "restarted", "relay"].map((name) => `kernel-${name}`);
const [CLIENT = "", PROXY = "", RESTARTED = "", RELAY = ""] = NAMES;
const ADDRESSES = {
  IPv4: { client: "192.0.2.10/24", proxy: "192.0.2.1/24", inner: "198.51.100.1/24", relay: "198.51.100.7/24" },
  IPv6: {
    client: "2001:db8:c::10/64",
    proxy: "2001:db8:c::1/64",
    inner: "2001:db8:5::1/64",
    relay: "2001:db8:5::7/64",
  },
} as const;
type FamilyName = keyof typeof ADDRESSES;
const FAMILIES = Object.keys(ADDRESSES) as FamilyName[];
const bare = (address: string) => address.split("/")[0] ?? "";
const range = (text: string) => parseRange(text) as Range;
const PLAN = planTunnel(
  { name: "hel1", slot: 1 },
  { ipv4Range: range("10.213.0.0/16"), ipv6Range: range("fd00:213::/64"), routingTables: 5_182_000 },
);
const relayed = { ipv4: "198.51.100.7", ipv6: "2001:db8:5::7" };
const SHARED = { closed: false, ssh: { port: 22, from: [] }, ports: [25], udpPorts: [] };
const RULES = renderProxyFilter({ ...SHARED, wan: ["to-client", "to-relay"], to: { kind: "direct", relay: relayed } });
const EGRESS_RULES = renderProxyFilter({
  ...SHARED,
  wan: ["to-client"],
  to: { kind: "tunnel", interface: "to-relay", port: 51_820, mtu: 1420, relay: relayed, egress: true },
});

let dir = "";

const remove = () => NAMES.forEach((name) => spawnSync("ip", ["netns", "del", name]));

beforeEach(() => {
  remove();
  dir = mkdtempSync(join(tmpdir(), "kernel-"));
  for (const name of NAMES) {
    execFileSync("ip", ["netns", "add", name]);
    ip(name, "link set lo up");
    inside(name, ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
  }
});

afterEach(() => {
  endPrograms();
  remove();
  rmSync(dir, { recursive: true });
});

/** A link from a namespace to its end in another, with an address of each family at both. */
function link(near: string, device: string, mine: "client" | "relay", far: string, farDevice: string): void {
  ip(near, `link add ${device} type veth peer name ${farDevice} netns ${far}`);
  up(near, device, mine);
}

function up(namespace: string, device: string, which: keyof (typeof ADDRESSES)["IPv4"]): void {
  for (const family of FAMILIES)
    ip(namespace, `address add ${ADDRESSES[family][which]} dev ${device}${family === "IPv6" ? " nodad" : ""}`);
  ip(namespace, `link set ${device} up`);
}

/** Its rules first, as at boot. */
function proxyUp(namespace: string, rules = RULES): void {
  inside(namespace, ["nft", "-f", "-"], rules);
  up(namespace, "to-client", "proxy");
  up(namespace, "to-relay", "inner");
}

/** A namespace of its own knows nothing of the connections, just as a kernel that has started anew. */
function restart(rules = RULES): void {
  for (const device of ["to-client", "to-relay"]) ip(PROXY, `link set ${device} netns ${RESTARTED}`);
  proxyUp(RESTARTED, rules);
}

function linked(rules = RULES): void {
  link(CLIENT, "eth0", "client", PROXY, "to-client");
  link(RELAY, "eth0", "relay", PROXY, "to-relay");
  proxyUp(PROXY, rules);
}

async function aConnection(family: FamilyName) {
  linked();
  const relay = program(RELAY, SERVER);
  await relay.waitFor("listening");
  const user = program(CLIENT, client(bare(ADDRESSES[family].proxy)));
  await user.waitFor("220 ready");
  return { relay, user };
}

describe.each(FAMILIES)("a connection through a shared proxy without a tunnel, over %s", (family) => {
  it("goes on after the proxy's restart, though the relay is the first to speak then", async () => {
    const { relay, user } = await aConnection(family);
    restart();
    relay.tell("news ");
    await sleep(700);
    user.tell("noop ");
    await relay.waitFor("noop");
    await user.waitFor("news");
    expect([user.said(), relay.said()]).toEqual(["220 ready news ", "listening noop "]);
  });
});

describe.each(FAMILIES)("the relay's own mail through a shared proxy, over %s", (family) => {
  it.each(["relay", "other server"])(
    "goes on after the proxy's restart, though the %s is the first to speak then",
    async (first) => {
      linked(EGRESS_RULES);
      for (const [way, { inner }] of [
        ["-4", ADDRESSES.IPv4],
        ["-6", ADDRESSES.IPv6],
      ] as const)
        ip(RELAY, `${way} route add default via ${bare(inner)}`);
      const server = program(CLIENT, SERVER);
      await server.waitFor("listening");
      const relay = program(RELAY, client(bare(ADDRESSES[family].client)));
      await relay.waitFor("220 ready");
      restart(EGRESS_RULES);
      const says = [() => relay.tell("mail "), () => server.tell("250 ok ")];
      for (const say of first === "relay" ? says : says.reverse()) {
        say();
        await sleep(700);
      }
      await server.waitFor("mail");
      await relay.waitFor("250 ok");
      expect([relay.said(), server.said()]).toEqual(["220 ready 250 ok ", "listening mail "]);
    },
  );
});

describe.each(FAMILIES)("somebody else's redirection of a port that is ours, over %s", (family) => {
  const THEIRS =
    'table inet owner {\n\tchain pre {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tiifname "to-client" tcp dport 25 redirect to :2525\n\t}\n}\n';
  // As this program had it once.
  const EARLIER = RULES.replace("dstnat - 10", "dstnat").replace("srcnat - 10", "srcnat");

  it.each([
    ["was there before us", [THEIRS, RULES]],
    ["is loaded after ours, as at a boot", [RULES, THEIRS]],
    ["came when ours had its priority, which then changes", [EARLIER, THEIRS, RULES]],
    ["came last then, and ours are loaded again", [THEIRS, EARLIER, THEIRS.replace("owner", "owner2"), RULES]],
  ])("that %s never takes mail from us", async (_when, files) => {
    link(CLIENT, "eth0", "client", PROXY, "to-client");
    link(RELAY, "eth0", "relay", PROXY, "to-relay");
    up(PROXY, "to-client", "proxy");
    up(PROXY, "to-relay", "inner");
    for (const file of files) inside(PROXY, ["nft", "-f", "-"], file);
    const relay = program(RELAY, SERVER);
    await relay.waitFor("listening");
    const owner = program(PROXY, SERVER.replace("220 ready", "owner").replace("listen(25", "listen(2525"));
    await owner.waitFor("listening");
    const user = program(CLIENT, client(bare(ADDRESSES[family].proxy)));
    await user.waitFor(" ");
    expect(user.said()).toBe("220 ready ");
  });
});

describe("IPv6 that is switched off", () => {
  const claim = () =>
    spawnSync("ip", ["netns", "exec", RELAY, "sh", "-s", "claim", "a/b", "wg-hel1"], {
      input: hostctlProgram(),
      encoding: "utf8",
    });

  it.each(["all", "default"])(
    "for %s interfaces is found where a tunnel is to come, which could have no IPv6 address",
    (which) => {
      expect(claim()).toMatchObject({ status: 0, stderr: "" });
      inside(RELAY, ["sysctl", "-qw", `net.ipv6.conf.${which}.disable_ipv6=1`]);
      const { status, stderr } = claim();
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining(`IPv6 is switched off on this relay (net.ipv6.conf.${which}.disable_ipv6=1`),
      ]);
      ip(RELAY, "link add wg-hel1 type veth peer name other");
      expect(() => ip(RELAY, "address add fd00:213::2/128 dev wg-hel1")).toThrow(
        /IPv6 is disabled on this device|Permission denied/,
      );
    },
  );
});

describe.each([0, 1])("what the relay must not send into a tunnel (rp_filter %i)", (filter) => {
  it.each([
    ["IPv4", "203.0.113.99"],
    ["IPv6", "2001:db8:99::1"],
  ])("is refused at once over %s", (_family, target) => {
    inside(RELAY, ["sysctl", "-qw", `net.ipv4.conf.all.rp_filter=${filter}`]);
    // Any interface will do: nothing gets as far as the tunnel.
    ip(RELAY, `link add ${PLAN.relayInterface} type veth peer name other netns ${PROXY}`);
    ip(PROXY, "link set other up");
    for (const address of [`${PLAN.relay.ipv4}/32`, `${PLAN.relay.ipv6}/128`])
      ip(RELAY, `address add ${address} dev ${PLAN.relayInterface}`);
    ip(RELAY, `link set ${PLAN.relayInterface} up`);
    for (const way of ["-4", "-6"])
      execFileSync("ip", ["-n", RELAY, way, "route", "add", "default", "dev", PLAN.relayInterface]);
    inside(
      RELAY,
      ["nft", "-f", "-"],
      renderRelayFilter({
        proxy: "hel1",
        plan: PLAN,
        ports: [25],
        udpPorts: [],
        publicAddresses: [],
        egress: undefined,
      }),
    );
    const source = `const began = Date.now(); require("net").connect(25, "${target}").on("error", ({ code }) => console.log(JSON.stringify([code, Date.now() - began < 500])));`;
    expect(JSON.parse(inside(RELAY, [process.execPath, "-e", source]))).toEqual(["ECONNREFUSED", true]);
  });
});

describe("nftables.service", () => {
  const owner = (extra = "") => `#!/usr/sbin/nft -f\nflush ruleset\ntable inet owner {\n\tchain c {\n\t}\n}\n${extra}`;
  const tables = () => inside(PROXY, ["nft", "list", "tables"]).trim().split("\n").sort();

  beforeEach(() => {
    for (const name of ["etc", "bin", "run", "units"]) mkdirSync(join(dir, name));
    const places = { ETC: "etc", STATE: "state", RUN: "run", UNITS: "units", PROC: "proc" };
    const text = Object.entries(places)
      .reduce(
        (program_, [name, place]) => program_.replace(new RegExp(`^${name}=.*`, "m"), `${name}=${dir}/${place}`),
        hostctlProgram(),
      )
      .replace("\tPATH=", `\tPATH=${dir}/bin:`);
    executable("hostctl", text.replaceAll("/etc/nftables.conf", `${dir}/owner.nft`));
    executable("bin/systemctl", `#!/bin/sh\necho FragmentPath=${dir}/nftables.service\necho DropInPaths=\n`);
    writeFileSync(
      join(dir, "nftables.service"),
      `[Service]\nExecStart=/usr/sbin/nft -f ${dir}/owner.nft\nExecReload=/usr/sbin/nft -f ${dir}/owner.nft\nExecStop=/usr/sbin/nft flush ruleset\n`,
    );
    writeFileSync(join(dir, "owner.nft"), owner());
    writeFileSync(join(dir, "etc/proxy.nft"), RULES);
  });

  const executable = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    chmodSync(join(dir, name), 0o755);
  };
  const does = (verb: string) =>
    spawnSync("ip", ["netns", "exec", PROXY, join(dir, "hostctl"), "nftables", verb], { encoding: "utf8" });

  it("does not reset a connection that sends all the time, however often it is reloaded and restarted", async () => {
    const { relay, user } = await aConnection("IPv4");
    const timer = setInterval(() => user.tell("x"), 1);
    try {
      for (let i = 0; i < 20; i++) {
        for (const verb of ["reload", "stop", "start"]) expect(does(verb)).toMatchObject({ status: 0, stderr: "" });
        await sleep(5);
      }
    } finally {
      clearInterval(timer);
    }
    user.tell("end");
    await relay.waitFor("end");
    expect([user.said(), relay.said().replace(/x+/, "x")]).toEqual(["220 ready ", "listening xend"]);
    expect(tables()).toEqual(["table inet chatmail_proxy", "table inet owner"]);
  });

  it("leaves our table alone when it stops", () => {
    does("start");
    does("stop");
    expect(tables()).toEqual(["table inet chatmail_proxy"]);
  });

  it("fails as it does without us where its owner's file is broken, and our table is there", () => {
    writeFileSync(join(dir, "owner.nft"), owner("nonsense\n"));
    const { status, stderr } = does("start");
    expect([status, stderr]).toEqual([1, expect.stringContaining("syntax error")]);
    expect(tables()).toEqual(["table inet chatmail_proxy"]);
  });

  it("loads its owner's rules where ours are broken", () => {
    writeFileSync(join(dir, "etc/proxy.nft"), "nonsense\n");
    expect(does("start").status).toBe(0);
    expect(tables()).toEqual(["table inet owner"]);
  });

  it("does what Debian's does where systemd does not say what it would do", () => {
    executable("bin/systemctl", "#!/bin/sh\nexit 1\n");
    expect(does("reload").status).toBe(0);
    expect(tables()).toEqual(["table inet chatmail_proxy", "table inet owner"]);
  });

  it("does what a drop-in of its owner's says, be it no file of nft's at all", () => {
    writeFileSync(
      join(dir, "more.conf"),
      `[Service]\nExecStart=\nExecStart=-/bin/false\nExecStart=/usr/sbin/nft add table inet \\\n  other\n`,
    );
    executable(
      "bin/systemctl",
      `#!/bin/sh\necho FragmentPath=${dir}/nftables.service\necho DropInPaths=${dir}/more.conf\n`,
    );
    expect(does("start").status).toBe(0);
    expect(tables()).toEqual(["table inet chatmail_proxy", "table inet other"]);
  });
});
