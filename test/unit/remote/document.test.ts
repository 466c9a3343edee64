import { createHash } from "node:crypto";
import fc from "fast-check";
import { bundle } from "../../../components/remote/bundle";
import { document, setLines } from "../../../components/remote/document";

const set = { files: [{ path: "/etc/a", mode: "0644", content: "x\n\n y\n" }], units: ["a.service"] };
const { digest } = bundle(set);

describe("a document", () => {
  it("is its lines between its name and an end that tells a whole one from a cut one", () => {
    const made = document("config", ["admin-keys", ...setLines("filter", set, { guarded: 60 })]);
    const body = [
      "document config",
      "admin-keys",
      "set filter guarded 60",
      "file 0644 /etc/a",
      "|x",
      "|",
      "| y",
      "unit a.service",
      `end ${digest}`,
      "",
    ].join("\n");
    expect(made).toEqual({
      text: `${body}end document ${made.digest}\n`,
      digest: createHash("sha256").update(body).digest("hex"),
      sets: ["filter"],
    });
  });

  it("has another digest for any other name, line, order or set", () => {
    const other = { ...set, units: [] };
    const digests = [
      document("config", ["a", "b"]),
      document("host", ["a", "b"]),
      document("config", ["b", "a"]),
      document("config", ["a"]),
      document("config", ["a", "b", ...setLines("filter", set)]),
      document("config", ["a", "b", ...setLines("filter", other)]),
      document("config", ["a", "b", ...setLines("filter", set, { guarded: 60 })]),
      document("config", ["a", "b", ...setLines("tunnel", set)]),
    ].map((made) => made.digest);
    expect(new Set(digests).size).toBe(digests.length);
  });

  it("never takes a set's file for lines of its own", () => {
    fc.assert(
      fc.property(fc.array(fc.string().filter((line) => !line.includes("\n"))), (lines) => {
        const content = [...lines, ""].join("\n") || "\n";
        const own = setLines("filter", { files: [{ path: "/etc/a", mode: "0644", content }] });
        expect(own.slice(2, -1).every((line) => line.startsWith("|"))).toBe(true);
        expect(document("config", own).text.match(/^end document [0-9a-f]{64}$/gm)).toHaveLength(1);
      }),
    );
  });

  it("refuses a line with a newline in it, which would be two, and does not repeat it: it may be a key", () => {
    expect(() => document("config", ["admin-keys", "admin-key SECRET\nset filter"])).toThrow(
      /^a line of the document config has a newline in it$/,
    );
  });
});

describe("a set in a document", () => {
  it("is one of what the document brings in, unless it is kept", () => {
    const own = { files: [{ path: "/etc/a", mode: "0644", content: "set other\nkeep other\n" }] };
    const lines = [...setLines("tunnel", set, { keep: true }), ...setLines("filter", own, { guarded: 60 })];
    expect(document("config", [...lines, ...setLines("upgrades", set)]).sets).toEqual(["filter", "upgrades"]);
  });

  it("comes in, guarded where it could lock its operator out", () => {
    expect(setLines("filter", set)[0]).toBe("set filter");
    expect(setLines("filter", set, { guarded: 60 })[0]).toBe("set filter guarded 60");
    expect(setLines("filter", set).at(-1)).toBe(`end ${digest}`);
  });

  it("stays as it is where its other end cannot follow, unless it is there already", () => {
    expect(setLines("tunnel", set, { keep: true, live: "f".repeat(64) })).toEqual(["keep tunnel"]);
    expect(setLines("tunnel", set, { keep: true })).toEqual(["keep tunnel"]);
    expect(setLines("tunnel", set, { keep: true, live: digest })).toEqual(setLines("tunnel", set));
    expect(setLines("tunnel", set, { keep: false, live: "f".repeat(64) })).toEqual(setLines("tunnel", set));
  });
});
