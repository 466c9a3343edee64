// Documents on Linux: brought in as a whole, recorded, confirmed over another connection. In a scratch directory under dash.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "../../../components/remote/bundle";
import { digestIn, documentOf } from "./aDocument";
import { LinuxHost } from "./linuxHost";

let host: LinuxHost;
beforeEach(() => {
  host = new LinuxHost();
});
afterEach(() => host.close());

const record = (name: string) =>
  host.has(`state/documents/${name}`) ? host.read(`state/documents/${name}`) : undefined;
const sets = () => (host.has("state/sets") ? readdirSync(join(host.dir, "state/sets")).sort() : []);
const NO = (reason: unknown, failed = {}) => ({ ok: false, reason, failed });
const TOLD = { redirected: null, conflicts: [], view: null, wan: null, relay: null, outbound: null };
const GUARDED = "filter guarded 60";

describe("a document", () => {
  it("is checked as a whole, brought in set by set, and recorded", () => {
    const text = documentOf("tunnels@p@s", ["one", host.set("one", ["one.service"])], "keep two", [
      "three",
      host.set("three"),
    ]);
    expect(host.apply("tunnels@p@s", "2026-11-29T17:00:00.000Z", text)).toEqual({ ok: true });
    expect(host.asked).toEqual([
      "nft -c -f /work/check/1",
      "nft -c -f /work/check/1",
      "nft -f /state/sets/one/live/1",
      "systemctl -q enable one.service",
      "systemctl reset-failed one.service",
      "systemctl restart one.service",
      "nft -f /state/sets/three/live/1",
      "systemctl daemon-reload",
    ]);
    expect(record("tunnels@p@s")).toBe(`${digestIn(text)} 2026-11-29T17:00:00.000Z applied\n`);
    expect(host.read("state/documents/tunnels@p@s.sets")).toBe("one\ntwo\nthree\n");
    expect(readdirSync(join(host.dir, "run"))).toEqual([]);
  });

  it("leaves alone what is in place already, and brings in what is not, or is not as it was", () => {
    const both = (rules: string) =>
      documentOf(
        "tunnels@p@s",
        ["one", host.set("one", ["one.service", "two.service"])],
        ["other", host.set("other", [], rules)],
      );
    host.apply("tunnels@p@s", "g1", both("delete table inet other\n"));
    expect(host.asked).toContain("systemctl -q enable one.service two.service");
    host.apply("tunnels@p@s", "g2", both("delete table inet other\n# new\n"));
    expect(host.asked.join("\n")).not.toMatch(/(enable|restart) .*one\.service/);
    expect(host.asked.join("\n")).toContain("nft -f /state/sets/other/live/1");
    rmSync(join(host.dir, "etc/one.nft"));
    host.apply("tunnels@p@s", "g3", both("delete table inet other\n# new\n"));
    expect(host.asked).toContain("systemctl restart one.service");
  });

  const changed = (text: string) => text.replace("delete table inet one", "delete table inet two");
  it.each([
    ["cut off", (text: string) => text.split("\n").slice(0, -3).join("\n") + "\n"],
    ["cut off behind a set's own end", (text: string) => text.replace(/end document .*\n$/, "")],
    ["empty", () => ""],
    ["changed on its way", changed],
  ])("that is %s changes nothing", (_what, cut) => {
    const text = documentOf("config", "free tcp 25", ["one", host.set("one")]);
    host.apply("config", "g1", text);
    expect(host.apply("config", "g2", cut(text))).toEqual(
      NO("the document config arrived cut off, or was changed on its way; nothing was changed"),
    );
    expect(host.asked).toEqual([]);
    expect(record("config")).toContain(" g1 applied");
  });

  it.each([
    ["another name", documentOf("host"), 1],
    ["a line that nobody knows", documentOf("config", "independent", "mind 1"), 3],
    ["a set's line outside of a set", documentOf("config", "file 0644 /etc/a"), 2],
    [
      "a document's line inside of a set",
      documentOf("config", ["one", { text: "file 0644 /etc/a\nfree tcp 25\n" }]),
      4,
    ],
    ["a set that has no end", documentOf("config", ["one", { text: "file 0644 /etc/a\n" }]), 3],
    ["a set twice", documentOf("config", "keep one", ["one", { text: "end aa\n" }]), 3],
    ["a name that leads elsewhere", documentOf("config", "keep ../one"), 2],
  ])("with %s is refused", (_what, text, line) => {
    expect(host.apply("config", "g", text)).toEqual(
      NO(`the document config has a line that this hostctl does not know (${line}); nothing was changed`),
    );
    expect(host.asked).toEqual([]);
  });

  it("takes each line of a file as it is", () => {
    const content = ["set x", "end document aa", "|", "\\n %s $(id) `id`", "\ttab ", "", "ü"].join("\n") + "\n";
    const path = `${host.dir}/etc/odd`;
    const odd = bundle({
      files: [
        { path, mode: "0600", content },
        { path: `${path}-none`, mode: "0644", content: "\n" },
      ],
    });
    expect(host.apply("config", "g", documentOf("config", ["odd", odd]))).toEqual({ ok: true });
    expect([host.read("etc/odd"), host.read("etc/odd-none")]).toEqual([content, "\n"]);
  });

  it("changes no set where one of them is refused, and loses its record", () => {
    host.apply("config", "g1", documentOf("config", ["one", host.set("one")]));
    host.stub(
      "nft",
      `echo "nft $*" >>"${host.dir}/log"; case $* in -c*) ! grep -q bad "$3" || { echo "no such thing" >&2; exit 1; } ;; esac`,
    );
    const text = documentOf(
      "config",
      ["one", host.set("one", [], "delete table inet new\n")],
      ["two", host.set("two", [], "delete table inet bad\n")],
    );
    expect(host.apply("config", "g2", text)).toEqual(
      NO(`nft refuses the new ${host.dir}/etc/two.nft; the old rules are still in force`),
    );
    expect(host.asked.filter((line) => !line.startsWith("nft -c"))).toEqual([]);
    expect(host.read("etc/one.nft")).toBe("delete table inet one\n");
    expect([record("config"), sets()]).toEqual([undefined, ["one"]]);
  });

  it("ends with the set that fails, with the reason, and what a person wants to see goes to stderr", () => {
    host.stub("systemctl", `echo "systemctl $*" >>"${host.dir}/log"; [ "$1 $2" != "restart two.service" ]`);
    const text = documentOf(
      "config",
      ...["one", "two", "three"].map((name) => [name, host.set(name, [`${name}.service`])] as const),
    );
    const { status, stdout, stderr } = host.spawn(["apply", "config", "g"], text);
    expect([status, JSON.parse(stdout)]).toEqual([
      0,
      NO("two.service did not start; see the lines above, and: journalctl -u two.service"),
    ]);
    expect(stderr).toContain("+ systemctl restart one.service\n");
    expect([record("config"), sets()]).toEqual([undefined, ["one", "two"]]);
  });

  it("of sets that have nothing to do with each other brings in all that can be, and names the others", () => {
    host.stub("systemctl", `[ "$1 $2" != "restart two.service" ]`);
    host.stub("nft", `case $* in -c*) ! grep -q four "$3" ;; esac`);
    const text = documentOf(
      "tunnels@p@s",
      "independent",
      ...["one", "two", "three", "four", "five"].map((name) => [name, host.set(name, [`${name}.service`])] as const),
    );
    expect(host.apply("tunnels@p@s", "g", text)).toEqual(
      NO("", {
        two: "two.service did not start; see the lines above, and: journalctl -u two.service",
        four: `nft refuses the new ${host.dir}/etc/four.nft; the old rules are still in force`,
      }),
    );
    expect(["one", "two", "three", "five"].map((name) => host.statusOf(name)[0])).toEqual([
      "confirmed",
      "installing",
      "confirmed",
      "confirmed",
    ]);
    expect([record("tunnels@p@s"), sets()]).toEqual([undefined, ["five", "one", "three", "two"]]);
  });

  it("restarts nothing where nothing has changed, a host without any record included", () => {
    const text = documentOf("config", ["one", host.set("one", ["one.service"])]);
    host.run("install one", host.set("one", ["one.service"]).text);
    for (const generation of ["g1", "g2"]) {
      expect(host.apply("config", generation, text)).toEqual({ ok: true });
      expect(host.asked.filter((line) => line.includes("restart"))).toEqual([]);
      expect(record("config")).toBe(`${digestIn(text)} ${generation} applied\n`);
    }
  });

  it("tells why it cannot be brought in where nothing can be written", () => {
    const text = documentOf("config", ["one", host.set("one")]);
    const full = `no file can be written in ${host.dir}/run; is the disk full?`;
    expect(host.apply("config", "g", text, { shell: "trap '' XFSZ; ulimit -f 0" })).toEqual(NO(full));
    host.stub("mktemp", "exit 1");
    expect(host.apply("config", "g", text)).toEqual(NO(full));
    expect(sets()).toEqual([]);
  });

  it("tells why where the disk is full, and there is memory left", () => {
    host.stub("cp", `[ "$1" != -a ]`);
    expect(host.apply("config", "g", documentOf("config", ["one", host.set("one")]))).toEqual(
      NO(`could not keep a copy of one in ${host.dir}/state/sets/one; is the disk full?`),
    );
    expect(record("config")).toBe(undefined);
  });

  it.each([
    ["kill -KILL $PPID", "Killed"],
    ["exit 3", /^nft refuses/],
  ])("tells a reason whatever becomes of a step: %s", (does, reason) => {
    host.stub("nft", does);
    expect(host.apply("config", "g", documentOf("config", ["one", host.set("one")]))).toEqual(
      NO(expect.stringMatching(reason)),
    );
  });

  it("is answered while a service that it starts lives on", () => {
    host.stub("systemctl", `[ "$1" != restart ] || sleep 10 >/dev/null 2>&1 & :`);
    const began = Date.now();
    expect(host.apply("config", "g", documentOf("config", ["one", host.set("one", ["one.service"])]))).toEqual({
      ok: true,
    });
    expect(Date.now() - began).toBeLessThan(8000);
  });

  it("lets in the keys that it names, and none where it names none", () => {
    const home = `HOME=${host.dir}/home; export HOME`;
    const keys = () => host.read("home/.ssh/authorized_keys").split("\n");
    host.write("home/.ssh/authorized_keys", "ssh-ed25519 AAAA theirs\n");
    host.apply(
      "host",
      "g",
      documentOf("host", "admin-keys", "admin-key ssh-ed25519 BBBB a b", "admin-key ssh-ed25519 CCCC"),
      { shell: home },
    );
    expect(keys().filter((line) => line.startsWith("ssh"))).toEqual([
      "ssh-ed25519 AAAA theirs",
      "ssh-ed25519 BBBB a b",
      "ssh-ed25519 CCCC",
    ]);
    host.apply("host", "g", documentOf("host"), { shell: home });
    expect(keys()).toHaveLength(6);
    host.apply("host", "g", documentOf("host", "admin-keys"), { shell: home });
    expect(keys()).toEqual(["ssh-ed25519 AAAA theirs", ""]);
  });

  it("is not brought in where somebody else has a port that is to be handed on", () => {
    host.stub(
      "ss",
      `[ "$1" != -Hltnp ] || printf 'LISTEN 0 1 *:443 *:* users:(("nginx",pid=7,fd=8))\\nLISTEN 0 1 127.0.0.1:25 *:*\\nLISTEN 0 1 [::]:25 *:* users:(("exim4",pid=7,fd=8))\\n'`,
    );
    const text = documentOf("config", "free tcp 25", "free tcp 443", "free tcp 993", ["one", host.set("one")]);
    const taken = (port: number, by: string) =>
      `port ${port} is in use on this host (by ${by}), and a proxy forwards it to the relay: stop that service, or take the port out of ports`;
    expect(host.apply("config", "g", text)).toEqual(NO(`${taken(25, "exim4")}; ${taken(443, "nginx")}`));
    expect(sets()).toEqual([]);
  });
});

describe("a host's own set-up", () => {
  beforeEach(() => {
    for (const name of ["hostctl", "hostctl.new"]) {
      host.bring(name);
      host.write(
        `lib/${name}`,
        host
          .read(`lib/${name}`)
          .replace('\tready "$@"\n', `\techo "ready $*" >>"${host.dir}/log"\n`)
          .replace(/^prepare\(\) \{$/m, `prepare() {\n\techo "prepare $*" >>"${host.dir}/log"\n\treturn 0`),
      );
    }
    host.stub("id", "echo 0");
  });

  it("comes first, by the program that has just arrived; then its packages, and the interfaces that it has", () => {
    host.stub("ip", `[ "$1 $2 $3 $4" != "-4 route show default" ] || echo "default via 192.0.2.1 dev lo"`);
    const text = documentOf("host", "setup proj/prod/hel1 direct", "package one", "package two", "wan-of", [
      "one",
      host.set("one"),
    ]);
    expect(host.apply("host", "g", text, { program: "hostctl.new" })).toEqual({
      ok: true,
      wan: [expect.stringMatching(/^wan lo \d$/)],
    });
    expect(host.asked.filter((line) => /^(ready|prepare|nft)/.test(line))).toEqual([
      "ready proj/prod/hel1 direct",
      "prepare direct one two",
      "nft -c -f /work/check/1",
      "nft -f /state/sets/one/live/1",
    ]);
    expect([host.has("lib/hostctl.new"), host.read("state/stack")]).toEqual([false, "proj/prod/hel1\n"]);
    host.apply("host", "g", documentOf("host", "setup proj/prod/hel1"));
    expect(host.asked).toContain("prepare ");
  });

  it("goes on by the program in its place, though another stack's arrives where it was", () => {
    const next = join(host.dir, "lib/hostctl.new");
    host.stub("systemctl", `[ -e "${next}" ] || { printf '#!/bin/sh\\nexit 9\\n' >"${next}"; chmod 755 "${next}"; }`);
    const text = documentOf("relay@p@s", "setup", "package one", ["one", host.set("one")]);
    expect(host.apply("relay@p@s", "g", text, { program: "hostctl.new" })).toEqual({ ok: true });
    expect(host.read("lib/hostctl.new")).toContain("exit 9");
  });

  it("is refused to another stack, and that of the one that is there stays recorded", () => {
    host.apply("host", "g", documentOf("host", "setup proj/prod/hel1"));
    expect(host.apply("host", "other", documentOf("host", "setup proj/other/hel1"))).toEqual(
      NO(expect.stringMatching(/^this machine is a proxy of the stack proj\/prod already/)),
    );
    expect([record("host"), host.asked]).toEqual([expect.stringContaining(" g applied"), []]);
  });

  it("fails where the interface that it should have is not there", () => {
    expect(host.apply("host", "g", documentOf("host", "setup", "wan-of eth7"))).toEqual(
      NO(expect.stringMatching(/^this host has no interface eth7; it has: .*lo/)),
    );
  });
});

describe("a guarded set", () => {
  const one = () => documentOf("config", ["tunnel", host.set("tunnel")], [GUARDED, host.set("proxy", ["a.service"])]);
  const arming = () => host.statusOf("filter")[3] ?? "";

  it("is loaded with a timer of systemd's, set before, and stored when another connection confirms it", () => {
    expect(host.apply("config", "g", one())).toEqual({ ok: true });
    expect(host.asked.slice(-3).map((line) => line.replace(arming(), "ARMING"))).toEqual([
      "systemctl stop chatmail-proxy-revert-filter.timer",
      "systemd-run --quiet --collect --unit=chatmail-proxy-revert-filter --on-active=60 --timer-property=AccuracySec=1s /lib/hostctl revert filter 60 ARMING",
      "nft -f /state/sets/filter/next/1",
    ]);
    expect([host.has("etc/proxy.nft"), record("config")]).toEqual([false, `${digestIn(one())} g armed\n`]);
    expect(host.confirm("config", "g")).toEqual({ ok: true, ...TOLD });
    expect(host.asked).toEqual([
      "systemctl -q is-active chatmail-proxy-revert-filter.timer",
      "systemctl stop chatmail-proxy-revert-filter.timer",
      "systemctl -q enable a.service",
      "systemctl reset-failed a.service",
      "systemctl restart a.service",
    ]);
    expect([host.read("etc/proxy.nft"), record("config")]).toEqual([
      "delete table inet proxy\n",
      `${digestIn(one())} g confirmed\n`,
    ]);
    expect(host.confirm("config", "g")).toEqual({ ok: true, ...TOLD });
    expect(host.asked).toEqual([]);
  });

  it("is left in force where it is confirmed already, and armed again where something of it differs", () => {
    host.apply("config", "g1", one());
    host.confirm("config", "g1");
    host.apply("config", "g2", one());
    expect(host.asked.filter((line) => /timer|next/.test(line))).toEqual([]);
    expect(record("config")).toContain(" g2 applied");
    expect(host.confirm("config", "g2")).toEqual({ ok: true, ...TOLD });
    expect(record("config")).toContain(" g2 confirmed");
    host.write("etc/proxy.nft", "# by hand\n");
    host.apply("config", "g3", one());
    expect([host.asked.at(-1), record("config")]).toEqual([
      "nft -f /state/sets/filter/next/1",
      expect.stringContaining(" g3 armed"),
    ]);
  });

  it("that was taken back cannot be confirmed any more, and its document is not there", () => {
    host.apply("config", "g", one());
    expect(host.run(`revert filter 60 ${arming()}`)).toEqual([
      "nft list table inet proxy",
      "nft delete table inet proxy",
    ]);
    expect([record("config"), host.statusOf("filter")[0]]).toEqual([undefined, "reverted"]);
    expect(host.confirm("config", "g")).toEqual({
      ok: false,
      reason:
        "new rules not confirmed within 60 s over a new SSH connection; the previous rules are in force again. Do the new rules let you in? (SSH port, your own address.)",
      failed: {},
    });
    expect(host.has("etc/proxy.nft")).toBe(false);
    host.apply("config", "later", one());
    expect(host.confirm("config", "later")).toEqual({ ok: true, ...TOLD });
  });

  it("is taken back to what is stored, and only once", () => {
    host.apply("config", "g", one());
    host.confirm("config", "g");
    host.apply("config", "g2", documentOf("config", [GUARDED, host.set("proxy", [], "delete table inet other\n")]));
    const first = arming();
    expect(host.run(`revert filter 60 ${first}`)).toEqual(["nft -f /state/sets/filter/live/1"]);
    expect(host.run(`revert filter 60 ${first}`)).toEqual([]);
  });

  it("is not taken back where it was armed again while the restore waited", () => {
    host.apply("config", "g", one());
    const first = arming();
    host.write("state/sets/filter/status", "armed x 1 another\n");
    expect(host.run(`revert filter 60 ${first}`)).toEqual([]);
    expect(record("config")).toContain(" g armed");
  });

  it("cannot be confirmed after a restart, which has brought back the rules of before", () => {
    host.apply("config", "g", one());
    host.stub("systemctl", `[ "$2" != is-active ]`);
    expect(host.confirm("config", "g")).toEqual(
      NO(
        "the host has restarted since the new rules were loaded, and the previous rules are in force; run pulumi up again",
      ),
    );
    expect([host.has("etc/proxy.nft"), record("config")]).toEqual([false, expect.stringContaining(" g armed")]);
  });

  it.each(["config", "host"])(
    "of another run is not confirmed by this one, nor a document that was never there (%s)",
    (name) => {
      host.apply("config", "g", one());
      expect(host.confirm(name, "earlier")).toEqual(
        NO("this host holds another configuration than the one to be confirmed; run pulumi up again"),
      );
      expect(host.statusOf("filter")[0]).toBe("armed");
    },
  );

  it("does not last where what comes behind it takes longer than its time", () => {
    host.stub(
      "systemctl",
      `[ "$1 $2" != "restart slow.service" ] || (cd ${host.dir}; read -r _ _ _ arming <state/sets/filter/status; echo "reverted x 1 $arming 60" >state/sets/filter/status)`,
    );
    const text = documentOf("config", [GUARDED, host.set("proxy")], ["slow", host.set("slow", ["slow.service"])]);
    expect(host.apply("config", "g", text)).toEqual(NO(expect.stringMatching(/^new rules not confirmed within 60 s/)));
    expect(record("config")).toBe(undefined);
  });

  describe("that leads into the tunnel, in place of one that does not", () => {
    const tunnelled = () =>
      documentOf("config", [GUARDED, host.set("proxy", [], 'delete table inet proxy\noifname "wg-relay"\n')]);
    const heard = (age: number) =>
      host.stub("wg", `[ "$3" != latest-handshakes ] || echo "KEY $(($(date +%s) - ${age}))"`);
    beforeEach(() => {
      host.apply("config", "g", one());
      host.confirm("config", "g");
      host.stub("sleep", `echo "sleep $*" >>"${host.dir}/log"`);
    });

    it("stays when the relay calls", () => {
      heard(20);
      expect(host.apply("config", "g2", tunnelled())).toEqual({ ok: true });
      expect(record("config")).toContain(" g2 armed");
    });

    it("is taken back where it does not, and what was in force is so again", () => {
      heard(1000);
      expect(host.apply("config", "g2", tunnelled())).toEqual(
        NO(
          "the relay has not called through the tunnel within 30 s; the previous rules, which do not lead into it, are in force again",
        ),
      );
      expect(host.asked.filter((line) => line === "sleep 1")).toHaveLength(30);
      expect(host.statusOf("filter")[0]).toBe("reverted");
      expect(host.asked.filter((line) => line.startsWith("nft -f")).at(-1)).toContain("/filter/live/");
      expect(record("config")).toBe(undefined);
    });

    it("waits for nobody where there are no rules in force, or they lead there already", () => {
      heard(1000);
      host.run("drop filter");
      expect(host.apply("config", "g2", tunnelled())).toEqual({ ok: true });
      host.confirm("config", "g2");
      host.write("etc/proxy.nft", "# by hand\n");
      expect(host.apply("config", "g3", tunnelled())).toEqual({ ok: true });
    });
  });
});

describe("sets that no document names", () => {
  const bring = () => {
    for (const name of ["old", "keys", "one", "two"])
      host.run(`install ${name}`, host.set(name, [`${name}.service`]).text);
    host.apply("host", "g", documentOf("host", ["keys", host.set("keys", ["keys.service"])]));
    host.apply("config", "g", documentOf("config", "keep one", ["two", host.set("two", ["two.service"])]));
  };

  it("go when a proxy's document is confirmed, and the others stay", () => {
    bring();
    expect(host.confirm("config", "g")).toEqual({ ok: true, ...TOLD });
    expect(host.asked).toContain("systemctl -q disable --now old.service");
    expect([sets(), readdirSync(join(host.dir, "etc")).sort()]).toEqual([
      ["keys", "one", "two"],
      ["keys.nft", "one.nft", "two.nft"],
    ]);
  });

  it("stay where a document is missing, since nobody knows what it names, and where another is confirmed", () => {
    bring();
    expect(host.confirm("host", "g")).toEqual({ ok: true, ...TOLD });
    host.run("drop keys");
    expect(record("host")).toBe(undefined);
    expect(host.confirm("config", "g")).toEqual({ ok: true, ...TOLD });
    expect(sets()).toEqual(["old", "one", "two"]);
  });
});

describe("a relay's tunnel that goes", () => {
  beforeEach(() => {
    for (const name of ["keys-a", "tunnel-a", "keys-b", "tunnel-b"]) host.run(`install ${name}`, host.set(name).text);
  });

  it("takes its keys with it, and no other's", () => {
    host.run("drop tunnel-a");
    expect(sets()).toEqual(["keys-b", "tunnel-b"]);
  });

  it("stays while a document names it, which an earlier version wants to remove at the upgrade", () => {
    const brings = (...names: string[]) =>
      host.apply(
        "tunnels@p@s",
        "g",
        documentOf("tunnels@p@s", "independent", ...names.map((name) => [name, host.set(name)] as const)),
      );
    brings("tunnel-a");
    expect(host.run("remove tunnel-a")).toEqual([]);
    // Also where something else of the document failed.
    host.stub("nft", `case $* in -c*) ! grep -q tunnel-b "$3" ;; esac`);
    expect(brings("tunnel-a", "tunnel-b")).toMatchObject({ ok: false });
    expect(host.run("remove tunnel-a")).toEqual([]);
    brings("tunnel-b");
    host.run("remove tunnel-a");
    expect(sets()).toEqual(["keys-b", "tunnel-b"]);
  });

  it("takes the record of what named it along, and release those of the stack", () => {
    const tunnels = (name: string, ...of: string[]) =>
      host.apply(name, "g", documentOf(name, ...of.map((each) => `keep ${each}`)));
    tunnels("tunnels@p@s", "tunnel-a", "keys-a");
    tunnels("tunnels@p@other", "tunnel-b");
    tunnels("relay@p@s");
    host.run("drop tunnel-a");
    expect(["tunnels@p@s", "tunnels@p@other", "relay@p@s"].map((name) => record(name) !== undefined)).toEqual([
      false,
      true,
      true,
    ]);
    host.run("release p/s");
    expect(readdirSync(join(host.dir, "state/documents")).sort()).toEqual(["tunnels@p@other", "tunnels@p@other.sets"]);
  });
});
