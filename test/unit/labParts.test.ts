import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createTcp, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "../../scripts/lab/command";
import { controlClient, statusIfUp } from "../../scripts/lab/control";
import { listenForControl, type ControlHandlers } from "../../scripts/lab/controlServer";
import { debianUriIn } from "../../scripts/lab/images/debianMirror";
import { layerKey, mirrorKey, recipes, releaseOf, stackOf } from "../../scripts/lab/images/recipes";
import { holderOf, withLock } from "../../scripts/lab/lock";
import { legacyMounts, unifiedMount } from "../../scripts/lab/machines/cgroup";
import { nspawnArgv } from "../../scripts/lab/machines/machine";
import { renderLetter } from "../../scripts/lab/mail/letter";
import { scanPorts } from "../../scripts/lab/mail/portScan";
import { isAlive, listenersIn, processId, startTimeIn } from "../../scripts/lab/processes";
import { labVersion } from "../../scripts/lab/version";
import { waitFor } from "../../scripts/lab/wait";
import { relaySpec } from "../../scripts/lab/world/mailHosts";
import { createMirror, fileFor } from "../../scripts/lab/world/mirror";

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "lab-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("image keys", () => {
  const images = recipes("trixie");

  it("change with the packages, the layers below, the scripts, the release and the architecture", () => {
    const key = layerKey(images.host, "s", "x64");
    expect(layerKey({ ...images.host, packages: ["other"] }, "s", "x64")).not.toBe(key);
    expect(layerKey({ ...images.host, below: [{ ...images.base, finish: "x" }, images.system] }, "s", "x64")).not.toBe(
      key,
    );
    expect(
      new Set([
        key,
        layerKey(images.host, "t", "x64"),
        layerKey(images.host, "s", "arm64"),
        layerKey(recipes("bookworm").host, "s", "x64"),
      ]).size,
    ).toBe(4);
    expect(layerKey(recipes("trixie").host, "s", "x64")).toBe(key);
  });

  it("bind the mirror to the layers that its packages were chosen for", () => {
    expect(mirrorKey(images, "s", "x64")).not.toBe(
      mirrorKey({ ...images, system: { ...images.system, packages: [] } }, "s", "x64"),
    );
  });

  it("name the images that are sold, and say which there are", () => {
    expect(["debian-13", "debian-12"].map(releaseOf)).toEqual(["trixie", "bookworm"]);
    expect(() => releaseOf("debian-11")).toThrow(
      'image "debian-11": the lab has no such image. It has debian-13, debian-12.',
    );
  });

  it("leave out of every image that is sold what hosts must install themselves", () => {
    for (const layer of [images.system, images.host, images.mail])
      expect(layer.packages).not.toEqual(expect.arrayContaining(["nftables"]));
    expect([...images.host.packages, ...images.mail.packages]).not.toContain("wireguard-tools");
  });

  it("stack with the topmost layer first", () =>
    expect(stackOf(images.host).map(({ name }) => name)).toEqual(["host", "system", "base"]));
});

describe("the mirror that images are built from", () => {
  it("is the machine's own", () =>
    expect(
      debianUriIn(
        "Debian\tDebian-Security\thttp://a/debian-security/\nDebian\tDebian\thttp://mirror.example/debian/\n",
      ),
    ).toBe("http://mirror.example/debian"));
  it("is unknown where apt speaks of no Debian", () =>
    expect(debianUriIn("Ubuntu\tUbuntu\thttp://archive.example/ubuntu/\n")).toBeUndefined());
  it("is unknown where apt fetches in a way of its own", () =>
    expect(debianUriIn("Debian\tDebian\tfile:/srv/debian\n")).toBeUndefined());
});

describe("processes", () => {
  it("are told apart by their start time, also with a blank or a bracket in the name", () => {
    const stat = `12 (a b) c) S 1 ${Array.from({ length: 18 }, (_, n) => n + 5).join(" ")} rest`;
    expect(startTimeIn(stat)).toBe("22");
    const me = processId(process.pid);
    expect(me && isAlive(me)).toBe(true);
    expect(isAlive({ pid: process.pid, startTime: "1" })).toBe(false);
  });

  it("listen where /proc/net/tcp says 0A", () => {
    expect(
      listenersIn("  sl local rem st\n 0: 00000000:0019 00000000:0000 0A x\n 1: 0100007F:1F90 00000000:0000 01 x\n"),
    ).toEqual([25]);
  });
});

describe("cgroups", () => {
  const line = (mount: string, type: string) => `30 23 0:26 / ${mount} rw,relatime shared:4 - ${type} none rw`;
  it("are found where systemd mounts them, alone or below the old ones", () => {
    expect(unifiedMount(line("/sys/fs/cgroup", "cgroup2"))).toBe("/sys/fs/cgroup");
    const hybrid = [line("/sys/fs/cgroup/memory", "cgroup"), line("/sys/fs/cgroup/unified", "cgroup2")].join("\n");
    expect(unifiedMount(hybrid)).toBe("/sys/fs/cgroup/unified");
    expect(legacyMounts(hybrid)).toEqual(["/sys/fs/cgroup/memory"]);
    expect(unifiedMount(line("/sys/fs/cgroup/memory", "cgroup"))).toBeUndefined();
  });
});

describe("a command", () => {
  it("fails with its status and its last words, and never with its input", async () => {
    const failing = command(["sh", "-c", "cat >/dev/null; echo why >&2; exit 3"], { stdin: "secret" });
    await expect(failing).rejects.toThrow(/exit status 3\nwhy/);
    await expect(failing).rejects.not.toThrow(/secret/);
  });

  it("is ended when its time is up", async () => {
    await expect(command(["sleep", "5"], { timeout: 50 })).rejects.toThrow("did not end within 0.05 s");
  });

  it("that does not exist is named", async () => {
    await expect(command(["no-such-program"])).rejects.toThrow("no-such-program: cannot be started");
  });
});

describe("a wait", () => {
  it("says what it waited for, for how long, and the last trouble", async () => {
    await expect(
      waitFor(
        "the moon",
        0.05,
        () => {
          throw new Error("clouds");
        },
        10,
      ),
    ).rejects.toThrow("waited 0.05 s for the moon; last: clouds");
  });
});

describe("the lock", () => {
  const who = { directory: "/clone", purpose: "npm run lab", seconds: 0 };

  it("names its holder to whoever comes second", async () => {
    const file = join(dir, "lock");
    await withLock(file, who, async () => {
      expect(holderOf(file)?.pid).toBe(process.pid);
      await expect(withLock(file, who, () => Promise.resolve())).rejects.toThrow(
        `"npm run lab" is under way in /clone (pid ${process.pid})`,
      );
    });
    expect(holderOf(file)).toBeUndefined();
  });

  it("is taken over from the dead", async () => {
    const file = join(dir, "lock");
    const { pid } = spawnSync("true");
    writeFileSync(file, JSON.stringify({ pid, startTime: "1", directory: "/gone", purpose: "x" }));
    await expect(withLock(file, who, () => Promise.resolve("in"))).resolves.toBe("in");
  });
});

describe("the control socket", () => {
  const dirs = () => ({ project: "/", cache: dir, state: dir, runtime: dir });
  const handlers = (changes: Partial<ControlHandlers> = {}): ControlHandlers => {
    const unasked = () => Promise.reject(new Error("nobody asked for this"));
    return {
      status: () => ({ ready: true }),
      reboot: unasked,
      start: unasked,
      power: unasked,
      silence: unasked,
      setHome: unasked,
      api: unasked,
      makeTrouble: () => undefined,
      stop: unasked,
      ...changes,
    };
  };

  it("carries wishes there and refusals back", async () => {
    const asked: unknown[] = [];
    const server = await listenForControl(
      join(dir, "control.sock"),
      handlers({
        power: (host, wish) => {
          asked.push([host, wish]);
          return Promise.resolve();
        },
        reboot: () => Promise.reject(new Error("hel1 is off")),
      }),
    );
    const control = controlClient(dirs());
    await control.power("a/b", "off");
    expect(asked).toEqual([["a/b", "off"]]);
    await expect(control.reboot("hel1")).rejects.toThrow("hel1 is off");
    await expect(control.power("hel1", "up" as never)).rejects.toThrow("wish");
    expect(await statusIfUp(dirs())).toEqual({ ready: true });
    server.close();
  });

  it("that nobody listens on means that no lab is up", async () => expect(await statusIfUp(dirs())).toBeUndefined());
});

describe("the package mirror", () => {
  it.each([
    ["/debian/dists/trixie/InRelease", "/srv/debian/dists/trixie/InRelease"],
    ["/../../etc/passwd", "/srv/etc/passwd"],
    ["/%2e%2e/%2e%2e/etc/passwd", "/srv/etc/passwd"],
    ["/a%zz", "/srv/a%zz"],
  ])("reads %s from %s", (url, file) => expect(fileFor("/srv", url)).toBe(file));

  it("serves files, and 404 for the rest", async () => {
    writeFileSync(join(dir, "file"), "content");
    const server = createMirror([join(dir, "not-yet"), dir]).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await (await fetch(`${at}/file`)).text()).toBe("content");
    expect((await fetch(`${at}/none`)).status).toBe(404);
    expect((await fetch(`${at}/`)).status).toBe(404);
    expect((await fetch(`${at}/file`, { method: "POST" })).status).toBe(405);
    server.close();
  });
});

describe("mail", () => {
  it("renders letters of the size that was asked for, with lines that no server folds", () => {
    const letter = renderLetter({ from: "a@example.org", to: "b@example.net", id: "1", bytes: 10_000 });
    expect(letter.length).toBeGreaterThan(10_000);
    expect(Math.max(...letter.split("\r\n").map((line) => line.length))).toBeLessThan(998);
    expect(letter).toContain("\r\nSubject: lab letter 1\r\n");
  });

  it("finds the open ports of an address", async () => {
    const server = createTcp().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const scan = await scanPorts("127.0.0.1", port, port);
    expect(scan).toMatchObject({ open: [port], refused: 0, silent: 0 });
    server.close();
  });
});

describe("the daemon", () => {
  it("has one version for the same code", () => expect(labVersion()).toBe(labVersion()));

  it("boots machines into their own namespace, unknown to any systemd outside", () => {
    const argv = nspawnArgv(relaySpec(false), "/root-dir");
    expect(argv).toEqual(
      expect.arrayContaining([
        "--network-namespace-path=/run/netns/cpl-relay",
        "--machine=cpl-relay",
        "--register=no",
        "--keep-unit",
        "--boot",
      ]),
    );
  });
});

it("holds no path of the machine that it was written on", () => {
  const files = ["plan.ts", "dirs.ts", "packages.ts", "images/recipes.ts"].map((file) =>
    readFileSync(join(__dirname, "../../scripts/lab", file), "utf8"),
  );
  for (const text of files) expect(text).not.toMatch(/\/work\/|\/home\/(?!vmail)/);
});
