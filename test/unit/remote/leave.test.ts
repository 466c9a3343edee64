// What is undone on a host from the operator's machine when a resource goes.
import type { SshAnswer } from "../../../components/hosts/ssh";
import { frame } from "../../../components/remote/frame";
import { hostctlIfThere } from "../../../components/remote/hostctl";
import { leave, type LeaveJob } from "../../../components/remote/leave/leave";

const JOB: LeaveJob = {
  name: "deb1",
  login: { host: "198.51.100.130", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA", privateKey: "SECRET" },
  command: hostctlIfThere("root", "uninstall", "p/s/deb1"),
};
const said = (status: number | undefined, stdout = "", stderr = ""): SshAnswer => ({
  reachable: true,
  status,
  stdout: frame(stdout),
  stderr,
});
const SILENT: SshAnswer = { reachable: false, why: "silent", reason: "nothing answers within 30 s" };
const left = (answer: SshAnswer, abandoned?: string) => leave(JOB, abandoned, () => Promise.resolve(answer));

describe("what leaves a host", () => {
  it("runs its command there, and passes on what the host has to say", async () => {
    const asked: unknown[] = [];
    const run = (...question: unknown[]) => Promise.resolve((asked.push(question), said(0, "a note\n")));
    expect(await leave(JOB, undefined, run)).toBe("a note");
    expect(asked).toEqual([[JOB.login, JOB.command]]);
    expect(await left(said(0))).toBeUndefined();
  });

  it.each<[string, SshAnswer, string]>([
    [
      "nobody answers there",
      SILENT,
      "deb1 (198.51.100.130, port 22) cannot be reached, and what was set up there is to be undone: nothing answers within 30 s.",
    ],
    [
      "it fails there",
      said(1, "", "a line\nchatmail-proxy: the disk is full\n"),
      "deb1 (198.51.100.130, port 22) could not be cleared, and what was set up there is to be undone: the disk is full.",
    ],
    ["it was ended there", said(undefined), "to be undone: it ended without a word."],
    [
      "its login shell ends the session, as if all were well",
      { reachable: true, status: 0, stdout: "Welcome\n", stderr: "" },
      'could not be cleared, and what was set up there is to be undone: its answer did not arrive; what did is "Welcome".',
    ],
  ])("is not let go where %s, and says how it can be", async (_what, answer, text) => {
    for (const abandoned of [undefined, "", "deb", "deb11,hel1"]) {
      const error = await left(answer, abandoned).then(
        () => "",
        ({ message }: Error) => message,
      );
      expect(error).toContain(text);
      expect(error).toContain("put CHATMAIL_PROXY_ABANDON=deb1 in front of the pulumi command");
      expect(error).not.toContain("SECRET");
    }
  });

  it("is let go where the operator says so, by its very name", async () => {
    for (const abandoned of ["deb1", "hel1, deb1", "deb1,relay"])
      expect(await left(SILENT, abandoned)).toBe(
        "deb1 (198.51.100.130, port 22) is let go as CHATMAIL_PROXY_ABANDON says, and what was set up there stays there: nothing answers within 30 s.",
      );
    // It is asked all the same: it may have come back.
    expect(await left(said(0, "a note"), "deb1")).toBe("a note");
  });
});
