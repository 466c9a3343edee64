// Others' firewalls on a Linux host, as nft lists them: which of them may drop what is ours.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRelayFacts } from "../../../components/remote/facts";

const FIREWALLS = join(__dirname, "../../../components/remote/host/linux/firewalls.sh");

/** What is said of a host with these commands on it: name and what it prints. */
function found(commands: Record<string, string>, host = "proxy"): readonly string[] {
  const dir = mkdtempSync(join(tmpdir(), "firewalls-"));
  try {
    for (const [name, output] of Object.entries(commands)) writeFileSync(join(dir, name), `#!/bin/sh\ncat <<'END'\n${output}\nEND\n`, { mode: 0o755 });
    const { stdout, stderr, status } = spawnSync("sh", ["-euc", `PATH=${dir}:/usr/bin:/bin; have() { [ -x "${dir}/$1" ]; }; . ${FIREWALLS}; firewalls ${host}`], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    return parseRelayFacts(stdout).firewalls;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const table = (name: string, chain: string, ...lines: string[]) => [`table ${name} {`, `\tchain ${chain} {`, ...lines.map((line) => `\t\t${line}`), "\t}", "}"].join("\n");
const INPUT = "type filter hook input priority filter; policy accept;";

it.each([
  ["a policy", table("inet filter", "input", "type filter hook input priority filter; policy drop;", "tcp dport 22 accept"), "the table inet filter on the proxy drops what its chain input (hook input) does not name: let the forwarded ports and the tunnel pass there too"],
  ["Docker's, of iptables", table("ip filter", "FORWARD", "type filter hook forward priority filter; policy drop;", "counter packets 0 bytes 0 jump DOCKER-USER"), "the table ip filter on the proxy drops what its chain FORWARD (hook forward) does not name"],
  ["a last rule that rejects", table("inet filter", "input", INPUT, "tcp dport 22 accept", "reject with icmpx admin-prohibited"), "chain input (hook input)"],
  ["a last rule of iptables that drops", table("ip filter", "INPUT", INPUT, "counter packets 12 bytes 720 drop"), "chain INPUT (hook input)"],
])("names a table that drops what it does not name, by %s", (_what, nft, text) => {
  const told = found({ nft });
  expect(told).toEqual([expect.stringContaining(text)]);
});

it.each([
  ["ours", table("inet chatmail_proxy_wg", "input", "type filter hook input priority filter; policy drop;")],
  ["rules that drop something by name", table("inet filter", "input", INPUT, "ip saddr 192.0.2.0/24 drop", 'oifname "br-docker" reject', "tcp dport 23 counter packets 0 bytes 0 drop")],
  ["what drops by another chain's will", table("inet filter", "refused", "drop")],
  ["what goes out", table("inet filter", "output", "type filter hook output priority filter; policy drop;")],
  ["a host without rules", ""],
])("does not name %s", (_what, nft) => expect(found({ nft })).toEqual([]));

it("names each chain once", () => {
  const nft = table("inet filter", "input", "type filter hook input priority filter; policy drop;", "drop", "drop");
  expect(found({ nft })).toHaveLength(1);
});

it("names ufw and firewalld where they are active", () => {
  expect(found({ nft: "", ufw: "Status: active", "firewall-cmd": "running" })).toEqual([expect.stringMatching(/^ufw is active on the proxy/), expect.stringMatching(/^firewalld is active on the proxy/)]);
  expect(found({ nft: "", ufw: "Status: inactive", "firewall-cmd": "not running" })).toEqual([]);
});

it("names on a relay only what keeps mail from coming in, and how to let it", () => {
  const docker = table("ip filter", "FORWARD", "type filter hook forward priority filter; policy drop;");
  const input = table("inet filter", "input", "type filter hook input priority filter; policy drop;");
  expect(found({ nft: docker }, "relay")).toEqual([]);
  expect(found({ nft: `${docker}\n${input}`, ufw: "Status: active" }, "relay")).toEqual([
    "ufw is active on the relay: let the mail ports in from the tunnels (wg-*) there too (ufw allow in on wg-NAME)",
    "the table inet filter on the relay drops what its chain input (hook input) does not name: let the mail ports in from the tunnels (wg-*) there too",
  ]);
});
