// Other ways than the usual one: a relay that is set up by a script, one with Debian 12 that stands on the internet itself
// (with a tunnel and without), a zone that takes signed updates or is changed by hand, and servers with Debian 12.
import { CASES } from "../golden/cases";
import { logLines, newAccount, proveMail, relayTarget } from "../../scripts/lab/mail";
import { CLIENT_LEG, OTHER_DOMAIN } from "../../scripts/lab/plan";
import type { PulumiResult } from "../../scripts/lab/stack/runner";
import { waitFor } from "../../scripts/lab/wait";
import { dkimVerdict, signedLetter } from "./dkim";
import { failed, nothingLeft, succeeded, theLab, type Config, type TheLab } from "./theLab";
import { underTraffic } from "./traffic";

jest.setTimeout(400_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab({ stack: false });
  await destroy();
});
afterAll(() => the?.close());

const destroy = async () => {
  succeeded(await the.pulumi("destroy", "--yes", "--skip-preview"));
  await nothingLeft(the);
};
const published = async (domain: string) =>
  (await the.sh("client", `getent ahosts ${domain} | awk '{ print $1 }' | sort -u`)).split("\n").filter(Boolean);
const ours = (host: string) =>
  the.sh(
    host,
    "find /etc /usr/local /var/lib -xdev \\( -path /var/lib/apt -o -path /var/lib/dpkg \\) -prune -o \\( -name '*chatmail-proxy*' ! -name chatmail-proxy-lab.asc -o -path '/etc/wireguard/*' \\) -print; ip -br link | grep wg-; nft list tables | grep chatmail; ip rule show | grep -e 'lookup 51' -e 'dport 25'",
    "any",
  );

describe("a relay that is set up by a script", () => {
  const script = (config: Config) => void (config["chatmail-proxy:relay"] = { setup: "script", outboundCheck: false });
  const run = (...words: string[]) => the.sh("relay", `sh /root/relay.sh ${words.join(" ")} 2>&1`);

  afterAll(destroy);

  it("ends the first run well and unpublished, and says what to do", async () => {
    const output = succeeded(await the.up(script));
    expect(output).toContain(
      "The relay has not called hel1 yet. Set up its end: (umask 077; pulumi stack output --show-secrets relayScript > relay.sh)",
    );
    expect(output).toMatch(/relayScript +: \[secret\]/);
    expect(await published("chat.example.org")).toEqual([]);
  });

  it("needs only that script, run by a person as root, as often as they like", async () => {
    const text = succeeded(await the.pulumi("stack", "output", "--show-secrets", "relayScript"));
    await the.lab.run("relay", ["sh", "-c", "umask 077; cat >/root/relay.sh"], { stdin: text, timeout: 30_000 });
    const rule = "from 198.51.100.0/24 lookup 5184881";
    await the.sh("relay", `ip rule add ${rule}`);
    await expect(run()).rejects.toThrow("this relay's routing table 5184881, meant for wg-hel1, is in use already (");
    await the.sh("relay", `ip rule del ${rule}`);
    expect(await the.sh("relay", "ip -br link | grep wg-; ls /etc/wireguard", "any")).toBe("");
    const first = await run();
    expect(first).toContain("this relay is set up. Now run pulumi up again");
    expect(first).not.toContain("TURN");
    const before = await the.sh("relay", "nft -s list ruleset; ip rule; wg show all dump | cut -f 1-4");
    await the.sh(
      "relay",
      `systemd-run -q --unit=a-turn-server perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, pack_sockaddr_in(3478, INADDR_ANY)) or die; sleep'`,
    );
    expect(await run()).toContain("chatmail-proxy: The relay runs a TURN server (UDP 3478)");
    await the.sh("relay", "systemctl stop a-turn-server");
    expect(await the.sh("relay", "nft -s list ruleset; ip rule; wg show all dump | cut -f 1-4")).toBe(before);
    await expect(run("--force")).rejects.toThrow("Usage");
  });

  it("is proved and published by the next run", async () => {
    succeeded(await the.up(script));
    expect(await published("chat.example.org")).toEqual((await the.addresses("hel1")).sort());
    await proveMail(the.lab);
  });

  it("can be set up over SSH from then on, and by the script again, without a gap: in one step it is refused", async () => {
    const report = await underTraffic(the.lab, async () => {
      succeeded(await the.up());
      expect(failed(await the.up(script))).toContain(
        'relay.setup: "script" would first take all tunnels off the relay, over SSH, and cut its users off.',
      );
      succeeded(
        await the.up((config) => void ((config["chatmail-proxy:relay"] as Record<string, unknown>).gone = true)),
      );
      succeeded(await the.up(script));
    });
    expect({ lost: report.lost, duplicates: report.duplicates }).toEqual({ lost: [], duplicates: [] });
    expect(report.longestMs).toBeLessThan(10_000);
    expect(await published("chat.example.org")).toEqual((await the.addresses("hel1")).sort());
    await run();
  });

  it("survives a reboot", async () => {
    await the.lab.control.reboot("relay");
    await waitFor("mail", 60, () =>
      the.client.login(newAccount()).then(
        () => true,
        () => false,
      ),
    );
  });

  it("is set up by the same script again when there is a proxy more, or less, and when there are new keys: each is told", async () => {
    // Not in the old readme, which an update shows too.
    const told = "warning: The relay's script has changed since the last run";
    const stops = (proxy: string) => `From this pulumi up until it has run there no mail passes through ${proxy}`;
    const again = async (change: (config: Config) => void, first: (result: PulumiResult) => string) => {
      const both = (config: Config) => {
        script(config);
        change(config);
      };
      const foreseen = succeeded(await the.preview(both));
      const output = first(await the.up(both));
      expect(output).toContain(told);
      await the.lab.run("relay", ["sh", "-c", "umask 077; cat >/root/relay.sh"], {
        stdin: succeeded(await the.pulumi("stack", "output", "--show-secrets", "relayScript")),
        timeout: 30_000,
      });
      await run();
      expect(succeeded(await the.up(both))).not.toContain(told);
      return { foreseen, output };
    };
    const interfaces = () => the.sh("relay", "ip -br link | sed -n 's/^\\(wg-[^ ]*\\).*/\\1/p' | sort");
    const two = (config: Config) =>
      void (config["chatmail-proxy:proxies"] as object[]).push({
        name: "ash1",
        host: "hetzner",
        location: "ash",
        serverType: "cpx11",
      });
    const added = await again(two, succeeded);
    for (const text of Object.values(added)) expect(text).not.toContain("no mail passes");
    expect(added.output).toContain("The relay has not called ash1 yet.");
    expect(await interfaces()).toBe("wg-ash1\nwg-hel1");
    expect(await published("chat.example.org")).toHaveLength(4);
    for (const address of await the.addresses("ash1")) await proveMail(the.lab, address);
    await again(() => undefined, succeeded);
    expect(await interfaces()).toBe("wg-hel1");
    const renewed = await again((config) => void (config["chatmail-proxy:tunnel"] = { keyGeneration: 2 }), failed);
    for (const text of Object.values(renewed)) expect(text).toContain(stops("hel1"));
    expect(renewed.output).toContain("no WireGuard handshake from the relay");
    await proveMail(the.lab);
  });

  it("is as it was after --remove", async () => {
    await run("--remove");
    await the.sh("relay", "rm /root/relay.sh");
    expect(await ours("relay")).toBe("");
  });
});

describe("a relay with public addresses of its own", () => {
  const vps = (config: Config) => {
    const [ipv4, ipv6] = the.lab.vps.addresses;
    config["chatmail-proxy:mailDomain"] = the.lab.vps.mailDomain;
    config["chatmail-proxy:relay"] = {
      ssh: { host: the.lab.vps.sshHost },
      ipv4,
      ipv6,
      outboundCheck: "mx.example.net",
    };
    config["chatmail-proxy:dns"] = { zone: "example.org", ttl: 60, onDestroy: "relay" };
  };
  const scripted = (config: Config) => {
    vps(config);
    Object.assign(config["chatmail-proxy:relay"] as object, { setup: "script", ssh: undefined });
  };
  const direct = (config: Config) => {
    vps(config);
    config["chatmail-proxy:tunnel"] = "none";
  };
  const seenAs = async (address: string) => {
    const account = newAccount("eve", the.lab.vps.mailDomain);
    await the.client.login(account, { host: the.lab.vps.mailDomain, address });
    return /rip=([^,]+)/.exec((await logLines(the.lab, "vps", account.user)).join())?.[1];
  };

  beforeAll(() => the.lab.control.start("vps"));
  afterAll(async () => {
    await destroy();
    await the.lab.control.power("vps", "off");
  });

  it("is reached through a tunnel as one at home is, here set up by the script, and reaches its own name, over both families", async () => {
    expect(await the.sh("vps", "cat /etc/debian_version")).toMatch(/^12\./);
    succeeded(await the.up(scripted));
    const text = succeeded(await the.pulumi("stack", "output", "--show-secrets", "relayScript"));
    await the.lab.run("vps", ["sh", "-c", "umask 077; cat >/root/relay.sh; sh /root/relay.sh; rm /root/relay.sh"], {
      stdin: text,
      timeout: 120_000,
    });
    succeeded(await the.up(scripted));
    await proveMail(the.lab, undefined, the.lab.vps.mailDomain);
    for (const address of await the.addresses("hel1")) {
      expect(
        await the.sh("vps", `timeout 20 bash -c 'exec 3<>/dev/tcp/${address}/25; head -n 1 <&3' 2>&1`, "any"),
      ).toMatch(/^220 /);
      expect(await seenAs(address)).toBe(address.includes(":") ? CLIENT_LEG.ipv6 : CLIENT_LEG.ipv4);
    }
  });

  it("is reached without one after a change in place, which loses no mail, leaves no rests, and is warned about", async () => {
    const report = await underTraffic(
      the.lab,
      async () => {
        const output = succeeded(await the.up(direct));
        expect(output).toContain(
          "Without a tunnel the relay sees all clients of a proxy under that proxy's one address.",
        );
        expect(output).not.toMatch(/Server .*replac/);
        expect(output).not.toContain("cannot reach mx.example.net on port 25");
        const [, release = "false"] =
          /The relay still has its ends of the tunnels, which a script set up\. Run there, as root: (.*)/.exec(
            output,
          ) ?? [];
        await the.sh("vps", release);
      },
      { domain: the.lab.vps.mailDomain, relay: "vps" },
    );
    expect(report.sent.length).toBeGreaterThan(5);
    expect({ lost: report.lost, duplicates: report.duplicates }).toEqual({ lost: [], duplicates: [] });
    await proveMail(the.lab, undefined, the.lab.vps.mailDomain);
    for (const address of await the.addresses("hel1")) {
      expect(await seenAs(address)).toBe(address);
      // The signature counts, not the address that a letter comes from: here it is the proxy's.
      const { text } = await signedLetter(
        the.lab,
        "vps",
        the.lab.vps.mailDomain,
        address.includes(":") ? "IPv6" : "IPv4",
      );
      expect(text).toContain(`${address}]`);
      expect(dkimVerdict(text)).toBe(`pass ${OTHER_DOMAIN}`);
    }
    expect(await ours("vps")).toBe("");
    expect(await the.sh("hel1", "ls /etc/wireguard; ip -br link | grep wg-", "any")).toBe("");
  });

  it("keeps all other ports of the proxy shut without a tunnel too", async () => {
    const [ipv4 = ""] = await the.addresses("hel1");
    expect((await the.client.scan(ipv4)).open).toEqual([22, 25, 80, 143, 443, 465, 587, 993]);
  });

  it("gets its tunnel back the same way", async () => {
    const report = await underTraffic(
      the.lab,
      async () => {
        succeeded(await the.up(vps));
      },
      { domain: the.lab.vps.mailDomain, relay: "vps" },
    );
    expect({ lost: report.lost, duplicates: report.duplicates }).toEqual({ lost: [], duplicates: [] });
    for (const address of await the.addresses("hel1"))
      expect(await seenAs(address)).toBe(address.includes(":") ? CLIENT_LEG.ipv6 : CLIENT_LEG.ipv4);
  });

  it("gets its own addresses back into DNS by destroy, where that is wanted", async () => {
    await destroy();
    expect(await published(the.lab.vps.mailDomain)).toEqual([...the.lab.vps.addresses].sort());
    const { rrsets } = await the.api<{ rrsets: { name: string; labels: Record<string, string> }[] }>(
      "GET",
      "/zones/example.org/rrsets?per_page=50",
    );
    for (const { name, labels } of rrsets) if (name === "direct") expect(labels).toEqual({});
    await proveMail(the.lab, undefined, the.lab.vps.mailDomain);
  });
});

/** A mail domain in the zone that takes signed updates. */
const DOMAIN = "chat.example.com";
const signed = (config: Config) => {
  const { zone, server, port, keyName, algorithm } = the.lab.rfc2136;
  config["chatmail-proxy:mailDomain"] = DOMAIN;
  config["chatmail-proxy:dns"] = {
    provider: "rfc2136",
    zone,
    server,
    port,
    ttl: 60,
    tsig: { name: keyName, algorithm },
  };
};
/** Changes that zone as a person would, by lines of nsupdate. */
const byHand = (...lines: string[]) =>
  the.lab.run("operator", ["knsupdate", "-k", the.lab.rfc2136.keyFile], {
    stdin: [`server ${the.lab.rfc2136.server}`, `zone ${the.lab.rfc2136.zone}`, ...lines, "send", ""].join("\n"),
    timeout: 30_000,
  });

describe("a zone that takes signed updates", () => {
  afterAll(destroy);

  it("gets the records of a stack, and an existing one is adopted", async () => {
    await byHand(`add ${DOMAIN}. 60 A 198.51.100.20`);
    succeeded(await the.up(signed));
    expect(await published(DOMAIN)).toEqual((await the.addresses("hel1")).sort());
    expect(await published("hel1.proxy.example.com")).toEqual((await the.addresses("hel1")).sort());
  });

  it("is not changed by a second run", async () => {
    const output = succeeded(await the.up(signed));
    expect(output).toMatch(/Resources:\n {4}\d+ unchanged\n/);
    // The lab's world asks that zone.
    expect(output).not.toContain("warning: DNS:");
  });

  it("never shows the key's secret", async () => {
    const exported = succeeded(await the.pulumi("stack", "export"));
    expect(exported).not.toContain(the.lab.rfc2136.secret);
  });

  it("says in plain words when the server does not know the key", async () => {
    const output = failed(
      await the.up((config) => {
        signed(config);
        (config["chatmail-proxy:dns"] as { tsig: { name: string } }).tsig.name = "another-key";
      }),
    );
    expect(output).toMatch(/dns: \S+ does not serve the zone example\.com, or not to this key .* Check dns\.zone/);
    expect(await published(DOMAIN)).toHaveLength(2);
  });

  it("is not left for another in one step, which would leave the mail domain without addresses", async () => {
    expect(failed(await the.up())).toContain(
      `mailDomain: was ${DOMAIN} until now, whose addresses this run would delete.`,
    );
    expect(await published(DOMAIN)).toHaveLength(2);
  });

  it("has nothing of ours after destroy", async () => {
    await destroy();
    expect(await published(DOMAIN)).toEqual([]);
  });
});

describe("a zone that is changed by hand", () => {
  const manual = (config: Config) => {
    signed(config);
    config["chatmail-proxy:dns"] = { provider: "manual", zone: the.lab.rfc2136.zone, ttl: 60 };
  };
  const live: string[] = [];

  afterAll(async () => {
    succeeded(await the.pulumi("destroy", "--yes", "--skip-preview"));
    await byHand(
      ...[DOMAIN, "hel1.proxy.example.com", `_a._chatmail-proxy.${DOMAIN}`, `_aaaa._chatmail-proxy.${DOMAIN}`].map(
        (name) => `delete ${name}.`,
      ),
    );
    await nothingLeft(the);
  });

  it("takes over from one that took updates, whose addresses stay", async () => {
    succeeded(
      await the.up((config) => {
        signed(config);
        (config["chatmail-proxy:dns"] as Record<string, unknown>).onDestroy = "keep";
      }),
    );
    succeeded(await the.up(manual));
    expect(await published(DOMAIN)).toEqual((await the.addresses("hel1")).sort());
    // The proxy's own name went with the updates.
    const output = succeeded(await the.up(manual));
    live.push(
      ...new Set([...output.matchAll(/DNS: add to the zone: (\S+\. 60 IN A+ \S+)/g)].map(([, line = ""]) => line)),
    );
    expect(live.map((line) => line.split(" ")[0])).toEqual(["hel1.proxy.example.com.", "hel1.proxy.example.com."]);
    expect(output).not.toContain("DNS: remove");
  });

  it("is what it should be when the lines that are asked for stand in it", async () => {
    await byHand(...live.map((line) => `add ${line}`));
    const output = succeeded(await the.up(manual));
    expect(output).not.toContain("warning: DNS:");
    const lines = succeeded(await the.pulumi("stack", "output", "zoneLines"))
      .trim()
      .split("\n");
    expect(lines.filter((line) => line.startsWith("hel1.")).sort()).toEqual([...live].sort());
    expect(lines).toHaveLength(4);
  });

  it("keeps the only proxy's addresses, though it is to be drained", async () => {
    const output = succeeded(
      await the.up((config) => {
        manual(config);
        Object.assign((config["chatmail-proxy:proxies"] as object[])[0] as object, { publish: false });
      }),
    );
    expect(output).toContain("hel1 has publish: false, but stays in DNS: there is no other proxy that works");
  });
});

describe("a server with Debian 12", () => {
  const bookworm = (config: Config) =>
    void Object.assign((config["chatmail-proxy:proxies"] as object[])[0] as object, { image: "debian-12" });

  afterAll(destroy);

  it("is set up as one with Debian 13 is, by the same rules", async () => {
    succeeded(await the.up(bookworm));
    expect(await the.sh("hel1", "cat /etc/debian_version")).toMatch(/^12\./);
    for (const address of await the.addresses("hel1")) await proveMail(the.lab, address);
    expect(succeeded(await the.up(bookworm))).toMatch(/Resources:\n {4}\d+ unchanged\n/);
  });

  it("loads every rule set that we render", async () => {
    for (const [name, text] of Object.entries(CASES).filter(([name]) => name.endsWith(".nft"))) {
      const { status, stderr } = await the.lab.run("hel1", ["nft", "-c", "-f", "-"], {
        stdin: text,
        accept: "any",
        timeout: 30_000,
      });
      expect([name, status, stderr]).toEqual([name, 0, ""]);
    }
  });

  it("comes back by itself after a reboot, with its rules", async () => {
    await the.lab.control.reboot("hel1");
    await waitFor("mail", 60, () =>
      the.client.login(newAccount(), relayTarget()).then(
        () => true,
        () => false,
      ),
    );
    expect(await the.sh("hel1", "nft list tables")).toContain("table inet chatmail_proxy");
  });
});
