// A pf.conf of the operator's own, and rules of other programs, beside ours; for one shell.
import { parseHostStatus } from "../../../components/hosts/status";
import { documentOf } from "../remote/aDocument";
import { MAIN_RULES } from "../pf/router";
import { bench, FILTER, filterOf, OWN_PF } from "./bench";
import type { Shell } from "./fakeHost";

export function pfConfSuite(shell: Shell): void {
  const { host, brought } = bench(shell);

  describe("a pf.conf that is there", () => {
    it("gets our lines where pf's order allows, before the first of the host's own of their kind", () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      expect(
        bsd
          .read("/etc/pf.conf")
          ?.split("\n")
          .map((line) => line.replace(/^(\S+ ?\S*).*# chatmail-proxy$/, "OURS $1")),
      ).toEqual([
        'ext = "em0"',
        "set skip on lo0",
        "scrub in all",
        'OURS nat-anchor "chatmail_proxy"',
        'OURS rdr-anchor "chatmail_proxy"',
        "nat on $ext inet from 10.0.0.0/24 to any -> ($ext)",
        'OURS anchor "chatmail_proxy"',
        "OURS load anchor",
        "block in \\",
        "  log all",
        "pass out all",
        "pass in on $ext proto tcp to port 8080",
        "",
      ]);
    });

    it("may include its rules from elsewhere", () => {
      const bsd = brought({
        "/etc/pf.conf": 'include "/etc/pf.tables"\ninclude "/etc/pf.rules"\n',
        "/etc/pf.tables": "table <t> persist\n",
        "/etc/pf.rules": "block in quick from <t>\n",
      });
      expect(bsd.read("/etc/pf.conf")).toMatch(
        /^include "\/etc\/pf.tables"\nnat-anchor[^]*\nload anchor[^\n]*\ninclude "\/etc\/pf.rules"\n$/,
      );
    });

    it("may include translations and filter rules in one file, and ours still come first", () => {
      const files = {
        "/etc/pf.conf": 'set skip on lo0\ninclude "/etc/pf.local"\n',
        "/etc/pf.local": "nat on em0 inet from 10.0.0.0/24 to any -> (em0)\npass in on em0 proto tcp to port 8080\n",
      };
      const bsd = brought(files);
      expect(
        bsd
          .read("/etc/pf.conf")
          ?.split("\n")
          .map((line) => line.replace(/^(\S+ ?\S*).*# chatmail-proxy$/, "OURS $1")),
      ).toEqual([
        "OURS set require-order",
        "set skip on lo0",
        'OURS nat-anchor "chatmail_proxy"',
        'OURS rdr-anchor "chatmail_proxy"',
        'OURS anchor "chatmail_proxy"',
        "OURS load anchor",
        'include "/etc/pf.local"',
        "",
      ]);
      bsd.ok("drop filter");
      expect(bsd.read("/etc/pf.conf")).toBe(files["/etc/pf.conf"]);
    });

    it("may say its rules by a macro, and ours still come first", () => {
      const bsd = brought({
        "/etc/pf.conf": 'act = "pass"\n$act in on em0 proto tcp to port 8080\nblock in proto tcp to port 81\n',
      });
      expect(bsd.read("/etc/pf.conf")).toMatch(
        /^set require-order no # chatmail-proxy\n[^\n]*\n(.* # chatmail-proxy\n){4}\$act/,
      );
    });

    it("is refused where ours would not come first, since what it opens would be closed", () => {
      const bsd = host({
        "/etc/pf.conf": "nat on em0 inet from 10.0.0.0/24 to any -> (em0)\n\\\npass in on em0 proto tcp to port 8080\n",
      });
      expect(bsd.refusal(FILTER)).toEqual(
        expect.stringContaining(
          "this rule of the host would come before ours, which would close what it opens: pass in on em0 proto tcp from any to any port = 8080",
        ),
      );
      expect([bsd.get("pf.state"), bsd.done.filter((line) => /^(pfctl|sysctl)/.test(line))]).toEqual(["off\n", []]);
    });

    it.each(["pass out all\n# a note \\", "pass out all\n# a note \\\n", "# a note \\", "scrub in all \\"])(
      "may end in a line that runs on: %j",
      (text) => {
        const bsd = brought({ "/etc/pf.conf": text });
        expect(bsd.get("pf.anchor")).toContain("rdr on em0");
        bsd.ok("drop filter");
        expect(bsd.read("/etc/pf.conf")).toBe(text);
      },
    );

    it("is refused where pfctl does not see all of our lines, whatever hides them", () => {
      const bsd = host({ "/etc/pf.conf": OWN_PF });
      bsd.set("pf.deaf", "rdr-anchor\n");
      expect(bsd.refusal(FILTER)).toEqual(
        expect.stringContaining(`pfctl does not see the line 'rdr-anchor "chatmail_proxy"' in`),
      );
      expect(bsd.get("pf.state")).toBe("off\n");
    });

    it.each([
      ["a list", "set skip on { lo0, em0 }", "em0"],
      ["a macro", 'wan = "em0"\nset skip on { lo0 $wan }', "em0"],
      ["quotes", 'set skip on "em0"', "em0"],
      ["several lines", "set skip on { lo0 \\\n em0 }", "em0"],
      ["braces over lines", "set skip on {\n lo0\n em0\n}", "em0"],
      ["a file that is included", 'include "/etc/pf.options"', "em0"],
      ["a group", "set skip on uplinks", "uplinks"],
    ])("must not skip the interface that mail comes in on, by %s", (_how, text, name) => {
      const bsd = host({ "/etc/pf.conf": `${text}\n`, "/etc/pf.options": "set skip on em0\n" });
      bsd.set("interfaces/em0", `${bsd.get("interfaces/em0")}\tgroups: uplinks\n`);
      expect(bsd.refusal(FILTER)).toContain(
        `/etc/pf.conf says: set skip on ${name}. pf does not look at em0 then, and nothing would be redirected there`,
      );
      expect(bsd.get("pf.state")).toBe("off\n");
    });

    it.each(["wg", "wg5182"])("must not skip the tunnel: set skip on %s", (name) => {
      expect(host({ "/etc/pf.conf": `set skip on { lo0 ${name} }\n` }).refusal(FILTER)).toContain(
        `set skip on ${name}. pf does not look at wg5182 then`,
      );
    });

    it.each([
      "set skip on lo0 # not on em0",
      "# set skip on em0",
      "set skip on em0\nset skip on none",
      "set skip on { lo0 em1 wg0 }",
    ])("may skip what is not ours: %j", (text) => void brought({ "/etc/pf.conf": `${text}\n` }));

    it("has filter rules named that meet ours", () => {
      const bsd = host({
        "/etc/pf.conf":
          "rdr on em0 inet proto tcp to port 8080 -> 10.0.0.2\nblock in quick from 203.0.113.0/24\npass out all\n",
      });
      const said = bsd.arm(FILTER);
      expect(said).toContain("comes after ours, and sees only what ours leave: block in quick from 203.0.113.0/24");
      expect(said).not.toMatch(/8080|pass out all/);
    });

    it.each([undefined, "", "# pass all\n\n"])(
      "that says nothing gets what pf needs for fragments, and keeps it when rules of the operator's come in: %j",
      (text) => {
        const bsd = brought(text === undefined ? {} : { "/etc/pf.conf": text });
        const header = MAIN_RULES.split("\n").slice(0, 3);
        expect(bsd.read("/etc/pf.conf")?.split("\n").slice(0, 3)).toEqual(header);
        bsd.write("/etc/pf.conf", `${bsd.read("/etc/pf.conf")}pass in proto tcp to port 81\n`);
        bsd.arm(filterOf("proxy-egress.pf"));
        bsd.confirmed();
        expect(bsd.read("/etc/pf.conf")).toContain(`${header.join("\n")}\n`);
        expect(bsd.read("/etc/pf.conf")).toContain("pass in proto tcp to port 81\n");
      },
    );

    it("comes into force with ours where pf was off, which is said", () => {
      const said = "pf was off on this host: what else stands in /etc/pf.conf is in force now too";
      const bsd = host({ "/etc/pf.conf": OWN_PF });
      expect(bsd.arm(FILTER).replaceAll(bsd.root, "")).toContain(said);
      // Told once.
      expect(bsd.arm(filterOf("proxy-egress.pf"))).not.toContain("pf was off");
      for (const nothing of [undefined, { "/etc/pf.conf": "# pass all\n\n" }])
        expect(host(nothing).arm(FILTER)).not.toContain("pf was off");
      const on = host({ "/etc/pf.conf": OWN_PF });
      on.set("pf.loaded", "");
      on.set("pf.state", "on\n");
      on.set("pf.main", OWN_PF);
      expect(on.arm(FILTER)).not.toContain("pf was off");
    });

    it("is not made up where pf runs on rules from elsewhere", () => {
      const bsd = host();
      bsd.set("pf.loaded", "");
      bsd.set("pf.state", "on\n");
      bsd.set("pf.main", "pass all\n");
      expect(bsd.refusal(FILTER)).toContain("pf runs with rules that are not from");
    });

    it("keeps what the operator changes while we are there", () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      bsd.write(
        "/etc/pf.conf",
        (bsd.read("/etc/pf.conf") as string).replace("scrub in all\n", "") + "pass in proto tcp to port 81\n",
      );
      bsd.arm(filterOf("proxy-egress.pf"));
      bsd.confirmed();
      bsd.ok("drop filter");
      expect(bsd.read("/etc/pf.conf")).toBe(`${OWN_PF.replace("scrub in all\n", "")}\npass in proto tcp to port 81\n`);
    });
  });

  describe("translations of others", () => {
    const VERSIONS = ["14.3-RELEASE", "15.0-RELEASE-p1"];
    // Two addresses of IPv4 at the WAN.
    const WAN =
      "\tinet 198.51.100.2 netmask\n\tinet 198.51.100.3 netmask\n\tinet6 fe80::2%em0 prefixlen\n\tinet6 2001:db8:9::2 prefixlen\n";
    const armed = (version: string, conf: string, { filter = "proxy-routed", others = "", included = "" } = {}) => {
      const bsd = host({ "/etc/pf.conf": `${conf}\npass all\n`, "/etc/pf.rdr": included });
      bsd.set("interfaces/em0", bsd.get("interfaces/em0") + WAN);
      bsd.set("pf.others", others);
      const { answer, said } = bsd.apply(
        "config",
        "today",
        documentOf("config", ["filter guarded 60", filterOf(`${filter}.pf`)]),
        { FAKE_VERSION: version },
      );
      return {
        ok: answer.ok,
        stderr: said.replaceAll(bsd.root, ""),
        nothing:
          bsd.get("pf.state") === "off\n" &&
          bsd.get("pf.main") === "" &&
          !bsd.done.some((line) => /^(pfctl|sysctl)/.test(line)),
      };
    };

    it.each([
      [
        "a port",
        14,
        "rdr on em0 inet proto tcp from any to (em0) port 25 -> 10.0.0.2",
        "rdr on em0 inet proto tcp from any to (em0) port = 25 -> 10.0.0.2",
      ],
      [
        "the guide",
        15,
        'wan = "em0"\nports = "{ 25, 80 }"\nrdr on $wan inet proto tcp from any to ($wan:0) port $ports -> 192.0.2.6',
        "rdr on em0 inet proto tcp from any to (em0:0) port = 25 -> 192.0.2.6; rdr on em0",
      ],
      [
        "an included file",
        15,
        'include "/etc/pf.rdr"',
        "rdr on em0 inet proto tcp from any to any port = 443 -> 10.0.0.2",
      ],
      [
        "a range, wherever it comes in",
        14,
        "rdr pass inet proto tcp from any to any port 400:500 -> 10.0.0.2",
        "rdr pass inet proto tcp from any to any port 400:500",
      ],
      [
        "every port, from a table",
        15,
        "rdr on ! em1 inet from <t> to <u> -> 10.0.0.2",
        "rdr on ! em1 inet from <t> to <u>",
      ],
      [
        "a second address",
        14,
        "rdr on em0 inet proto tcp from any to 198.51.100.3 port 993 -> 10.0.0.2",
        "to 198.51.100.3 port = 993",
      ],
      [
        "its network",
        15,
        "rdr on em0 inet proto tcp from any to 198.51.100.0/24 port 993 -> 10.0.0.2",
        "to 198.51.100.0/24 port = 993",
      ],
      [
        "mail on its way into the tunnel",
        14,
        "nat inet from any to any -> 198.51.100.2",
        "nat inet all -> 198.51.100.2",
      ],
    ])(
      "that take what is ours are refused before any rule is loaded, with the rule and what to do: %s (%i)",
      (_what, version, conf, text) => {
        const { ok, stderr, nothing } = armed(`${version}.0-RELEASE`, conf, {
          included: "rdr on em0 inet proto tcp from any to any port { 81, 443 } -> 10.0.0.2\n",
        });
        expect([ok, nothing]).toEqual([false, true]);
        expect(stderr).toContain(
          `the host's own pf rules take what is for the relay, so that one of the two would not work: `,
        );
        expect(stderr).toContain(text);
        expect(stderr).toContain(
          "Take them or those ports out of /etc/pf.conf (do not reload pf for that: what is loaded goes on until ours are), or take the ports out of ports. Nothing was changed",
        );
      },
    );

    it("are told in short, however many they are", () => {
      const { stderr } = armed(
        "15.0-RELEASE",
        "rdr on em0 inet proto tcp from any to any port { 25, 80, 143, 443, 465 } -> 10.0.0.2",
      );
      expect(stderr).toMatch(/port = 143 -> 10\.0\.0\.2; and 2 more\. Take them/);
    });

    it.each(["proxy-routed", "proxy-egress", "proxy-direct"])("that leave %s alone are left alone", (filter) => {
      const conf = [
        "nat on em0 inet from 10.0.0.0/24 to any -> (em0)",
        "nat on em0 inet from any to any -> (em0:0)", // the guide's
        "no rdr on em0 inet proto tcp from 10.0.0.0/8 to any port 25",
        "rdr on em0 inet proto tcp from any to any port { 22, 8080, 1000:2000 } -> 10.0.0.2",
        "rdr on em0 inet proto udp from any to any port 443 -> 10.0.0.2",
        "rdr on em1 inet proto tcp from any to any port 25 -> 10.0.0.2",
        "rdr on em0 inet proto tcp from any to (em1) port 25 -> 10.0.0.2",
        "rdr on em0 inet proto tcp from any to 203.0.113.80 port 25 -> 10.0.0.2",
        "rdr on em0 inet proto tcp from any to 10.0.0.0/8 port 25 -> 10.0.0.2",
        "binat on em0 inet from 10.0.0.5 to any -> 198.51.100.3",
      ];
      for (const version of VERSIONS)
        expect(armed(version, conf.join("\n"), { filter })).toMatchObject({ ok: true, nothing: false });
    });

    it.each([
      "nat on em0 inet from any to any -> 198.51.100.3",
      "nat on em0 inet from 192.0.2.0/24 to any -> (em0)",
      "nat on em0 inet proto tcp from any to any port > 20 -> { 198.51.100.2, 198.51.100.3 }",
    ])("must not let the relay's own mail leave under another address: %s", (conf) => {
      expect(armed("15.0-RELEASE", conf, { filter: "proxy-egress" }).stderr).toContain("take what is for the relay");
      expect(armed("15.0-RELEASE", conf).ok).toBe(true);
    });

    const others =
      'rdr-anchor "rdr/*" all {\n  nat-anchor "jail" all {\n    rdr on em0 inet proto tcp from any to any port = 25 -> 10.0.0.9\n  }\n}\n';

    it("that another program has loaded are refused from FreeBSD 15 on, where they come before ours, and named on 14, where they do not", () => {
      const named =
        "another program's pf rules (shown by: pfctl -a '*' -s nat) take what is for the relay: rdr on em0 inet proto tcp from any to any port = 25 -> 10.0.0.9. ";
      const on15 = armed("15.0-RELEASE", "", { others });
      expect([on15.ok, on15.nothing, on15.stderr]).toEqual([
        false,
        true,
        expect.stringContaining(`${named}From FreeBSD 15 on they come before ours`),
      ]);
      const on14 = armed("14.3-RELEASE", "", { others });
      expect([on14.ok, on14.stderr]).toEqual([
        true,
        expect.stringContaining(`${named}They see only what ours leave, until this host runs FreeBSD 15`),
      ]);
      for (const elsewhere of [
        others.replace('"rdr/*" all', '"rdr/*" on em1 all'),
        others.replace("port = 25", "port = 8080"),
        others.replace("rdr/*", "chatmail_proxy"),
        others.split("\n")[2] ?? "",
      ])
        expect(armed("15.0-RELEASE", "", { others: elsewhere })).toMatchObject({ ok: true });
    });

    it("are told by the look before there are rules of ours, each where it takes something", () => {
      const seen = (version: string, conf: string, loadedByOthers = "") => {
        const bsd = host();
        bsd.set("interfaces/em0", bsd.get("interfaces/em0") + WAN);
        bsd.set("pf.loaded", "");
        bsd.set("pf.state", "on\n");
        bsd.set("pf.main", conf);
        bsd.set("pf.others", loadedByOthers);
        const request = "free tcp 25\nfree tcp 443\nfree udp 3478-3500\nwan-of em0\n";
        return parseHostStatus(bsd.run("status", request, { FAKE_VERSION: version }).stdout).redirected;
      };
      for (const version of VERSIONS) {
        expect(seen(version, "rdr on em0 inet proto tcp from any to any port 443 -> 10.0.0.2\n")).toEqual([
          "pf rules of others take what is for the relay: rdr on em0 inet proto tcp from any to any port = 443 -> 10.0.0.2. Take those ports out of them, or out of ports",
        ]);
        expect(seen(version, "rdr on em0 inet proto udp from any to any port 3490 -> 10.0.0.2\n")).toHaveLength(1);
        expect(seen(version, "rdr on em1 inet proto tcp from any to any port 443 -> 10.0.0.2\npass all\n")).toEqual([]);
      }
      expect(seen("15.0-RELEASE", "pass all\n", others)).toHaveLength(1);
      expect(seen("14.3-RELEASE", "pass all\n", others)).toEqual([]);
    });

    it("that came since are a suspect when mail does not arrive", () => {
      const bsd = brought();
      const seen = (version: string) =>
        bsd.run("status", "through - 192.0.2.6 - - 25\n", { FAKE_VERSION: version }).stdout;
      expect(seen("15.0-RELEASE")).not.toContain("firewall");
      bsd.set("pf.others", others);
      expect(seen("15.0-RELEASE")).toContain(
        "firewall pf on the proxy also has rules of others that take what is for the relay, and on FreeBSD 15 they come before ours: rdr on em0 inet proto tcp from any to any port = 25 -> 10.0.0.9;",
      );
      expect(seen("14.3-RELEASE")).not.toContain("firewall");
    });
  });
}
