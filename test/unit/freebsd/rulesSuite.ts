// How new pf rules come to a FreeBSD host, and go again; for one shell.
import { parseHostStatus } from "../../../components/hosts/status";
import { bundle, type HostSet } from "../../../components/remote/bundle";
import { documentOf } from "../remote/aDocument";
import { MAIN_RULES } from "../pf/router";
import { bench, FILTER, filterOf, KEYS, OWN_PF, TUNNEL } from "./bench";
import type { FakeHost, Shell } from "./fakeHost";

const DEADLINE = "/var/run/chatmail-proxy.deadline.filter";

/** Which arming the set is in, as the restore is told. */
const arming = (bsd: FakeHost) => bsd.read("/var/db/chatmail-proxy/sets/filter/status")?.trim().split(" ")[3] ?? "";

export function rulesSuite(shell: Shell): void {
  const { host, brought } = bench(shell);

  describe("new rules", () => {
    it("are in force once armed, and not yet stored", () => {
      const bsd = host({ "/etc/rc.conf": 'sshd_enable="YES"\n' });
      const others = () =>
        Object.fromEntries(
          Object.entries(bsd.files()).filter(([path]) => !/^\/var\/(db\/chatmail-proxy|run\/)/.test(path)),
        );
      const before = others();
      const said = bsd.arm(FILTER);
      expect(said).toContain("they are taken back in 60 s unless a new SSH connection confirms them");
      expect(bsd.get("pf.state")).toBe("on\n");
      expect(bsd.get("pf.anchor")).toContain("rdr on em0 inet proto tcp");
      expect(bsd.get("pf.main")).toMatch(
        /nat-anchor "chatmail_proxy".*\nrdr-anchor "chatmail_proxy".*\nanchor "chatmail_proxy".*\nload anchor "chatmail_proxy" from /,
      );
      expect(bsd.get("sysctl")).toContain(
        "net.inet.ip.forwarding=1\nnet.inet6.ip6.forwarding=1\nnet.inet6.ip6.rfc6204w3=1\n",
      );
      // The default route stays: the exception comes before forwarding.
      expect(bsd.done.filter((line) => /sysctl/.test(line)).map((line) => line.split(".").at(-1))).toEqual([
        "rfc6204w3=1",
        "forwarding=1",
        "forwarding=1",
      ]);
      expect(others()).toEqual(before);
    });

    it("are stored by a confirmation, and found in force by the next", () => {
      const bsd = brought();
      expect(bsd.read("/etc/pf.conf")).toBe(MAIN_RULES);
      // What `service pf reload` loads is the same as what is in force.
      const [, stored = ""] = /from "(.*)"/.exec(MAIN_RULES) ?? [];
      expect(bsd.read(stored)).toBe(bsd.get("pf.anchor"));
      expect(bsd.read("/etc/sysctl.conf.local")).toBe(
        "net.inet6.ip6.rfc6204w3=1 # chatmail-proxy\nnet.inet.ip.forwarding=1 # chatmail-proxy\nnet.inet6.ip6.forwarding=1 # chatmail-proxy\n",
      );
      expect(bsd.read("/etc/rc.conf")).toBe(
        'gateway_enable="YES"\nipv6_gateway_enable="YES"\nipv6_cpe_wanif="em0"\nrtsold_enable="YES"\npf_enable="YES"\n',
      );
      expect(bsd.done).toEqual([
        "service sysctl onestart",
        "sysrc gateway_enable=YES",
        "sysrc ipv6_gateway_enable=YES",
        "sysrc ipv6_cpe_wanif=em0",
        "sysrc rtsold_enable=YES",
        "sysrc pf_enable=YES",
      ]);
      bsd.confirmed();
      expect(bsd.arm(FILTER)).toContain("filter: in force");
      expect(bsd.done).toEqual([]);
    });

    it("never flush states: pf is not restarted, and only the anchor is loaded where the host calls it already", () => {
      const bsd = brought();
      bsd.arm(filterOf("proxy-egress.pf"));
      expect(bsd.done.filter((line) => /^(pfctl|service)/.test(line))).toEqual([
        "pfctl -q -a chatmail_proxy -f /var/db/chatmail-proxy/sets/filter/next/1",
      ]);
      expect(bsd.get("pf.anchor")).toContain("chatmail_egress");
    });

    it("go again when nobody confirms them, and pf is off as it was", () => {
      const bsd = host({ "/etc/rc.conf": "gateway_enable=NO" });
      const before = bsd.get("sysctl").split("\n").sort();
      bsd.arm(FILTER);
      expect(bsd.ok(`revert filter 60 ${arming(bsd)}`)).toContain(
        "new rules not confirmed within 60 s over a new SSH connection; the previous rules are in force again",
      );
      expect([
        bsd.get("pf.state"),
        bsd.get("pf.anchor").match(/^(pass|block|rdr|nat)/m),
        bsd.get("pf.main").match(/anchor/),
      ]).toEqual(["off\n", null, null]);
      expect(bsd.get("sysctl").split("\n").sort()).toEqual(before);
      expect([bsd.read("/etc/pf.conf"), bsd.read("/etc/rc.conf"), bsd.read("/etc/sysctl.conf.local")]).toEqual([
        undefined,
        "gateway_enable=NO",
        undefined,
      ]);
      expect(bsd.confirm().reason).toContain("new rules not confirmed within 60 s");
    });

    it("give way to the rules before them, which pf had on already", () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      bsd.arm(filterOf("proxy-egress.pf"));
      bsd.ok(`revert filter 60 ${arming(bsd)}`);
      expect(bsd.get("pf.anchor")).toBe(bsd.read("/usr/local/etc/chatmail-proxy/proxy.pf"));
      expect(bsd.get("pf.state")).toBe("on\n");
    });

    it("that pfctl refuses change nothing", () => {
      const bsd = brought({ "/etc/pf.conf": OWN_PF });
      const before = [bsd.get("pf.main"), bsd.get("pf.anchor"), bsd.read("/etc/pf.conf")];
      const set: HostSet = {
        files: [{ path: "/usr/local/etc/chatmail-proxy/proxy.pf", mode: "0644", content: "NONSENSE\n" }],
      };
      expect(bsd.refusal(bundle(set))).toBe(
        "pfctl refuses the new /usr/local/etc/chatmail-proxy/proxy.pf; the old rules are still in force",
      );
      expect([bsd.get("pf.main"), bsd.get("pf.anchor"), bsd.read("/etc/pf.conf")]).toEqual(before);
      expect(bsd.done.filter((line) => line.startsWith("pfctl"))).toEqual([]);
    });

    it("are not loaded where nothing would take them back", () => {
      const bsd = host();
      bsd.forget("guard");
      expect(bsd.refusal(FILTER)).toContain(
        "the guard that would take new rules back is not running, so nothing was changed",
      );
      expect([bsd.get("pf.anchor"), bsd.get("pf.state")]).toEqual(["", "off\n"]);
    });

    it("change nothing when they arrive cut off", () => {
      const bsd = host();
      const whole = documentOf("config", ["filter guarded 60", FILTER]);
      const { answer } = bsd.apply("config", "today", whole.slice(0, whole.lastIndexOf("pass")));
      expect(answer.reason).toContain("arrived cut off");
      expect(bsd.done).toEqual([]);
    });
  });

  it("goes back by itself when the time is over, whoever is connected", () => {
    const bsd = host();
    bsd.arm(FILTER);
    bsd.run("guard");
    expect(bsd.get("pf.state")).toBe("on\n"); // not yet
    bsd.write(DEADLINE, `1000 60 ${arming(bsd)}\n`);
    bsd.run("guard");
    expect([bsd.get("pf.state"), bsd.read(DEADLINE)]).toEqual(["off\n", undefined]);
  });

  it("is not stored untested where the host has restarted in between", () => {
    const bsd = host();
    bsd.arm(FILTER);
    bsd.remove(DEADLINE); // as everything in /var/run
    expect(bsd.confirm().reason).toContain("the host has restarted since");
    expect(bsd.read("/usr/local/etc/chatmail-proxy/proxy.pf")).toBeUndefined();
    bsd.arm(FILTER);
    bsd.confirmed();
    expect(bsd.read("/usr/local/etc/chatmail-proxy/proxy.pf")).toBeDefined();
  });

  it("does not lead into a tunnel that nobody has called through, while other rules serve", () => {
    const bsd = host();
    bsd.arm(filterOf("proxy-direct.pf"));
    bsd.confirmed();
    bsd.ok("install tunnel-keys", KEYS);
    bsd.ok("install tunnel", TUNNEL);
    bsd.set("hasty", "");
    expect(bsd.refusal(FILTER)).toBe(
      "the relay has not called through the tunnel within 30 s; the previous rules, which do not lead into it, are in force again",
    );
    expect(bsd.get("pf.anchor")).not.toContain("wg5182");
    bsd.set("wg5182.heard", "");
    bsd.arm(FILTER);
    bsd.confirmed();
    expect(bsd.get("pf.anchor")).toContain("wg5182");
  });

  it("is recorded with its document, which goes with it when it is taken back", () => {
    const bsd = host();
    const record = () => bsd.read("/var/db/chatmail-proxy/documents/config")?.split(" ").slice(1).join(" ");
    bsd.arm(FILTER);
    expect(record()).toBe("today armed\n");
    bsd.ok(`revert filter 60 ${arming(bsd)}`);
    expect(record()).toBe(undefined);
    bsd.arm(FILTER);
    bsd.confirmed();
    expect(record()).toBe("today confirmed\n");
    expect(parseHostStatus(bsd.run("status").stdout).documents).toMatchObject({
      config: { generation: "today", state: "confirmed" },
    });
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
}
