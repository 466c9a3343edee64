// Others' firewalls on a Linux host, as nft lists them: which of them may drop what is ours.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRelayFacts } from "../../../components/remote/facts";

const PARTS = ["rulesets", "firewalls"]
  .map((part) => `. ${join(__dirname, "../../../components/remote/host/linux", part)}.sh`)
  .join("; ");

/** A command that does more than print. */
const script = (text: string) => `#!/bin/sh\n${text}\n`;
const printing = (output: string) => script(`cat <<'END'\n${output}\nEND`);

const TUNNEL = "wg-relay 10.213.1.2 fd6d::2";

/** Of the program's own: nothing drops, one interface to the internet, a tunnel. */
const USUAL = { nft: "", wan_once: "wan eth0 0", wg: "51820" };

/** What is said of a host with these commands on it: name and what it prints, or a script. */
function found(commands: Record<string, string>, host = `proxy ${TUNNEL}`): readonly string[] {
  const dir = mkdtempSync(join(tmpdir(), "firewalls-"));
  try {
    for (const [name, output] of Object.entries({ ...USUAL, ...commands }))
      writeFileSync(join(dir, name), output.startsWith("#!") ? output : printing(output), { mode: 0o755 });
    const { stdout, stderr, status } = spawnSync(
      "sh",
      ["-euc", `PATH=${dir}:/usr/bin:/bin ETC=${dir}/etc; have() { [ -x "${dir}/$1" ]; }; ${PARTS}; firewalls ${host}`],
      { encoding: "utf8" },
    );
    expect([status, stderr]).toEqual([0, ""]);
    return parseRelayFacts(stdout).firewalls;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const table = (name: string, chain: string, ...lines: string[]) =>
  [`table ${name} {`, `\tchain ${chain} {`, ...lines.map((line) => `\t\t${line}`), "\t}", "}"].join("\n");
const INPUT = "type filter hook input priority filter; policy accept;";

it.each([
  [
    "a policy",
    table("inet filter", "input", "type filter hook input priority filter; policy drop;", "tcp dport 22 accept"),
    "the table inet filter on the proxy drops what its chain input (hook input) does not name: let the forwarded ports and the tunnel pass there too",
  ],
  [
    "Docker's, of iptables",
    table(
      "ip filter",
      "FORWARD",
      "type filter hook forward priority filter; policy drop;",
      "counter packets 0 bytes 0 jump DOCKER-USER",
    ),
    "the table ip filter on the proxy drops what its chain FORWARD (hook forward) does not name",
  ],
  [
    "a last rule that rejects",
    table("inet filter", "input", INPUT, "tcp dport 22 accept", "reject with icmpx admin-prohibited"),
    "chain input (hook input)",
  ],
  [
    "a last rule of iptables that drops",
    table("ip filter", "INPUT", INPUT, "counter packets 12 bytes 720 drop"),
    "chain INPUT (hook input)",
  ],
])("names a table that drops what it does not name, by %s", (_what, nft, text) => {
  const told = found({ nft });
  expect(told).toEqual([expect.stringContaining(text)]);
});

it.each([
  ["ours", table("inet chatmail_proxy_wg", "input", "type filter hook input priority filter; policy drop;")],
  [
    "rules that drop something by name",
    table(
      "inet filter",
      "input",
      INPUT,
      "ip saddr 192.0.2.0/24 drop",
      'oifname "br-docker" reject',
      "tcp dport 23 counter packets 0 bytes 0 drop",
    ),
  ],
  ["what drops by another chain's will", table("inet filter", "refused", "drop")],
  ["what goes out", table("inet filter", "output", "type filter hook output priority filter; policy drop;")],
  ["a host without rules", ""],
])("does not name %s", (_what, nft) => expect(found({ nft })).toEqual([]));

it("names each chain once", () => {
  const nft = table("inet filter", "input", "type filter hook input priority filter; policy drop;", "drop", "drop");
  expect(found({ nft })).toHaveLength(1);
});

const UFW = { ufw: "Status: active" };
/** Its answers, by the argument that asks; eth1 alone was given a zone. */
const FIREWALLD = {
  "firewall-cmd": script(
    'case $* in --state) echo running ;; *=eth1) echo dmz ;; --get-default-zone) echo public ;; *) echo "no zone" >&2; exit 2 ;; esac',
  ),
};

it.each([
  [
    "the tunnel of a proxy",
    `proxy ${TUNNEL}`,
    "ufw allow 51820/udp && ufw route allow out on wg-relay && ufw route allow in on wg-relay",
  ],
  [
    "a proxy without a tunnel",
    "proxy - 198.51.100.7 2001:db8:5::7",
    "ufw route allow to 198.51.100.7 && ufw route allow to 2001:db8:5::7",
  ],
  ["a proxy to a relay with IPv4 alone", "proxy - 198.51.100.7 -", "ufw route allow to 198.51.100.7"],
  ["all tunnels of a relay", "relay", "ufw allow in on wg-+"],
])("names ufw where it is active, with the commands for %s", (_what, host, commands) => {
  expect(found(UFW, host)).toEqual([
    expect.stringMatching(/^ufw is active on the (proxy|relay): let the .* there too \(/),
  ]);
  expect(found(UFW, host)[0]).toContain(`(${commands})`);
});

it.each([
  [
    "the tunnel of a proxy",
    `proxy ${TUNNEL}`,
    [
      "--permanent --zone=public --add-port=51820/udp",
      "--permanent --zone=public --add-interface=eth0",
      "--permanent --zone=public --add-interface=wg-relay",
      "--reload",
    ],
  ],
  [
    "a proxy without a tunnel",
    "proxy - 198.51.100.7 -",
    ["--permanent --zone=public --add-interface=eth0", "--reload"],
  ],
  ["all tunnels of a relay", "relay", ["--permanent --zone=trusted --add-interface=wg-+", "--reload"]],
])("names firewalld where it runs, with the commands for %s", (_what, host, commands) => {
  expect(found(FIREWALLD, host)).toEqual([
    expect.stringContaining(`(${commands.map((each) => `firewall-cmd ${each}`).join(" && ")})`),
  ]);
});

it("opens firewalld's zone of each interface towards the internet", () => {
  const [told = ""] = found({ ...FIREWALLD, wan_once: "wan eth0 0\nwan eth1 0" }, `proxy ${TUNNEL}`);
  expect(told.match(/--zone=\w+ --add-port/g)).toEqual(["--zone=public --add-port", "--zone=dmz --add-port"]);
});

it("names neither ufw nor firewalld where they are installed and do nothing", () =>
  expect(found({ ufw: "Status: inactive", "firewall-cmd": "not running" })).toEqual([]));

it("does not name the tables of ufw and firewalld beside them, and still those of others", () => {
  const drops = (name: string) => table(name, "input", "type filter hook input priority filter; policy drop;");
  const nft = ["ip filter", "ip6 filter", "inet firewalld", "inet strict"].map(drops).join("\n");
  expect(found({ nft, ...UFW, ...FIREWALLD }).map((each) => each.split(" ").slice(0, 4).join(" "))).toEqual([
    "ufw is active on",
    "firewalld is active on",
    "the table inet strict",
  ]);
  expect(found({ nft })).toHaveLength(4);
});

it("names on a relay only what keeps mail from coming in, and how to let it", () => {
  const docker = table("ip filter", "FORWARD", "type filter hook forward priority filter; policy drop;");
  const input = table("inet filter", "input", "type filter hook input priority filter; policy drop;");
  expect(found({ nft: docker }, "relay")).toEqual([]);
  expect(found({ nft: `${docker}\n${input}`, ufw: "Status: active" }, "relay")).toEqual([
    "ufw is active on the relay: let the mail ports in from the tunnels (wg-*) there too (ufw allow in on wg-+)",
    "the table inet filter on the relay drops what its chain input (hook input) does not name: let the mail ports in from the tunnels (wg-*) there too",
  ]);
});
