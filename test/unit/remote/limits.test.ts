// Limits on new SSH connections on a Linux host: what is taken off their counters, and what is said of them.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LIMITS = join(__dirname, "../../../components/remote/host/linux/limits.sh");

const UFW_RULES = [
  "-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --mask 255.255.255.255 --rsource",
  "-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 --name DEFAULT --mask 255.255.255.255 --rsource -j ufw-user-limit",
].join("\n");
const KNOCK =
  "-A INPUT -p tcp -m tcp --dport 22 -m recent --rcheck --seconds 30 --hitcount 1 --name KNOCKED --mask 255.255.255.255 --rsource -j ACCEPT";

interface Host {
  /** What commands print, by name. */
  readonly commands?: Readonly<Record<string, string>>;
  /** Counters of the recent match. */
  readonly counters?: readonly string[];
  readonly client?: string;
}

/** Runs a function of the part on a host with these commands: what it said, and what was written to the counters. */
function on({ commands = {}, counters = [], client = "192.0.2.9 40000 192.0.2.140 22" }: Host, call: string) {
  const dir = mkdtempSync(join(tmpdir(), "limits-"));
  try {
    const recent = join(dir, "proc/net/xt_recent");
    mkdirSync(recent, { recursive: true });
    for (const counter of counters) writeFileSync(join(recent, counter), "");
    for (const [name, output] of Object.entries(commands))
      writeFileSync(join(dir, name), `#!/bin/sh\ncat <<'END'\n${output}\nEND\n`, { mode: 0o755 });
    const { status, stderr } = spawnSync(
      "sh",
      [
        "-euc",
        `PATH=${dir}:/usr/bin:/bin ROOT=${dir}; have() { [ -x "${dir}/$1" ]; }; say() { echo "$*" >&2; }; . ${LIMITS}; ${call}`,
      ],
      { encoding: "utf8", env: { ...process.env, SSH_CONNECTION: client } },
    );
    expect(status).toBe(0);
    return {
      said: stderr.split("\n").filter(Boolean),
      counters: Object.fromEntries(counters.map((counter) => [counter, readFileSync(join(recent, counter), "utf8")])),
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const forgiven = (host: Host) => on(host, "forgive_client").counters;
const said = (host: Host) =>
  on({ commands: { nft: "", ...host.commands }, ...(host.client ? { client: host.client } : {}) }, "ssh_limits").said;

describe("the counters by which others' rules limit new connections", () => {
  it("lose the address of whoever has logged in, and so do not shut out a run of a dozen connections", () =>
    expect(forgiven({ commands: { "iptables-save": UFW_RULES }, counters: ["DEFAULT"] })).toEqual({
      DEFAULT: "-192.0.2.9\n",
    }));

  it("lose it under IPv6 and as IPv4 in IPv6 too", () => {
    expect(
      forgiven({
        commands: { "ip6tables-save": UFW_RULES },
        counters: ["DEFAULT"],
        client: "2001:db8::9 1 2001:db8::1 22",
      }),
    ).toEqual({ DEFAULT: "-2001:db8::9\n" });
    expect(
      forgiven({
        commands: { "iptables-legacy-save": UFW_RULES },
        counters: ["DEFAULT"],
        client: "::ffff:192.0.2.9 1 ::1 22",
      }),
    ).toEqual({ DEFAULT: "-192.0.2.9\n" });
  });

  it("are left alone where they let in, as port knocking does, and where no rule limits by them", () =>
    expect(
      forgiven({ commands: { "iptables-save": `${UFW_RULES}\n${KNOCK}` }, counters: ["DEFAULT", "KNOCKED", "OTHER"] }),
    ).toEqual({ DEFAULT: "-192.0.2.9\n", KNOCKED: "", OTHER: "" }));

  it("are left alone where nobody came over SSH, and where there are none", () => {
    expect(
      forgiven({ commands: { "iptables-save": UFW_RULES }, counters: ["DEFAULT"], client: "none; of them" }),
    ).toEqual({ DEFAULT: "" });
    expect(forgiven({ commands: { "iptables-save": UFW_RULES } })).toEqual({});
  });
});

describe("a limit on new SSH connections is named, with the command that lifts it", () => {
  const nft = (rule: string) => ({
    nft: `table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\t${rule}\n\t}\n}`,
  });
  const NFT_CURE = "nft insert rule inet filter input ip saddr 192.0.2.9 tcp dport 22 accept";

  it.each<[string, Record<string, string>, string]>([
    [
      "ufw's",
      {
        ufw: "Status: active\n\nTo    Action  From\n22/tcp                     LIMIT       Anywhere",
        "iptables-save": UFW_RULES,
      },
      "ufw allow 22/tcp",
    ],
    [
      "ufw's, by the name of the service",
      { ufw: "OpenSSH                     LIMIT       Anywhere" },
      "ufw allow 22/tcp",
    ],
    [
      "iptables'",
      {
        "iptables-save":
          "-A INPUT -p tcp -m tcp --dport 22 -m hashlimit --hashlimit-above 6/min --hashlimit-name ssh -j DROP",
      },
      "iptables -I INPUT -s 192.0.2.9 -p tcp --dport 22 -j ACCEPT",
    ],
    [
      "a meter of nft",
      nft("tcp dport 22 ct state new update @tries { ip saddr limit rate over 6/minute burst 5 packets } drop"),
      NFT_CURE,
    ],
    ["a limit of nft", nft("tcp dport { 22, 80 } ct state new limit rate 10/minute accept"), NFT_CURE],
    ["a count of nft", nft("tcp dport ssh ct state new add @live { ip saddr ct count over 3 } reject"), NFT_CURE],
    ["sshd's", { sshd: "port 22\nmaxstartups 3:50:5" }, "set MaxStartups 10:30:100"],
    ["sshd's for each address", { sshd: "persourcemaxstartups 2" }, "set PersourceMaxStartups none"],
  ])("%s", (_whose, commands, cure) => {
    const found = said({ commands });
    expect(found).toEqual([
      expect.stringContaining("this program makes about 5 in 20 s. Should its connections be refused or hang"),
    ]);
    expect((found[0] ?? "").toLowerCase()).toContain(cure.toLowerCase());
  });

  it.each<[string, Record<string, string>]>([
    ["there is none", {}],
    [
      "it is on another port",
      {
        "iptables-save":
          "-A INPUT -p tcp -m tcp --dport 2222 -m recent --update --seconds 60 --hitcount 4 --name S -j DROP",
        ...nft("tcp dport 2200-2222 limit rate over 3/minute drop"),
        ufw: "80/tcp LIMIT Anywhere",
      },
    ],
    [
      "sshd's are its defaults",
      { sshd: "maxstartups 10:30:100\npersourcemaxstartups none\npersourcepenalties crash:90" },
    ],
  ])("nothing is said where %s", (_what, commands) => expect(said({ commands })).toEqual([]));

  it("goes by the port that the session came in by", () =>
    expect(
      said({ commands: nft("tcp dport 2222 limit rate over 3/minute drop"), client: "2001:db8::9 1 2001:db8::1 2222" }),
    ).toEqual([
      expect.stringContaining("nft insert rule inet filter input ip6 saddr 2001:db8::9 tcp dport 2222 accept"),
    ]));
});
