// Three proxies at once: two bought in different places, and a machine that somebody has already, with things of its own.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logLines, newAccount, newId, proveMail, relayTarget } from "../../scripts/lab/mail";
import { CLIENT_LEG, MAIL_PORTS, OTHER_DOMAIN } from "../../scripts/lab/plan";
import { sleep, waitFor } from "../../scripts/lab/wait";
import { openStack } from "../../scripts/lab/stack/runner";
import { removeProxy } from "../../scripts/remove/remove";
import { belongings, mailConfiguration } from "./belongings";
import { failed, nothingLeft, quiet, succeeded, theLab, type Config, type TheLab } from "./theLab";
import { underTraffic } from "./traffic";
import { capture, silence, unsilence } from "./wire";

jest.setTimeout(400_000);

const ALL = ["hel1", "ash1", "deb1"] as const;

let the: TheLab;
let untouched: string;
let before: Record<"deb1" | "relay" | "mail", string>;

beforeAll(async () => {
  the = await theLab({ stack: false, proxies: ALL });
  await the.pulumi("destroy", "--yes", "--skip-preview");
  untouched = await traces();
  before = {
    deb1: await belongings(the.lab, "deb1"),
    relay: await belongings(the.lab, "relay"),
    mail: await mailConfiguration(the.lab),
  };
  succeeded(await the.up());
});
afterAll(() => the?.close());

/** What we could have left on the existing machine: files, keys, settings, rules, units. */
const traces = () =>
  the.sh(
    "deb1",
    "find /etc /usr/local /var/lib -xdev \\( -path /var/lib/apt -o -path /var/lib/dpkg \\) -prune -o -name '*chatmail-proxy*' -print; cat /root/.ssh/authorized_keys; sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding; nft list tables; ip -br link | grep wg-; systemctl list-units --all --no-legend 'chatmail-proxy*' 'wg-quick*'",
    "any",
  );

type Entry = Record<string, unknown> & { name: string };
const entries = (config: Config) => config["chatmail-proxy:proxies"] as Entry[];
const without = (name: string) => (config: Config) =>
  void (config["chatmail-proxy:proxies"] = entries(config).filter((entry) => entry.name !== name));
const change = (name: string, what: Record<string, unknown>) => (config: Config) =>
  void Object.assign(entries(config).find((entry) => entry.name === name) ?? {}, what);
/** What DNS says of the mail domain, both families. */
const published = async () =>
  (await the.sh("client", "getent ahosts chat.example.org | awk '{ print $1 }' | sort -u")).split("\n").filter(Boolean);
/** Names of this stack's resources that a run created, changed, replaced or deleted. */
const touched = (output: string) => [
  ...new Set(
    [...output.matchAll(/^ (?:\+|-|~|\+-|-\+|\+\+|--) \s*\S+ (\S+) (?:created|updated|replaced|deleted)/gm)].map(
      ([, name = ""]) => name,
    ),
  ),
];

describe("each of the proxies", () => {
  it.each(ALL)(
    "%s brings mail in and out on both families, and the relay sees the client's own address",
    async (proxy) => {
      const addresses = await the.addresses(proxy);
      expect(addresses).toHaveLength(2);
      for (const address of addresses) {
        expect((await proveMail(the.lab, address)).length).toBe(5);
        const account = newAccount("eve");
        await the.client.login(account, relayTarget(address));
        expect((await logLines(the.lab, "relay", account.user)).join()).toContain(
          `rip=${address.includes(":") ? CLIENT_LEG.ipv6 : CLIENT_LEG.ipv4}`,
        );
      }
    },
  );

  it("stands in the mail domain's A and AAAA", async () => {
    const all = (await Promise.all(ALL.map((proxy) => the.addresses(proxy)))).flat();
    expect(await published()).toEqual(all.sort());
  });

  it("is left by replies to what came through it, and never by another way", async () => {
    const own = async (proxy: string) =>
      (
        await the.sh("relay", `ip -o addr show dev wg-${proxy} scope global | awk '{ print $4 }' | cut -d / -f 1`)
      ).split("\n");
    const uplink = await the.sh("relay", "ip -o -4 route show default | sed 's/.* dev \\([^ ]*\\).*/\\1/'");
    const client = `(host ${CLIENT_LEG.ipv4} or host ${CLIENT_LEG.ipv6})`;
    const tunnels = await Promise.all(
      ALL.map(async (proxy) =>
        capture(
          the.lab,
          "relay",
          `wg-${proxy}`,
          `${client} and not (${(await own(proxy)).map((address) => `host ${address}`).join(" or ")})`,
        ),
      ),
    );
    const seen = await Promise.all(ALL.map(async (proxy) => capture(the.lab, "relay", `wg-${proxy}`, client)));
    const outside = await capture(the.lab, "relay", uplink, client);
    for (const proxy of ALL)
      for (const address of await the.addresses(proxy)) await the.client.login(newAccount(), relayTarget(address));
    for (const each of tunnels) expect(await each.stop()).toEqual([]);
    expect(await outside.stop()).toEqual([]);
    for (const each of seen) expect((await each.stop()).length).toBeGreaterThan(20);
  });
});

describe("what others have on a machine of ours", () => {
  it("is as it was, on the existing machine and on the relay, while our rules stand beside it", async () => {
    for (const host of ["deb1", "relay"] as const) expect(await belongings(the.lab, host)).toBe(before[host]);
    expect(await the.sh("deb1", "nft list tables")).toContain("table inet chatmail_proxy");
  });

  it("is chatmail's own configuration on the relay too, of which no file is another", async () => {
    for (const file of ["postfix/main.cf", "dovecot/dovecot.conf", "nginx/nginx.conf", "opendkim.conf"])
      expect(before.mail).toContain(` /etc/${file}`);
    expect(await mailConfiguration(the.lab)).toBe(before.mail);
  });

  it("can still be reached on the existing machine, where nothing but what is ours is filtered", async () => {
    for (const address of await the.addresses("deb1")) {
      expect((await the.client.scan(address)).open).toEqual([22, 8080, ...MAIL_PORTS].sort((a, b) => a - b));
    }
  });

  it("is found where a port is taken, before any rule is loaded there, and holds up neither the others nor the records", async () => {
    const server = await the.lab.spawn(
      "deb1",
      ["systemd-socket-activate", "--accept", "--inetd", "-l", "8443", "cat"],
      {
        stdio: "ignore",
      },
    );
    try {
      await waitFor("the server", 10, async () => (await the.sh("deb1", "ss -Hltn 'sport = :8443'")) !== "");
      const rules = await the.sh("deb1", "nft -s list table inet chatmail_proxy");
      const taken = (config: Config) => {
        config["chatmail-proxy:ports"] = [...MAIL_PORTS, 8443];
        change("ash1", { publish: false })(config);
      };
      expect(succeeded(await the.preview(taken, []))).toMatch(
        /ProxyRelay \(deb1\):\n\s+warning: deb1: port 8443 is in use on this host/,
      );
      const output = failed(await the.up(taken));
      expect(output).toMatch(
        /deb1: its set-up failed at deb1-config: port 8443 is in use on this host \(by systemd-socket[^)]*\), and a proxy forwards it to the relay: stop that service, or take the port out of ports/,
      );
      expect(await the.sh("deb1", "nft -s list table inet chatmail_proxy")).toBe(rules);
      expect(await the.sh("hel1", "nft list set inet chatmail_proxy mail_ports")).toContain("8443");
      expect(await published()).toEqual([...(await the.addresses("hel1")), ...(await the.addresses("deb1"))].sort());
      for (const proxy of ALL)
        for (const address of await the.addresses(proxy)) await the.client.login(newAccount(), relayTarget(address));
    } finally {
      server.kill();
    }
    const output = succeeded(await the.up());
    expect(
      touched(output)
        .filter((name) => name.startsWith("deb1-"))
        .sort(),
    ).toEqual(["deb1-config", "deb1-confirm"]);
    expect(await published()).toHaveLength(6);
    expect(succeeded(await the.up())).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });
});

describe("a firewall of others that drops what it does not name", () => {
  const APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y";

  it("is found and named when the proxy does not work for it, as a jump into another chain and as one that nft does not show", async () => {
    await the.sh("deb1", `apt-get -q update && ${APT} --no-install-recommends install iptables`);
    // Newer kernels may come without it.
    const legacy = (await the.sh("deb1", "iptables-legacy -S >/dev/null 2>&1 && echo there", "any")) === "there";
    await the.sh(
      "deb1",
      `nft -f - <<'END'
table inet strict {
	chain LOGDROP {
		limit rate 5/minute log prefix "not accepted: "
		counter drop
	}
	chain gate {
		type filter hook forward priority 10; policy accept;
		ct state established,related accept comment "answers; drop nothing"
		iifname != "br-owner" jump LOGDROP
	}
}
END`,
    );
    if (legacy)
      await the.sh(
        "deb1",
        "for own in iptables-legacy ip6tables-legacy; do $own -N LOGDROP; $own -A LOGDROP -m comment --comment 'accept nothing' -j DROP; $own -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT; $own -A FORWARD -j LOGDROP; done",
      );
    try {
      const output = failed(await the.up());
      expect(output).toContain("deb1 (192.0.2.140): no answer from here on ports 25, 80, 143, 443, 465, 587, 993");
      for (const table of [
        "inet strict",
        ...(legacy ? ["ip filter of iptables-legacy", "ip6 filter of iptables-legacy"] : []),
      ]) {
        expect(output).toContain(
          `the table ${table} on the proxy drops what its chain ${table === "inet strict" ? "gate" : "FORWARD"} (hook forward) does not name`,
        );
      }
      expect(await published()).not.toContain("192.0.2.140");
    } finally {
      await the.sh(
        "deb1",
        `nft delete table inet strict; for own in iptables-legacy ip6tables-legacy; do $own -F; $own -X; done; ${APT} purge --autoremove iptables`,
      );
    }
    succeeded(await the.up());
    expect(await published()).toContain("192.0.2.140");
  });
});

describe("a machine whose kernel settings are its host's to set", () => {
  it("is told which, and by whom, before hostctl itself takes its place there", async () => {
    const HOSTCTL = "/usr/local/lib/chatmail-proxy/hostctl";
    const output = await the.sh(
      "deb1",
      // In mounts of its own: those of the machine are shared, and would not come off in the order in which they went on.
      `cp -p ${HOSTCTL} ${HOSTCTL}.new; sysctl -q -w net.ipv4.ip_forward=0
      unshare --mount sh -c 'mount --bind /proc/sys/net /proc/sys/net && mount -o remount,bind,ro /proc/sys/net && ${HOSTCTL}.new setup $(cat /var/lib/chatmail-proxy/stack) 2>&1 || echo refused; ls ${HOSTCTL}.new'
      sysctl -w net.ipv4.ip_forward=1; rm -f ${HOSTCTL}.new`,
    );
    expect(output).toMatch(
      /^chatmail-proxy: \/proc\/sys cannot be written here \(a container, systemd-nspawn\), and a proxy needs net\.ipv4\.ip_forward=1 \(as for sysctl -w\)\. .*\nrefused\n.*hostctl\.new\nnet\.ipv4\.ip_forward = 1$/,
    );
    for (const address of await the.addresses("deb1")) await the.client.login(newAccount(), relayTarget(address));
  });
});

describe("a proxy whose server cannot be bought", () => {
  const broken = (config: Config) =>
    void entries(config).push({ name: "sin1", host: "hetzner", location: "sin", serverType: "cx999" });

  it("leaves all that exists as it was, and is named with its step", async () => {
    const records = await published();
    const output = failed(await the.up(broken));
    expect(output).toMatch(/sin1-server/);
    expect(output).toMatch(/cx999/);
    expect(await published()).toEqual(records);
    for (const proxy of ALL)
      for (const address of await the.addresses(proxy)) await the.client.login(newAccount(), relayTarget(address));
    succeeded(await the.up());
    expect((await the.names("primary_ips")).filter((name) => name.startsWith("sin1"))).toEqual([]);
  });
});

describe("while somebody writes a message every second", () => {
  it("a proxy falls silent, is taken out of the records by the next run, and comes back: nothing is lost", async () => {
    const dead = await the.addresses("ash1");
    const report = await underTraffic(the.lab, async () => {
      await sleep(3000);
      await silence(the.lab, "ash1");
      try {
        // A client that tries the addresses one after the other gets through all the same.
        for (const address of await the.addresses("hel1")) await the.client.login(newAccount(), relayTarget(address));
        const output = failed(await the.up());
        expect(output).toContain(`ash1 (${dead[0]}): neither the relay's ports nor the proxy's own SSH answer`);
        expect(output).not.toMatch(/(hel1|deb1) \(/);
        const records = await published();
        expect(records).toHaveLength(4);
        for (const address of dead) expect(records).not.toContain(address);
      } finally {
        await unsilence(the.lab, "ash1");
      }
      await waitFor(
        "the tunnel",
        60,
        async () =>
          (await the.sh(
            "relay",
            ". /etc/chatmail-proxy/wg-ash1.conf; ping -c 1 -W 1 -I $IPV4 $PEER_IPV4 >/dev/null 2>&1 && echo up",
            "any",
          )) === "up",
      );
      succeeded(await the.up());
      expect(await published()).toHaveLength(6);
    });
    expect(report.sent.length).toBeGreaterThan(20);
    expect({ lost: report.lost, duplicates: report.duplicates }).toEqual({ lost: [], duplicates: [] });
  });

  it("one is removed by npm run remove, even if that is interrupted, and added again: none lost, none twice", async () => {
    const dir = mkdtempSync(join(tmpdir(), "lab-remove-"));
    const file = join(dir, "Pulumi.lab.yaml");
    copyFileSync(join(the.lab.dirs.project, "Pulumi.lab.yaml"), file);
    const outputs: string[] = [];
    const up = async () => {
      const { status, output } = await (
        await openStack(the.lab, quiet, file)
      ).pulumi(["up", "--yes", "--skip-preview"], { capture: true });
      outputs.push(output);
      return status;
    };
    const remove = (wait: (ms: number) => Promise<void>) =>
      removeProxy({
        name: "ash1",
        file,
        up,
        sshAnswers: () => Promise.reject(new Error("a bought server goes as a whole")),
        say: () => undefined,
        progress: () => undefined,
        now: () => new Date(),
        sleep: wait,
      });
    const others = (output: string, ours: RegExp) => touched(output).filter((name) => !ours.test(name));
    const report = await underTraffic(the.lab, async () => {
      const drained = await the.addresses("ash1");
      await expect(remove(() => Promise.reject(new Error("interrupted")))).rejects.toThrow("interrupted");
      expect(others(outputs[0] ?? "", /^mail-domain-/)).toEqual([]);
      expect(await published()).toHaveLength(4);
      // Drained, it still works.
      for (const address of drained) await the.client.login(newAccount(), relayTarget(address));
      await remove(sleep);
      expect(others(outputs.at(-1) ?? "", /^(ash1|mail-domain-|relay-(host|tunnels)$)/)).toEqual([]);
      expect(await the.names("servers")).toEqual(["hel1.proxy.example.org"]);
      const added = succeeded(await the.up());
      expect(others(added, /^(ash1|mail-domain-|relay-(host|tunnels)$)/)).toEqual([]);
      expect(await published()).toHaveLength(6);
    });
    rmSync(dir, { recursive: true });
    expect(report.sent.length).toBeGreaterThan(60);
    expect({ lost: report.lost, duplicates: report.duplicates }).toEqual({ lost: [], duplicates: [] });
  });

  it("the order of the list changes nothing", async () => {
    const output = succeeded(await the.up((config) => void entries(config).reverse()));
    expect(output).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });
});

describe("the relay's own mail", () => {
  const sendOut = async (): Promise<string> => {
    const account = newAccount("out");
    await the.client.login(account);
    const id = newId();
    await the.client.submit(465, account, { from: account.user, to: `postmaster@${OTHER_DOMAIN}`, id });
    return account.user;
  };
  /** The address from which the other server got mail of this sender. */
  const arrivedFrom = (user: string, seconds = 40) =>
    waitFor("the other server's log", seconds, async () => {
      const lines = await the.sh("mx", "journalctl -q -o cat -t postfix/smtpd -t postfix/qmgr --since -5min", "any");
      const queue = new RegExp(`(\\w+): from=<${user}>`).exec(lines)?.[1];
      return queue === undefined ? undefined : new RegExp(`${queue}: client=\\S+\\[([^\\]]+)\\]`).exec(lines)?.[1];
    });
  const rules = () => the.sh("relay", "ip -4 rule show; ip -6 rule show");
  // As chatmail does it from addr_v4 and addr_v6.
  const BIND = "postconf -e smtp_bind_address=192.168.77.10 smtp_bind_address_enforce=yes";
  const UNBIND = "postconf -X smtp_bind_address smtp_bind_address_enforce";
  const egress = (config: Config) => void (config["chatmail-proxy:egress"] = ["ash1", "deb1"]);

  it("leaves by its own line where no egress is set", async () => {
    expect(await arrivedFrom(await sendOut())).toBe("198.51.100.20");
  });

  it("is not sent where the provider lets no mail out, which is found and named", async () => {
    await the.sh(
      "ash1",
      "nft 'add table inet provider; add chain inet provider out { type filter hook postrouting priority 300; }; add rule inet provider out oifname != \"wg*\" tcp dport 25 drop'",
    );
    try {
      const output = failed(await the.up(egress));
      for (const family of [4, 6])
        expect(output).toContain(
          `ash1: no other mail server's port 25 answers from there over IPv${family}, so mail cannot leave through it. Providers block port 25 on new accounts`,
        );
      expect(output).not.toContain("deb1: no other mail server");
    } finally {
      await the.sh("ash1", "nft delete table inet provider");
    }
  });

  it("leaves through the egress, under its address, which bears the mail domain's name", async () => {
    const output = succeeded(await the.up(egress));
    expect(output).not.toContain("warning: SPF");
    const ash1 = await the.addresses("ash1");
    expect(ash1).toContain(await arrivedFrom(await sendOut()));
    for (const address of ash1) expect(await the.sh("client", `getent hosts ${address}`)).toContain("chat.example.org");
    expect(output).toContain(
      "deb1 is an egress, and the reverse DNS of 192.0.2.140 says deb1.example.net, not chat.example.org",
    );
  });

  it("leaves so over both families, though the home has IPv4 alone", async () => {
    for (const mx of await the.addresses("mx")) {
      const caught = await capture(
        the.lab,
        "mx",
        "eth0",
        "tcp dst port 25 and tcp[tcpflags] & tcp-syn != 0 or ip6 and tcp dst port 25",
      );
      expect(
        await the.sh("relay", `timeout 20 bash -c 'exec 3<>/dev/tcp/${mx}/25; head -n 1 <&3' 2>&1`, "any"),
      ).toMatch(/^220 /);
      const sources = new Set((await caught.stop()).map((line) => / IP6? (\S+)\.\d+ > /.exec(line)?.[1]));
      expect([...sources]).toEqual(
        (await the.addresses("ash1")).filter((address) => address.includes(":") === mx.includes(":")),
      );
    }
  });

  it("leaves so when postfix is bound to the relay's own addresses", async () => {
    await the.lab.control.setHome({ ipv6: true });
    try {
      for (const family of ["ipv4", "ipv6"]) {
        await the.sh(
          "relay",
          `${BIND} smtp_bind_address6=2001:db8:77::10 smtp_address_preference=${family} && postfix reload`,
        );
        expect(await arrivedFrom(await sendOut())).toBe(
          (await the.addresses("ash1")).find((address) => address.includes(":") === (family === "ipv6")),
        );
      }
    } finally {
      await the.sh("relay", `${UNBIND} smtp_bind_address6 smtp_address_preference && postfix reload`);
      await the.lab.control.setHome({ ipv6: false });
    }
  });

  it("takes the next one within half a minute when the first is dead, and waits in the queue when all are", async () => {
    const uplink = await the.sh("relay", "ip -o -4 route show default | sed 's/.* dev \\([^ ]*\\).*/\\1/'");
    const leak = await capture(the.lab, "relay", uplink, "tcp port 25");
    // Bound all the while: no way may depend on the source that the one before it gave.
    await the.sh("relay", `${BIND} && postfix reload`);
    // The second answers no ping: that its WireGuard does is enough.
    await the.sh(
      "deb1",
      "nft 'add table inet noping; add chain inet noping in { type filter hook input priority -5; }; add rule inet noping in icmp type echo-request drop; add rule inet noping in icmpv6 type echo-request drop'",
    );
    await silence(the.lab, "ash1");
    try {
      await waitFor("the second egress's turn", 40, async () =>
        (await the.sh("relay", "ip route get 192.0.2.25 ipproto tcp dport 25")).includes("wg-deb1"),
      );
      expect(await the.addresses("deb1")).toContain(await arrivedFrom(await sendOut()));
      await silence(the.lab, "deb1");
      await waitFor("no egress", 40, async () =>
        (await the.sh("relay", "ip route get 192.0.2.25 ipproto tcp dport 25 2>&1", "any")).includes("unreachable"),
      );
      const account = await sendOut();
      await expect(arrivedFrom(account, 5)).rejects.toThrow("waited 5 s");
      await unsilence(the.lab, "deb1");
      await waitFor("the egress back", 60, async () =>
        (await the.sh("relay", "ip route get 192.0.2.25 ipproto tcp dport 25")).includes("wg-deb1"),
      );
      await the.sh("relay", "postqueue -f");
      expect(await the.addresses("deb1")).toContain(await arrivedFrom(account));
    } finally {
      await unsilence(the.lab, "ash1");
      await unsilence(the.lab, "deb1");
      await the.sh("deb1", "nft delete table inet noping");
      await the.sh("relay", `${UNBIND} && postfix reload`);
    }
    expect(await leak.stop()).toEqual([]);
  });

  it("waits as well when the relay restarts and no tunnel comes up", async () => {
    const way = (how: string) => the.sh("relay", `ip route get 192.0.2.25 ${how} 2>&1`, "any");
    const broken = "/etc/systemd/system/wg-quick@.service.d";
    await the.sh("relay", `mkdir ${broken} && printf '[Service]\nExecStartPre=/bin/false\n' >${broken}/broken.conf`);
    try {
      await the.lab.control.reboot("relay");
      await waitFor("the home line", 20, async () => (await way("")).includes("via 192.168.77.1"));
      expect(await way("ipproto tcp dport 25")).toContain("unreachable");
      expect(await the.sh("relay", "ip -br link | grep wg-", "any")).toBe("");
    } finally {
      await the.sh("relay", `rm -r ${broken} && systemctl daemon-reload`);
    }
    await waitFor("the egress back", 40, async () => (await way("ipproto tcp dport 25")).includes("wg-ash1"));
  });

  it("reaches machines in the home without a detour", async () => {
    expect(await the.sh("relay", "ip route get 192.168.77.20 ipproto tcp dport 25")).not.toContain("wg-");
  });

  it("goes as it went before when egress is taken away, with no rule left behind", async () => {
    succeeded(await the.up());
    expect(await rules()).not.toContain("dport 25");
    expect(await arrivedFrom(await sendOut())).toBe("198.51.100.20");
  });
});

describe("the relay's own public name, from the relay itself", () => {
  // postfix greets only when it has asked DNS for its client's name, which takes its time when the home has just changed.
  const reaches = (address: string) =>
    the.sh("relay", `timeout 20 bash -c 'exec 3<>/dev/tcp/${address}/25; head -n 1 <&3' 2>&1`, "any");

  it("is reached in a home with IPv4 alone", async () => {
    for (const proxy of ALL)
      expect(await reaches((await the.addresses(proxy)).find((address) => !address.includes(":")) ?? "")).toMatch(
        /^220 /,
      );
  });

  it("is reached over IPv6 where the relay has a global address of its own", async () => {
    await the.lab.control.setHome({ ipv6: true });
    try {
      for (const proxy of ALL)
        for (const address of await the.addresses(proxy))
          expect([address, await reaches(address)]).toEqual([address, expect.stringMatching(/^220 /)]);
    } finally {
      await the.lab.control.setHome({ ipv6: false });
    }
  });
});

describe("an existing machine that is dead for good", () => {
  it("is left by way of gone, without a connection to it, and the others stay", async () => {
    await silence(the.lab, "deb1");
    try {
      failed(await the.up(change("deb1", { gone: true })));
      const output = succeeded(await the.up(without("deb1")));
      expect(output).toMatch(/deb1-host (deleted|retained)/);
      expect(await published()).toHaveLength(4);
    } finally {
      await unsilence(the.lab, "deb1");
    }
    // It was not dead after all: the next run takes it over as it is.
    succeeded(await the.up());
    expect(await published()).toHaveLength(6);
  });
});

describe("destroy", () => {
  it("puts back what was there, on the existing machine and on the relay", async () => {
    succeeded(await the.pulumi("destroy", "--yes", "--skip-preview"));
    for (const host of ["deb1", "relay"] as const) expect(await belongings(the.lab, host)).toBe(before[host]);
    expect(await mailConfiguration(the.lab)).toBe(before.mail);
    expect(await traces()).toBe(untouched);
    await nothingLeft(the);
  });
});
