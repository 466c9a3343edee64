import fc from "fast-check";
import { bundle } from "../../../components/remote/bundle";
import { inFrame } from "../../../components/remote/frame";
import {
  attemptHostctl,
  attemptInstall,
  HOLD,
  hostctl,
  hostctlIfThere,
  hostctlProgram,
  runWithoutInstalling,
} from "../../../components/remote/hostctl";

const file = (content: string) => ({ path: "/etc/a", mode: "0644", content });

describe("bundle", () => {
  it("writes files, units and an end that tells a whole bundle from a cut one", () => {
    const { text, digest } = bundle({ files: [file("x\n\n y\n")], units: ["a.service"] });
    expect(text).toBe(`file 0644 /etc/a\n|x\n|\n| y\nunit a.service\nend ${digest}\n`);
  });

  it("gives another digest for any other content, mode, path or unit", () => {
    const digests = [
      bundle({ files: [file("x\n")] }),
      bundle({ files: [file("y\n")] }),
      bundle({ files: [{ ...file("x\n"), mode: "0600" }] }),
      bundle({ files: [{ ...file("x\n"), path: "/etc/b" }] }),
      bundle({ files: [file("x\n")], units: ["a.service"] }),
    ].map(({ digest }) => digest);
    expect(new Set(digests).size).toBe(5);
  });

  it("never takes a file's line for one of its own", () => {
    fc.assert(
      fc.property(fc.array(fc.string().filter((line) => !line.includes("\n"))), (lines) => {
        const body = bundle({ files: [file([...lines, ""].join("\n") || "\n")] })
          .text.split("\n")
          .slice(1, -2);
        expect(body.every((line) => line.startsWith("|"))).toBe(true);
      }),
    );
  });

  it("refuses a file without its last newline, which hostctl would add", () =>
    expect(() => bundle({ files: [file("x")] })).toThrow("/etc/a does not end with a newline"));
});

describe("hostctl's command lines", () => {
  it("are short, and go by sudo -n for another user than root", () => {
    expect(hostctl("root", "arm", "filter", 60)).toBe(
      `sh -c '${inFrame("timeout 1800 /usr/local/lib/chatmail-proxy/hostctl arm filter 60")}'`,
    );
    expect(hostctl("sudo", "prepare")).toBe(`sudo -n ${hostctl("root", "prepare")}`);
    expect(attemptHostctl("sudo", undefined, "prepare")).toMatch(
      /^sudo -n sh -c '.*; \/usr\/local\/lib\/chatmail-proxy\/hostctl attempt 1800 - prepare \).*'$/,
    );
    expect(attemptHostctl("root", "2026-11-24T03:00:00.000Z", "prepare")).toMatch(
      /^sh -c '.*; \/usr\/local\/lib\/chatmail-proxy\/hostctl attempt 1800 2026-11-24T03:00:00.000Z prepare \).*'$/,
    );
  });

  it.each(["a b", "a;b", "$(a)", "`a`", "a'b", "a\nb", ""])("take no word such as %p", (word) => {
    expect(() => hostctl("root", "remove", word)).toThrow("not a plain command line");
    expect(() => hostctlIfThere("sudo", "remove", word)).toThrow("not a plain command line");
  });

  // FreeBSD's root has had csh for long, and people use fish: single quotes mean the same in all of them, as long as
  // nothing within them is a quote, a newline, a backslash (fish) or a history reference (csh: ! before a word).
  it.each([
    attemptInstall("root", undefined),
    hostctlIfThere("root", "uninstall"),
    hostctl("sudo", "arm", "filter", 60),
    attemptHostctl("root", undefined, "wan"),
    runWithoutInstalling("sudo", "way-out", "mx.example.net"),
    attemptInstall("sudo", "2026-11-24T03:00:00.000Z", "chatmail-proxy/prod/hel1"),
    HOLD,
  ])("mean the same to sh, csh, tcsh and fish: %s", (line) => {
    expect(line).toMatch(/^[^'\\\n]*('[^'\\\n]*')?$/);
    expect(line).not.toMatch(/!(?![ ]|$)/);
    expect(line.split("'")[0]).not.toMatch(/[$`"&|;<>()*?[\]{}~^#!]/);
  });

  it("leave nothing half installed when the transfer is cut off", () => {
    expect(attemptInstall("root", undefined)).toMatch(
      /cat >(\S+)\.new && .*tail -n 1 \1\.new \| grep -qx "# end".* && chmod 755 \1\.new; \} \|\| \{ echo "failed .*; exit 0; \}; \1\.new attempt 0 - setup \)/,
    );
  });
});

describe("hostctl", () => {
  it.each(["linux", "freebsd"] as const)(
    "runs nothing before its last line, so that a cut-off copy does nothing (%s)",
    (system) => {
      const lines = hostctlProgram(system).trimEnd().split("\n");
      expect(lines[0]).toBe("#!/bin/sh");
      expect(lines.slice(-3)).toEqual(['main "$@"', "", "# end"]);
      // Everything at the left margin is a function, a constant, a comment, or the end of one.
      const loose = lines
        .slice(1, -3)
        .filter((line) => /^\S/.test(line) && !/^(#|[a-z_]+\(\) \{|\}|[A-Z_]+=|change[ds]=$)/.test(line));
      expect(loose).toEqual([]);
    },
  );
});
