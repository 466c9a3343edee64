// What hostctl does on FreeBSD, as tests for one shell. Bound to dash without root or packages, and to busybox's ash
// and tools where the lab's packages are.
import { statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { freebsd } from "../../../components/platforms/freebsd";
import { bundle, type HostSet } from "../../../components/remote/bundle";
import { PF_CASES } from "../../golden/cases";
import { MAIN_RULES } from "../pf/router";
import { FakeHost, type Shell } from "./fakeHost";

const filterOf = (name = "proxy-routed.pf") => bundle(freebsd.filterSet(PF_CASES[name]!, [{ name: "em0", acceptRa: 1 }]));
const FILTER = filterOf();
const plan = { slot: 1, proxy: { ipv4: "192.0.2.5", ipv6: "2001:db8:7::5" }, relay: { ipv4: "192.0.2.6", ipv6: "2001:db8:7::6" }, relayInterface: "wg-bsd1", routingTable: 1 };
const PEER = Buffer.alloc(32, "R").toString("base64");
const TUNNEL = bundle(freebsd.tunnelSet({ plan, port: 51820, mtu: 1420, peerPublicKey: PEER })).text;
const KEYS = bundle(freebsd.tunnelKeysSet({ privateKey: "k", presharedKey: "s" })).text;
const OWN_PF = 'ext = "em0"\nset skip on lo0\nscrub in all\nnat on $ext inet from 10.0.0.0/24 to any -> ($ext)\nblock in \\\n  log all\npass out all\npass in on $ext proto tcp to port 8080';

export function hostctlSuite(shell: Shell): void {
  const hosts: FakeHost[] = [];
  const host = (files: Record<string, string> = {}) => {
    const made = new FakeHost(shell, files);
    hosts.push(made);
    made.ok("setup");
    return made;
  };
  /** Armed and confirmed, as guardedFilter does it. */
  const brought = (files: Record<string, string> = {}, filter = FILTER) => {
    const made = host(files);
    made.ok("arm filter 60", filter.text);
    made.ok("confirm filter 60", `${filter.digest}\n`);
    return made;
  };
  afterEach(() => hosts.splice(0).forEach((each) => each.close()));

  describe("new rules", () => {
    it("are in force once armed, and not yet stored", () => {
      const bsd = host({ "/etc/rc.conf": 'sshd_enable="YES"\n' });
      const before = bsd.files();
      const said = bsd.ok("arm filter 60", FILTER.text);
      expect(said).toContain("they are taken back in 60 s unless a new SSH connection confirms them");
      expect(bsd.get("pf.state")).toBe("on\n");
      expect(bsd.get("pf.anchor")).toContain("rdr on em0 inet proto tcp");
      expect(bsd.get("pf.main")).toMatch(/nat-anchor "chatmail_proxy".*\nrdr-anchor "chatmail_proxy".*\nanchor "chatmail_proxy".*\nload anchor "chatmail_proxy" from /);
      expect(bsd.get("sysctl")).toContain("net.inet.ip.forwarding=1\nnet.inet6.ip6.forwarding=1\nnet.inet6.ip6.rfc6204w3=1\n");
      // The default route stays: the exception comes before forwarding.
      expect(bsd.done.filter((line) => /sysctl/.test(line)).map((line) => line.split(".").at(-1))).toEqual(["rfc6204w3=1", "forwarding=1", "forwarding=1"]);
      const stored = Object.fromEntries(Object.entries(bsd.files()).filter(([path]) => !path.startsWith("/var/db/chatmail-proxy")));
      expect(stored).toEqual(before);
    });

    it("are stored by a confirmation, and found in force by the next", () => {
      const bsd = brought();
      expect(bsd.read("/etc/pf.conf")).toBe(MAIN_RULES);
      // What `service pf reload` loads is the same as what is in force.
      const [, stored = ""] = /from "(.*)"/.exec(MAIN_RULES) ?? [];
      expect(bsd.read(stored)).toBe(bsd.get("pf.anchor"));
      expect(bsd.read("/etc/sysctl.conf.local")).toBe("net.inet6.ip6.rfc6204w3=1 # chatmail-proxy\nnet.inet.ip.forwarding=1 # chatmail-proxy\nnet.inet6.ip6.forwarding=1 # chatmail-proxy\n");
      expect(bsd.read("/etc/rc.conf")).toBe('gateway_enable="YES"\nipv6_gateway_enable="YES"\nipv6_cpe_wanif="em0"\npf_enable="YES"\n');
      expect(bsd.done).toEqual(["service sysctl onestart", "sysrc gateway_enable=YES", "sysrc ipv6_gateway_enable=YES", "sysrc ipv6_cpe_wanif=em0", "sysrc pf_enable=YES"]);
      expect(bsd.ok("confirm filter 60 final", `${FILTER.digest}\n`)).toContain("filter: in force");
    });

    it("never flush states: pf is not restarted, and only the anchor is loaded where the host calls it already", () => {
      const bsd = brought();
      bsd.ok("arm filter 60", filterOf("proxy-egress.pf").text);
      expect(bsd.done.filter((line) => /^(pfctl|service)/.test(line))).toEqual(["pfctl -q -a chatmail_proxy -f /var/db/chatmail-proxy/sets/filter/next/1"]);
      expect(bsd.get("pf.anchor")).toContain("chatmail_egress");
    });

    it("go again when nobody confirms them, and pf is off as it was", () => {
      const bsd = host({ "/etc/rc.conf": "gateway_enable=NO" });
      const before = bsd.get("sysctl").split("\n").sort();
      bsd.ok("arm filter 60", FILTER.text);
      expect(bsd.ok("revert filter 60")).toContain("new rules not confirmed within 60 s over a new SSH connection; the previous rules are in force again");
      expect([bsd.get("pf.state"), bsd.get("pf.anchor").match(/^(pass|block|rdr|nat)/m), bsd.get("pf.main").match(/anchor/)]).toEqual(["off\n", null, null]);
      expect(bsd.get("sysctl").split("\n").sort()).toEqual(before);
      expect([bsd.read("/etc/pf.conf"), bsd.read("/etc/rc.conf"), bsd.read("/etc/sysctl.conf.local")]).toEqual([undefined, "gateway_enable=NO", undefined]);
      expect(bsd.run("confirm filter 60 final", `${FILTER.digest}\n`).stderr).toContain("new rules not confirmed within 60 s");
    });

    it("give way to the rules before them, which pf had on already", () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      bsd.ok("arm filter 60", filterOf("proxy-egress.pf").text);
      bsd.ok("revert filter 60");
      expect(bsd.get("pf.anchor")).toBe(bsd.read("/usr/local/etc/chatmail-proxy/proxy.pf"));
      expect(bsd.get("pf.state")).toBe("on\n");
    });

    it("are loaded once more by a late confirmation, for the next to confirm", () => {
      const bsd = host();
      bsd.ok("arm filter 60", FILTER.text);
      bsd.ok("revert filter 60");
      bsd.write("/var/db/chatmail-proxy/sets/filter/status", `reverted ${FILTER.digest} 1000\n`);
      bsd.ok("confirm filter 60", `${FILTER.digest}\n`);
      expect(bsd.get("pf.state")).toBe("on\n");
      expect(bsd.ok("confirm filter 60 final", `${FILTER.digest}\n`)).toContain("confirmed; the new rules stay");
    });

    it("that pfctl refuses change nothing", () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      const before = [bsd.get("pf.main"), bsd.get("pf.anchor"), bsd.read("/etc/pf.conf")];
      const set: HostSet = { files: [{ path: "/usr/local/etc/chatmail-proxy/proxy.pf", mode: "0644", content: "NONSENSE\n" }] };
      const { status, stderr } = bsd.run("arm filter 60", bundle(set).text);
      expect([status, stderr]).toEqual([1, expect.stringContaining("pfctl refuses the new /usr/local/etc/chatmail-proxy/proxy.pf; the old rules are still in force")]);
      expect([bsd.get("pf.main"), bsd.get("pf.anchor"), bsd.read("/etc/pf.conf")]).toEqual(before);
      expect(bsd.done.filter((line) => line.startsWith("pfctl"))).toEqual([]);
    });

    it("are not loaded where nothing would take them back", () => {
      const bsd = host();
      bsd.forget("guard");
      expect(bsd.run("arm filter 60", FILTER.text).stderr).toContain("the guard that would take new rules back is not running, so nothing was changed");
      expect([bsd.get("pf.anchor"), bsd.get("pf.state")]).toEqual(["", "off\n"]);
    });

    it("change nothing when they arrive cut off", () => {
      const bsd = host();
      expect(bsd.run("arm filter 60", FILTER.text.slice(0, 300).split("\n").slice(0, -1).join("\n") + "\n").stderr).toContain("arrived cut off; nothing was changed");
    });
  });

  it("goes back by itself when the time is over, whoever is connected", () => {
    const bsd = host();
    bsd.ok("arm filter 60", FILTER.text);
    bsd.run("guard");
    expect(bsd.get("pf.state")).toBe("on\n"); // not yet
    bsd.write("/var/db/chatmail-proxy/sets/filter/deadline", "1000 60\n");
    bsd.run("guard");
    expect([bsd.get("pf.state"), bsd.read("/var/db/chatmail-proxy/sets/filter/deadline")]).toEqual(["off\n", undefined]);
  });

  it("puts back what others took away, and leaves a pf that somebody turned off", () => {
    const bsd = brought({ "/etc/pf.conf": OWN_PF });
    bsd.set("pf.main", "pass all\n");
    bsd.set("pf.anchor", "");
    bsd.ok("heal");
    expect(bsd.get("pf.main")).toContain('rdr-anchor "chatmail_proxy"');
    expect(bsd.get("pf.anchor")).toContain("rdr on em0");
    bsd.set("pf.state", "off\n");
    bsd.set("pf.anchor", "");
    bsd.ok("heal");
    expect([bsd.get("pf.state"), bsd.get("pf.anchor")]).toEqual(["off\n", ""]);
  });

  describe("a pf.conf that is there", () => {
    it("gets our lines where pf's order allows, before the first of the host's own of their kind", () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      expect(bsd.read("/etc/pf.conf")?.split("\n").map((line) => line.replace(/^(\S+ ?\S*).*# chatmail-proxy$/, "OURS $1"))).toEqual([
        'ext = "em0"', "set skip on lo0", "scrub in all",
        'OURS nat-anchor "chatmail_proxy"', 'OURS rdr-anchor "chatmail_proxy"',
        "nat on $ext inet from 10.0.0.0/24 to any -> ($ext)",
        'OURS anchor "chatmail_proxy"', "OURS load anchor",
        "block in \\", "  log all", "pass out all", "pass in on $ext proto tcp to port 8080", "",
      ]);
    });

    it("may include its rules from elsewhere", () => {
      const bsd = brought({ "/etc/pf.conf": 'include "/etc/pf.tables"\ninclude "/etc/pf.rules"\n', "/etc/pf.tables": "table <t> persist\n", "/etc/pf.rules": "block in quick from <t>\n" });
      expect(bsd.read("/etc/pf.conf")).toMatch(/^include "\/etc\/pf.tables"\nnat-anchor[^]*\nload anchor[^\n]*\ninclude "\/etc\/pf.rules"\n$/);
    });

    it("must not skip the interface that mail comes in on", () => {
      const bsd = host({ "/etc/pf.conf": "set skip on { lo0, em0 }\n" });
      expect(bsd.run("arm filter 60", FILTER.text).stderr).toContain("/etc/pf.conf says: set skip on em0. pf does not look at that interface then");
      expect(bsd.get("pf.state")).toBe("off\n");
    });

    it("has its rules named that meet ours", () => {
      const bsd = host({ "/etc/pf.conf": "rdr on em0 inet proto tcp to port 80 -> 10.0.0.2\nblock in quick from 203.0.113.0/24\npass out all\n" });
      const said = bsd.ok("arm filter 60", FILTER.text);
      expect(said).toContain("comes after ours, and sees only what ours leave: rdr on em0");
      expect(said).toContain("comes after ours, and sees only what ours leave: block in quick from 203.0.113.0/24");
      expect(said).not.toContain("pass out all");
    });

    it("is not made up where pf runs on rules from elsewhere", () => {
      const bsd = host();
      bsd.set("pf.loaded", "");
      bsd.set("pf.state", "on\n");
      bsd.set("pf.main", "pass all\n");
      expect(bsd.run("arm filter 60", FILTER.text).stderr).toContain("pf runs with rules that are not from");
    });

    it("keeps what the operator changes while we are there", () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      bsd.write("/etc/pf.conf", (bsd.read("/etc/pf.conf") as string).replace("scrub in all\n", "") + "pass in proto tcp to port 81\n");
      bsd.ok("arm filter 60", filterOf("proxy-egress.pf").text);
      bsd.ok("confirm filter 60", `${filterOf("proxy-egress.pf").digest}\n`);
      bsd.ok("remove filter");
      expect(bsd.read("/etc/pf.conf")).toBe(`${OWN_PF.replace("scrub in all\n", "")}\npass in proto tcp to port 81\n`);
    });
  });

  describe("leaving", () => {
    const before = { "/etc/pf.conf": OWN_PF, "/etc/rc.conf": "sshd_enable=YES\n gateway_enable='NO'  # why not\nhostname=\"a\"", "/etc/sysctl.conf.local": "kern.x=1\n# mine" };

    it.each([["a host with files of its own", before], ["a bare host", {}], ["a host with empty ones", { "/etc/pf.conf": "", "/etc/rc.conf": "", "/etc/sysctl.conf.local": "" }]])(
      "puts back %s byte for byte",
      (_what, files: Record<string, string>) => {
        const bsd = brought(files);
        bsd.ok("remove filter");
        const left = bsd.files();
        expect(Object.fromEntries(["/etc/pf.conf", "/etc/rc.conf", "/etc/sysctl.conf.local"].map((path) => [path, left[path]]))).toEqual({
          "/etc/pf.conf": undefined,
          "/etc/rc.conf": undefined,
          "/etc/sysctl.conf.local": undefined,
          ...files,
        });
        expect(bsd.get("pf.state")).toBe("off\n");
        expect(bsd.get("sysctl")).toContain("net.inet.ip.forwarding=0\nnet.inet6.ip6.forwarding=0\nnet.inet6.ip6.rfc6204w3=0\n");
      },
    );

    it("puts back any pf.conf, whatever stands in it", () => {
      const line = fc.constantFrom("pass all", "block in quick all", "nat on em0 from any to any -> (em0)", "no rdr on em0", "set limit states 9", "", "# note", "  anchor x {", "}", 'a = "{ 1 \\\n2 }"', "scrub in all", "antispoof for em0", "table <t> { 1.2.3.4 }");
      fc.assert(
        fc.property(fc.array(line, { maxLength: 8 }), fc.boolean(), (lines, ended) => {
          const text = lines.join("\n") + (ended && lines.length > 0 ? "\n" : "");
          const bsd = brought({ "/etc/pf.conf": text });
          const with_ = bsd.read("/etc/pf.conf") as string;
          bsd.ok("remove filter");
          expect(bsd.read("/etc/pf.conf")).toBe(text);
          // Ours first: nothing of the host's that filters stands before our anchor, nothing that translates before those.
          const ours = with_.split("\n");
          const at = (pattern: RegExp) => ours.findIndex((each) => pattern.test(each) && !each.includes("chatmail")) >>> 0;
          expect(ours.findIndex((each) => each.startsWith('anchor "chatmail'))).toBeLessThan(at(/^ *(pass|block|anchor|antispoof)/));
          expect(ours.findIndex((each) => each.startsWith("nat-anchor"))).toBeLessThan(at(/^ *(no )?(nat|rdr)/));
        }),
        { numRuns: 8 },
      );
    });

    it("leaves a value alone that somebody else has set since", () => {
      const bsd = brought({ "/etc/rc.conf": 'a="1"\n' });
      bsd.write("/etc/rc.conf", (bsd.read("/etc/rc.conf") as string).replace('gateway_enable="YES"', 'gateway_enable="yes, I need it"') + 'b="2"\n');
      bsd.ok("remove filter");
      expect(bsd.read("/etc/rc.conf")).toBe('a="1"\ngateway_enable="yes, I need it"\nb="2"\n');
    });

    it("takes everything along, and nothing of others", () => {
      const bare = new FakeHost(shell, before);
      hosts.push(bare);
      const start = bare.files();
      bare.ok("setup");
      bare.ok("install upgrades", bundle(freebsd.upgradesSet("03:17")).text);
      expect(bare.read("/etc/cron.d/chatmail-proxy")).toContain("17 3 * * * root /usr/sbin/freebsd-update cron");
      bare.ok("arm filter 60", FILTER.text);
      bare.ok("confirm filter 60", `${FILTER.digest}\n`);
      bare.ok("install tunnel-keys", KEYS);
      bare.ok("install tunnel", TUNNEL);
      bare.ok("uninstall");
      expect(bare.files()).toEqual(start);
      expect([bare.get("guard"), bare.get("interfaces/wg5182")]).toEqual(["", ""]);
    });
  });

  it("keeps the sets that are named, and removes the others", () => {
    const bsd = brought();
    bsd.ok("install tunnel-keys", KEYS);
    bsd.ok("install tunnel", TUNNEL);
    bsd.ok("keep filter upgrades");
    expect(bsd.get("interfaces/wg5182")).toBe("");
    expect([bsd.read("/usr/local/etc/chatmail-proxy/tunnel.key"), bsd.read("/usr/local/etc/chatmail-proxy/tunnel.env")]).toEqual([undefined, undefined]);
    expect(bsd.get("pf.anchor")).toContain("rdr on em0");
  });

  describe("the tunnel", () => {
    const etc = "/usr/local/etc/chatmail-proxy";

    it("comes up with its keys by file, its addresses, its MTU and routes to the relay", () => {
      const bsd = host();
      bsd.ok("install tunnel-keys", KEYS);
      bsd.ok("install tunnel", TUNNEL);
      expect(bsd.done).toEqual([
        "service chatmail_proxy_tunnel onerestart",
        "kldload if_wg",
        "ifconfig wg5182 create",
        "ifconfig wg5182 mtu 1420 up",
        `wg setconf wg5182 ${etc}/tunnel.conf`,
        `wg set wg5182 private-key ${etc}/tunnel.key peer ${PEER} preshared-key ${etc}/tunnel.psk`,
        "ifconfig wg5182 inet6 -ifdisabled",
        "ifconfig wg5182 inet 192.0.2.5/32 alias",
        "ifconfig wg5182 inet6 2001:db8:7::5/128 alias",
        "route -q -n add -inet 192.0.2.6/32 -interface wg5182",
        "route -q -n add -inet6 2001:db8:7::6/128 -interface wg5182",
      ]);
      for (const file of ["tunnel.key", "tunnel.psk"]) expect(statSync(join(bsd.root, etc, file)).mode & 0o777).toBe(0o600);
      expect(bsd.get("log")).not.toMatch(/private-key k/);
    });

    it("is left alone when nothing has changed, and healed when something is missing", () => {
      const bsd = host();
      bsd.ok("install tunnel-keys", KEYS);
      bsd.ok("install tunnel", TUNNEL);
      bsd.ok("install tunnel", TUNNEL);
      expect(bsd.done).toEqual([]);
      bsd.set("interfaces/wg5182", bsd.get("interfaces/wg5182").replace("PERFORMNUD", "PERFORMNUD,IFDISABLED"));
      bsd.ok("heal");
      expect(bsd.done).toContain("ifconfig wg5182 inet6 -ifdisabled");
      expect(bsd.done.some((line) => line.startsWith("route"))).toBe(false);
    });

    it("says what the proxy sees through it", () => {
      const out = host().run("through wg5182 192.0.2.6 2001:db8:7::6 25 443 993").stdout;
      expect(out).toMatch(/^handshake [78]\nendpoint 203\.0\.113\.9:41000\n/);
      expect(out).toContain("port 25 4 open 220 relay.example.org ESMTP\n");
      expect(out).toMatch(/port 443 6 open ?\n/);
      expect(out).toContain("port 993 6 shut\n");
    });
  });

  it("finds the interfaces towards the internet, and whether they learn their route", () => expect(host().run("wan").stdout).toBe("wan em0 1\n"));

  it("writes services that a shell can read", () => {
    const bsd = host();
    const script = bsd.read("/usr/local/etc/rc.d/chatmail_proxy_guard") as string;
    expect(script).toContain('command_args="-c -f -R 5 -P $pidfile -t $name /');
    expect(script.trimEnd().split("\n").at(-1)).toBe('run_rc_command "$1"');
    expect(bsd.read("/usr/local/etc/rc.d/chatmail_proxy_tunnel")).toContain("hostctl tunnel-up");
  });

  it("refuses a system that it is not made for, by name", () => {
    const bsd = host();
    expect(bsd.run("prepare", "", { FAKE_SYSTEM: "Linux" }).stderr).toContain("this host runs Linux; the settings say FreeBSD");
    expect(bsd.run("prepare", "", { FAKE_VERSION: "13.5-RELEASE" }).stderr).toContain("this host runs FreeBSD 13.5-RELEASE; 14 is the first");
    expect(bsd.run("prepare", "", { FAKE_VERSION: "15.0-RELEASE" }).status).toBe(0);
  });
}
