// A proxy with two lines to the internet, of which each drops what bears another line's sender: by the real kernel, in network
// namespaces of this test's own. No stack and no machine is needed.
//
//   client 203.0.113.10 --+-- line1 192.0.2.0/24 ----- eth0 .2 proxy -- wg-relay -- relay (behind a tunnel)
//                         +-- line2 198.51.100.0/24 -- eth1 .2
//                         +-- far 203.0.113.64/26 ---- relay .77 (without one)
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRange, type Range } from "../../components/addresses";
import type { ProxyFilter } from "../../components/filter/spec";
import { debian } from "../../components/platforms/debian";
import { bundle } from "../../components/remote/bundle";
import { hostctlProgram } from "../../components/remote/hostctl";
import { planTunnel } from "../../components/tunnel/addressPlan";
import { client, endPrograms, inside, ip, program, SERVER } from "./namespaces";

jest.setTimeout(60_000);

const NAMES = ["client", "proxy", "restarted", "relay"].map((name) => `wans-${name}`);
const [CLIENT = "", PROXY = "", RESTARTED = "", RELAY = ""] = NAMES;
const range = (text: string) => parseRange(text) as Range;
const PLAN = planTunnel(
  { name: "hel1", slot: 1 },
  { ipv4Range: range("10.213.0.0/16"), ipv6Range: range("fd00:213::/64"), routingTables: 5_182_000 },
);
const FAMILIES = {
  IPv4: {
    way: "-4",
    client: "203.0.113.10",
    lines: ["192.0.2", "198.51.100"].map((net) => ({
      net: `${net}.0/24`,
      router: `${net}.1/24`,
      proxy: `${net}.2/24`,
    })),
    far: ["203.0.113.65/26", "203.0.113.77/26"],
    inner: [PLAN.proxy.ipv4, PLAN.relay.ipv4],
    bits: 32,
  },
  IPv6: {
    way: "-6",
    client: "2001:db8:c::10",
    lines: ["1", "2"].map((net) => ({
      net: `2001:db8:${net}::/64`,
      router: `2001:db8:${net}::1/64`,
      proxy: `2001:db8:${net}::2/64`,
    })),
    far: ["2001:db8:f::65/64", "2001:db8:f::77/64"],
    inner: [PLAN.proxy.ipv6, PLAN.relay.ipv6],
    bits: 128,
  },
} as const;
const ALL = Object.keys(FAMILIES) as (keyof typeof FAMILIES)[];
const bare = (address = "") => address.split("/")[0] ?? "";
const addressAt = (family: keyof typeof FAMILIES, line: number) => bare(FAMILIES[family].lines[line]?.proxy);

const TUNNEL: ProxyFilter["to"] = {
  kind: "tunnel",
  interface: "wg-relay",
  port: 51_820,
  mtu: 1420,
  relay: PLAN.relay,
  egress: false,
};
const DIRECT: ProxyFilter["to"] = { kind: "direct", relay: { ipv4: "203.0.113.77", ipv6: "2001:db8:f::77" } };

let dir = "";
const remove = () => NAMES.forEach((name) => spawnSync("ip", ["netns", "del", name]));

beforeEach(() => {
  remove();
  dir = mkdtempSync(join(tmpdir(), "wans-"));
  for (const name of ["bin", "run", "units"]) mkdirSync(join(dir, name));
  const places = {
    ROOT: dir,
    ETC: `${dir}/etc/chatmail-proxy`,
    LIB: dir,
    STATE: `${dir}/state`,
    RUN: `${dir}/run`,
    UNITS: `${dir}/units`,
    SYSCTLS: `${dir}/etc/sysctl.d/zz-chatmail-proxy.conf`,
  };
  executable(
    "hostctl",
    Object.entries(places)
      .reduce(
        (text, [name, place]) => text.replace(new RegExp(`^${name}=.*`, "m"), `${name}=${place}`),
        hostctlProgram(),
      )
      .replace("\tPATH=", `\tPATH=${dir}/bin:`),
  );
  executable(
    "bin/systemctl",
    `#!/bin/sh\ncase "$*" in *"restart chatmail-proxy-filter.service") ${dir}/hostctl load-filters ;; esac\n`,
  );
  for (const name of NAMES) {
    execFileSync("ip", ["netns", "add", name]);
    ip(name, "link set lo up");
    inside(name, ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
  }
  for (const [near, device, far, farDevice] of [
    [CLIENT, "line1", PROXY, "eth0"],
    [CLIENT, "line2", PROXY, "eth1"],
    [CLIENT, "far", RELAY, "far"],
    [RELAY, "hel1", PROXY, "wg-relay"],
  ]) {
    ip(near ?? "", `link add ${device} type veth peer name ${farDevice} netns ${far}`);
    ip(near ?? "", `link set ${device} up`);
  }
  ip(RELAY, "link set far up");
  for (const family of ALL) {
    const { way, client: own, lines, far, inner, bits } = FAMILIES[family];
    ip(CLIENT, `address add ${own}/${bits} dev lo`);
    lines.forEach(({ router }, i) => address(CLIENT, router, `line${i + 1}`));
    address(CLIENT, far[0], "far");
    address(RELAY, far[1], "far");
    address(RELAY, `${inner[1]}/${bits}`, "hel1");
    ip(RELAY, `${way} route add default via ${bare(far[0])}`);
    // As from a tunnel's end: what has this address goes back through it.
    ip(RELAY, `${way} route add default via ${inner[0]} dev hel1 onlink table 77`);
    ip(RELAY, `${way} rule add from ${inner[1]} lookup 77`);
  }
  const only = (
    [
      [4, "ip"],
      [6, "ip6"],
    ] as const
  ).flatMap(([number, key]) =>
    [0, 1].map(
      (i) =>
        `iifname "line${i + 1}" meta nfproto ipv${number} ${key} saddr != ${number === 4 ? `{ ${FAMILIES.IPv4.lines[i]?.net} }` : `{ ${FAMILIES.IPv6.lines[i]?.net}, fe80::/10 }`} drop`,
    ),
  );
  inside(
    CLIENT,
    ["nft", "-f", "-"],
    `table inet lines {\n\tchain c {\n\t\ttype filter hook prerouting priority -300; policy accept;\n${only.join("\n")}\n\t}\n}\n`,
  );
});

afterEach(() => {
  endPrograms();
  remove();
  rmSync(dir, { recursive: true });
});

function executable(name: string, text: string): void {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), 0o755);
}

const address = (namespace: string, cidr: string, device: string) =>
  ip(namespace, `address add ${cidr} dev ${device}${cidr.includes(":") ? " nodad" : ""}`);

/** The provider's network as it comes up at boot, with a rule for each address. */
function networkUp(namespace: string): void {
  for (const device of ["eth0", "eth1", "wg-relay"]) ip(namespace, `link set ${device} up`);
  for (const { way, lines, inner, bits } of Object.values(FAMILIES)) {
    lines.forEach(({ router, proxy }, i) => {
      address(namespace, proxy, `eth${i}`);
      ip(namespace, `${way} route add default via ${bare(router)} dev eth${i} table ${101 + i}`);
    });
    ip(namespace, `${way} route add default via ${bare(lines[0]?.router)} dev eth0`);
    address(namespace, `${inner[0]}/${bits}`, "wg-relay");
    ip(namespace, `${way} route add ${inner[1]} dev wg-relay`);
  }
  rules(namespace, "add");
}

function rules(namespace: string, verb: "add" | "del"): void {
  for (const { way, lines } of Object.values(FAMILIES))
    lines.forEach(({ proxy }, i) =>
      ip(namespace, `${way} rule ${verb} from ${bare(proxy)} lookup ${101 + i} priority ${1001 + i}`),
    );
}

function hostctl(namespace: string, words: string, input = "") {
  const done = spawnSync("ip", ["netns", "exec", namespace, join(dir, "hostctl"), ...words.split(" ")], {
    input,
    encoding: "utf8",
  });
  if (done.status !== 0) throw new Error(`${words}: ${done.stderr}`);
  return done;
}

/** What the host answers to one line of a request. */
function asked(namespace: string, line: string): Record<"wan" | "view", string[]> {
  const done = spawnSync("ip", ["netns", "exec", namespace, join(dir, "hostctl"), "status", line], {
    encoding: "utf8",
  });
  if (done.status !== 0) throw new Error(`${line}: ${done.stderr}`);
  return JSON.parse(done.stdout) as Record<"wan" | "view", string[]>;
}

const install = (to: ProxyFilter["to"], wan = ["eth0", "eth1"]) =>
  hostctl(
    PROXY,
    "install filter",
    bundle(
      debian.filterSet(
        { closed: false, ssh: { port: 22, from: [] }, ports: [25], udpPorts: [], to },
        wan.map((name) => ({ name, acceptRa: 0 })),
      ),
    ).text,
  );

/** What the kernel of a proxy holds that is not its network itself. */
const settingsOf = (namespace: string) => ({
  rules: ["-4", "-6"].map((way) => inside(namespace, ["ip", way, "rule"])),
  tables: inside(namespace, ["nft", "list", "tables"]),
  checks: inside(namespace, ["sysctl", "net.ipv4.conf.eth0.rp_filter", "net.ipv4.conf.eth1.rp_filter"]),
});

async function answers(family: keyof typeof FAMILIES, line: number): Promise<void> {
  const user = program(CLIENT, client(addressAt(family, line), FAMILIES[family].client));
  await user.waitFor("220 ready");
}

describe.each([
  ["through a tunnel", TUNNEL],
  ["without a tunnel", DIRECT],
] as const)("a connection to the address on the second line, %s", (_how, to) => {
  describe.each(ALL)("over %s", (family) => {
    beforeEach(async () => {
      networkUp(PROXY);
      await program(RELAY, SERVER).waitFor("listening");
    });

    it("is answered by that line, as one on the first is by the first", async () => {
      install(to);
      await answers(family, 0);
      await answers(family, 1);
    });

    it("is answered where the kernel checks senders strictly, and counts marks in that", async () => {
      inside(PROXY, ["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.all.src_valid_mark=1"]);
      install(to);
      await answers(family, 1);
    });

    it("is answered after a reboot, by what is stored, as soon as the network is up", async () => {
      install(to);
      for (const device of ["eth0", "eth1", "wg-relay"]) ip(PROXY, `link set ${device} netns ${RESTARTED}`);
      hostctl(RESTARTED, "load-filters");
      networkUp(RESTARTED);
      await answers(family, 1);
    });

    it("is answered again when others have taken all of it away, or the provider's rules came late", async () => {
      rules(PROXY, "del");
      install(to);
      inside(PROXY, ["nft", "flush", "ruleset"]);
      rules(PROXY, "add");
      hostctl(PROXY, "heal");
      await answers(family, 1);
    });
  });
});

it("leaves the marks of the owner's on those packets", async () => {
  networkUp(PROXY);
  await program(RELAY, SERVER).waitFor("listening");
  inside(
    PROXY,
    ["nft", "-f", "-"],
    `table inet owner {
	chain marks { type filter hook prerouting priority mangle; policy accept; iifname "wg-relay" meta mark set 0x20005; }
	chain forward { type filter hook forward priority 10; policy accept; iifname "wg-relay" meta mark & 0xf0ffffff != 0x20005 drop; }
}`,
  );
  install(TUNNEL);
  await answers("IPv4", 1);
});

it("takes the rule's own place among the rules, and all of it goes again", () => {
  inside(PROXY, ["sysctl", "-qw", "net.ipv4.conf.eth1.rp_filter=1"]);
  networkUp(PROXY);
  ip(PROXY, `rule del from ${addressAt("IPv4", 0)} lookup 101`);
  const before = settingsOf(PROXY);
  install(TUNNEL);
  const [ipv4 = ""] = settingsOf(PROXY).rules;
  expect(ipv4.split("\n").slice(1, 4)).toEqual([
    "1002:\tfrom 198.51.100.2 lookup 102",
    `1002:\tfrom ${PLAN.relay.ipv4} fwmark 0x1000000/0xf000000 lookup 102`,
    "32766:\tfrom all lookup main",
  ]);
  expect(hostctl(PROXY, "heal").stderr).not.toContain("+ ");
  hostctl(PROXY, "remove filter");
  expect(settingsOf(PROXY)).toEqual(before);
  expect(existsSync(join(dir, "state/wans"))).toBe(false);
});

it("has nothing of it where one line is all there is, whatever rules lead there", () => {
  networkUp(PROXY);
  ip(PROXY, "link set eth1 down");
  for (const { way } of Object.values(FAMILIES))
    ip(PROXY, `${way} rule add priority 900 from all iif lo lookup main suppress_prefixlength 0`);
  const before = settingsOf(PROXY);
  install(TUNNEL, ["eth0"]);
  expect(settingsOf(PROXY)).toEqual({ ...before, tables: "table inet chatmail_proxy\n" });
  expect(existsSync(join(dir, "etc/chatmail-proxy/wans.nft"))).toBe(false);
});

it("finds the interfaces of those rules as ways to the internet, beside that of the default route", () => {
  networkUp(PROXY);
  const wan = () => asked(PROXY, "wan-of").wan.join("\n");
  expect(wan()).toMatch(/^wan eth0 \d\nwan eth1 \d$/);
  rules(PROXY, "del");
  expect(wan()).toMatch(/^wan eth0 \d$/);
});

describe("a route that holds for some senders alone", () => {
  const said = () =>
    asked(PROXY, "through - 127.0.0.1 - - 25").view.filter((line) => line.startsWith("firewall the relay's answers"));

  it("is named, with the rule to be made of it", () => {
    networkUp(PROXY);
    ip(PROXY, `-6 rule del from ${addressAt("IPv6", 1)} lookup 102`);
    ip(
      PROXY,
      `-6 route add default from ${FAMILIES.IPv6.lines[1]?.net} via ${bare(FAMILIES.IPv6.lines[1]?.router)} dev eth1`,
    );
    install(DIRECT);
    expect(said()).toEqual([
      expect.stringContaining(`at ${addressAt("IPv6", 1)} leave by eth0, and those of the proxy itself by eth1`),
    ]);
  });

  it("is none where rules lead there", () => {
    networkUp(PROXY);
    install(DIRECT);
    expect(said()).toEqual([]);
  });
});
