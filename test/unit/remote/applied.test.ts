import { appliedSet, failedWith, SKIPPED, parseApplied, WELL } from "../../../components/remote/applied";
import { frame, framed } from "../../../components/remote/frame";

describe("the answer of a command", () => {
  it.each<[string, ReturnType<typeof parseApplied>]>([
    ['{"ok":true}', WELL],
    ['{"ok":true,"wan":["eth0 1"]}', { ok: true, wan: ["eth0 1"] }],
    ['{"ok":true,"view":[],"later":1}', { ok: true, view: [] }],
    ['{"ok":false,"reason":"the disk is full"}', failedWith("the disk is full")],
    [
      '{"ok":false,"reason":"","failed":{"tunnel-hel1":"the disk is full"}}',
      { ok: false, skipped: false, reason: "", failed: { "tunnel-hel1": "the disk is full" } },
    ],
    ["failed its answer arrived cut off", failedWith("its answer arrived cut off")],
    ["", failedWith("it ended without a word")],
    ["1) mail", failedWith('its answer is no JSON (it begins with "1) mail")')],
    ['{"ok":"yes"}', failedWith("its answer lacks something")],
    ['{"ok":false}', failedWith("its answer lacks something")],
    ["[]", failedWith("its answer lacks something")],
    ["null", failedWith("its answer lacks something")],
  ])("%s", (said, applied) => expect(parseApplied(said)).toEqual(applied));

  it("is read from its frame, whatever is around it", () => {
    const stdout = `Last login: Mon${frame('{"ok":true,"view":["handshake 3"]}')}\nbye`;
    expect(parseApplied(framed(stdout, ""))).toEqual({ ok: true, view: ["handshake 3"] });
  });
});

describe("the outcome of one set of several", () => {
  const partly = { ok: false, skipped: false, reason: "", failed: { "keys-a": "the disk is full" } } as const;

  it("is its own", () => {
    expect(appliedSet(partly, "keys-a")).toEqual(failedWith("the disk is full"));
    expect(appliedSet(partly, "keys-b")).toEqual(WELL);
    expect(appliedSet(WELL, "keys-a")).toEqual(WELL);
  });

  it("is skipped where the document as a whole failed, which is told once", () => {
    expect(appliedSet(failedWith("no network"), "keys-a")).toEqual(SKIPPED);
    expect(appliedSet(SKIPPED, "keys-a")).toEqual(SKIPPED);
    expect(appliedSet({ ...partly, reason: "no network" }, "keys-a")).toEqual(failedWith("the disk is full"));
  });
});
