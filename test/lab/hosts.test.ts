// Hosts and relays that are not the plain case: another user than root, Debian 12, one family alone, another SSH port, SSH
// from some networks alone, UDP, a shared machine that is closed.
import { join } from "node:path";
import { judge, type OutsideView } from "../../components/health/verdict";
import { logLines, newAccount, proveMail, relayTarget } from "../../scripts/lab/mail";
import { MAIL_PORTS, OPERATOR_LEG } from "../../scripts/lab/plan";
import { waitFor } from "../../scripts/lab/wait";
import { belongings } from "./belongings";
import { failed, nothingLeft, succeeded, theLab, type Config, type TheLab } from "./theLab";
import { capture } from "./wire";

jest.setTimeout(300_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab({ stack: false, proxies: ["deb1"] });
  await destroy();
});
afterAll(async () => {
  await the.lab.control.setHome({ ipv6: false });
  await destroy();
  the.close();
});

const destroy = async () => succeeded(await the.pulumi("destroy", "--yes", "--skip-preview"));
const published = async () =>
  (await the.sh("client", "getent ahosts chat.example.org | awk '{ print $1 }' | sort -u")).split("\n").filter(Boolean);
const entry = (config: Config) =>
  (config["chatmail-proxy:proxies"] as Record<string, unknown>[])[0] as Record<string, unknown> & {
    ssh: Record<string, unknown>;
  };
const relaySsh = (config: Config) => (config["chatmail-proxy:relay"] as { ssh: Record<string, unknown> }).ssh;
const open = async (address: string, ...ports: [number?]) => (await the.client.scan(address, ...ports, ...ports)).open;

type Firewall = "ufw" | "firewalld";
const SWITCH: Record<Firewall, Record<"on" | "reload" | "off", string>> = {
  // With its limit on new SSH connections, which one run of ours would exceed.
  ufw: {
    on: "ufw limit ssh && ufw --force enable",
    reload: "ufw reload",
    off: "ufw --force disable && nft delete table ip filter && nft delete table ip6 filter",
  },
  firewalld: {
    on: "systemctl unmask firewalld && systemctl enable --now firewalld",
    reload: "firewall-cmd --reload",
    off: "systemctl disable --now firewalld",
  },
};
/** Debian's own, and switched off: firewalld would start at once. */
const install = (host: string, ...names: Firewall[]) =>
  the.sh(
    host,
    `systemctl mask firewalld; apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install ${names.join(" ")}`,
  );
const purge = (host: string, ...names: Firewall[]) =>
  the.sh(
    host,
    `DEBIAN_FRONTEND=noninteractive apt-get -q -y purge --autoremove ${names.join(" ")}; systemctl unmask firewalld`,
    "any",
  );
/** The commands that a message gives against this firewall. */
const cure = (output: string, name: Firewall, host: "proxy" | "relay") =>
  new RegExp(`${name} is active on the ${host}: .* \\((.+)\\)$`, "m").exec(output)?.[1] ?? "false";

/** What we could have left on a machine: files of ours, packages, keys, settings, rules, units. */
const traces = (host: string) =>
  the.sh(
    host,
    "find /etc /usr/local /var/lib -xdev \\( -path /var/lib/apt -o -path /var/lib/dpkg \\) -prune -o -name '*chatmail-proxy*' -print; dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' wireguard-tools nftables 2>/dev/null | grep ^i; cat /root/.ssh/authorized_keys; sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding; ip -br link | grep wg-; nft list tables 2>/dev/null; systemctl list-units --all --no-legend 'chatmail-proxy*' 'wg-quick*'",
    "any",
  );

describe("an existing machine and a relay where root may not log in", () => {
  const HOSTS = ["deb1", "relay"];
  const asAdmin = (config: Config) => {
    entry(config).ssh.user = "admin";
    relaySsh(config).user = "admin";
    entry(config).ipv6 = undefined;
  };

  beforeAll(async () => {
    for (const host of HOSTS) {
      await the.sh(
        host,
        "useradd -m -s /bin/bash admin && install -d -m 700 -o admin /home/admin/.ssh && install -m 600 -o admin /root/.ssh/authorized_keys /home/admin/.ssh/ && echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin && echo 'PermitRootLogin no' >/etc/ssh/sshd_config.d/00-test.conf && systemctl restart ssh",
      );
      // What a login shell may print before any command of ours, here with words that ours begin with, too.
      await the.sh(
        host,
        `printf '%s\n' 'printf "\\033]0;admin\\007failed logins: 3\\nheld\\nwan eth9 0\\nno newline"' >/home/admin/.bashrc`,
      );
    }
  });
  afterAll(async () => {
    await destroy();
    for (const host of HOSTS)
      await the.sh(
        host,
        "rm /etc/ssh/sshd_config.d/00-test.conf /etc/sudoers.d/admin; systemctl restart ssh; userdel -rf admin",
        "any",
      );
  });

  it("are told that new interfaces get no IPv6 there, before any of ours comes", async () => {
    for (const host of HOSTS) await the.sh(host, "sysctl -w net.ipv6.conf.default.disable_ipv6=1");
    try {
      const output = failed(await the.up(asAdmin));
      expect(output).toContain(
        "has IPv6 switched off (net.ipv6.conf.default.disable_ipv6=1, which each new interface gets)",
      );
      await the.sh("relay", "sysctl -w net.ipv6.conf.default.disable_ipv6=0");
      expect(failed(await the.up(asAdmin))).toMatch(
        /deb1: its set-up failed at deb1-host: IPv6 is switched off in this host's kernel \(net\.ipv6\.conf\.default\.disable_ipv6=1, which each new interface gets\)/,
      );
    } finally {
      for (const host of HOSTS) await the.sh(host, "sysctl -w net.ipv6.conf.default.disable_ipv6=0");
    }
  });

  it("are set up by sudo, here with IPv4 alone, whatever their login shell prints", async () => {
    succeeded(await the.up(asAdmin));
    expect(await published()).toEqual(["192.0.2.140"]);
    await proveMail(the.lab, "192.0.2.140");
  });

  it("are seen to be dead, and not taken for machines that cannot be checked from here, where a firewall rejects", async () => {
    const root = join(__dirname, "../..");
    const LOOK = `require("${root}/scripts/register"); require("${root}/components/health/probe").probe({ address: "192.0.2.140", ports: [${MAIL_PORTS.join()}], mailDomain: "chat.example.org" }, { attempt: 3000, total: 0 }).then((view) => console.log(JSON.stringify(view)))`;
    const look = async (...inside: string[]) =>
      JSON.parse(
        (await the.lab.run("operator", [...inside, process.execPath, "-e", LOOK], { timeout: 30_000 })).stdout,
      ) as OutsideView;
    // As Oracle's images have it.
    await the.sh(
      "deb1",
      "nft 'add table inet strict; add chain inet strict forward { type filter hook forward priority -5; }; add rule inet strict forward ct state new meta nfproto ipv4 reject with icmp type host-prohibited'",
    );
    try {
      const view = await look();
      expect([...new Set(view.map(({ answer }) => answer.kind))]).toEqual(["silent"]);
      expect(judge(4, view, "not asked")).toMatchObject({
        healthy: false,
        faults: expect.arrayContaining([
          expect.stringContaining("the way there ends with EHOSTUNREACH: a firewall on the proxy"),
        ]) as string[],
      });
      // A machine without any network, by its own routes.
      expect([...new Set((await look("unshare", "--net")).map(({ answer }) => answer.kind))]).toEqual(["notFromHere"]);
    } finally {
      await the.sh("deb1", "nft delete table inet strict");
    }
    expect([...new Set((await look()).map(({ answer }) => answer.kind))]).toEqual(["answered"]);
  });
});

describe("an existing machine with Debian 12", () => {
  // A rented mail server that is to be a proxy from now on.
  const SERVICES = "postfix dovecot nginx";
  let before: string;
  const vps = (config: Config) => {
    const [ipv4, ipv6] = the.lab.vps.addresses;
    config["chatmail-proxy:proxies"] = [
      { name: "old1", host: "linux", ssh: { host: the.lab.vps.sshHost }, ipv4, ipv6 },
    ];
  };

  beforeAll(async () => {
    await the.lab.control.start("vps");
    before = await traces("vps");
  });

  it("is not touched while its own mail server has the ports", async () => {
    expect(failed(await the.up(vps))).toMatch(
      /old1-config[^]*port 25 is in use on this host \(by (master|something)\)/,
    );
    expect(await the.sh("vps", "nft list tables 2>/dev/null", "any")).not.toContain("chatmail_proxy");
  });

  it("is not touched while rules of its owner's redirect some of the ports, which go on doing so", async () => {
    await the.sh(
      "vps",
      `systemctl disable --now ${SERVICES}; apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install iptables`,
    );
    const servers = await Promise.all(
      ["2525", "2143"].map((port) =>
        the.lab.spawn(
          "vps",
          ["systemd-socket-activate", "--accept", "--inetd", "-l", port, "echo", `220 of the owner's ${port}`],
          { stdio: "ignore" },
        ),
      ),
    );
    const asked = async () =>
      Promise.all(
        [25, 143].map((port) =>
          the.sh("client", `sleep 3 | curl -s -m 10 telnet://${the.lab.vps.addresses[0]}:${port}`, "any"),
        ),
      );
    await the.sh(
      "vps",
      "nft 'table ip owner { chain pre { type nat hook prerouting priority dstnat; iifname \"eth0\" tcp dport { 25, 2500 } redirect to :2525; }; }'; iptables-legacy -t nat -A PREROUTING -p tcp -m multiport --dports 143,1143 -j REDIRECT --to-ports 2143",
    );
    try {
      await waitFor(
        "the servers",
        10,
        async () => (await the.sh("vps", "ss -Hltn '( sport = :2525 or sport = :2143 )'")).split("\n").length === 2,
      );
      const output = failed(await the.up(vps));
      expect(output).toContain(
        'old1: its set-up failed at old1-config: ports 25, 143 are in use on this host (by nftables, table ip owner, chain pre: iifname "eth0" tcp dport { 25, 2500 } redirect to :2525; iptables-legacy, table nat, chain PREROUTING: -A PREROUTING -p tcp -m multiport --dports 143,1143 -j REDIRECT --to-ports 2143), and a proxy forwards them to the relay: take that rule out',
      );
      expect(await the.sh("vps", "nft list tables")).not.toContain("chatmail_proxy");
      expect(await asked()).toEqual(["220 of the owner's 2525", "220 of the owner's 2143"]);
    } finally {
      for (const server of servers) server.kill();
      await the.sh("vps", "nft delete table ip owner; iptables-legacy -t nat -F", "any");
    }
  });

  it("is set up as one with Debian 13 is, and survives a reboot", async () => {
    expect(await the.sh("vps", "cat /etc/debian_version")).toMatch(/^12\./);
    succeeded(await the.up(vps));
    for (const address of the.lab.vps.addresses) await proveMail(the.lab, address);
    await the.lab.control.reboot("vps");
    for (const address of the.lab.vps.addresses)
      await waitFor("mail", 60, () =>
        the.client.login(newAccount(), relayTarget(address)).then(
          () => true,
          () => false,
        ),
      );
  });

  it("is told how to let all of ours in by its owner's firewalld, as one with Debian 13 is by ufw, and keeps it through a reboot", async () => {
    const machines = [
      { host: "vps", proxy: "old1", name: "firewalld" },
      { host: "deb1", proxy: "deb1", name: "ufw" },
    ] as const;
    const both = (config: Config) => {
      const deb1 = entry(config);
      vps(config);
      (config["chatmail-proxy:proxies"] as object[]).push(deb1);
      // The tunnel of the one that is there already is made anew for this, and meets the firewall.
      config["chatmail-proxy:egress"] = ["old1", "deb1"];
    };
    const everywhere = (work: (machine: (typeof machines)[number]) => Promise<unknown>) =>
      Promise.all(machines.map(work));
    const rules = () => everywhere(({ host }) => the.sh(host, "nft -s list table inet chatmail_proxy"));
    await everywhere(({ host, name }) => install(host, name).then(() => the.sh(host, SWITCH[name].on)));
    try {
      const output = failed(await the.up(both));
      expect(output).toContain("ufw limits new SSH connections to 6 in 30 s");
      expect(output).toMatch(/deb1 \(192\.0\.2\.140\): no WireGuard handshake from the relay/);
      expect(output).toMatch(/old1 \(\S+\): the relay answers none of the ports through the tunnel/);
      // Once by their names is enough.
      expect(output).not.toContain("drops what its chain");
      await everywhere(({ host, name }) => the.sh(host, cure(output, name, "proxy")));
      // What hardening guides have a machine say, which is no router as far as they know.
      await everywhere(({ host }) =>
        the.sh(
          host,
          "printf 'net.ipv4.ip_forward=0\\nnet.ipv6.conf.all.forwarding=0\\n' >/etc/sysctl.d/99-hardening.conf",
        ),
      );
      await everywhere(({ host }) => the.lab.control.reboot(host));
      // Not in the old page, which an update shows too.
      expect(succeeded(await the.up(both)).split(/\n\s*Outputs:/)[0]).not.toContain("is active on the proxy");
      const before = await rules();
      await everywhere(({ host, name }) => the.sh(host, SWITCH[name].reload));
      expect(await rules()).toEqual(before);
      for (const { host } of machines)
        for (const address of await the.addresses(host)) await the.client.login(newAccount(), relayTarget(address));
      // The relay's own mail, out by each.
      const greeting = (proxy: string, mx: string) =>
        the.sh(
          "relay",
          `sleep 5 | curl -s -m 5 --interface wg-${proxy} telnet://${mx.includes(":") ? `[${mx}]` : mx}:25`,
          "any",
        );
      const greetings = await everywhere(async ({ proxy }) =>
        Promise.all((await the.addresses("mx")).map((mx) => greeting(proxy, mx))),
      );
      for (const each of greetings.flat()) expect(each).toMatch(/^220 /);
    } finally {
      await everywhere(({ host, name }) =>
        the.sh(host, `rm -f /etc/sysctl.d/99-hardening.conf; ${SWITCH[name].off}`, "any").then(() => purge(host, name)),
      );
    }
  });

  it("is as it was after destroy", async () => {
    await destroy();
    expect(await traces("vps")).toBe(before);
    await the.sh("vps", `systemctl enable --now ${SERVICES}`);
  });
});

// The mail server that was a proxy a moment ago is a relay now.
describe("an existing machine without a tunnel", () => {
  const standing = async () => ({
    deb1: await traces("deb1"),
    owner: await belongings(the.lab, "deb1"),
    relay: await traces("vps"),
  });
  let before: Awaited<ReturnType<typeof standing>>;
  const direct = (config: Config) => {
    const [ipv4, ipv6] = the.lab.vps.addresses;
    config["chatmail-proxy:mailDomain"] = the.lab.vps.mailDomain;
    config["chatmail-proxy:relay"] = {
      ssh: { host: the.lab.vps.sshHost },
      ipv4,
      ipv6,
      outboundCheck: "mx.example.net",
    };
    config["chatmail-proxy:dns"] = { zone: "example.org", ttl: 60, onDestroy: "relay" };
    config["chatmail-proxy:tunnel"] = "none";
  };

  beforeAll(async () => {
    await the.lab.control.start("vps");
    before = await standing();
  });
  afterAll(() => the.lab.control.power("vps", "off"));

  it("hands mail on to a relay with public addresses, beside what its owner has on it", async () => {
    succeeded(await the.up(direct));
    for (const address of await the.addresses("deb1")) {
      await proveMail(the.lab, address, the.lab.vps.mailDomain);
      const account = newAccount("eve", the.lab.vps.mailDomain);
      await the.client.login(account, { host: the.lab.vps.mailDomain, address });
      expect((await logLines(the.lab, "vps", account.user)).join()).toContain(`rip=${address},`);
      expect(await open(address, 8080)).toEqual([8080]);
    }
    expect(await the.sh("deb1", "nft list tables")).toContain("table inet chatmail_proxy");
    expect({ ...(await standing()), deb1: "" }).toEqual({ ...before, deb1: "" });
  });

  it("is as it was once that is destroyed, and so is the relay", async () => {
    await destroy();
    expect(await standing()).toEqual(before);
    await nothingLeft(the);
  });
});

describe("an existing machine with IPv6 alone", () => {
  it("is dialled and published by it", async () => {
    await the.lab.control.setHome({ ipv6: true });
    succeeded(await the.up((config) => void (entry(config).ipv4 = undefined)));
    const [ipv6 = ""] = (await the.addresses("deb1")).filter((address) => address.includes(":"));
    expect(await published()).toEqual([ipv6]);
    await the.client.login(newAccount(), relayTarget(ipv6));
    await the.lab.control.setHome({ ipv6: false });
  });
});

describe("UDP ports", () => {
  it("are handed on to the relay, which sees the sender's own address", async () => {
    succeeded(await the.up((config) => void (config["chatmail-proxy:udpPorts"] = [5555, "50000-50010"])));
    const caught = await capture(the.lab, "relay", "wg-deb1", "udp");
    for (const port of [5555, 5556, 50005])
      await the.sh("client", `bash -c 'echo hello >/dev/udp/192.0.2.140/${port}'`);
    const ports = (await caught.stop()).map((line) => /198\.51\.100\.10\.\d+ > \S+\.(\d+): UDP/.exec(line)?.[1]);
    expect(ports).toEqual(["5555", "50005"]);
  });

  it("are found where a service of the owner's has one, and not for our own tunnel", async () => {
    const free = () =>
      the.sh("deb1", "/usr/local/lib/chatmail-proxy/hostctl status 'free udp 5550-5560;free udp 51820-51820'");
    const inTheWay = async () => (JSON.parse(await free()) as { conflicts: string[] }).conflicts.join();
    expect(await inTheWay()).toBe("");
    const server = await the.lab.spawn("deb1", ["systemd-socket-activate", "--datagram", "-l", "5556", "cat"], {
      stdio: "ignore",
    });
    try {
      await waitFor("the server", 10, async () => (await the.sh("deb1", "ss -Hlun 'sport = :5556'")) !== "");
      expect(await inTheWay()).toMatch(
        /UDP port 5556 is in use on this host \(by systemd-socket[^)]*\), and a proxy forwards it to the relay/,
      );
    } finally {
      server.kill();
    }
  });
});

describe("a machine that others use too", () => {
  it("is closed but for what is named, where that is wanted, and open again afterwards", async () => {
    succeeded(await the.up((config) => void (entry(config).closed = true)));
    expect(await open("192.0.2.140")).toEqual([22, ...MAIL_PORTS].sort((a, b) => a - b));
    succeeded(await the.up());
    expect(await open("192.0.2.140")).toEqual([22, 8080, ...MAIL_PORTS].sort((a, b) => a - b));
  });
});

describe("an existing machine that is one stack's proxy", () => {
  let second: TheLab;
  beforeAll(async () => {
    second = await theLab({ stack: false, proxies: ["deb1"], name: "second" });
  });
  afterAll(() => second.close());

  it("cannot become another's, which leaves it as it is, also when it goes", async () => {
    const output = failed(
      await second.up((config) => {
        config["chatmail-proxy:mailDomain"] = "second.example.org";
        entry(config).name = "deb2";
      }),
    );
    expect(output).toContain(
      "deb2: its set-up failed at deb2-host: this machine is a proxy of the stack chatmail-proxy/lab already",
    );
    expect(await the.sh("relay", "ls /etc/wireguard")).not.toContain("deb2");
    succeeded(await second.pulumi("destroy", "--yes", "--skip-preview"));
    succeeded(await second.pulumi("stack", "rm", "--yes"));
    await proveMail(the.lab, "192.0.2.140");
    expect(succeeded(await the.up())).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });
});

describe("a relay whose owner has a firewall", () => {
  beforeAll(() => install("relay", "ufw", "firewalld"));
  afterAll(() => purge("relay", "ufw", "firewalld"));

  it.each(["ufw", "firewalld"] as const)("that is %s is told how to let mail in by all tunnels", async (name) => {
    await the.sh("relay", SWITCH[name].on);
    try {
      expect(await open("192.0.2.140", 993)).toEqual([]);
      await the.sh(
        "relay",
        cure(await the.sh("relay", "/usr/local/lib/chatmail-proxy/hostctl relay-firewalls 2>&1"), name, "relay"),
      );
      await the.sh("relay", SWITCH[name].reload);
      for (const address of await the.addresses("deb1")) await the.client.login(newAccount(), relayTarget(address));
    } finally {
      await the.sh("relay", SWITCH[name].off);
    }
  });
});

describe("a bought server", () => {
  let hel1: TheLab;
  beforeAll(async () => {
    await destroy();
    hel1 = await theLab({ stack: false });
  });
  afterAll(() => hel1.close());

  /** Which of the two ports SSH could be on answer a client. */
  const ssh = async () => {
    const [address = ""] = await hel1.addresses("hel1");
    return (await Promise.all([22, 2222].map((port) => the.client.scan(address, port, port)))).flatMap(
      ({ open: found }) => found,
    );
  };

  const kept = (config: Config) =>
    void Object.assign(entry(config), { sshPort: 2222, deleteProtection: true, backups: true });

  it("has its SSH on another port from its first boot on", async () => {
    succeeded(await hel1.up(kept));
    expect(await ssh()).toEqual([2222]);
    await proveMail(the.lab);
  });

  it("is deleted by nobody while that is wanted so, and has backups: a run says so before anything is gone", async () => {
    interface Standing {
      readonly servers: readonly { backup_window: string | null; protection: { delete: boolean } }[];
      readonly primary_ips: readonly { ip: string; protection: { delete: boolean } }[];
    }
    const standing = async () => ({
      ...(await the.api<Pick<Standing, "servers">>("GET", "/servers")),
      ...(await the.api<Pick<Standing, "primary_ips">>("GET", "/primary_ips")),
    });
    const before = await standing();
    expect([...before.servers, ...before.primary_ips].map(({ protection }) => protection.delete)).toEqual([
      true,
      true,
      true,
    ]);
    expect(before.servers.map(({ backup_window }) => backup_window)).toEqual([expect.stringMatching(/^\d\d-\d\d$/)]);
    // As the preview of a person's `pulumi up` and `pulumi destroy` has it.
    const refused = [
      await hel1.preview(
        (config) =>
          void (config["chatmail-proxy:proxies"] = [
            { name: "ash1", host: "hetzner", location: "ash", serverType: "cpx11" },
          ]),
      ),
      await hel1.preview((config) => {
        kept(config);
        entry(config).sshPort = 22;
      }),
      await hel1.pulumi("destroy", "--yes"),
    ].map(failed);
    for (const output of refused)
      expect(output).toMatch(/hel1-(server|ipv4|ipv6)"[^"]*(because it is protected|marked for protection)/);
    expect(await standing()).toEqual(before);
    await proveMail(the.lab);
  });

  // No word of protection any more: from here on it may be replaced, and go.
  it("lets SSH in from some networks alone, and from everywhere again, in place", async () => {
    const from = (networks: string[]) => (config: Config) => {
      entry(config).sshPort = 2222;
      config["chatmail-proxy:adminNetworks"] = networks;
    };
    const output = succeeded(await hel1.up(from([`${OPERATOR_LEG.ipv4}/32`])));
    expect(output).not.toMatch(/Server hel1-server (replac|delet)/);
    expect(await ssh()).toEqual([]);
    await proveMail(the.lab);
    succeeded(await hel1.up(from([])));
    expect(await ssh()).toEqual([2222]);
  });

  it("has it on another port by being replaced, and keeps its addresses", async () => {
    const addresses = await hel1.addresses("hel1");
    const output = succeeded(await hel1.up());
    expect(output).toMatch(/hel1-server .*replaced/);
    expect(await hel1.addresses("hel1")).toEqual(addresses);
    expect(await ssh()).toEqual([22]);
    for (const address of addresses) await proveMail(the.lab, address);
  });
});
