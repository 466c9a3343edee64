import fc from "fast-check";
import { bundle } from "../../../components/remote/bundle";
import { inFrame } from "../../../components/remote/frame";
import {
  apply,
  askStatus,
  becomeOf,
  bring,
  confirm,
  hostctlIfThere,
  hostctlProgram,
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
  const GENERATION = "2026-11-24T03:00:00.000Z";
  const HOSTCTL = "/usr/local/lib/chatmail-proxy/hostctl";
  const gone = `[ -x ${HOSTCTL} ] || { echo "failed chatmail-proxy is not on this machine any more"; exit 0; }`;

  it("are short, and go by sudo -n for another user than root", () => {
    expect(apply("root", "config", GENERATION)).toBe(
      `sh -c '${inFrame(`${gone}; ${HOSTCTL} apply config ${GENERATION}`)}'`,
    );
    expect(confirm("root", "config", GENERATION)).toBe(
      `sh -c '${inFrame(`${gone}; ${HOSTCTL} confirm config ${GENERATION}`)}'`,
    );
    expect(askStatus("root", 30, ["relay", "outbound mx.example.net", "free udp 1-2"])).toBe(
      `sh -c '${inFrame('timeout 30 sh -s status "relay;outbound mx.example.net;free udp 1-2"')}'`,
    );
    expect(hostctlIfThere("root", "uninstall", "p/s/n")).toBe(
      `sh -c '${inFrame(`[ ! -x ${HOSTCTL} ] || timeout 1800 ${HOSTCTL} uninstall p/s/n`)}'`,
    );
    for (const line of [apply, confirm, bring].map((make) => make("sudo", "relay@p@s", GENERATION)))
      expect(line).toMatch(
        /^sudo -n sh -c '.*hostctl(\.new)? (apply|confirm) relay@p@s 2026-11-24T03:00:00\.000Z \).*'$/,
      );
    expect(["root", "admin"].map(becomeOf)).toEqual(["root", "sudo"]);
  });

  it.each(["a b", "a;b", "$(a)", "`a`", "a'b", 'a"b', "a\nb", "a\\b", ""])("take no word such as %j", (word) => {
    const refused = "not a plain command line";
    for (const make of [apply, bring, confirm]) {
      expect(() => make("root", word, GENERATION)).toThrow(refused);
      expect(() => make("root", "config", word)).toThrow(refused);
    }
    expect(() => hostctlIfThere("sudo", "remove", word)).toThrow(refused);
    // Words of a request have spaces between them.
    if (word !== "a b") expect(() => askStatus("root", 30, [`outbound ${word}`])).toThrow(refused);
  });

  // FreeBSD's root has had csh for long, and people use fish: single quotes mean the same in all of them, as long as nothing
  // within them is a quote, a newline, a backslash before a quote or another one (fish; tcsh's backslash_quote), or a history
  // reference (csh: ! before anything but a space or =).
  it.each([
    bring("root", "host", GENERATION),
    bring("sudo", "relay@chatmail-proxy@prod", GENERATION),
    apply("root", "config", GENERATION),
    confirm("sudo", "config", GENERATION),
    askStatus("sudo", 30, [
      "through wg-relay 10.0.0.2 fd00::2 - 25 80",
      "wan-of",
      "free tunnel 51820 10.0.0.1 fd00::1",
    ]),
    hostctlIfThere("root", "uninstall"),
  ])("mean the same to sh, csh, tcsh and fish: %s", (line) => {
    expect(line).toMatch(/^[^'\\\n]*('[^'\n]*')?$/);
    expect(line).not.toMatch(/\\['"\\!]/);
    expect(line).not.toMatch(/!(?![ =]|$)/);
    expect(line.split("'")[0]).not.toMatch(/[$`"&|;<>()*?[\]{}~^#!]/);
  });

  it("leave nothing half installed when the transfer is cut off", () => {
    expect(bring("root", "host", GENERATION)).toMatch(
      /done >(\S+)\.new && tail -n 1 \1\.new \| grep -qx "# end" && chmod 755 \1\.new; \} \|\| \{ echo "failed [^"]*"; exit 0; \}; \1\.new apply host \S+ \)/,
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
