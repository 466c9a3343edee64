import { resolve } from "node:path";
import { parseVerb, UsageError } from "../../scripts/lab/cli";
import { labDirs } from "../../scripts/lab/dirs";
import { terminalProgress } from "../../scripts/lab/progress";
import { findHost } from "../../scripts/lab/run";
import { enterMachine, inLabMounts } from "../../scripts/lab/enter";
import { missingPackages, NEEDED } from "../../scripts/lab/packages";
import { checkDisk } from "../../scripts/lab/preflight";
import { isOwnName } from "../../scripts/lab/cleanup";
import type { LabStatus } from "../../scripts/lab/control";

describe("the command line", () => {
  it.each([
    [[], { verb: "up", stack: true }],
    [["up", "--config", "x.yaml"], { verb: "up", stack: true, config: resolve("x.yaml") }],
    [["up", "--no-stack"], { verb: "up", stack: false }],
    [["status", "--json"], { verb: "status", json: true }],
    [
      ["exec", "hel1", "--", "nft", "list", "ruleset"],
      { verb: "exec", host: "hel1", argv: ["nft", "list", "ruleset"] },
    ],
    [["exec", "hel1", "ls", "--", "-x"], { verb: "exec", host: "hel1", argv: ["ls", "--", "-x"] }],
    [["log", "relay"], { verb: "log", host: "relay" }],
    [["pulumi", "stack", "export", "--show-secrets"], { verb: "pulumi", args: ["stack", "export", "--show-secrets"] }],
    [["images", "debian-12"], { verb: "images", image: "debian-12" }],
    [["start", "vps"], { verb: "start", host: "vps" }],
    [["destroy"], { verb: "destroy" }],
    [["--help"], { verb: "help" }],
  ])("reads %j", (args, verb) => expect(parseVerb(args)).toEqual(verb));

  it.each([[["exec", "hel1"]], [["exec"]], [["log"]], [["up", "--confg", "x"]], [["destroy", "hel1"]], [["start"]]])(
    "refuses %j with the usage",
    (args) => {
      expect(() => parseVerb(args)).toThrow(UsageError);
    },
  );
});

describe("where things are", () => {
  it("keeps the caches where the user keeps caches", () => {
    expect(labDirs({ HOME: "/root", XDG_CACHE_HOME: "/x" }).cache).toBe("/x/chatmail-proxy/lab");
    expect(labDirs({ XDG_CACHE_HOME: "/x", CHATMAIL_PROXY_CACHE: "/y" }).cache).toBe("/y/lab");
  });

  it("are another lab's where one is named, and no others", () => {
    const { state, runtime } = labDirs({ HOME: "/root", CHATMAIL_PROXY_LAB: "chatmail-proxy-lab-2" });
    expect([state, runtime]).toEqual(["/var/lib/chatmail-proxy-lab-2", "/run/chatmail-proxy-lab-2"]);
    for (const name of ["", "lab", "chatmail-proxy-lab/..", "../etc"])
      expect(() => labDirs({ CHATMAIL_PROXY_LAB: name })).toThrow("CHATMAIL_PROXY_LAB is");
  });

  it("refuses a cache that no overlay mount can name", () =>
    expect(() => labDirs({ CHATMAIL_PROXY_CACHE: "/a:b" })).toThrow("CHATMAIL_PROXY_CACHE"));

  it("owns its namespaces by exact name", () => {
    expect(
      [
        "cpl-internet",
        "cpl-home",
        "cpl-client",
        "cpl-operator",
        "cpl-relay",
        "cpl-mx",
        "cpl-deb1",
        "cpl-vps",
        "cpl-s10005",
      ].filter(isOwnName),
    ).toHaveLength(9);
    expect(["cpl-", "cpl-relay2", "cpl-sx", "cpl-other", "xcpl-mx"].filter(isOwnName)).toEqual([]);
  });

  it("names what is missing on disk, and how to get round it", () => {
    expect(() => checkDisk({ project: "/", cache: "/", state: "/", runtime: "/" }, false)).not.toThrow();
  });
});

describe("Debian packages", () => {
  it("wants only what is missing", () => {
    expect(missingPackages(() => true)).toEqual([]);
    expect(missingPackages((file) => !file.includes("nspawn")).map((need) => need.package)).toEqual([
      "systemd-container",
    ]);
    expect(missingPackages(() => false)).toHaveLength(NEEDED.length);
  });
});

describe("stepping into a host", () => {
  it("hands a machine none of this machine's environment", () => {
    expect(enterMachine(42, { TERM: "xterm" }, ["ls", "-l"])).toEqual([
      "nsenter",
      "--target=42",
      "--all",
      "--",
      "env",
      "-i",
      "--chdir=/root",
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=/root",
      "LANG=C.UTF-8",
      "TERM=xterm",
      "ls",
      "-l",
    ]);
  });

  it("lays the lab's files over /etc without writing to it", () => {
    expect(inLabMounts("/state/etc", ["ls"]).join(" ")).toContain("lowerdir=$0:/etc");
    expect(inLabMounts("/state/etc", ["ls"]).join(" ")).not.toContain("upperdir");
  });

  it("names the hosts that there are when one is asked for that is not", () => {
    const status = { hosts: [{ name: "relay" }, { name: "hel1" }] } as unknown as LabStatus;
    expect(findHost(status, "hel1").name).toBe("hel1");
    expect(() => findHost(status, "ash1")).toThrow('no host "ash1" in the lab; there are relay, hel1');
  });
});

describe("progress", () => {
  it("prints a step's time, and names the step that failed", async () => {
    const lines: string[] = [];
    const progress = terminalProgress((text) => lines.push(text));
    await progress.step("quick", () => Promise.resolve());
    await progress.step("slow", () => new Promise((resolve) => setTimeout(resolve, 350)));
    expect(lines.join("")).toMatch(/^slow: 0\.\d s\n$/);
    await expect(progress.step("broken", () => Promise.reject(new Error("no disk")))).rejects.toThrow(
      "broken: no disk",
    );
  });
});
