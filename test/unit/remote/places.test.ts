// Directories of a Linux host that others use too: which of them a life of hostctl makes, with which modes, and which it leaves.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../../components/remote/bundle";
import { HOSTCTL, hostctlProgram, MAKE_PLACE } from "../../../components/remote/hostctl";
import { relayScript } from "../../../components/relayScript";

let dir = "";
let root = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "places-"));
  root = join(dir, "root");
  for (const place of ["bin", "root/usr", "root/etc/systemd/system", "root/var/lib", "root/run", "root/root"])
    mkdirSync(join(dir, place), { recursive: true });
  for (const [name, body] of [
    ["systemctl", ""],
    ["id", "echo 0"],
    ["ip", '[ "$1" = link ]'],
    ["nft", "cat >/dev/null"],
    ["wg", ""],
  ] as const) {
    writeFileSync(join(dir, "bin", name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(dir, "bin", name), 0o755);
  }
});
afterEach(() => rmSync(dir, { recursive: true }));

/** The same text about the scratch host. */
const here = (text: string) =>
  text
    .replace(/^(ETC|LIB|STATE|RUN|PROC|UNITS|NETWORKD|SYSCTLS|WIREGUARD)=\//gm, `$1=${root}/`)
    .replaceAll("[ -d /run/systemd/system ]", "true")
    .replace("\tPATH=/", `\tPATH=${dir}/bin:/`)
    .replaceAll(/(?<=[ >]|^)\/usr\/local(?=[/ ])/gm, `${root}/usr/local`);

/** Every directory with its mode. */
const places = () => {
  const found = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    found.sort().map((path) => [path.slice(root.length), (statSync(path).mode & 0o777).toString(8)]),
  );
};

/** As on a host whose own umask is strict. */
const sh = (command: string, input: string) =>
  spawnSync("sh", ["-c", `umask 077; ${command}`], {
    input,
    encoding: "utf8",
    env: { ...process.env, HOME: join(root, "root"), PATH: `${dir}/bin:${process.env.PATH}` },
  });

const hostctl = (verb: string, stdin = "") => {
  const { status, stderr } = sh(`${root}/usr/local/lib/chatmail-proxy/hostctl ${verb}`, stdin);
  if (status !== 0) throw new Error(stderr);
};

const set = bundle({ files: [{ path: "/etc/apt/apt.conf.d/52chatmail-proxy", mode: "0644", content: "x\n" }] }).text;

/** Brings hostctl there, as the program does it. */
function bring(): void {
  const command = `${MAKE_PLACE} && cat >${HOSTCTL}.new && chmod 755 ${HOSTCTL}.new && ${HOSTCTL}.new setup`;
  expect(sh(here(command), here(hostctlProgram())).status).toBe(0);
}

/** Brought, used, and gone; the places meanwhile. */
function lived(): Record<string, string> {
  bring();
  hostctl("install upgrades", set.replaceAll(" /etc/", ` ${root}/etc/`));
  hostctl("step admin_keys", "ssh-ed25519 BBBB\n");
  const meanwhile = places();
  hostctl("uninstall");
  return meanwhile;
}

describe("directories that others use too", () => {
  it("are made where they are missing, for others too, and go again when we do", () => {
    const before = places();
    const meanwhile = lived();
    expect(meanwhile).toMatchObject({
      "/usr/local": "755",
      "/usr/local/lib": "755",
      "/usr/local/lib/chatmail-proxy": "755",
      "/etc/apt": "755",
      "/etc/apt/apt.conf.d": "755",
      "/etc/systemd/system/nftables.service.d": "755",
      "/root/.ssh": "700",
    });
    expect(places()).toEqual(before);
  });

  it("stay as they were where they were there, empty or not", () => {
    for (const place of ["usr/local/lib", "etc/apt/apt.conf.d", "etc/systemd/system/nftables.service.d", "root/.ssh"]) {
      mkdirSync(join(root, place), { recursive: true });
      chmodSync(join(root, place), 0o711);
    }
    const before = places();
    lived();
    expect(places()).toEqual(before);
  });

  it("stay where they were there, however often hostctl is brought", () => {
    mkdirSync(join(root, "etc/systemd/system/nftables.service.d"));
    const before = places();
    bring();
    bring();
    hostctl("uninstall");
    expect(places()).toEqual(before);
  });

  it("go where an earlier version made them, which noted nothing", () => {
    const before = places();
    for (const place of [
      "usr/local/lib/chatmail-proxy",
      "etc/systemd/system/nftables.service.d",
      "var/lib/chatmail-proxy/sets",
    ])
      mkdirSync(join(root, place), { recursive: true });
    writeFileSync(join(root, "etc/systemd/system/nftables.service.d/chatmail-proxy.conf"), "");
    lived();
    // Every Debian has this one.
    expect(places()).toEqual({ ...before, "/usr/local": "755", "/usr/local/lib": "755" });
  });

  it("are made by a relay's script as well", () => {
    const script = here(relayScript("chatmail-proxy/prod", [], { outboundCheck: false, udpPorts: [] }));
    // As far as hostctl's own setup.
    sh("sh -s", script.slice(0, script.indexOf(`${root}/usr/local/lib/chatmail-proxy/hostctl prepare`)));
    expect(places()).toMatchObject({
      "/usr/local": "755",
      "/usr/local/lib": "755",
      "/usr/local/lib/chatmail-proxy": "755",
    });
    hostctl("uninstall");
    expect(existsSync(join(root, "usr/local"))).toBe(false);
  });
});
