// What a host says and reads around the commands that are run on it: under dash, as sshd has a login shell run them.
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { failedWith, parseApplied } from "../../../components/remote/applied";
import { frame, framed, inFrame } from "../../../components/remote/frame";
import { apply, askStatus, bring, confirm, HOSTCTL, hostctlIfThere } from "../../../components/remote/hostctl";

let dir = "";
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "frame-"))));
afterEach(() => rmSync(dir, { recursive: true }));

const program = (text: string) => {
  writeFileSync(join(dir, "hostctl"), `#!/bin/sh\n${text}\n`);
  chmodSync(join(dir, "hostctl"), 0o755);
};

const MUCH = "x\n".repeat(2_000_000);

/** Runs a command line with 4 MB on stdin, more than any pipe holds, and tells whether somebody read it to its end. */
const run = (line: string, input = MUCH) =>
  new Promise<{ status: number | null; stdout: string; unread: string | undefined }>((resolve) => {
    const child = spawn(
      "/bin/sh",
      ["-c", line.replaceAll(dirname(HOSTCTL), dir).replaceAll(/timeout \d+/g, "timeout 1")],
      { stdio: ["pipe", "pipe", "ignore"] },
    );
    let stdout = "";
    let unread: string | undefined;
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stdin.on("error", ({ message }) => (unread = message));
    child.on("close", (status) => resolve({ status, stdout, unread }));
    child.stdin.end(input);
  });

const APPLY = apply("root", "config", "g1");
const BRING = bring("root", "host", "g1");

describe("every command line reads its stdin to the end, so that the plugin does not fail with EOF", () => {
  const LINES: [string, string][] = [
    ["a document", APPLY],
    ["a confirmation", confirm("root", "config", "g1")],
    ["what leaves", hostctlIfThere("root", "uninstall", "p/s/n")],
  ];
  const ENDINGS: [string, string, number][] = [
    ["ends at once", "exit 0", 0],
    ["fails at once", "exit 3", 3],
    ["reads a line", "read -r line; exit 0", 0],
    ["hangs until it is stopped", "exec sleep 5", 124],
  ];

  it.each(
    LINES.flatMap(([what, line]) =>
      ENDINGS.map(([ending, text, status]) => [what, ending, line, text, status] as const),
    ),
  )("%s, where hostctl %s", async (_what, ending, line, text, status) => {
    // A document and a confirmation know their own time limits.
    if (ending.startsWith("hangs") && !line.includes("timeout")) return;
    program(text);
    expect(await run(line)).toMatchObject({ unread: undefined, status });
  });

  it.each([
    ["ends at once", "exit 0", 0],
    ["fails at once", "exit 3", 3],
    ["reads a line", "read -r line; exit 0", 0],
  ])("the program and a document behind it, where the program %s", async (_ending, text, status) => {
    expect(await run(BRING, `#!/bin/sh\n${text}\n# end\n${MUCH}`)).toMatchObject({ unread: undefined, status });
  });

  it("the program, where it is cut off, or cannot be written", async () => {
    // Which a shell reads byte by byte: more than a pipe holds is enough.
    expect(await run(BRING, "x".repeat(300_000))).toMatchObject({ unread: undefined, status: 0 });
    const unwritten = BRING.replace("umask 077 &&", "false &&");
    expect(unwritten).not.toBe(BRING);
    expect(await run(unwritten)).toMatchObject({ unread: undefined, status: 0 });
  });

  it("what there is to do where hostctl is gone", async () => {
    for (const line of [APPLY, confirm("root", "config", "g1"), hostctlIfThere("root", "release", "p/s")])
      expect(await run(line)).toMatchObject({ status: 0, unread: undefined });
  });

  it("a look, whose program comes on stdin, and what follows it", async () => {
    expect(
      await run(askStatus("root", 30, ["relay", "free tcp 25"]), `echo "$1: $2"; exit 5\n${"# x\n".repeat(1_000_000)}`),
    ).toMatchObject({
      status: 5,
      unread: undefined,
      stdout: expect.stringContaining("\nstatus: relay;free tcp 25\n") as string,
    });
    expect((await run(askStatus("root", 30, []), "sleep 5\n")).status).toBe(124);
  });
});

describe("a program and a document on one stdin", () => {
  const KEEP = 'cat >"${0%.new}.document"\necho "$*"\n';
  const DOCUMENT = "document host\n|  a \\n b\t\n|\n|# end\nend document 00\n";

  it("come apart as they went in, whatever stands in them", async () => {
    const text = `#!/bin/sh\n   # a\\nb \\ %s "$(false)" \t\n\n${KEEP}# end\n`;
    const { stdout } = await run(BRING, text + DOCUMENT);
    expect(framed(stdout, BRING)).toBe("apply host g1\n");
    expect(readFileSync(join(dir, "hostctl.new"), "utf8")).toBe(text);
    expect(statSync(join(dir, "hostctl.new")).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(dir, "hostctl.document"), "utf8")).toBe(DOCUMENT);
    // It takes the place of the one that is there when it has found that the host is the right one.
    expect(existsSync(join(dir, "hostctl"))).toBe(false);
  });

  it("run nothing where the program is cut off: its answer tells so", async () => {
    program("echo old");
    const whole = `#!/bin/sh\n${KEEP}# end\n`;
    for (const cut of [whole.slice(0, 5), whole.slice(0, -3), `${whole.slice(0, -6)}`, ""]) {
      const { status, stdout } = await run(BRING, cut);
      expect([cut, status, parseApplied(framed(stdout, BRING))]).toEqual([
        cut,
        0,
        failedWith(expect.stringMatching(/^hostctl did not arrive completely, or could not be written/) as string),
      ]);
    }
    expect(existsSync(join(dir, "hostctl.document"))).toBe(false);
  });

  it("are told of where the machine has no hostctl any more", async () => {
    for (const line of [APPLY, confirm("root", "config", "g1")])
      expect(parseApplied(framed((await run(line, "")).stdout, line))).toEqual(
        failedWith("chatmail-proxy is not on this machine any more"),
      );
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
    program(`printf '%s\\n' "wan eth0 1" "port 25 4 open"`);
    const { stdout } = await run(`cat ${dir}/noise; ${APPLY}; cat ${dir}/noise`, "");
    expect(framed(stdout, LINE)).toBe("wan eth0 1\nport 25 4 open\n");
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
      expect(parseApplied(framed(whole.slice(0, length), LINE))).toEqual(
        failedWith("its answer arrived cut off; pulumi up tries again"),
      );
    expect(parseApplied(framed("This account is a menu.\n1) mail", LINE))).toEqual(
      failedWith(
        'its answer did not arrive; what did is "This account is a menu.\\n1) mail". Does its login shell (.bashrc, .profile) end the session, or does authorized_keys run another command?',
      ),
    );
  });

  it("is still read as it was where an older version had it said, and no command line has been run since", () => {
    expect(framed(SAID, "timeout 1800 /usr/local/lib/chatmail-proxy/hostctl wan")).toBe(SAID);
  });
});
