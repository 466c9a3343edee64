// What a machine's kernel can not do, said before anything is changed: in a container, and after an update without a reboot.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { hostctlProgram } from "../../../components/remote/hostctl";

/** Everything of hostctl but its last line, which runs it. */
const PARTS = hostctlProgram()
  .replace(/^main "\$@"$/m, "")
  .replaceAll("/run/systemd/system", "/");
/** Nobody may write it, root neither; its value is Linux. */
const READ_ONLY = "/proc/sys/kernel/ostype";
const FORWARDING = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];

interface Machine {
  /** Settings that cannot be written, by their place below /proc/sys. */
  readonly readOnly?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  /** Directories below /lib/modules. */
  readonly modules?: readonly string[];
  /** Commands, as scripts. */
  readonly commands?: Readonly<Record<string, string>>;
}

const RUNNING = "6.1.0-40-amd64";
const USUAL = {
  uname: `echo ${RUNNING}`,
  "systemd-detect-virt": "echo none; exit 1",
  ip: "exit 0",
  nft: "cat >/dev/null",
  dpkg: "echo arm64",
};
const LXC = { "systemd-detect-virt": "echo lxc" };
const NO_WIREGUARD = { ip: 'case $* in *add*) echo "Error: Unknown device type." >&2; exit 2 ;; esac; exit 1' };

/** What a call of hostctl's functions on such a machine says; and its status. */
function on(
  { readOnly = [], settings = {}, modules = [RUNNING], commands = {} }: Machine,
  call: string,
): { status: number | null; said: string; log: string } {
  const dir = mkdtempSync(join(tmpdir(), "ready-"));
  const made = (path: string) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    return join(dir, path);
  };
  try {
    for (const [name, body] of Object.entries({ ...USUAL, ...commands }))
      writeFileSync(made(`bin/${name}`), `#!/bin/sh\necho "${name} $*" >>${dir}/log\n${body}\n`, { mode: 0o755 });
    for (const place of FORWARDING)
      if (!readOnly.includes(place)) writeFileSync(made(`proc/sys/${place}`), `${settings[place] ?? "0"}\n`);
    for (const [place, value] of Object.entries(settings)) writeFileSync(made(`proc/sys/${place}`), `${value}\n`);
    for (const place of readOnly) symlinkSync(READ_ONLY, made(`proc/sys/${place}`));
    for (const name of modules) mkdirSync(made(`lib/modules/${name}/kernel`), { recursive: true });
    writeFileSync(join(dir, "log"), "");
    const program = PARTS.replace(/^ROOT=.*/m, `ROOT=${dir}`)
      .replace(/^PROC=.*/m, `PROC=${dir}/proc`)
      .replace(/^STATE=.*/m, `STATE=${dir}/state`);
    writeFileSync(
      join(dir, "script"),
      `PATH=${dir}/bin:/usr/bin:/bin\n${program}\n${call}\necho "went on" >>${dir}/log\n`,
    );
    const { status, stderr } = spawnSync("sh", ["-eu", join(dir, "script")], { encoding: "utf8" });
    return { status, said: stderr.trim(), log: spawnSync("cat", [join(dir, "log")], { encoding: "utf8" }).stdout };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const ready = (machine: Machine, words = "p/s/n") => on(machine, `ready ${words}`);

it("is no matter where the kernel can do all of it, or what is needed is so already", () => {
  for (const words of ["", "p/s/n", "p/s/n direct"]) expect(ready({}, words)).toMatchObject({ status: 0, said: "" });
  expect(ready({ settings: { "net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1" } })).toMatchObject({
    status: 0,
    said: "",
  });
  expect(
    ready({ readOnly: ["net/ipv4/conf/default/rp_filter"], settings: { "net/ipv4/conf/all/rp_filter": "2" } }, ""),
  ).toMatchObject({ status: 0, said: "" });
});

describe("a read-only /proc/sys", () => {
  it("is named with the settings that a proxy needs and cannot have, and who can set them", () => {
    const { status, said } = ready({ readOnly: FORWARDING, commands: LXC });
    expect(status).toBe(1);
    expect(said).toBe(
      "chatmail-proxy: /proc/sys cannot be written here (a container, lxc), and a proxy needs net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 (as for sysctl -w). Set that on the machine that this one runs on, or ask its provider to; a virtual machine with a kernel of its own (KVM) needs nobody for that",
    );
    expect(ready({ readOnly: [FORWARDING[1] ?? ""], settings: { "net/ipv4/ip_forward": "1" } }).said).toContain(
      "a proxy needs net.ipv6.conf.all.forwarding=1 (",
    );
  });

  it("counts on a relay where clients' addresses would be dropped by the default", () => {
    const readOnly = ["net/ipv4/conf/default/rp_filter"];
    expect(ready({ readOnly: FORWARDING }, "")).toMatchObject({ status: 0 });
    expect(ready({ readOnly, settings: { "net/ipv4/conf/all/rp_filter": "0" } }, "")).toMatchObject({ status: 0 });
    const strict = ready({ readOnly, settings: { "net/ipv4/conf/all/rp_filter": "1" } }, "");
    expect([strict.status, strict.said]).toEqual([
      1,
      expect.stringContaining("a relay needs net.ipv4.conf.default.rp_filter=2"),
    ]);
  });

  it("does not fail what is set already: nothing is written then", () => {
    const load = (machine: Machine, text: string) =>
      on(
        { ...machine, commands: { sysctl: "exit 1" } },
        `settings() { printf '${text}' >"$ROOT/file"; load_file "$ROOT/file" 644 /etc/sysctl.d/zz.conf; }; mkdir -p "$STATE"; settings`,
      );
    const whole = load(
      { settings: { "net/ipv4/ip_forward": "1", "net/ipv6/conf/eth0.100/accept_ra": "2" } },
      "# ours\\nnet/ipv6/conf/eth0.100/accept_ra = 2\\nnet.ipv4.ip_forward = 1\\n",
    );
    expect([whole.status, whole.said]).toEqual([0, ""]);
    expect(whole.log).not.toContain("sysctl -q -p");
    expect(whole.log).toMatch(/went on\n$/);
    const lacks = load({ readOnly: ["net/ipv6/conf/eth0.100/accept_ra"] }, "net/ipv6/conf/eth0.100/accept_ra = 2\\n");
    expect([lacks.status, lacks.said]).toEqual([
      1,
      expect.stringContaining("a proxy needs net/ipv6/conf/eth0.100/accept_ra=2 ("),
    ]);
  });
});

describe("a kernel without WireGuard", () => {
  it("is to be rebooted where an update took away the modules of the one that runs", () => {
    for (const words of ["p/s/n", ""]) {
      const { status, said } = ready({ modules: ["6.1.0-41-amd64"], commands: NO_WIREGUARD }, words);
      expect([status, said]).toEqual([
        1,
        `chatmail-proxy: the kernel that runs here (${RUNNING}) has been replaced by an update, and its modules are gone, with them WireGuard: reboot this machine, and run this again`,
      ]);
    }
  });

  it("is the host's business in a container, whose own modules say nothing", () =>
    expect(ready({ modules: ["6.1.0-41-amd64"], commands: { ...NO_WIREGUARD, ...LXC } })).toMatchObject({
      status: 1,
      said: expect.stringContaining(
        "it is not this machine's own (a container, lxc): load the module wireguard on the machine that this one runs on (modprobe wireguard), or ask its provider to",
      ) as string,
    }));

  it("is to be replaced by Debian's where it is a provider's own", () =>
    expect(ready({ commands: NO_WIREGUARD }).said).toContain(
      `this machine's kernel (${RUNNING}) has no WireGuard (module wireguard): install Debian's own (apt-get install linux-image-arm64), reboot`,
    ));

  it("may stay where wireguard-go stands in, or no tunnel is wanted", () => {
    expect(
      on(
        { commands: { ...NO_WIREGUARD, "wireguard-go": "" } },
        'mkdir -p "$ROOT/dev/net"; ln -s /dev/null "$ROOT/dev/net/tun"; ready p/s/n',
      ),
    ).toMatchObject({ status: 0, said: "" });
    expect(ready({ commands: { ...NO_WIREGUARD, "wireguard-go": "" } })).toMatchObject({ status: 1 });
    expect(ready({ commands: NO_WIREGUARD }, "p/s/n direct")).toMatchObject({ status: 0, said: "" });
  });

  it("is not what a host has where another stack took the interface away meanwhile, or has made one too", () => {
    const first = "case $* in *add*) exit 0 ;; esac; exit 1";
    const second = 'case $* in *add*) echo "RTNETLINK answers: File exists" >&2; exit 2 ;; esac';
    for (const ip of [first, second])
      expect(ready({ commands: { ip } }, "")).toMatchObject({
        status: 0,
        said: "",
        log: expect.stringMatching(/went on\n$/) as string,
      });
  });

  it("is asked by an interface that goes again", () =>
    expect(
      ready({})
        .log.split("\n")
        .filter((line) => line.startsWith("ip ")),
    ).toEqual([
      "ip link del dev chatmail-try",
      "ip link add dev chatmail-try type wireguard",
      "ip link del dev chatmail-try",
    ]));
});

describe("a kernel whose new interfaces get no IPv6", () => {
  const settings = { "net/ipv6/conf/all/disable_ipv6": "0", "net/ipv6/conf/default/disable_ipv6": "1" };
  const prepared = (words: string) =>
    on(
      {
        settings,
        commands: { id: "echo 0", "apt-get": "exit 0", "cloud-init": "exit 0", "dpkg-query": "echo installed" },
      },
      `mkdir -p "$PROC/net"; : >"$PROC/net/if_inet6"; ssh_limits() { :; }; prepare ${words}`,
    );

  it("is refused where a tunnel is to come", () =>
    expect(prepared("nftables")).toMatchObject({
      status: 1,
      said: expect.stringContaining(
        "IPv6 is switched off in this host's kernel (net.ipv6.conf.default.disable_ipv6=1, which each new interface gets)",
      ) as string,
    }));

  it("is good enough without one", () => {
    const { status, said, log } = prepared("direct nftables");
    expect([status, said]).toEqual([0, ""]);
    expect(log).toMatch(/dpkg-query .* nftables\n(.*\n)*went on\n$/);
    expect(log).not.toMatch(/dpkg-query .* direct/);
  });
});

describe("a relay's interface that checks senders strictly", () => {
  const routes = (all: string, own: string) =>
    on(
      {
        settings: { "net/ipv4/conf/all/rp_filter": all, "net/ipv4/conf/wg-hel1/rp_filter": own },
        commands: { ip: '[ "$3" != del ]', sysctl: "exit 1" },
      },
      'mkdir -p "$ROOT/etc" "$ROOT/run"; ETC=$ROOT/etc RUN=$ROOT/run; printf "TABLE=77\\nPRIORITY=4710\\nIPV4=10.213.0.1\\nIPV6=fd00::1\\n" >"$ETC/wg-hel1.conf"; routes wg-hel1',
    );

  it("is refused where that cannot be set, with what helps", () => {
    for (const [all, own] of [
      ["1", "1"],
      ["0", "1"],
      ["1", "0"],
    ] as const) {
      const { status, said, log } = routes(all, own);
      expect([status, said]).toEqual([
        1,
        expect.stringContaining(
          "senders are checked strictly on wg-hel1 (rp_filter), and this cannot be set here: what clients send would be dropped. Set net.ipv4.conf.all.rp_filter=2 where it can be",
        ),
      ]);
      expect(log).not.toContain("went on");
    }
  });

  it("is no matter where one of the two settings is loose, or none is strict", () => {
    for (const [all, own] of [
      ["2", "1"],
      ["0", "0"],
    ] as const)
      expect(routes(all, own)).toMatchObject({ status: 0, said: expect.not.stringContaining("strictly") as string });
  });
});

it("names what a container may not do", () =>
  expect(
    ready({ commands: { ip: 'echo "RTNETLINK answers: Operation not permitted" >&2; exit 2', ...LXC } }).said,
  ).toBe(
    "chatmail-proxy: WireGuard is not allowed here (a container, lxc): let its provider allow it (CAP_NET_ADMIN in the container's own network), or take a virtual machine with a kernel of its own (KVM)",
  ));

it("names nftables as it does WireGuard, installed or not, without a tunnel too", () => {
  const nft = 'cat >/dev/null; echo "Error: Could not process rule: Operation not supported" >&2; exit 1';
  expect(ready({ modules: ["6.1.0-41-amd64"], commands: { nft } }, "p/s/n direct").said).toContain(
    "its modules are gone, with them nftables: reboot this machine",
  );
  expect(ready({ commands: { nft, ...LXC } }, "p/s/n direct").said).toContain(
    "the kernel has no nftables, and it is not this machine's own (a container, lxc): load the module nf_tables",
  );
  expect(ready({ commands: { nft: 'cat >/dev/null; echo "Error: syntax error" >&2; exit 1' } })).toMatchObject({
    status: 0,
  });
});

it("comes before hostctl itself takes its place", () => {
  const { status, said, log } = on(
    { readOnly: FORWARDING, commands: { id: "echo 0", systemctl: "exit 0" } },
    'take_over() { echo "took over" >>"$ROOT/log"; }; setup p/s/n',
  );
  expect([status, said]).toEqual([1, expect.stringContaining("/proc/sys cannot be written here")]);
  expect(log).not.toMatch(/took over|went on/);
});
