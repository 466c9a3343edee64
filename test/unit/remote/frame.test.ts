// What a host says and reads around the commands that are run on it: under dash, as sshd has a login shell run them.
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { frame, framed, inFrame } from "../../../components/remote/frame";
import {
  attemptHostctl,
  attemptInstall,
  HOLD,
  HOSTCTL,
  hostctl,
  hostctlIfThere,
  runWithoutInstalling,
} from "../../../components/remote/hostctl";
import { failureOf, wentWell } from "../../../components/remote/step";

let dir = "";
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "frame-"))));
afterEach(() => rmSync(dir, { recursive: true }));

const program = (text: string) => {
  writeFileSync(join(dir, "hostctl"), `#!/bin/sh\n${text}\n`);
  chmodSync(join(dir, "hostctl"), 0o755);
};

/** Runs a command line with 4 MB on stdin, more than any pipe holds, and tells whether somebody read it to its end. */
const run = (line: string, input: string | Buffer = Buffer.alloc(4_000_000, "x\n")) =>
  new Promise<{ status: number | null; stdout: string; unread: string | undefined }>((resolve) => {
    const child = spawn(
      "/bin/sh",
      ["-c", line.replaceAll(HOSTCTL, join(dir, "hostctl")).replaceAll("timeout 1800", "timeout 1")],
      { stdio: ["pipe", "pipe", "ignore"] },
    );
    let stdout = "";
    let unread: string | undefined;
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stdin.on("error", ({ message }) => (unread = message));
    child.on("close", (status) => resolve({ status, stdout, unread }));
    child.stdin.end(input);
  });

describe("every command line reads its stdin to the end, so that the plugin does not fail with EOF", () => {
  const LINES: [string, string][] = [
    ["one verb", hostctl("root", "relay-facts")],
    ["a verb whose failure is told", attemptHostctl("root", undefined, "install", "tunnel")],
    [
      "the installation, where it can not be written",
      attemptInstall("root", undefined).replace("umask", "false; umask"),
    ],
    ["the installation of what is cut off", attemptInstall("root", undefined, "p/s/n")],
    ["a delete", hostctlIfThere("root", "uninstall", "p/s/n")],
    ["a step that is held back", HOLD],
  ];
  const ENDINGS: [string, string | undefined, number][] = [
    ["ends at once", "exit 0", 0],
    ["fails at once", "exit 3", 3],
    ["reads a line", "read -r line; exit 0", 0],
    ["hangs until it is stopped", "exec sleep 5", 124],
  ];

  it.each(
    LINES.flatMap(([what, line]) =>
      ENDINGS.map(([ending, text, status]) => [what, ending, line, text, status] as const),
    ),
  )("%s, where hostctl %s", async (what, ending, line, text, status) => {
    // An attempt knows its own time limit.
    if (ending.startsWith("hangs") && line.includes(" attempt ")) return;
    program(text ?? "");
    const installs = what.startsWith("the installation") || what.includes("held");
    expect(await run(line)).toMatchObject({ unread: undefined, ...(installs ? { status: 0 } : { status }) });
  });

  it("a delete where hostctl is gone", async () =>
    expect(await run(hostctlIfThere("root", "leave"))).toMatchObject({ status: 0, unread: undefined }));

  it("a program that comes on stdin, and what follows it", async () => {
    expect(
      await run(
        runWithoutInstalling("root", "way-out"),
        Buffer.concat([Buffer.from("echo $1; exit 5\n"), Buffer.alloc(4_000_000, "# x\n")]),
      ),
    ).toMatchObject({ status: 5, unread: undefined, stdout: expect.stringContaining("way-out") as string });
  });
});

describe("what a host says", () => {
  const LINE = inFrame("true");
  const SAID = "wan eth0 1\nport 25 4 open 220 chat.example.org";

  it.each([
    "failed logins: 3\n",
    "held\n",
    "\u001b]0;root@host\u0007",
    "wan eth9 0\nno newline",
    "chatmail-proxy: begin? no\n",
    "\r\n",
  ])("is not mixed up with what its login shell says: %j", async (noise) => {
    writeFileSync(join(dir, "noise"), noise);
    const { stdout } = await run(`cat ${dir}/noise; ${hostctl("root", "wan")}; cat ${dir}/noise`, "");
    program(`printf '%s\\n' "wan eth0 1" "port 25 4 open"`);
    const there = await run(`cat ${dir}/noise; ${hostctl("root", "wan")}`, "");
    expect(framed(stdout, LINE)).toBe("");
    expect(framed(there.stdout, LINE)).toBe("wan eth0 1\nport 25 4 open\n");
  });

  it("comes out as it went in, whatever is around it and wherever the plugin cuts a newline", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.string({ unit: fc.constantFrom("a", "\n", " ", "failed x", "é") }),
        (before, after, said) => {
          const told = `${before}${frame(said)}`;
          expect([framed(told, LINE), framed(`${told}\n`, LINE), framed(`${told}\n${after}`, LINE)]).toEqual([
            said,
            said,
            said,
          ]);
        },
      ),
    );
  });

  it("is a failure where its answer is cut off, or did not arrive at all", () => {
    const whole = `banner${frame(SAID)}`;
    for (let length = whole.indexOf("begin") + "begin\n".length; length < whole.length; length++)
      expect(failureOf(framed(whole.slice(0, length), LINE))).toBe("its answer arrived cut off; pulumi up tries again");
    expect(failureOf(framed("This account is a menu.\n1) mail", LINE))).toContain(
      'its answer did not arrive; what did is "This account is a menu.\\n1) mail". Does its login shell',
    );
    expect(wentWell(framed(frame("held"), HOLD))).toBe(false);
  });

  it("is still read as it was where an older version had it said, and no command line has been run since", () => {
    expect(framed(SAID, "timeout 1800 /usr/local/lib/chatmail-proxy/hostctl wan")).toBe(SAID);
  });
});
