// Others' rules as real tools print them, walked as the kernel does: which chains drop what is ours. Each file in rulesets/ was
// printed by nft 1.0.6 or 1.1.3 and iptables-legacy-save 1.8.9, and the same rules were tried in a kernel: something of ours was
// dropped there where a file says so in its head, and nothing where it does not.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRelayFacts } from "../../../components/remote/facts";

const RULESETS = join(__dirname, "rulesets");
const PARTS = ["rulesets", "firewalls"]
  .map((part) => `. ${join(__dirname, "../../../components/remote/host/linux", part)}.sh`)
  .join("; ");
const HOSTS = { proxy: "proxy wg-relay 10.213.1.2 fd6d::2", direct: "proxy - 10.213.1.2 fd6d::2", relay: "relay" };

/** What a host with these rules says of its firewalls: TABLE, CHAIN, HOOK of each. */
function dropping(printed: string, host: keyof typeof HOSTS = "proxy", iptables = true, more = ""): string[] {
  const dir = mkdtempSync(join(tmpdir(), "rulesets-"));
  try {
    const [nft = "", ...legacy] = printed.split(/^legacy /m);
    const saved = (family: string) =>
      legacy.find((part) => part.startsWith(`${family}\n`))?.slice(family.length + 1) ?? "";
    const commands = {
      nft,
      "iptables-legacy-save": saved("ip"),
      "ip6tables-legacy-save": saved("ip6"),
      wan_once: "wan eth0 0",
      wg: "51820",
      ...(iptables ? { iptables: "" } : {}),
    };
    for (const [name, output] of Object.entries(commands)) {
      writeFileSync(join(dir, `${name}.out`), output);
      writeFileSync(join(dir, name), `#!/bin/sh\ncat ${dir}/${name}.out\n`, { mode: 0o755 });
    }
    mkdirSync(join(dir, "etc"));
    const { stdout, stderr, status } = spawnSync(
      "sh",
      [
        "-euc",
        `PATH=${dir}:/usr/bin:/bin ETC=${dir}/etc; have() { [ -x "${dir}/$1" ]; }; ${PARTS}; ${more} firewalls ${HOSTS[host]}`,
      ],
      { encoding: "utf8" },
    );
    expect([status, stderr]).toEqual([0, ""]);
    return parseRelayFacts(stdout).firewalls.map((told) =>
      (
        /^the table (.*) on the \w+ drops what its chain (\S+) \(hook (\w+)\) does not name: let /.exec(told) ?? [
          told,
          told,
        ]
      )
        .slice(1)
        .join(", "),
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const files = readdirSync(RULESETS).map((name) => {
  const text = readFileSync(join(RULESETS, name), "utf8");
  const head = text.split("\n").filter((line) => line.startsWith("# "));
  return {
    name: `${name.replace(".txt", "")} (${head[0]?.slice(2) ?? ""})`,
    host: head.includes("# host: relay") ? ("relay" as const) : ("proxy" as const),
    iptables: !head.includes("# without iptables"),
    drops: head.filter((line) => line.startsWith("# drops: ")).map((line) => line.slice("# drops: ".length)),
    printed: text.replace(/^# .*\n/gm, ""),
  };
});

it.each(files)("says what drops ours: $name", ({ printed, host, iptables, drops }) =>
  expect(dropping(printed, host, iptables)).toEqual(drops),
);

const of = (name: string) => files.find((file) => file.name.startsWith(`${name} `))?.printed ?? "";

it("leaves input alone on a proxy without a tunnel, to which nothing but SSH comes", () => {
  expect(dropping(of("log-counter-drop"), "direct")).toEqual([]);
  expect(dropping(of("low-ports"), "direct")).toEqual(["inet filter, forward, forward"]);
});

it("knows the names of a relay's tunnels once they are there", () => {
  const printed = of("relay-tunnels").replace('"wg-*"', '"wg-hel1"');
  const make = (...names: string[]) => names.map((name) => `touch $ETC/wg-${name}.conf;`).join(" ");
  expect(dropping(printed, "relay", true, make("hel1"))).toEqual([]);
  expect(dropping(printed, "relay", true, make("ash1", "hel1"))).toEqual(["inet filter, input, input"]);
});

it("does not take long with thousands of banned addresses", () => {
  const banned = Array.from(
    { length: 5000 },
    (_, i) => `-A INPUT -s 198.51.${i >> 8}.${i & 255}/32 -j REJECT --reject-with icmp-port-unreachable`,
  );
  const began = Date.now();
  expect(
    dropping(["legacy ip", "*filter", ":INPUT ACCEPT [0:0]", ...banned, "-A INPUT -j DROP", "COMMIT", ""].join("\n")),
  ).toEqual(["ip filter of iptables-legacy, INPUT, input"]);
  expect(Date.now() - began).toBeLessThan(10_000);
});
