// What a second and a changed `pulumi up` do to a stack that runs, and what they must never do.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { relayTarget, newAccount, proveMail } from "../../scripts/lab/mail";
import { ssh } from "./reach";
import { failed, succeeded, theLab, type Config, type TheLab } from "./theLab";

jest.setTimeout(400_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab();
});
afterAll(() => the?.close());

const without143 = (config: Config) => {
  config["chatmail-proxy:ports"] = [25, 80, 443, 465, 587, 993];
};
const servers = async () =>
  (await the.api<{ servers: { id: number; created: string }[] }>("GET", "/servers")).servers.map(({ id, created }) => ({
    id,
    created,
  }));
const rules = (host: string) => the.sh(host, "nft -s list ruleset");
/** The stack's outputs, secret ones too. */
const outputs = async () =>
  JSON.parse(succeeded(await the.pulumi("stack", "output", "--json", "--show-secrets"))) as {
    managementPrivateKey: string;
    proxies: { hel1: { ipv4: string; sshHostKey: string } };
  };

describe("a second pulumi up", () => {
  it("changes nothing", async () => {
    const output = succeeded(await the.up());
    expect(output).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });

  it("is announced as nothing by a preview", async () => {
    succeeded(await the.preview(undefined, ["--diff", "--expect-no-changes"]));
  });
});

describe("a changed port", () => {
  afterAll(async () => void succeeded(await the.up()));

  it("shows as text in a preview, and nothing happens yet", async () => {
    const before = await rules("hel1");
    const output = succeeded(await the.preview(without143));
    expect(output).toMatch(/^\s*- .*elements = \{ 25, 80, 143, 443, 465, 587, 993 \}/m);
    expect(output).toMatch(/^\s*\+ .*elements = \{ 25, 80, 443, 465, 587, 993 \}/m);
    expect(output).not.toMatch(/replace/i);
    expect(await rules("hel1")).toBe(before);
  });

  it("takes effect without another server, on the wire and on the relay's end", async () => {
    const before = await servers();
    const output = succeeded(await the.up(without143));
    expect(output).not.toMatch(/replaced|deleted/);
    expect(await servers()).toEqual(before);
    for (const address of await the.addresses("hel1"))
      expect((await the.client.scan(address, 143, 143)).open).toEqual([]);
    expect(await rules("relay")).not.toMatch(/dport \{[^}]*143/);
    await proveMail(the.lab);
  });
});

describe("other settings of the tunnels", () => {
  const ENDS = { hel1: "wg-relay", relay: "wg-hel1" } as const;
  /** The port that the one listens on, and to which the other sends. */
  const MEETING = { hel1: "wg show wg-relay listen-port", relay: "wg show wg-hel1 endpoints | cut -f 2" } as const;
  const atBothEnds = (what: (host: keyof typeof ENDS, name: string) => Promise<string>) =>
    Promise.all((Object.keys(ENDS) as (keyof typeof ENDS)[]).map((host) => what(host, ENDS[host])));
  const keys = async () =>
    (await atBothEnds((host) => the.sh(host, "wg show all dump | cut -f 2-4")))
      .join("\n")
      .split(/\s+/)
      .filter((word) => word.length === 44);
  /** All of the tunnel at both ends but its keys, and the link-local address, which each start draws anew. */
  const standing = () =>
    atBothEnds((host, name) =>
      the.sh(
        host,
        `ip -o link show dev ${name} | grep -o 'mtu [0-9]*'; ip -br address show dev ${name} scope global; ${MEETING[host]}; wg show ${name} allowed-ips | cut -f 2; ip -4 rule show; ip -6 rule show; ip route show table all dev ${name} | grep -v "local fe80:"; nft -s list ruleset`,
      ),
    );
  const other = (config: Config) => {
    config["chatmail-proxy:tunnel"] = {
      keyGeneration: 2,
      port: 4500,
      mtu: 1380,
      ipv4Range: "10.99.0.0/20",
      ipv6Range: "fd99:0:0:9::/64",
      routingTables: 600_000,
    };
    Object.assign(config["chatmail-proxy:relay"] as object, { dial: "ipv6" });
  };

  it("are in use at both ends after one run, keys among them, and mail flows; and so are the old ones after the run back", async () => {
    const [before, keysBefore] = [await standing(), await keys()];
    await the.lab.control.setHome({ ipv6: true });
    try {
      expect(succeeded(await the.up(other))).not.toMatch(/Server .*(replac|delet)/);
      const keysNow = await keys();
      expect(keysNow).toHaveLength(keysBefore.length);
      expect(keysNow.filter((key) => keysBefore.includes(key))).toEqual([]);
      const [proxy, relay] = (await standing()) as [string, string];
      for (const end of [proxy, relay]) {
        expect(end).toMatch(/^mtu 1380\nwg-\S+ +\S+ +10\.99\.\d+\.\d+\/32 fd99:0:0:9:\S+\/128 *\n/);
        for (const old of ["10.213.", "fd6d:", "51820", "lookup 518"])
          expect([old, end.includes(old)]).toEqual([old, false]);
      }
      const [ipv4 = "", ipv6 = ""] = await the.addresses("hel1");
      expect(proxy).toContain("\n4500\n");
      expect(proxy).toContain("udp dport 4500 accept");
      expect(relay).toContain(`\n[${ipv6}]:4500\n`);
      expect(relay).toMatch(/from 10\.99\.\S+ lookup 60\d{4}\n[^]*from fd99:\S+ lookup 60\d{4}\n/);
      for (const address of [ipv4, ipv6]) await proveMail(the.lab, address);
      succeeded(await the.up());
    } finally {
      await the.lab.control.setHome({ ipv6: false });
    }
    expect(await standing()).toEqual(before);
    await proveMail(the.lab);
  });
});

describe("a key that may log in", () => {
  const KEYS = "/root/.ssh/authorized_keys";
  const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1bWSd0Wd0X4cTGTQWVSBCyqBkuKh9ZC8kbHlBPqRZK";

  it("is there after the run that names it, and gone after the one that does not", async () => {
    const mine = readFileSync(`${the.lab.operatorKeyFile}.pub`, "utf8").trim().split(" ").slice(0, 2).join(" ");
    const before = await the.sh("hel1", `cat ${KEYS}`);
    const { hel1 } = (await outputs()).proxies;
    const login = () =>
      the.sh("operator", `${ssh(the.lab, { sshHost: hel1.ipv4, hostKey: hel1.sshHostKey }, "echo in")}`, "any");
    const output = succeeded(await the.up((config) => void (config["chatmail-proxy:adminKeys"] = [mine, other])));
    expect(output).not.toMatch(/Server .*replac/);
    expect(await login()).toBe("in");
    succeeded(await the.up((config) => void (config["chatmail-proxy:adminKeys"] = [other])));
    expect(await login()).not.toContain("in");
    succeeded(await the.up());
    expect(await the.sh("hel1", `cat ${KEYS}`)).toBe(before);
  });
});

describe("what does not work", () => {
  it("of the relay's way out on port 25 fails the run at its end, with everything else done", async () => {
    const outbound = (target: string) => (config: Config) =>
      void ((config["chatmail-proxy:relay"] as Record<string, unknown>).outboundCheck = target);
    const output = failed(await the.up(outbound("192.0.2.99")));
    expect(output).toContain("this relay cannot reach 192.0.2.99 on port 25, so mail to other servers does not leave.");
    // On its outputs the next run's checks stand.
    const published = succeeded(await the.pulumi("stack", "output", "published"));
    for (const address of await the.addresses("hel1")) expect(published).toContain(address);
    succeeded(await the.up());
  });

  it("of a proxy fails the run by its name and leaves the records as they were, since there is no other", async () => {
    const records = async () =>
      JSON.stringify(
        (await the.api<{ rrsets: { name: string }[] }>("GET", "/zones/example.org/rrsets")).rrsets.filter(
          ({ name }) => name === "chat",
        ),
      );
    const before = await records();
    // Somebody else's, which is not for a run to put back.
    await the.sh(
      "relay",
      "nft 'add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out udp dport 51820 drop'",
    );
    try {
      const output = failed(await the.up());
      expect(output).toMatch(/hel1 \(203\.0\.113\.\d+\): /);
      expect(output).toContain("Some checks failed");
      expect(await records()).toBe(before);
    } finally {
      await the.sh("relay", "nft delete table inet cut");
    }
    const healed = succeeded(await the.up());
    expect(healed).not.toMatch(/Not everything works/);
    expect(succeeded(await the.up())).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });
});

describe("rules that cut off SSH", () => {
  it("are taken back by the host itself, and the run says so", async () => {
    const before = await rules("hel1");
    const { proxies } = await outputs();
    const started = Date.now();
    const run = the.up((config) => void (config["chatmail-proxy:adminNetworks"] = ["192.0.2.0/24"]));
    const shut = await closedWhile(run, proxies.hel1.ipv4);
    const output = failed(await run);
    expect(shut).toBe(true);
    expect(output).toContain(
      "new rules not confirmed within 60 s over a new SSH connection; the previous rules are in force again",
    );
    expect(Date.now() - started).toBeLessThan(150_000);
    expect(await rules("hel1")).toBe(before);
    expect((await the.client.scan(proxies.hel1.ipv4, 22, 22)).open).toEqual([22]);
    await proveMail(the.lab);
    // One run with the mistake corrected is all it takes.
    succeeded(await the.up());
  });

  /** Whether port 22 was shut at some moment while a run went on: else the test would have tried nothing. */
  async function closedWhile(run: Promise<unknown>, address: string): Promise<boolean> {
    let going = true;
    void run.finally(() => (going = false)).catch(() => undefined);
    while (going) if ((await the.client.scan(address, 22, 22)).open.length === 0) return true;
    return false;
  }
});

describe("secrets", () => {
  it("stand in plain text neither in the state, nor in what is printed, nor in logs, nor in any process list", async () => {
    const { watch, stop } = processList();
    // New keys for everything, so that all commands that carry one are run.
    const newKeys = (config: Config) => {
      without143(config);
      config["chatmail-proxy:tunnel"] = { keyGeneration: 3 };
    };
    const printed = await watch(
      async () => succeeded(await the.up(newKeys)) + succeeded(await the.pulumi("stack", "output")),
    );
    const secrets = await allSecrets();
    expect(secrets.length).toBeGreaterThan(10);
    const lines = stop();
    // It did see our commands.
    for (const command of [
      "hostctl apply config",
      "hostctl.new apply host",
      "hostctl.new apply relay@chatmail-proxy@lab",
    ])
      expect([command, lines.some((line) => line.includes(command))]).toEqual([command, true]);
    const { dirs } = the.lab;
    const texts: [string, string][] = [
      ["printed", printed],
      ["processes", lines.join("\n")],
      ["export", succeeded(await the.pulumi("stack", "export"))],
      ...filesBelow(join(dirs.state, "stack")).filter(([path]) => !path.endsWith("/passphrase")),
      ...filesBelow(join(dirs.state, "logs")),
      ["hel1's journal", await the.sh("hel1", "journalctl --no-pager -o cat")],
      ["the relay's journal", await the.sh("relay", "journalctl --no-pager -o cat")],
    ];
    expect(texts.length).toBeGreaterThan(8);
    for (const [where, text] of texts)
      for (const secret of secrets)
        if (text.includes(secret))
          throw new Error(`a secret (${secret.slice(0, 4)}…) stands in plain text in: ${where}`);
    succeeded(await the.up());
  });

  /** Everything private: seeds, and keys as the hosts hold them, whole or by a line that tells them. */
  async function allSecrets(): Promise<string[]> {
    const { deployment } = JSON.parse(succeeded(await the.pulumi("stack", "export", "--show-secrets"))) as {
      deployment: { resources: { type: string; outputs?: Record<string, unknown> }[] };
    };
    const seeds = deployment.resources
      .filter(({ type }) => type.endsWith(":RandomPassword"))
      .map(
        ({ outputs }) =>
          (JSON.parse(String((outputs?.result as { plaintext?: string })?.plaintext ?? "null")) ??
            outputs?.result) as string,
      );
    const wireGuard = (
      await Promise.all(["hel1", "relay"].map((host) => the.sh(host, "cat /etc/wireguard/*.key /etc/wireguard/*.psk")))
    ).flatMap((text) => text.split("\n"));
    const ssh = [
      (await outputs()).managementPrivateKey,
      await the.sh("hel1", "cat /etc/ssh/ssh_host_ed25519_key"),
      readFileSync(the.lab.operatorKeyFile, "utf8"),
    ].map((pem) => pem.split("\n")[3] ?? "");
    const all = [
      ...seeds,
      ...wireGuard,
      ...ssh,
      the.lab.hetzner.token,
      readFileSync(join(the.lab.dirs.state, "stack/passphrase"), "utf8"),
    ];
    expect(all.every((secret) => secret.length >= 20)).toBe(true);
    return all;
  }

  function filesBelow(dir: string): [string, string][] {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => [join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name), "utf8")]);
  }

  /** Command lines of all processes on this machine, the lab's hosts among them, seen while something runs. */
  function processList(): { watch<T>(work: () => Promise<T>): Promise<T>; stop(): string[] } {
    const seen = new Set<string>();
    const look = () => {
      for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        try {
          seen.add(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
        } catch {
          // It ended meanwhile.
        }
      }
    };
    return {
      async watch(work) {
        const timer = setInterval(look, 15);
        try {
          return await work();
        } finally {
          clearInterval(timer);
        }
      },
      stop: () => [...seen],
    };
  }
});

describe("host keys", () => {
  it("of the relay are checked on first contact: with another, nothing is run there", async () => {
    const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1bWSd0Wd0X4cTGTQWVSBCyqBkuKh9ZC8kbHlBPqRZK";
    const output = failed(
      await the.up(
        (config) => void ((config["chatmail-proxy:relay"] as { ssh: Record<string, unknown> }).ssh.hostKey = other),
      ),
    );
    expect(output).toMatch(/- relay: its SSH cannot be used from here: another host key is there \(SHA256:\S+\) than/);
    succeeded(await the.up());
  });

  it("of a bought server are pinned: somebody else who answers at its address is not talked to", async () => {
    await the.sh(
      "hel1",
      "cp -a /etc/ssh /root/ssh.kept; rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh",
    );
    try {
      expect(failed(await the.up(without143))).toMatch(
        /- hel1 \(\S+\): its SSH cannot be used from here: another host key is there \(SHA256:\S+\) than/,
      );
    } finally {
      await the.sh("hel1", "cp -a /root/ssh.kept/ssh_host_* /etc/ssh/; rm -r /root/ssh.kept; systemctl restart ssh");
    }
    succeeded(await the.up());
  });
});

describe("a second stack on the same relay", () => {
  let second: TheLab;
  const other = (name: string) => (config: Config) => {
    config["chatmail-proxy:mailDomain"] = "second.example.org";
    config["chatmail-proxy:proxies"] = [{ name, host: "hetzner", location: "nbg1" }];
  };
  const served = async (proxy: string) => {
    for (const address of await the.addresses(proxy)) await the.client.login(newAccount(), relayTarget(address));
  };

  beforeAll(async () => {
    second = await theLab({ stack: false, name: "second" });
  });
  afterAll(() => second.close());

  it("cannot have a proxy of the same name", async () => {
    expect(failed(await second.up(other("hel1")))).toContain(
      "the relay already has a tunnel wg-hel1 of the stack chatmail-proxy/lab",
    );
    await served("hel1");
  });

  it("has its own proxies beside those of the first", async () => {
    succeeded(await second.up(other("nbg1")));
    await served("nbg1");
    await served("hel1");
    expect(succeeded(await the.up())).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });

  it("takes nothing of the first away when it goes", async () => {
    succeeded(await second.pulumi("destroy", "--yes", "--skip-preview"));
    expect(
      await the.sh("relay", "ls /etc/wireguard; test -x /usr/local/lib/chatmail-proxy/hostctl && echo hostctl"),
    ).toBe("wg-hel1.conf\nwg-hel1.key\nwg-hel1.psk\nhostctl");
    await served("hel1");
    succeeded(await second.pulumi("stack", "rm", "--yes"));
  });
});

it("a client is still served by the end of all this", async () => {
  for (const address of await the.addresses("hel1")) await the.client.login(newAccount(), relayTarget(address));
});
