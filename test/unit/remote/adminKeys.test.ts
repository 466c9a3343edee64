// Who may log in as root: our keys in an authorized_keys that is its owner's, under dash in a scratch HOME.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostctlProgram } from "../../../components/remote/hostctl";

const BEGIN = "# chatmail-proxy: begin (written by pulumi up)\n";
const END = "# chatmail-proxy: end\n";
const OWNER = "ssh-ed25519 AAAA owner";

let dir = "";
let keys = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "admin-keys-"));
  keys = join(dir, ".ssh/authorized_keys");
  mkdirSync(join(dir, ".ssh"));
  writeFileSync(
    join(dir, "hostctl"),
    hostctlProgram()
      .replace(/^(ETC|LIB|STATE|UNITS|NETWORKD)=.*/gm, `$1=${dir}/$1`)
      .replace("\tPATH=", `\tPATH=${dir}/bin:`),
  );
  mkdirSync(join(dir, "bin"));
  writeFileSync(join(dir, "bin/systemctl"), "#!/bin/sh\n");
  chmodSync(join(dir, "bin/systemctl"), 0o755);
});
afterEach(() => rmSync(dir, { recursive: true }));

function run(verb: string, stdin = ""): void {
  const { status, stderr } = spawnSync("dash", [join(dir, "hostctl"), ...verb.split(" ")], {
    input: stdin,
    encoding: "utf8",
    env: { ...process.env, HOME: dir },
  });
  expect([status, stderr]).toEqual([0, ""]);
}

const set = (...lines: string[]) => run("step admin_keys", lines.map((line) => `${line}\n`).join(""));
const read = () => readFileSync(keys, "utf8");
const mode = (path: string) => statSync(path).mode & 0o777;

it("stand beside the owner's, are replaced, and go again", () => {
  writeFileSync(keys, `${OWNER}\n\n`);
  set("ssh-ed25519 BBBB");
  expect(read()).toBe(`${OWNER}\n\n${BEGIN}ssh-ed25519 BBBB\n${END}`);
  writeFileSync(keys, `${read()}ssh-ed25519 CCCC later\n`);
  set("ssh-ed25519 DDDD", "ssh-ed25519 EEEE");
  expect(read()).toBe(`${OWNER}\n\nssh-ed25519 CCCC later\n${BEGIN}ssh-ed25519 DDDD\nssh-ed25519 EEEE\n${END}`);
  set();
  expect(read()).toBe(`${OWNER}\n\nssh-ed25519 CCCC later\n`);
});

it("can be revoked where the owner's last line has no newline", () => {
  writeFileSync(keys, OWNER);
  set("ssh-ed25519 BBBB");
  expect(read()).toBe(`${OWNER}\n${BEGIN}ssh-ed25519 BBBB\n${END}`);
  set();
  expect(read()).toBe(`${OWNER}\n`);
});

it("can be revoked too where an earlier version has put them behind such a line", () => {
  writeFileSync(keys, `${OWNER}${BEGIN}ssh-ed25519 BBBB\n${END}`);
  set();
  expect(read()).toBe(`${OWNER}\n`);
});

it("leave a file alone that has none of them, whatever its last line is", () => {
  writeFileSync(keys, OWNER);
  const before = statSync(keys).ino;
  set();
  run("uninstall");
  expect([read(), statSync(keys).ino]).toEqual([OWNER, before]);
});

it("are written through a link to where it leads", () => {
  mkdirSync(join(dir, "elsewhere"));
  writeFileSync(join(dir, "elsewhere/keys"), `${OWNER}\n`);
  symlinkSync("../elsewhere/keys", keys);
  set("ssh-ed25519 BBBB");
  expect(lstatSync(keys).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(dir, "elsewhere/keys"), "utf8")).toBe(`${OWNER}\n${BEGIN}ssh-ed25519 BBBB\n${END}`);
  expect(readdirSync(join(dir, "elsewhere"))).toEqual(["keys"]);
});

it("make a file through a link that leads to none yet, and leave the link", () => {
  symlinkSync(join(dir, "none"), keys);
  set("ssh-ed25519 BBBB");
  expect(readFileSync(join(dir, "none"), "utf8")).toBe(`${BEGIN}ssh-ed25519 BBBB\n${END}`);
  set();
  expect([existsSync(join(dir, "none")), lstatSync(keys).isSymbolicLink()]).toEqual([false, true]);
});

it("leave the file's mode and owner as they are", () => {
  writeFileSync(keys, `${OWNER}\n`);
  chmodSync(keys, 0o640);
  // Only root can give a file away.
  if (process.getuid?.() === 0) chownSync(keys, 65534, 65533);
  const before = statSync(keys);
  for (const lines of [["ssh-ed25519 BBBB"], []]) {
    set(...lines);
    const { mode, uid, gid } = statSync(keys);
    expect([mode, uid, gid]).toEqual([before.mode, before.uid, before.gid]);
  }
});

describe("where there was no file", () => {
  beforeEach(() => rmSync(join(dir, ".ssh"), { recursive: true }));

  it("make none when there are none", () => {
    set();
    run("uninstall");
    expect(existsSync(join(dir, ".ssh"))).toBe(false);
  });

  it.each(["step admin_keys", "uninstall"])(
    "stand in one for root alone, which goes with the last of them (%s)",
    (verb) => {
      set("ssh-ed25519 BBBB");
      expect([read(), mode(keys), mode(join(dir, ".ssh"))]).toEqual([`${BEGIN}ssh-ed25519 BBBB\n${END}`, 0o600, 0o700]);
      set("ssh-ed25519 CCCC");
      run(verb);
      expect(existsSync(keys)).toBe(false);
      // The directory goes with us, not with them.
      expect(existsSync(join(dir, ".ssh"))).toBe(verb !== "uninstall");
    },
  );

  it("leave what the owner has put in it since", () => {
    set("ssh-ed25519 BBBB");
    writeFileSync(keys, `${read()}${OWNER}\n`);
    run("uninstall");
    expect(read()).toBe(`${OWNER}\n`);
  });
});

it("leave an empty file where there was one", () => {
  writeFileSync(keys, "");
  set("ssh-ed25519 BBBB");
  set();
  expect(read()).toBe("");
});
