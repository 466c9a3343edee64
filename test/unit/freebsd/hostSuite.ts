// The tunnel, what a FreeBSD host says of itself, and leaving it as it was; for one shell.
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { freebsd } from "../../../components/platforms/freebsd";
import { parseHostStatus } from "../../../components/hosts/status";
import { bundle } from "../../../components/remote/bundle";
import type { Wan } from "../../../components/filter/sysctl";
import { PF_CASES } from "../../golden/cases";
import { documentOf, driftIn } from "../remote/aDocument";
import { bench, FILTER, KEYS, OWN_PF, PEER, TUNNEL } from "./bench";
import type { FakeHost, Shell } from "./fakeHost";

/** What a proxy sees of the relay, as status tells it. */
const seen = (bsd: FakeHost, asked: string): readonly string[] =>
  parseHostStatus(bsd.run("status", `through ${asked}\n`).stdout).view ?? [];

export function hostSuite(shell: Shell): void {
  const { bare, host, brought } = bench(shell);

  describe("leaving", () => {
    const before = {
      "/etc/pf.conf": OWN_PF,
      "/etc/rc.conf": "sshd_enable=YES\n gateway_enable='NO'  # why not\nhostname=\"a\"",
      "/etc/sysctl.conf.local": "kern.x=1\n# mine",
    };

    it.each([
      ["a host with files of its own", before],
      ["a bare host", {}],
      ["a host with empty ones", { "/etc/pf.conf": "", "/etc/rc.conf": "", "/etc/sysctl.conf.local": "" }],
    ])("puts back %s byte for byte", (_what, files: Record<string, string>) => {
      const bsd = brought(files);
      bsd.ok("drop filter");
      const left = bsd.files();
      expect(
        Object.fromEntries(
          ["/etc/pf.conf", "/etc/rc.conf", "/etc/sysctl.conf.local"].map((path) => [path, left[path]]),
        ),
      ).toEqual({
        "/etc/pf.conf": undefined,
        "/etc/rc.conf": undefined,
        "/etc/sysctl.conf.local": undefined,
        ...files,
      });
      expect(bsd.get("pf.state")).toBe("off\n");
      expect(bsd.get("sysctl")).toContain(
        "net.inet.ip.forwarding=0\nnet.inet6.ip6.forwarding=0\nnet.inet6.ip6.rfc6204w3=0\n",
      );
    });

    it("leaves pf on, with the host's own rules alone, where it was on before", () => {
      const bsd = host({ "/etc/pf.conf": OWN_PF, "/etc/rc.conf": 'pf_enable="YES"\n' });
      bsd.set("pf.loaded", "");
      bsd.set("pf.state", "on\n");
      bsd.set("pf.main", OWN_PF);
      bsd.arm(FILTER);
      bsd.confirmed();
      bsd.ok("drop filter");
      expect([
        bsd.get("pf.state"),
        bsd.get("pf.main"),
        bsd.get("pf.anchor").match(/^(pass|rdr)/m),
        bsd.read("/etc/rc.conf"),
      ]).toEqual(["on\n", OWN_PF, null, 'pf_enable="YES"\n']);
    });

    it("puts back any pf.conf, whatever stands in it", () => {
      // In pf's order, with what may stand anywhere between.
      const ordered = [
        "set limit states 9",
        "scrub in all",
        "nat on em0 from any to any -> (em0)",
        "no rdr on em0",
        "pass all",
        "block in quick all",
        "  anchor x",
        "antispoof for em0",
      ];
      const line = fc.constantFrom(...ordered, "", "# note", "# more \\", 'a = "{ 1 \\\n2 }"', "table <t> { 1.2.3.4 }");
      fc.assert(
        fc.property(fc.array(line, { maxLength: 8 }), fc.boolean(), (drawn, ended) => {
          const places = drawn
            .map((each) => ordered.indexOf(each))
            .filter((rank) => rank >= 0)
            .sort();
          const lines = drawn.map((each) =>
            ordered.includes(each) ? (ordered[places.shift() as number] as string) : each,
          );
          const text = lines.join("\n") + (ended && lines.length > 0 ? "\n" : "");
          const bsd = brought({ "/etc/pf.conf": text });
          const with_ = bsd.read("/etc/pf.conf") as string;
          bsd.ok("drop filter");
          expect(bsd.read("/etc/pf.conf")).toBe(text);
          // Ours first: nothing of the host's that filters stands before our anchor, nothing that translates before those.
          const ours = with_.split("\n");
          // What comes behind a comment that runs on is part of it.
          const comment = ours.map((_, i) => i > 0 && /^# more \\$/.test(ours[i - 1] as string));
          const at = (pattern: RegExp) =>
            ours.findIndex((each, i) => !comment[i] && pattern.test(each) && !each.includes("chatmail")) >>> 0;
          expect(ours.findIndex((each) => each.startsWith('anchor "chatmail'))).toBeLessThan(
            at(/^ *(pass|block|anchor|antispoof)/),
          );
          expect(ours.findIndex((each) => each.startsWith("nat-anchor"))).toBeLessThan(at(/^ *(no )?(nat|rdr)/));
        }),
        { numRuns: 8 },
      );
    });

    it("leaves a value alone that somebody else has set since", () => {
      const bsd = brought({ "/etc/rc.conf": 'a="1"\n' });
      bsd.write(
        "/etc/rc.conf",
        (bsd.read("/etc/rc.conf") as string).replace('gateway_enable="YES"', 'gateway_enable="yes, I need it"') +
          'b="2"\n',
      );
      bsd.ok("drop filter");
      expect(bsd.read("/etc/rc.conf")).toBe('a="1"\ngateway_enable="yes, I need it"\nb="2"\n');
    });

    it("takes everything along, and nothing of others", () => {
      const bsd = bare(before);
      const start = bsd.files();
      bsd.ok("setup");
      bsd.ok("install upgrades", bundle(freebsd.upgradesSet("03:17")).text);
      expect(bsd.read("/etc/cron.d/chatmail-proxy")).toContain("17 3 * * * root /usr/sbin/freebsd-update cron");
      bsd.arm(FILTER);
      bsd.confirmed();
      bsd.ok("install tunnel-keys", KEYS);
      bsd.ok("install tunnel", TUNNEL);
      bsd.ok("uninstall");
      expect(bsd.files()).toEqual(start);
      expect([bsd.get("guard"), bsd.get("interfaces/wg5182")]).toEqual(["", ""]);
    });
  });

  describe("directories that others use too", () => {
    const lived = (bsd: ReturnType<typeof bare>) => {
      bsd.bring();
      bsd.ok("install upgrades", bundle(freebsd.upgradesSet("03:17")).text);
      bsd.ok("step admin_keys", "ssh-ed25519 BBBB\n");
      bsd.ok("install tunnel-keys", KEYS);
      bsd.ok("install tunnel", TUNNEL);
      const meanwhile = bsd.places();
      bsd.ok("uninstall");
      return meanwhile;
    };

    it("are made where they are missing, for others too, and go again when we do", () => {
      const bsd = bare();
      rmSync(join(bsd.root, "usr/local"), { recursive: true });
      const before = bsd.places();
      expect(lived(bsd)).toMatchObject({
        "/usr/local": "755",
        "/usr/local/lib": "755",
        "/usr/local/lib/chatmail-proxy": "755",
        "/usr/local/etc": "755",
        "/usr/local/etc/rc.d": "755",
        "/etc/cron.d": "755",
        "/root/.ssh": "700",
      });
      expect(bsd.places()).toEqual(before);
    });

    it("stay as they were where they were there, empty or not", () => {
      const bsd = bare();
      rmSync(join(bsd.root, "usr/local/lib/chatmail-proxy"), { recursive: true });
      for (const place of ["usr/local/lib", "usr/local/etc/rc.d", "etc/cron.d", "root/.ssh"]) {
        mkdirSync(join(bsd.root, place), { recursive: true });
        chmodSync(join(bsd.root, place), 0o711);
      }
      const before = bsd.places();
      lived(bsd);
      expect(bsd.places()).toEqual(before);
    });

    it("go where an earlier version made them, which noted nothing, and nobody has put anything into them since", () => {
      const left = (others: Record<string, string>) => {
        const bsd = bare({ "/usr/local/etc/rc.d/chatmail_proxy_guard": "#!/bin/sh\n", ...others });
        bsd.bring();
        bsd.ok("uninstall");
        return Object.keys(bsd.places()).filter((place) => place.startsWith("/usr/local/lib"));
      };
      expect(left({})).toEqual([]);
      expect(left({ "/usr/local/lib/theirs.so": "" })).toEqual(["/usr/local/lib"]);
    });

    it("stay where somebody has put something into them since", () => {
      const bsd = bare();
      rmSync(join(bsd.root, "usr/local"), { recursive: true });
      bsd.bring();
      bsd.write("/usr/local/lib/theirs.so", "");
      bsd.ok("uninstall");
      expect(Object.keys(bsd.files())).toEqual(["/usr/local/lib/theirs.so"]);
      expect(bsd.places()).not.toHaveProperty("/usr/local/etc");
    });
  });

  describe("an IPv6 route that is learnt", () => {
    const filterFor = (wan: readonly Wan[]) => bundle(freebsd.filterSet(PF_CASES["proxy-routed.pf"]!, wan));
    const confirmed = (bsd: ReturnType<typeof bare>, wan: readonly Wan[]) => {
      const { text } = filterFor(wan);
      bsd.arm({ text });
      bsd.confirmed();
    };
    const two = [
      { name: "em0", acceptRa: 1 },
      { name: "em1", acceptRa: 1 },
    ];

    it("is asked for at boot by rtsold, which stops when we leave, as after a boot without us", () => {
      const bsd = brought({ "/etc/rc.conf": 'a="1"\n' });
      expect(bsd.read("/etc/rc.conf")).toContain('rtsold_enable="YES"\n');
      bsd.set("rtsold", "");
      bsd.ok("drop filter");
      expect([bsd.read("/etc/rc.conf"), bsd.done]).toEqual([
        'a="1"\n',
        expect.arrayContaining(["service rtsold onestop"]),
      ]);
    });

    it("leaves an rtsold of the host's own running, with its flags", () => {
      const rc = 'rtsold_enable="YES"\nrtsold_flags="em0"\n';
      const bsd = brought({ "/etc/rc.conf": rc });
      bsd.set("rtsold", "");
      bsd.ok("drop filter");
      expect([bsd.read("/etc/rc.conf"), bsd.done.filter((line) => line.includes("rtsold"))]).toEqual([rc, []]);
    });

    it("is asked for once more after a boot where it is missing, since of two interfaces the boot itself serves none", () => {
      const bsd = host();
      confirmed(bsd, two);
      const asked = () => {
        bsd.ok("heal");
        return bsd.done.filter((line) => /rtsold|rfc6204w3/.test(line));
      };
      expect(asked()).toEqual([]);
      // A boot: rc.d/netoptions, and rc.d/cleanvar.
      bsd.set("sysctl", bsd.get("sysctl").replace("rfc6204w3=1", "rfc6204w3=0"));
      bsd.remove("/var/run/chatmail-proxy.asked");
      bsd.set("route.default", "");
      expect(asked()).toEqual(["sysctl net.inet6.ip6.rfc6204w3=1", "service rtsold onerestart"]);
      expect(asked()).toEqual([]);
    });

    it("is not asked for where it is not learnt", () => {
      const bsd = host({ "/etc/rc.conf": "" });
      confirmed(bsd, [{ name: "em0", acceptRa: 0 }]);
      bsd.set("route.default", "");
      bsd.ok("heal");
      expect([bsd.read("/etc/rc.conf"), bsd.done]).toEqual([
        'gateway_enable="YES"\nipv6_gateway_enable="YES"\npf_enable="YES"\n',
        [],
      ]);
    });

    it("has no lines in rc.conf any more where it is learnt no more, or by another interface", () => {
      const bsd = host({ "/etc/rc.conf": 'a="1"\n' });
      confirmed(bsd, [{ name: "em0", acceptRa: 1 }]);
      confirmed(bsd, [{ name: "em1", acceptRa: 1 }]);
      expect(bsd.read("/etc/rc.conf")).toContain('ipv6_cpe_wanif="em1"\n');
      confirmed(bsd, two);
      expect(bsd.read("/etc/rc.conf")).toBe(
        'a="1"\ngateway_enable="YES"\nipv6_gateway_enable="YES"\nrtsold_enable="YES"\npf_enable="YES"\n',
      );
      confirmed(bsd, [{ name: "em1", acceptRa: 1 }]);
      bsd.ok("drop filter");
      expect(bsd.read("/etc/rc.conf")).toBe('a="1"\n');
    });

    const booted = (files: Record<string, string>) => {
      const bsd = brought(files);
      // A boot with ipv6_cpe_wanif: rc.d/netoptions; these interfaces came to be after it.
      bsd.set("sysctl", bsd.get("sysctl").replace("no_radr=0", "no_radr=1"));
      for (const name of ["em1", "em0.7", "wlan0"])
        bsd.set(
          `interfaces/${name}`,
          `${name}: flags=8863 metric 0 mtu 1500\n\tnd6 options=63<PERFORMNUD,ACCEPT_RTADV,AUTO_LINKLOCAL,NO_RADR>\n`,
        );
      bsd.ok("drop filter");
      return [
        bsd.get("sysctl").match(/no_radr=\d/)?.[0],
        ...["em1", "em0.7", "wlan0"].map((name) => bsd.get(`interfaces/${name}`).includes("NO_RADR")),
      ];
    };

    it("is learnt again on all interfaces when we have left after a boot, but for those whose owner forbids it", () => {
      expect(
        booted({ "/etc/rc.conf": 'ifconfig_em0_7_ipv6="inet6 accept_rtadv no_radr"\nifconfig_wlan0="DHCP"\n' }),
      ).toEqual(["no_radr=0", false, true, false]);
    });

    it.each([
      ["/etc/sysctl.conf", "net.inet6.ip6.no_radr=1\n"],
      ["/etc/sysctl.conf.local", "net.inet6.ip6.no_radr=1\n"],
    ])("stays forbidden where the owner has said so for all, in %s", (path, line) => {
      expect(booted({ [path]: line })).toEqual(["no_radr=1", true, true, true]);
    });
  });

  it("is one stack's, and is told as data of what fails", () => {
    const bsd = bare();
    const asks = (generation: string, ...facts: string[]) =>
      bsd.apply("host", generation, documentOf("host", ...facts)).answer;
    expect(asks("g", "setup chatmail-proxy/prod/bsd1")).toEqual({ ok: true });
    expect(asks("other", "setup chatmail-proxy/other/bsd1")).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^this machine is a proxy of the stack chatmail-proxy\/prod already, /) as string,
    });
    expect(bsd.read("/var/db/chatmail-proxy/documents/host")).toMatch(/ g applied\n$/);
    expect(asks("g", "setup chatmail-proxy/prod/bsd1 direct", "wan-of em0")).toEqual({ ok: true, wan: ["wan em0 1"] });
    expect(asks("g", "wan-of em7")).toMatchObject({ ok: false, reason: expect.stringContaining("em7") as string });
    expect(asks("g", "setup chatmail-proxy/prod/bsd1", "package bash").reason).toContain("no packages are installed");
    const set = bsd.files();
    bsd.ok("uninstall chatmail-proxy/other/bsd1");
    expect(bsd.files()).toEqual(set);
    bsd.ok("uninstall chatmail-proxy/prod/bsd1");
    expect(Object.keys(bsd.files())).toEqual([]);
  });

  it("keeps the sets that its documents name, and removes the others", () => {
    const bsd = brought();
    bsd.ok("install tunnel-keys", KEYS);
    bsd.ok("install tunnel", TUNNEL);
    bsd.apply("host", "g", documentOf("host", "keep upgrades"));
    bsd.confirmed();
    expect(bsd.get("interfaces/wg5182")).toBe("");
    expect([
      bsd.read("/usr/local/etc/chatmail-proxy/tunnel.key"),
      bsd.read("/usr/local/etc/chatmail-proxy/tunnel.env"),
    ]).toEqual([undefined, undefined]);
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
      expect(bsd.files()).not.toHaveProperty("/var/run/chatmail-proxy.tunnel.lock");
      for (const file of ["tunnel.key", "tunnel.psk"])
        expect(statSync(join(bsd.root, etc, file)).mode & 0o777).toBe(0o600);
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
      // Its session goes on: `wg setconf` would end it.
      expect(bsd.done.filter((line) => /^(route|wg)/.test(line))).toEqual([]);
    });

    const up = () => {
      const bsd = host();
      bsd.ok("install tunnel-keys", KEYS);
      bsd.ok("install tunnel", TUNNEL);
      return bsd;
    };
    const destroy = (bsd: ReturnType<typeof bare>) => {
      for (const name of [
        "interfaces/wg5182",
        "routes.wg5182",
        "wg5182.peer",
        "wg5182.psk",
        "wg5182.endpoint",
        "wg5182.heard",
      ])
        bsd.forget(name);
    };

    it("comes up once at boot, where its service and the guard both see that it is missing", () => {
      const bsd = up();
      destroy(bsd);
      bsd.set("slow", "");
      expect(bsd.together("tunnel-up", "heal", "tunnel-up")).toBe("0\n0\n0\n");
      expect(bsd.done.filter((line) => /create|setconf|^route/.test(line))).toEqual([
        "ifconfig wg5182 create",
        `wg setconf wg5182 ${etc}/tunnel.conf`,
        "route -q -n add -inet 192.0.2.6/32 -interface wg5182",
        "route -q -n add -inet6 2001:db8:7::6/128 -interface wg5182",
      ]);
      expect(bsd.read("/usr/local/etc/rc.d/chatmail_proxy_guard")).toContain(
        "# REQUIRE: FILESYSTEMS netif routing chatmail_proxy_tunnel\n",
      );
    });

    it("calls the relay where that was last heard from, once its interface is made again", () => {
      const bsd = up();
      bsd.set("wg5182.endpoint", "198.51.100.20:40000\n");
      bsd.set("wg5182.heard", "");
      bsd.ok("heal");
      destroy(bsd);
      bsd.ok("heal");
      expect(bsd.done.slice(-2)).toEqual([
        `wg set wg5182 peer ${PEER} endpoint 198.51.100.20:40000`,
        "ping -n -q -c 1 -t 1 192.0.2.6",
      ]);
    });

    it("keeps nothing of a relay that was not heard lately, and calls nobody then", () => {
      const bsd = up();
      bsd.set("wg5182.endpoint", "198.51.100.20:40000\n");
      bsd.ok("heal");
      destroy(bsd);
      bsd.ok("heal");
      expect(bsd.done.filter((line) => /endpoint|ping/.test(line))).toEqual([]);
    });

    it.each(["peer", "psk"])("knows the relay again whose %s somebody has taken out", (what) => {
      const bsd = up();
      bsd.forget(`wg5182.${what}`);
      bsd.ok("heal");
      expect(bsd.done.filter((line) => /^wg/.test(line))).toEqual([
        `wg setconf wg5182 ${etc}/tunnel.conf`,
        `wg set wg5182 private-key ${etc}/tunnel.key peer ${PEER} preshared-key ${etc}/tunnel.psk`,
      ]);
    });

    it("is healed after a reboot in the middle of a run, whose lock rc.d/cleanvar leaves", () => {
      const bsd = up();
      destroy(bsd);
      symlinkSync("99999999", join(bsd.root, "var/run/chatmail-proxy.lock"));
      bsd.ok("heal");
      expect(bsd.done).toContain("ifconfig wg5182 create");
    });

    it("says what the proxy sees through it", () => {
      const bsd = host();
      bsd.set("wg5182.endpoint", "203.0.113.9:41000\n");
      bsd.set("wg5182.heard", "");
      const view = seen(bsd, "wg5182 192.0.2.6 2001:db8:7::6 - 25 443 993");
      expect(view.slice(0, 2)).toEqual([expect.stringMatching(/^handshake [78]$/), "endpoint 203.0.113.9:41000"]);
      expect(view).toContain("port 25 4 open 220 relay.example.org ESMTP");
      expect(view.map((line) => line.trim())).toContain("port 443 6 open");
      expect(view).toContain("port 993 6 shut");
    });
  });

  describe("the way out on port 25", () => {
    const outbound = (server: string, files: Record<string, string>) => {
      const bsd = host();
      for (const [name, content] of Object.entries(files)) bsd.set(name, content);
      const found = seen(bsd, `- - - ${server}`);
      return [found.filter((line) => line.startsWith("outbound")), bsd.done] as const;
    };
    const names =
      "mx.example.net A 203.0.113.25\nmx.example.net AAAA 2001:db8:f::25\nfour.example.net A 203.0.113.25\n";

    it("is tried at a server's address of each family", () => {
      const [found, asked] = outbound("mx.example.net", { names, greeters: "203.0.113.25\n" });
      expect(found).toEqual(["outbound 4 open", "outbound 6 shut"]);
      expect([...asked].sort()).toEqual(["host -t A mx.example.net", "host -t AAAA mx.example.net"]);
    });

    it("says nothing of a family that the server has not, nor of a server that is not there", () => {
      expect(outbound("four.example.net", { names })[0]).toEqual(["outbound 4 shut"]);
      expect(outbound("none.example.net", { names })[0]).toEqual([]);
    });

    it.each([
      ["203.0.113.25", 4],
      ["2001:db8:f::25", 6],
    ])("is tried at the address that is given instead of a name: %s", (address, family) => {
      expect(outbound(address, { greeters: `${address}\n` })).toEqual([[`outbound ${family} open`], []]);
    });

    it("is not tried where there is no route of that family", () => {
      expect(outbound("mx.example.net", { names, "route.default": "" })[0]).toEqual([]);
    });
  });

  it("names ipfw where it filters beside pf", () => {
    const bsd = host();
    expect(seen(bsd, "- 192.0.2.6 - - 25").join()).not.toContain("ipfw");
    bsd.set("sysctl", "net.inet.ip.fw.enable=1\n");
    expect(seen(bsd, "- 192.0.2.6 - - 25")).toContain(
      "firewall ipfw is active on the proxy: let the forwarded ports and the tunnel pass in it too",
    );
  });

  it("lets admins in, and no longer, beside those that could before", () => {
    const bsd = host({ "/root/.ssh/authorized_keys": "ssh-ed25519 AAAA owner" });
    bsd.ok("step admin_keys", "ssh-ed25519 BBBB\n");
    expect(bsd.read("/root/.ssh/authorized_keys")).toBe(
      "ssh-ed25519 AAAA owner\n# chatmail-proxy: begin (written by pulumi up)\nssh-ed25519 BBBB\n# chatmail-proxy: end\n",
    );
    bsd.ok("step admin_keys");
    expect(bsd.read("/root/.ssh/authorized_keys")).toBe("ssh-ed25519 AAAA owner\n");
    bsd.remove("/root/.ssh/authorized_keys");
    bsd.ok("step admin_keys", "ssh-ed25519 BBBB\n");
    bsd.ok("uninstall");
    expect(bsd.read("/root/.ssh/authorized_keys")).toBeUndefined();
  });

  describe("a machine that is there already", () => {
    const tunnel = (port: number, ipv4 = "192.0.2.5", ipv6 = "2001:db8:7::5") => `tunnel ${port} ${ipv4} ${ipv6}`;
    const FREE = [tunnel(51820), "tcp 25", "tcp 443", "udp 3478-3478", "udp 50000-50999"];
    /** What is in the way of these. */
    const conflicts = (bsd: ReturnType<typeof bare>, asked: readonly string[] = FREE) =>
      parseHostStatus(bsd.run(`status`, asked.map((line) => `free ${line}\n`).join("")).stdout).conflicts;

    it("is free, also once all of ours is there", () => {
      const bsd = host();
      bsd.set(
        "sockets",
        "root sshd 1 4 tcp4 *:22 *:*\nroot sendmail 2 4 tcp4 127.0.0.1:25 *:*\nroot sendmail 2 5 tcp6 ::1:25 *:*\nroot named 3 4 udp4 *:443 *:*\nroot turn 3 5 udp4 127.0.0.1:3478 *:*\nroot turn 3 6 udp6 ::1:3478 *:*\nroot turn 3 7 tcp4 *:3478 *:*\n",
      );
      expect(conflicts(bsd)).toEqual([]);
      bsd.ok("install tunnel-keys", KEYS);
      bsd.ok("install tunnel", TUNNEL);
      bsd.set("sockets", "? ? ? ? udp4 *:51820 *:*\n");
      expect(conflicts(bsd)).toEqual([]);
      // The tunnel is to have another port, and the relay that of now.
      expect(conflicts(bsd, [tunnel(4500), "tcp 25", "udp 51820-51820"])).toEqual([]);
      // What was the relay's address is to be the proxy's.
      expect(conflicts(bsd, [tunnel(51820, "192.0.2.6", "2001:db8:7::6"), "tcp 25"])).toEqual([]);
    });

    it.each([
      [
        "a port",
        "www nginx 7 6 tcp46 *:443 *:*",
        "port 443 is in use on this host (by nginx), and a proxy forwards it to the relay: stop that service, or take the port out of ports",
      ],
      [
        "a UDP port",
        "turn turnserver 7 6 udp46 *:3478 *:*",
        "UDP port 3478 is in use on this host (by turnserver), and a proxy forwards it to the relay: stop that service, or take the port out of udpPorts",
      ],
      [
        "a UDP port in a range, be it the kernel",
        "? ? ? ? udp4 *:50998 *:*",
        "UDP port 50998 is in use on this host (by something), and",
      ],
      [
        "a UDP port, be it the kernel of FreeBSD 15",
        "?? ?? ?? ?? udp4 *:50998 *:*",
        "UDP port 50998 is in use on this host (by something), and",
      ],
      [
        "the tunnel's port",
        "root openvpn 7 6 udp4 *:51820 *:*",
        "UDP port 51820, meant for the tunnel, is in use on this host: choose another tunnel.port",
      ],
    ])("is not free where somebody serves %s", (_what, line, text) => {
      const bsd = host();
      bsd.set("sockets", `${line}\n`);
      expect(conflicts(bsd)).toEqual([expect.stringContaining(text)]);
      expect(
        bsd.apply("config", "g", documentOf("config", ...FREE.map((each) => `free ${each}`))).answer.reason,
      ).toContain(text);
    });

    it("is free, and the port named, where it may be somebody who only dials out", () => {
      const bsd = host();
      bsd.set("sysctl", "net.inet.ip.portrange.first=10000\nnet.inet.ip.portrange.last=65535\n");
      bsd.set("sockets", "root tailscaled 7 6 udp46 *:50998 *:*\n");
      expect(bsd.apply("config", "g", documentOf("config", ...FREE.map((each) => `free ${each}`)))).toMatchObject({
        answer: { ok: true },
        said: expect.stringContaining(
          "UDP port 50998 is in use on this host (by tailscaled), and a proxy forwards it to the relay. If that is a service",
        ) as string,
      });
    });

    it.each([
      ["192.0.2.5", "192.0.2.0", "em1"],
      ["192.0.2.5", "192.0.2.5", "lo0"],
      ["2001:db8:7::5", "2001:db8:7::", "wg0"],
    ])("is not free where %s is in use (%s by %s)", (address, destination, by) => {
      const bsd = host();
      bsd.set(`route.${address}`, `   route to: ${address}\ndestination: ${destination}\n  interface: ${by}\n`);
      expect(conflicts(bsd)).toEqual([
        expect.stringContaining(
          `this host already uses the network of the tunnel's address ${address} (${destination} by ${by}): choose another tunnel.ipv4Range or ipv6Range`,
        ),
      ]);
      expect(conflicts(bsd, ["tcp 25"])).toEqual([]);
    });

    it("is free where a VPN has all of the internet, and where there is no route at all", () => {
      const bsd = host();
      bsd.set(
        "route.192.0.2.5",
        "   route to: 192.0.2.5\ndestination: 128.0.0.0\n       mask: 128.0.0.0\n  interface: tun0\n",
      );
      bsd.set("route.2001:db8:7::5", "");
      expect(conflicts(bsd)).toEqual([]);
    });
  });

  describe("what differs from what was brought in", () => {
    const whole = () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      bsd.ok("install tunnel-keys", KEYS);
      bsd.ok("install tunnel", TUNNEL);
      return bsd;
    };
    const drift = (bsd: ReturnType<typeof bare>) => driftIn(bsd.run("status").stdout);

    it("is nothing on a host that is as it was left", () => expect(drift(whole())).toEqual([]));

    it("is named, thing by thing", () => {
      const bsd = whole();
      bsd.ok("step admin_keys", "ssh-ed25519 AAAA me\n");
      bsd.write(
        "/root/.ssh/authorized_keys",
        (bsd.read("/root/.ssh/authorized_keys") ?? "").replace("AAAA me", "AAAA eve"),
      );
      bsd.set("pf.anchor", "");
      bsd.set("sysctl", bsd.get("sysctl").replace("net.inet.ip.forwarding=1", "net.inet.ip.forwarding=0"));
      bsd.write(
        "/etc/rc.conf",
        (bsd.read("/etc/rc.conf") ?? "").replace(/^gateway_enable=.*$/m, 'gateway_enable="NO"'),
      );
      bsd.write(`/usr/local/etc/chatmail-proxy/tunnel.conf`, "# by hand\n");
      bsd.set("interfaces/wg5182", bsd.get("interfaces/wg5182").replace("PERFORMNUD", "PERFORMNUD,IFDISABLED"));
      expect(drift(bsd).sort()).toEqual([
        "/usr/local/etc/chatmail-proxy/tunnel.conf is not the file that was brought in",
        "net.inet.ip.forwarding is 0, not 1",
        "rc.conf does not say gateway_enable=YES",
        "the anchor chatmail_proxy has no rules",
        "the keys that may log in as root are not those that were brought in",
        "the service chatmail_proxy_tunnel is not running",
        "the tunnel's interface, an address or a route of it is not there",
      ]);
    });

    it("is pf itself, switched off", () => {
      const bsd = whole();
      bsd.set("pf.state", "off\n");
      expect(drift(bsd)).toEqual(["pf is off"]);
    });
  });

  it("says what it is, how full, and whether it waits for a reboot", () => {
    const bsd = host();
    const asked = (env: Record<string, string> = {}) => parseHostStatus(bsd.run("status", "", env).stdout);
    expect(asked()).toMatchObject({
      system: "FreeBSD 14.3-RELEASE-p1, kernel 14.3-RELEASE-p1",
      documents: {},
      conflicts: [],
      view: null,
      wan: null,
      relay: null,
      outbound: null,
      reboot: "",
      tracked: "",
    });
    expect(Math.abs(asked().clock - Date.now() / 1000)).toBeLessThan(5);
    expect(asked().disk.free).toBeGreaterThan(0);
    expect(asked({ FAKE_INSTALLED: "14.3-RELEASE-p2" }).reboot).toBe(
      "an update has installed the kernel 14.3-RELEASE-p2, and 14.3-RELEASE-p1 still runs",
    );
  });

  it("names all that is in the way, and an interface that is not there", () => {
    const bsd = host();
    bsd.set("sockets", "www nginx 7 6 tcp46 *:443 *:*\nroot sendmail 2 4 tcp4 *:25 *:*\n");
    const { conflicts, wan } = parseHostStatus(bsd.run("status", "free tcp 443\nfree tcp 25\nwan-of em7\n").stdout);
    expect([wan, conflicts]).toEqual([
      null,
      [
        expect.stringMatching(/^port 25 .*sendmail/),
        expect.stringMatching(/^port 443 .*nginx/),
        expect.stringMatching(/^this host has no interface em7/),
      ],
    ]);
  });

  it("finds the interfaces towards the internet, and whether they learn their route", () =>
    expect(parseHostStatus(host().run("status wan-of").stdout).wan).toEqual(["wan em0 1"]));

  it("writes services that a shell can read", () => {
    const bsd = host();
    const script = bsd.read("/usr/local/etc/rc.d/chatmail_proxy_guard") as string;
    expect(script).toContain('command_args="-c -f -R 5 -P $pidfile -t $name /');
    expect(script.trimEnd().split("\n").at(-1)).toBe('run_rc_command "$1"');
    expect(bsd.read("/usr/local/etc/rc.d/chatmail_proxy_tunnel")).toContain("hostctl tunnel-up");
  });

  it("refuses a system that it is not made for, by name", () => {
    const bsd = host();
    expect(bsd.run("prepare", "", { FAKE_SYSTEM: "Linux" }).stderr).toContain(
      "this host runs Linux; the settings say FreeBSD",
    );
    expect(bsd.run("prepare", "", { FAKE_VERSION: "13.5-RELEASE" }).stderr).toContain(
      "this host runs FreeBSD 13.5-RELEASE: what is older than 14 gets no security updates any more, and was never tried here; upgrade it to 14 or 15",
    );
    for (const verb of ["prepare", "prepare direct"])
      expect(bsd.run(verb, "", { FAKE_VERSION: "15.0-RELEASE" }).status).toBe(0);
  });
}
