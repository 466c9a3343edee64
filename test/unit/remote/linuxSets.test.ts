// hostctl's sets on Linux, in a scratch directory under dash: the order of what it asks nft, sysctl and systemd for.
// The lab runs the same on real hosts.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHostStatus } from "../../../components/hosts/status";
import { bundle } from "../../../components/remote/bundle";
import { documentOf, driftIn } from "./aDocument";
import { LinuxHost } from "./linuxHost";

let host: LinuxHost;
let dir = "";
beforeEach(() => {
  host = new LinuxHost();
  ({ dir } = host);
});
afterEach(() => host.close());

const stub = (name: string, body: string) => host.stub(name, body);
const run = (words: string, stdin?: string) => host.run(words, stdin);

const set = (name: string, units?: string[]) => host.set(name, units);

it("restarts what an earlier run stored, and was cut off before it could restart", () => {
  const { text, digest } = set("tunnel", ["wg.service"]);
  run("install tunnel", text);
  expect(run("install tunnel", text)).not.toContain("systemctl restart wg.service");
  writeFileSync(join(dir, "state/sets/tunnel/status"), `installing ${digest} 1\n`);
  expect(run("install tunnel", text)).toContain("systemctl restart wg.service");
});

it("leaves a file as it was when it cannot be written, and does not say that all is well", () => {
  run("install tunnel", set("tunnel").text);
  stub("chmod", "exit 1");
  const changed = bundle({
    files: [{ path: `${dir}/etc/tunnel.nft`, mode: "0644", content: "delete table inet other\n" }],
  });
  expect(() => run("install tunnel", changed.text)).toThrow("could not write");
  expect(readFileSync(join(dir, "etc/tunnel.nft"), "utf8")).toBe("delete table inet tunnel\n");
});

it("stops units in the reverse of their order, and none that another set runs on", () => {
  run("install one", set("one", ["filter.service", "wg.service", "watch.service"]).text);
  run("install two", set("two", ["filter.service", "wg2.service"]).text);
  expect(run("remove one").filter((line) => line.includes("disable"))).toEqual([
    "systemctl -q disable --now watch.service",
    "systemctl -q disable --now wg.service",
  ]);
});

describe("a tunnel fits on a relay", () => {
  const ADDRESSES = "10.213.0.2 fd00::2 10.213.0.1 fd00::1";
  /** `table`: what ip says of that routing table, by the family and the kind of thing that it is asked for. */
  const fits = (routes: Record<4 | 6, string>, mynetworks: string, table: Record<string, string> = {}) => {
    const inTable = Object.entries(table)
      .map(([asked, line]) => `"${asked} show table 5182001") echo "${line}" ;;`)
      .join(" ");
    stub(
      "ip",
      `case "$*" in ${inTable} *" table "*) exit 2 ;; -4*) echo "${routes[4]}" ;; -6*) echo "${routes[6]}" ;; esac`,
    );
    stub("postconf", `echo "${mynetworks}"`);
    // postfix's own tables: what a cidr table says of an address in one of its lines.
    stub(
      "postmap",
      `table=\${3#cidr:}; case "$2" in *:*) grep -q "^fd00::/" "$table" ;; *) grep -q "^10.213.0.0/" "$table" ;; esac`,
    );
    return () => run(`fits chatmail-proxy/prod wg-hel1 5182001 ${ADDRESSES}`);
  };
  const NOTHING = { 4: "default via 192.168.77.1 dev eth0", 6: "10.213.0.2 dev wg-hel1" };

  it("where nothing is in its way", () =>
    expect(fits(NOTHING, "127.0.0.0/8, [::1]/128 hash:/etc/postfix/more")()).toEqual([]));

  it("not where a network has its addresses, of either family", () => {
    expect(
      fits({ ...NOTHING, 4: "10.213.0.0/16 dev docker0 proto kernel scope link src 10.213.0.1" }, "127.0.0.0/8"),
    ).toThrow(
      "this relay already uses the network of the tunnel's address 10.213.0.2 (10.213.0.0/16 dev docker0 proto kernel scope link src 10.213.0.1)",
    );
    expect(fits({ ...NOTHING, 4: "10.213.0.0/24 via 192.168.77.5 dev eth0" }, "127.0.0.0/8")).toThrow(
      "(10.213.0.0/24 via 192.168.77.5 dev eth0)",
    );
    expect(fits({ ...NOTHING, 4: "10.213.0.2 via 192.168.77.5 dev eth0" }, "127.0.0.0/8")).toThrow(
      "(10.213.0.2 via 192.168.77.5 dev eth0)",
    );
    expect(fits({ ...NOTHING, 4: "10.0.0.0/8 dev tun0 scope link" }, "127.0.0.0/8")()).toEqual([]);
    expect(fits({ ...NOTHING, 6: "fd00::/64 dev docker0" }, "127.0.0.0/8")).toThrow(
      "of the tunnel's address fd00::2 (fd00::/64 dev docker0)",
    );
  });

  it.each([
    ["-4 route", "default dev tun0 scope link"],
    ["-6 route", "fd99::/64 dev tun0 metric 1024"],
    ["-4 rule", "100:\tfrom 198.51.100.0/24 lookup 5182001"],
    ["-6 rule", "100:\tfrom all lookup 5182001"],
  ])("not where others use its routing table (%s), unless it is there itself already", (asked, line) => {
    const there = { [asked]: line };
    expect(fits(NOTHING, "127.0.0.0/8", there)).toThrow(
      `this relay's routing table 5182001, meant for wg-hel1, is in use already (${line})`,
    );
    mkdirSync(join(dir, "etc"));
    writeFileSync(join(dir, "etc/wg-hel1.conf"), "TABLE=5182001\n");
    expect(fits(NOTHING, "127.0.0.0/8", there)()).toEqual([]);
    // One that the script's new list replaces, with the same slot.
    rmSync(join(dir, "etc/wg-hel1.conf"));
    writeFileSync(join(dir, "etc/wg-old1.conf"), "STACK=chatmail-proxy/prod\nTABLE=5182001\n");
    expect(fits(NOTHING, "127.0.0.0/8", there)()).toEqual([]);
    writeFileSync(join(dir, "etc/wg-old1.conf"), "STACK=chatmail-proxy/other\nTABLE=5182001\n");
    expect(fits(NOTHING, "127.0.0.0/8", there)).toThrow("is in use already");
  });

  it("not where postfix would trust its other end", () => {
    expect(fits(NOTHING, "127.0.0.0/8 10.213.0.0/16")).toThrow("postfix trusts 10.213.0.1 by its mynetworks");
    expect(fits(NOTHING, "127.0.0.0/8,[fd00::]/8")).toThrow("postfix trusts fd00::1 by its mynetworks");
  });
});

describe("the relay's way out, tried by a program that came on stdin", () => {
  interface Line {
    /** Families over which the other server answers. */
    readonly open: readonly number[];
    /** Families in which it has an address, and those to which the relay has a route. */
    readonly named?: readonly number[];
    readonly routed?: readonly number[];
    readonly postfix?: string;
    readonly rules?: string;
  }
  const ADDRESS = { 4: "192.0.2.25", 6: "2001:db8::25" } as Record<number, string>;
  const tried = ({ open, named = [4, 6], routed = [4, 6], postfix = "all", rules = "" }: Line) => {
    const cases = (families: readonly number[], what: (family: number) => string) => families.map(what).join(" ");
    stub(
      "getent",
      `case $1 in ${cases(named, (family) => `ahostsv${family}) echo "${ADDRESS[family]} STREAM $2" ;;`)} ahostsv6) echo "::ffff:192.0.2.25 STREAM" ;; *) exit 2 ;; esac`,
    );
    stub(
      "ip",
      `case "$*" in *"rule show") printf '%s' "${rules}" ;; ${cases(routed, (family) => `"-${family} route get ${ADDRESS[family]} ipproto tcp dport 25") ;;`)} *) exit 2 ;; esac`,
    );
    stub("postconf", `[ "$*" = "-hx inet_protocols" ] && echo "${postfix}"`);
    stub(
      "timeout",
      `[ "$2" = bash ] || { shift; exec "$@"; }; shift 4; case $* in ${cases(open, (family) => `*${ADDRESS[family]}) echo "220 mx.example.net ready" ;;`)} *) exit 124 ;; esac`,
    );
    const { status, stdout, stderr } = spawnSync("sh", ["-s", "status", "outbound mx.example.net;relay-of-tomorrow"], {
      input: `${readFileSync(join(dir, "lib/hostctl"), "utf8")}`,
      encoding: "utf8",
    });
    expect(status).toBe(0);
    const found = parseHostStatus(stdout).outbound ?? [];
    const kind = (word: string) =>
      found.filter((each) => each.startsWith(`${word} `)).map((each) => each.slice(word.length + 1));
    return { fault: kind("fault")[0], warnings: kind("warning"), said: stderr };
  };
  const works = (family: number) => ({
    fault: undefined,
    warnings: [],
    said: `chatmail-proxy: port 25 outbound works over IPv${family}: mx.example.net greets with 220 mx.example.net ready\n`,
  });

  it("is told as data where there is none", () => {
    expect(tried({ open: [] })).toEqual({
      fault: expect.stringMatching(/^this relay cannot reach mx\.example\.net on port 25, .*$/) as string,
      warnings: [],
      said: "",
    });
    expect(tried({ open: [], named: [] }).fault).toContain("cannot reach");
  });

  it("is shown where there is one", () => expect(tried({ open: [4, 6] })).toEqual(works(4)));

  it.each([
    [4, 6],
    [6, 4],
  ])("is a warning with its cure where IPv%s alone works, and both are in use", (open, shut) => {
    expect(tried({ open: [open] }).warnings).toEqual([
      expect.stringMatching(
        new RegExp(
          `^mail leaves over IPv${open}, but not over IPv${shut}: .*postconf -e smtp_address_preference=ipv${open} && systemctl reload postfix$`,
        ),
      ),
    ]);
    expect(tried({ open: [open] }).fault).toBe(undefined);
  });

  it("does not count a family that postfix does not use, the relay has no way by, or the other server has no address of", () => {
    expect(tried({ open: [4], postfix: "ipv4" })).toEqual(works(4));
    expect(tried({ open: [6], postfix: "ipv6" })).toEqual(works(6));
    expect(tried({ open: [4], routed: [4] })).toEqual(works(4));
    expect(tried({ open: [4], named: [4] })).toEqual(works(4));
    expect(tried({ open: [6], postfix: "ipv4" }).fault).toContain("cannot reach");
  });

  it("does not blame the provider where the proxies that mail is to leave through are dead", () => {
    const rules =
      "4720: from all iif lo ipproto tcp dport 25 lookup main suppress_prefixlength 0\n4810: from all iif lo ipproto tcp dport 25 unreachable\n";
    expect(tried({ open: [], routed: [], rules }).fault).toContain(
      "none of the proxies in egress is heard through its tunnel, so mail to other servers waits in the queue",
    );
  });
});

it("says whether somebody listens on TURN's port", () => {
  const turn = (sockets: string) => {
    stub("ss", `echo "$*" >"${dir}/asked"; printf '%s' "${sockets}"`);
    return [
      spawnSync(join(dir, "lib/hostctl"), ["turn"], { encoding: "utf8" }).stdout,
      readFileSync(join(dir, "asked"), "utf8"),
    ];
  };
  expect([turn("UNCONN 0 0 *:3478 *:*"), turn("")]).toEqual([
    ["turn on\n", "-Hlun sport = :3478\n"],
    ["", "-Hlun sport = :3478\n"],
  ]);
});

describe("a UDP port that is to be handed on", () => {
  const line = (address: string, process = "") => `UNCONN 0      0      ${address} 0.0.0.0:* ${process}\n`;
  /** Each look finds the next of these; our own tunnel listens on 51820. */
  const looks = (...found: string[]) => {
    found.forEach((lines, i) => writeFileSync(join(dir, `look${i}`), lines));
    stub(
      "ss",
      `echo "$*" >>"${dir}/log"; [ "$1" = -Hlunp ] || exit 0; n=$(cat "${dir}/n" 2>/dev/null || echo 0); echo $((n + 1)) >"${dir}/n"; cat "${dir}/look$n"`,
    );
    stub("wg", `[ "$*" != "show wg-relay listen-port" ] || echo 51820`);
    stub("sleep", "");
    return () => run("step free", "free tcp 25\nfree udp 3478-3500\n");
  };
  const taken = line("0.0.0.0:3479", 'users:(("turnserver",pid=7,fd=8))');

  it("is free beside our own tunnel, other ports, and what is on loopback", () => {
    const others = ["127.0.0.1:3478", "[::1]:3478", "*:51820", "*:3477", "*:3501"];
    expect(looks(others.map((each) => line(each)).join(""))()).toEqual(["-Hltnp", "-Hlunp"]);
  });

  it("is not free where somebody is served there, who is named", () => {
    expect(looks(taken, taken)).toThrow(
      "UDP port 3479 is in use on this host (by turnserver), and a proxy forwards it to the relay: stop that service, or take the port out of udpPorts",
    );
  });

  it("is free, and yet named, where it may be somebody who only dials out", () => {
    const dials = line("0.0.0.0:50000", 'users:(("tailscaled",pid=7,fd=8))');
    looks(dials, dials);
    const { status, stderr } = host.spawn(["step", "free"], "free udp 49152-65535\n");
    expect([status, stderr]).toEqual([
      0,
      expect.stringContaining(
        "UDP port 50000 is in use on this host (by tailscaled), and a proxy forwards it to the relay. If that is a service",
      ),
    ]);
  });

  it("is not free where the kernel serves it, as another WireGuard", () => {
    expect(looks(line("[::]:3500"), line("[::]:3500"))).toThrow("UDP port 3500 is in use on this host (by something)");
  });

  it("is free when what was there waited for an answer, though others wait by then", () => {
    expect(looks(taken, line("0.0.0.0:3490"))()).toHaveLength(3);
  });
});

describe("a tunnel on a relay", () => {
  const end = (files: Readonly<Record<string, string>>) =>
    bundle({
      files: Object.entries({
        "etc/wg-hel1.nft": "delete table inet x\n",
        "etc/wg-hel1.conf": "TABLE=77\n",
        "wireguard/wg-hel1.conf": "[Peer]\nPublicKey = PEER=\n",
        ...files,
      }).map(([path, content]) => ({ path: `${dir}/${path}`, mode: "0600", content })),
      units: ["chatmail-proxy-filter.service", "wg-quick@wg-hel1.service", "chatmail-proxy-watch@wg-hel1.service"],
    });
  const restarted = (files: Readonly<Record<string, string>>) =>
    run("install tunnel-hel1", end(files).text)
      .filter((line) => line.startsWith("systemctl restart "))
      .map((line) => line.split(/ |chatmail-proxy-/).at(-1));
  const TUNNEL = ["wg-quick@wg-hel1.service", "watch@wg-hel1.service"];

  beforeEach(() => {
    stub("wg", `[ "$3" != allowed-ips ] || printf 'PEER=\\t\\n'`);
    stub("ip", "");
    restarted({});
  });

  it("goes on while its rules change, which are loaded without that", () =>
    expect([
      restarted({ "etc/wg-hel1.nft": "delete table inet y\n" }),
      restarted({ "etc/wg-hel1.nft": "delete table inet y\n" }),
    ]).toEqual([["filter.service"], []]));

  it.each(["etc/wg-hel1.conf", "wireguard/wg-hel1.conf"])("is restarted when %s changes", (path) => {
    expect(restarted({ [path]: "OTHER=1\n" })).toEqual(["filter.service", ...TUNNEL]);
  });

  it("is restarted where an earlier run was cut off before it could do that", () => {
    writeFileSync(join(dir, "state/sets/tunnel-hel1/status"), "installing 0 1\n");
    expect(restarted({ "etc/wg-hel1.nft": "delete table inet y\n" })).toEqual(["filter.service", ...TUNNEL]);
  });

  it("goes on while another's settings change, whose name only begins with its own", () => {
    expect(restarted({ "etc/wg-hel1.nft": "delete table inet y\n", "etc/wg-hel10.conf": "x\n" })).toEqual([
      "filter.service",
    ]);
  });
});

describe("a tunnel on a proxy", () => {
  const set = bundle({
    files: [
      {
        path: "/wg-relay.conf",
        mode: "0600",
        content:
          "[Interface]\nAddress = 10.213.0.1/32, fd00::1/128\n\n[Peer]\nPublicKey = PEER=\nAllowedIPs = 10.213.0.2/32, fd00::2/128\n",
      },
    ],
    units: ["wg-quick@wg-relay.service"],
  });
  /** Its commands, beside an interface that has what is named. */
  const healed = (has: readonly string[], verb: "install tunnel" | "heal") => {
    const hostctl = join(dir, "lib/hostctl");
    mkdirSync(join(dir, "run"), { recursive: true });
    writeFileSync(hostctl, readFileSync(hostctl, "utf8").replace(/^ROOT=.*/m, `ROOT=${dir}/wireguard`));
    stub(
      "wg",
      `case "$*" in *allowed-ips) printf '${has.includes("peer") ? PEER : ""}' ;; *latest-handshakes) echo "PEER= 0" ;; esac`,
    );
    stub(
      "ip",
      `case "$*" in *" show "*) case "$*" in ${has.map((what) => `*" ${what}") echo there ;;`).join(" ")} esac ;; *) echo "ip $*" >>"${dir}/log" ;; esac`,
    );
    return run(verb, verb === "heal" ? "" : set.text).filter((line) => /^ip|restart/.test(line));
  };
  const PEER = "PEER=\\t10.213.0.2/32 fd00::2/128\\n";
  const whole = ["peer", "up", "10.213.0.1/32", "fd00::1/128", "10.213.0.2/32", "fd00::2/128"];

  it("is left alone where all of it is there", () => {
    healed(whole, "install tunnel");
    expect([healed(whole, "install tunnel"), healed(whole, "heal")]).toEqual([[], []]);
  });

  it.each(["install tunnel", "heal"] as const)(
    "whose interface is gone is brought up again by %s, though systemd takes its unit for active",
    (verb) => {
      healed(whole, "install tunnel");
      expect(healed([], verb)).toEqual(["systemctl restart wg-quick@wg-relay.service"]);
    },
  );

  it("gets back an address and a route, and nothing else", () => {
    healed(whole, "install tunnel");
    expect(healed(["peer", "up", "10.213.0.1/32", "fd00::2/128"], "heal")).toEqual([
      "ip -6 address add fd00::1/128 dev wg-relay",
      "ip -4 route add 10.213.0.2/32 dev wg-relay",
    ]);
  });

  it("is left to wg-quick while that is at work on it, which takes what it finds there for a fault", () => {
    healed(whole, "install tunnel");
    stub("systemctl", `case "$1" in is-active) echo activating ;; *) echo "systemctl $*" >>"${dir}/log" ;; esac`);
    expect(healed(["peer"], "heal")).toEqual([]);
  });

  const said = () => host.spawn(["status"]).stdout;
  const status = () => parseHostStatus(said());

  it("loses a peer that it was not given, and whoever that is can send nothing more", () => {
    healed(whole, "install tunnel");
    writeFileSync(join(dir, "peers"), "PEER=\t10.213.0.2/32 fd00::2/128\nOTHER=\t10.99.0.1/32\n");
    stub(
      "wg",
      `case "$*" in *allowed-ips) cat "${dir}/peers" ;; *remove) echo "wg $*" >>"${dir}/log"; sed -i /OTHER/d "${dir}/peers" ;; esac`,
    );
    expect(driftIn(said())).toContain("wg-relay knows another peer than the one that was set");
    expect(run("heal").filter((line) => line.startsWith("wg"))).toEqual(["wg set wg-relay peer OTHER= remove"]);
    expect(run("heal").filter((line) => line.startsWith("wg"))).toEqual([]);
  });

  it("counts what it gets back, and not what could not be put back", () => {
    healed(whole, "install tunnel");
    stub("wg", `case "$*" in *allowed-ips) printf '${PEER}' ;; esac`);
    stub("ip", `case "$*" in *" show "*"::1/128"*) ;; *" show "*) echo there ;; *) [ ! -f "${dir}/no-ipv6" ] ;; esac`);
    writeFileSync(join(dir, "no-ipv6"), "");
    run("heal");
    expect([status().healed, status().lastHealed]).toEqual([0, ""]);
    rmSync(join(dir, "no-ipv6"));
    run("heal");
    expect(status().healed).toBe(1);
    expect(status().lastHealed).toMatch(/^1 \S+Z the address fd00::1\/128 on wg-relay$/);
  });

  it("may be called from elsewhere than it calls: that is a difference only while nobody is heard", () => {
    healed(whole, "install tunnel");
    const conf = join(dir, "wireguard/wg-relay.conf");
    writeFileSync(conf, `${readFileSync(conf, "utf8")}Endpoint = 203.0.113.5:51820\n`);
    const roamed = (age: number) => {
      stub(
        "wg",
        `case "$*" in *latest-handshakes) echo "PEER= $(($(date +%s) - ${age}))" ;; *endpoints) printf 'PEER=\\t203.0.113.6:51820\\n' ;; *allowed-ips) printf '${PEER}' ;; "set "*) echo "wg $*" >>"${dir}/log" ;; esac`,
      );
      return [
        driftIn(said()).filter((each) => /sends to/.test(each)),
        run("heal").filter((line) => line.startsWith("wg")),
      ];
    };
    expect(roamed(20)).toEqual([[], []]);
    expect(roamed(400)).toEqual([
      ["wg-relay sends to 203.0.113.6:51820, not to 203.0.113.5:51820"],
      ["wg set wg-relay peer PEER= endpoint 203.0.113.5:51820"],
    ]);
  });

  it("is told as it is where a power cut left a status empty", () => {
    healed(whole, "install tunnel");
    writeFileSync(join(dir, "state/sets/tunnel/status"), "");
    expect(status().sets.tunnel).toMatchObject({ state: "none", drift: [] });
  });

  it("calls the relay where that was last heard from, once its interface is made again", () => {
    healed(whole, "install tunnel");
    stub("ping", `echo "ping $*" >>"${dir}/log"`);
    stub(
      "wg",
      `case "$*" in *latest-handshakes) echo "PEER= $(date +%s)" ;; *endpoints) printf 'PEER=\\t%s\\n' "$(cat "${dir}/endpoint")" ;; "set "*) echo "wg $*" >>"${dir}/log" ;; *allowed-ips) printf '${PEER}' ;; esac`,
    );
    writeFileSync(join(dir, "endpoint"), "198.51.100.20:40000\n");
    run("heal");
    writeFileSync(join(dir, "endpoint"), "(none)\n");
    expect(run("call wg-relay")).toEqual([
      "wg set wg-relay peer PEER= endpoint 198.51.100.20:40000",
      "ping -n -q -c 1 -W 1 10.213.0.2",
    ]);
  });
});

it("says so when rules of ours cannot be loaded at boot", () => {
  run("install filter", set("proxy").text);
  stub("nft", "exit 1");
  expect(() => run("load-filters")).toThrow();
});

describe("room for connections", () => {
  const tracked = "proc/sys/net/netfilter/nf_conntrack_max";
  /** What is set on a proxy of this memory, in MB, whose kernel has this number. */
  const made = (megabytes: number, most: number, verb = "load-filters") => {
    for (const place of ["etc", "run", "proc/sys/net/netfilter"]) mkdirSync(join(dir, place), { recursive: true });
    writeFileSync(join(dir, "etc/proxy.nft"), "delete table inet chatmail_proxy\n");
    writeFileSync(join(dir, "proc/meminfo"), `MemTotal:       ${megabytes * 1000} kB\n`);
    writeFileSync(join(dir, tracked), `${most}\n`);
    return run(verb).filter((line) => line.startsWith("sysctl"));
  };

  it.each([
    [460, 4096, "65536"],
    [960, 8192, "131072"],
    [1960, 65536, "131072"],
    [3900, 65536, "262144"],
  ])("is made by memory: %i MB", (megabytes, most, room) =>
    expect(made(megabytes, most)).toEqual([`sysctl -q -w net.netfilter.nf_conntrack_max=${room}`]),
  );

  it("is never made smaller", () => expect(made(460, 500_000)).toEqual([]));

  it("is what it was before when we go, unless somebody else has set it since", () => {
    const back = (now: number) => {
      run(
        "install filter",
        bundle({
          files: [{ path: `${dir}/etc/proxy.nft`, mode: "0644", content: "delete table inet chatmail_proxy\n" }],
        }).text,
      );
      made(960, 8192);
      writeFileSync(join(dir, tracked), `${now}\n`);
      return run("remove filter").filter((line) => line.startsWith("sysctl"));
    };
    expect(back(131_072)).toEqual(["sysctl -q -w net.netfilter.nf_conntrack_max=8192"]);
    expect(back(300_000)).toEqual([]);
  });
});

/** A tunnel's end on the relay, with such lines about egress. */
function writeTunnel(egress: string): void {
  for (const name of ["etc", "run", "wireguard"]) mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(
    join(dir, "etc/wg-hel1.conf"),
    `TABLE=77\nPRIORITY=4710\nIPV4=10.213.0.1\nIPV6=fd00::1\nPEER_IPV4=10.213.0.2\nPEER_IPV6=fd00::2\n${egress}`,
  );
}

/** The tunnel's watch, until the stand-in for `sleep` ends it. */
const watch = () =>
  spawnSync(join(dir, "lib/hostctl"), ["watch", "wg-hel1"], {
    env: { ...process.env, PATH: `${dir}/bin:${process.env.PATH ?? ""}` },
    timeout: 10_000,
  });

describe("a tunnel that is an egress", () => {
  /** What becomes of the relay's mail while the other side's WireGuard has sent so many bytes at each look. */
  const watched = (received: readonly number[], ping: "answers" | "is filtered") => {
    writeTunnel("EGRESS=0\nEGRESS_ELSE=nowhere\n");
    writeFileSync(join(dir, "received"), `${received.join("\n")}\n`);
    // Rules that are there, by their words behind `add`; every one is there for both families.
    stub(
      "ip",
      `[ "$1" != -d ] || shift; family=$1; case "$2 $3" in "rule show") sed -n "s/^$1 \\(.*priority $5\\).*/\\1 proto kernel/p" "${dir}/rules" 2>/dev/null || true ;; "rule add") shift 3; echo "$family $*" >>"${dir}/rules" ;; "rule del") grep -q "dport 25 lookup 77" "${dir}/rules" || exit 1; grep -v "dport 25 lookup 77" "${dir}/rules" >"${dir}/rest"; mv "${dir}/rest" "${dir}/rules" ;; esac; exit 0`,
    );
    stub("ping", ping === "answers" ? "exit 0" : "exit 1");
    stub("sysctl", "");
    stub(
      "wg",
      `[ "$3" != peers ] || echo "";  [ "$3" = transfer ] || exit 0; line=$(sed -n 1p "${dir}/received"); sed -i 1d "${dir}/received"; printf 'KEY\t%s\t999\n' "$line"`,
    );
    // The look that finds no number left is the end.
    stub(
      "sleep",
      `if grep -q "dport 25 lookup 77" "${dir}/rules"; then echo out >>"${dir}/way"; else echo waits >>"${dir}/way"; fi; [ -s "${dir}/received" ] || kill -TERM $PPID`,
    );
    watch();
    return readFileSync(join(dir, "way"), "utf8").trim().split("\n");
  };

  it("is taken though ping is filtered there, as long as its WireGuard is heard", () =>
    expect(watched([500, 500, 532, 532, 564, 564, 564, 596], "is filtered")).toEqual([
      "waits",
      "out",
      "out",
      "out",
      "out",
      "out",
      "out",
    ]));

  it("is left when nothing is heard for three looks, and taken again with the next word", () =>
    expect(watched([500, 600, 600, 600, 600, 600, 632], "is filtered")).toEqual([
      "out",
      "out",
      "out",
      "waits",
      "waits",
      "out",
    ]));

  it("is taken again after its interface has begun to count anew", () =>
    expect(watched([500, 600, 0, 0, 0, 92], "answers")).toEqual(["out", "out", "out", "waits", "out"]));
});

describe("the relay's watch", () => {
  const restarted = (locked: boolean) => {
    writeTunnel("EGRESS=\n");
    writeFileSync(join(dir, "wireguard/wg-hel1.conf"), "[Peer]\nPublicKey = NEW\n");
    stub("wg", `[ "$3" != peers ] || echo OLD`);
    for (const name of ["ip", "ping", "sysctl"]) stub(name, "exit 0");
    stub("systemctl", `[ "$1" != is-active ] || echo active; echo "$*" >>"${dir}/units"`);
    stub("sleep", "kill -TERM $PPID");
    const holder = spawn("sh", ["-c", "read -r line; : hostctl"], { stdio: ["pipe", "ignore", "ignore"] });
    try {
      if (locked) symlinkSync(String(holder.pid), join(dir, "run/chatmail-proxy.lock"));
      watch();
    } finally {
      holder.kill();
    }
    return readFileSync(join(dir, "units"), "utf8").includes("restart wg-quick@wg-hel1.service");
  };

  it("puts back an interface that knows another end than the file", () => expect(restarted(false)).toBe(true));

  it("does not while an update brings in new keys, between the file and the interface", () =>
    expect(restarted(true)).toBe(false));
});

describe("at boot, before any tunnel is up", () => {
  const UNREACHABLE = "rule add iif lo ipproto tcp dport 25 unreachable priority 4810 protocol kernel";
  /** What is asked of ip beside tunnels of these settings; the rules stay from one boot's verb to the next. */
  const loaded = (...tunnels: string[]) => {
    mkdirSync(join(dir, "etc"), { recursive: true });
    tunnels.forEach((settings, i) =>
      writeFileSync(join(dir, `etc/wg-t${i}.conf`), `TABLE=${i}\nPRIORITY=4710\n${settings}`),
    );
    stub(
      "ip",
      `[ "$1" != -d ] || shift
case "$2 $3" in
"rule show") grep "^$1 .* priority $5 proto" "${dir}/rules" ;;
"rule add") echo "ip $*" >>"${dir}/log"; echo "$*" | sed 's/protocol kernel/proto kernel/' >>"${dir}/rules" ;;
"rule del") number=$(grep -nF -e "$1 rule add $(shift 3; echo "$*") " "${dir}/rules" | head -n 1); [ -n "$number" ] && sed -i "\${number%%:*}d" "${dir}/rules" && echo "ip $*" >>"${dir}/log" ;;
*) exit 1 ;;
esac`,
    );
    return run("load-filters").filter((line) => line.startsWith("ip "));
  };

  it("the relay's mail has nowhere to go where a tunnel is an egress, and that is said once", () => {
    const places = [
      "rule add iif lo ipproto tcp dport 25 lookup main suppress_prefixlength 0 priority 4720 protocol kernel",
      UNREACHABLE,
    ].flatMap((rule) => [`ip -4 ${rule}`, `ip -6 ${rule}`]);
    expect(loaded("", "EGRESS=0\nEGRESS_ELSE=nowhere\n", "EGRESS=1\nEGRESS_ELSE=nowhere\n")).toEqual(places);
    expect(loaded()).toEqual([]);
  });

  it("the relay's mail keeps the frame of an earlier version's, which networkd would take away, until ours is there", () => {
    const frame = (protocol: string) =>
      [4, 6].flatMap((family) =>
        ["lookup main suppress_prefixlength 0 priority 4720", "unreachable priority 4810"].map(
          (rule) => `-${family} rule add iif lo ipproto tcp dport 25 ${rule} proto ${protocol}`,
        ),
      );
    writeFileSync(join(dir, "rules"), `${frame("unspec").join("\n")}\n`);
    const done = loaded("EGRESS=0\nEGRESS_ELSE=nowhere\n");
    expect(done.map((line) => line.split(" ").slice(1, 4).join(" "))).toEqual([
      "-4 rule add",
      "-4 rule del",
      "-6 rule add",
      "-6 rule del",
      "-4 rule add",
      "-4 rule del",
      "-6 rule add",
      "-6 rule del",
    ]);
    expect(readFileSync(join(dir, "rules"), "utf8").trim().split("\n").sort()).toEqual(frame("kernel").sort());
    expect(loaded()).toEqual([]);
  });

  it("the relay's mail goes by its own line where that is allowed, or where there is no egress", () => {
    expect(loaded("EGRESS=0\nEGRESS_ELSE=own-line\n").join()).not.toContain("unreachable");
    expect(loaded("")).toEqual([]);
  });
});

it("hands rules for several lines on by no file that another run would take away", () => {
  for (const place of ["etc", "run", "state"]) mkdirSync(join(dir, place), { recursive: true });
  writeFileSync(
    join(dir, "etc/proxy.nft"),
    'iifname { "eth0", "eth1" } fib daddr type local tcp dport { 25 } dnat ip to 10.213.0.2\n',
  );
  writeFileSync(join(dir, "state/wans"), "4 192.0.2.9 10.213.0.2 eth1 201 1000 0x1000000\n");
  stub(
    "ip",
    `case "$*" in *" rule add "*) echo "ip $*" >>"${dir}/log"; ls "${dir}/run" | sed 's/^/has /' >>"${dir}/log" ;; *"rule show"* | *" show "*) ;; esac`,
  );
  const done = run("load-filters").filter((line) => /^(ip|has) /.test(line));
  expect(done).toEqual([
    "ip -4 rule add from 10.213.0.2 fwmark 0x1000000/0xf000000 lookup 201 priority 1000 protocol kernel",
  ]);
});

describe("forwarding", () => {
  const DOCKER =
    "table ip docker {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n\t}\n}";
  const KEYS = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.rp_filter = 2\n";
  /** As the kernel wants it: with forwarding off it lets redirects in again, whatever the owner had said. */
  const ALL = ["net.ipv4.ip_forward=0", "net.ipv4.conf.all.accept_redirects=0", "net.ipv4.conf.all.rp_filter=0"];
  const WAS = "net.ipv4.ip_forward=0\nnet.ipv4.conf.all.rp_filter=0\nnet.ipv4.conf.all.accept_redirects=0\n";
  const settings = (name = "zz-chatmail-proxy") =>
    bundle({ files: [{ path: `/etc/sysctl.d/${name}.conf`, mode: "0644", content: KEYS }] });
  /** A host whose kernel says this, and nft that. */
  const aHost = (ruleset: string, kernel = WAS) => {
    const hostctl = join(dir, "lib/hostctl");
    writeFileSync(hostctl, readFileSync(hostctl, "utf8").replace(/^ROOT=.*/m, `ROOT=${dir}/root`));
    stub("nft", `cat "${dir}/ruleset"`);
    stub("sysctl", `case "$*" in "-n "*) sed -n "s/^$2=//p" "${dir}/kernel" ;; *" -p -") cat >>"${dir}/log" ;; esac`);
    writeFileSync(join(dir, "kernel"), kernel);
    writeFileSync(join(dir, "ruleset"), ruleset);
  };
  /** nft's list while a set of ours comes, and while it goes; what is put back then. */
  const putBack = (then: string, now: string, kernel = WAS) => {
    aHost(then, kernel);
    run("install sysctl", settings().text);
    writeFileSync(join(dir, "ruleset"), now);
    return [...new Set(run("remove sysctl").filter((line) => line.startsWith("net.")))];
  };

  it("is off again when we go, where it was off before", () => {
    expect(
      putBack(
        "",
        "table inet chatmail_proxy {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n",
      ),
    ).toEqual(ALL);
  });

  it("is so too where others had rules for it without needing it", () => {
    expect(putBack(DOCKER, DOCKER)).toEqual(ALL);
  });

  it("stays on when somebody else has come to need it", () =>
    expect(putBack("", DOCKER)).toEqual(["net.ipv4.conf.all.rp_filter=0"]));

  it("stays on when our file gets another name, and the one of before goes", () => {
    aHost("");
    const step = (words: string, stdin: string) => run(words, stdin).filter((line) => line.startsWith("net."));
    for (const name of ["60-chatmail-proxy", "zz-chatmail-proxy"]) {
      host.apply("config", "g", documentOf("config", ["filter guarded 60", settings(name)]));
      host.confirm("config", "g");
      expect(host.asked.filter((line) => line.startsWith("net."))).toEqual([]);
    }
    expect(readdirSync(join(dir, "root/etc/sysctl.d"))).toEqual(["zz-chatmail-proxy.conf"]);
    expect(new Set(step("drop filter", ""))).toEqual(new Set(ALL));
  });

  it("leaves redirects to their owner where it was on before us, since we have changed nothing then", () => {
    expect(putBack("", "", WAS.replace("ip_forward=0", "ip_forward=1"))).toEqual([
      "net.ipv4.ip_forward=1",
      "net.ipv4.conf.all.rp_filter=0",
    ]);
  });
});

it("is not held up by a lock whose holder is dead, or is another program by now", () => {
  mkdirSync(join(dir, "run"));
  for (const holder of ["999999999", String(process.pid)]) {
    symlinkSync(holder, join(dir, "run/chatmail-proxy.lock"));
    run("install tunnel", set("tunnel").text);
    expect(readdirSync(join(dir, "run")).filter((name) => name.includes("lock"))).toEqual([]);
  }
});

describe("the relay's routes for a tunnel", () => {
  const rules = () =>
    [4, 6].flatMap((family) =>
      readFileSync(join(dir, `rules-${family}`), "utf8")
        .split("\n")
        .filter(Boolean),
    );
  const settings = (place: string, table: number) => {
    for (const name of ["etc", "run"]) mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(
      join(dir, "etc/wg-hel1.conf"),
      `TABLE=${table}\nPRIORITY=4710\nIPV4=10.${place}.0.2\nIPV6=fd${place}::2\nPEER_IPV4=10.${place}.0.1\nPEER_IPV6=fd${place}::1\nSTACK=a/b\n`,
    );
  };

  beforeEach(() => {
    mkdirSync(join(dir, "run"));
    for (const family of [4, 6]) writeFileSync(join(dir, `rules-${family}`), "");
    stub(
      "ip",
      `[ "$1" != -d ] || shift
rules=${dir}/rules\${1}
case "$2 $3" in
"rule show") sed 's/$/ proto kernel/' "$rules" ;;
"rule add") [ -f ${dir}/refused ] || echo "from \${5%/*} lookup $7" >>"$rules"; [ ! -f ${dir}/quicker ] || exit 2; [ ! -f ${dir}/refused ] || exit 2 ;;
"rule del") line="from \${5%/*} lookup $7"; grep -qx "$line" "$rules" || exit 2; grep -vx "$line" "$rules" >"$rules.new"; mv "$rules.new" "$rules" ;;
esac`,
    );
  });

  it("are there once, however often the watch comes by, and go again", () => {
    settings("1", 100);
    for (let i = 0; i < 2; i++) run("routes wg-hel1");
    expect(rules()).toEqual(["from 10.1.0.2 lookup 100", "from fd1::2 lookup 100"]);
    run("unroutes wg-hel1");
    expect(rules()).toEqual([]);
  });

  it("are there though somebody was quicker, as the watch may be while wg-quick brings the tunnel up, which would else be taken down", () => {
    settings("1", 100);
    writeFileSync(join(dir, "quicker"), "");
    run("routes wg-hel1");
    expect(rules()).toEqual(["from 10.1.0.2 lookup 100", "from fd1::2 lookup 100"]);
  });

  it("are missed where the kernel takes none", () => {
    settings("1", 100);
    writeFileSync(join(dir, "refused"), "");
    expect(() => run("routes wg-hel1")).toThrow();
  });

  it("follow new settings with nothing left of the old, also when the watch sees those before the tunnel is restarted", () => {
    settings("1", 100);
    run("routes wg-hel1");
    settings("2", 200);
    run("routes wg-hel1");
    expect(rules()).toEqual(["from 10.2.0.2 lookup 200", "from fd2::2 lookup 200"]);
    settings("3", 300);
    run("unroutes wg-hel1");
    expect(rules()).toEqual([]);
  });
});
