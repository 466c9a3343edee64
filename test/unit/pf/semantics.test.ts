// The evaluator against sentences of pf.conf(5), FreeBSD 14: whoever trusts it about our rules must be able to trust it.
import { Pf, reversed, VERSIONS, type Packet, type Version } from "./evaluate";
import { parsePf } from "./parse";

const ADDRESSES = { em0: ["198.51.100.2", "198.51.100.3"], em1: ["10.0.0.1"] };
const syn: Packet = { proto: "tcp", src: "203.0.113.9", dst: "198.51.100.2", sport: 40000, dport: 22, flags: "S" };
const pf = (text: string, anchors: Record<string, string> = {}, version?: Version) =>
  new Pf(text, anchors, ADDRESSES, version);

describe("the filter", () => {
  it.each([
    ["the last matching rule decides what action is taken", "block in all\npass in all", true],
    ["the last matching rule decides what action is taken", "pass in all\nblock in all", false],
    ["a matching quick rule is considered the last matching rule", "pass in quick all\nblock in all", true],
    [
      "if no rule matches the packet, the default action is to pass the packet",
      "block out all\nblock in on em1 all",
      true,
    ],
    ["if neither in nor out are specified, the rule will match packets in both directions", "block all", false],
    ["match: the pass/block state of a packet remains unchanged", "block in all\nmatch in all", false],
  ])("%s", (_sentence, rules, passes) => expect(pf(rules).test("in", "em0", syn).pass).toBe(passes));

  it("passes what no rule matches without state, so that its answer meets the rules", () => {
    const one = pf("block in on em0 proto tcp from any port 22 to any");
    expect(one.test("out", "em0", reversed(syn))).toMatchObject({ pass: true, by: "no rule", stateMade: false });
    expect(pf("block in all").test("in", "em0", reversed(syn)).pass).toBe(false);
  });
});

describe("states", () => {
  it("pass further packets without evaluation of any rules", () => {
    const one = pf("block all\npass in proto tcp to any port 22");
    expect(one.test("in", "em0", syn).stateMade).toBe(true);
    expect(one.test("out", "em0", { ...reversed(syn), flags: "SA" }).by).toBe("state");
    expect(one.test("in", "em0", { ...syn, flags: "A" }).by).toBe("state");
  });

  it.each([
    ["S", true],
    ["SP", true],
    ["SR", true],
    ["SA", false],
    ["A", false],
    ["AR", false],
  ])("flags S/SA is the default: %s matches: %s", (flags, matches) => {
    expect(pf("block in all\npass in proto tcp all").test("in", "em0", { ...syn, flags }).pass).toBe(matches);
  });

  it("are created from intermediate packets by flags any", () =>
    expect(pf("block in all\npass in proto tcp all flags any").test("in", "em0", { ...syn, flags: "A" })).toMatchObject(
      { pass: true, stateMade: true },
    ));

  it("drop what follows in a connection whose beginning pf has not seen, unless they are sloppy", () => {
    for (const [state, by] of [
      ["keep state", "state mismatch"],
      ["keep state (sloppy)", "state"],
    ]) {
      const one = pf(`block all\npass out proto tcp all flags any ${state}`);
      const said: Packet = { ...reversed(syn), flags: "A" };
      expect(one.test("out", "em0", said).stateMade).toBe(true);
      expect([one.test("out", "em0", said).by, one.test("in", "em0", { ...syn, flags: "A" }).by]).toEqual([by, by]);
    }
    const begun = pf("block all\npass out all flags any");
    begun.test("out", "em0", { ...reversed(syn), flags: "S" });
    expect(begun.test("in", "em0", { ...syn, flags: "SA" }).by).toBe("state");
  });

  it("are not made by no state, whose default is no flags either", () =>
    expect(pf("block in all\npass in proto tcp all no state").test("in", "em0", { ...syn, flags: "A" })).toMatchObject({
      pass: true,
      stateMade: false,
    }));

  it("pass a connection on one side only: in is not out", () => {
    const one = pf("block all\npass in on em0 all");
    one.test("in", "em0", syn);
    expect(one.test("out", "em1", syn).pass).toBe(false);
  });

  it("float between interfaces, unless bound", () => {
    for (const [policy, passes] of [
      ["", true],
      ["set state-policy if-bound\n", false],
    ] as const) {
      const one = pf(`${policy}block all\npass in on em0 all`);
      one.test("in", "em0", syn);
      expect(one.test("out", "em1", { ...reversed(syn), flags: "SA" }).pass).toBe(passes);
    }
  });

  it("match ICMP errors to the connection that they are about", () => {
    const one = pf("block all\npass out all");
    const out = { ...reversed(syn), flags: "S" };
    one.test("out", "em0", out);
    const error: Packet = { proto: "icmp", src: "192.0.2.99", dst: out.src, icmpType: "unreach", about: out };
    expect(one.test("in", "em0", error).by).toBe("state");
    expect(one.test("in", "em0", { ...error, about: { ...out, dport: 1 } }).pass).toBe(false);
  });
});

describe("translation", () => {
  it("takes the first matching rule", () => {
    const rules =
      "rdr on em0 inet proto tcp to any port 22 -> 10.0.0.5\nrdr on em0 inet proto tcp to any port 22 -> 10.0.0.6";
    expect(pf(rules).test("in", "em0", syn).packet.dst).toBe("10.0.0.5");
    expect(pf(`no rdr on em0 from 203.0.113.9 to any\n${rules}`).test("in", "em0", syn).packet.dst).toBe(syn.dst);
  });

  describe("in an anchor", () => {
    const ours = "rdr on em0 inet proto tcp to any port 22 tag OURS -> 10.0.0.5";
    const to = (main: string, version: Version, anchors: Record<string, string> = { ours }) => {
      const { dst, tag } = pf(main, anchors, version).test("in", "em0", syn).packet;
      return [dst, tag];
    };
    const later = 'rdr-anchor "ours"\nrdr on em0 inet proto tcp to any port 22 -> 10.0.0.6';

    it("ends the search on 14; on 15 a rule behind it wins, and the tag stays", () => {
      expect(to(later, 14)).toEqual(["10.0.0.5", "OURS"]);
      expect(to(later, 15)).toEqual(["10.0.0.6", "OURS"]);
      const two = 'rdr-anchor "ours"\nrdr-anchor "theirs"';
      const theirs = "rdr on em0 inet proto tcp to any port 22 -> 10.0.0.7";
      expect([to(two, 14, { ours, theirs }), to(two, 15, { ours, theirs })]).toEqual([
        ["10.0.0.5", "OURS"],
        ["10.0.0.7", "OURS"],
      ]);
    });

    it("holds on both where nothing behind it matches, and is not undone by a `no rdr` there", () => {
      for (const version of VERSIONS) {
        expect(to(later.replace("port 22", "port 23"), version)).toEqual(["10.0.0.5", "OURS"]);
        expect(to('rdr-anchor "ours"\nno rdr on em0', version)).toEqual(["10.0.0.5", "OURS"]);
        // Before it, a match of the main rule set ends the search.
        expect(to('no rdr on em0\nrdr-anchor "ours"', version)).toEqual([syn.dst, undefined]);
        expect(to(`rdr on em0 inet proto tcp to any port 22 -> 10.0.0.6\nrdr-anchor "ours"`, version)).toEqual([
          "10.0.0.6",
          undefined,
        ]);
      }
    });

    it("ends the search in its own rule set on both", () => {
      for (const version of VERSIONS)
        expect(to('rdr-anchor "ours"', version, { ours: `${ours}\n${ours.replace("10.0.0.5", "10.0.0.8")}` })).toEqual([
          "10.0.0.5",
          "OURS",
        ]);
    });
  });

  it("occurs before filtering: the filter sees the translated packet", () => {
    const rules = "rdr on em0 inet proto tcp to any port 22 -> 10.0.0.5\nblock in all\n";
    expect(pf(`${rules}pass in inet to 10.0.0.5`).test("in", "em0", syn).pass).toBe(true);
    expect(pf(`${rules}pass in inet to 198.51.100.2`).test("in", "em0", syn).pass).toBe(false);
  });

  it("makes a state as long as the filter does not block, and turns the answer back", () => {
    const one = pf("rdr on em0 inet proto tcp to any port 22 -> 10.0.0.5");
    one.test("in", "em0", syn);
    expect(
      one.test("out", "em0", { proto: "tcp", src: "10.0.0.5", dst: syn.src, sport: 22, dport: 40000, flags: "SA" })
        .packet.src,
    ).toBe(syn.dst);
  });

  it("redirects on the way in, and hides on the way out", () => {
    const one = pf("nat on em0 inet from 10.0.0.0/24 to any -> (em0:0)");
    expect(one.test("in", "em0", { ...syn, src: "10.0.0.9" }).packet.src).toBe("10.0.0.9");
    const out = one.test("out", "em0", { ...syn, src: "10.0.0.9", dst: "203.0.113.1" });
    expect(out.packet.src).toBe("198.51.100.2");
    expect(one.test("in", "em0", { ...reversed(out.packet), flags: "SA" }).packet).toMatchObject({
      dst: "10.0.0.9",
      dport: 40000,
    });
  });

  it("applies only on the interface that it names", () =>
    expect(pf("rdr on em1 inet proto tcp to any port 22 -> 10.0.0.5").test("in", "em0", syn).packet.dst).toBe(syn.dst));

  it("passes by itself only with the pass modifier", () => {
    expect(pf("rdr on em0 inet proto tcp to any port 22 -> 10.0.0.5\nblock all").test("in", "em0", syn).pass).toBe(
      false,
    );
    expect(pf("rdr pass on em0 inet proto tcp to any port 22 -> 10.0.0.5\nblock all").test("in", "em0", syn).pass).toBe(
      true,
    );
  });
});

describe("anchors", () => {
  it("are evaluated at their place; rules marked quick abort the evaluation of the main rule set", () => {
    expect(pf('block all\nanchor "a"', { a: "pass in all" }).test("in", "em0", syn).pass).toBe(true);
    expect(pf('anchor "a"\nblock all', { a: "pass in all" }).test("in", "em0", syn).pass).toBe(false);
    expect(pf('anchor "a"\nblock all', { a: "pass in quick all" }).test("in", "em0", syn).pass).toBe(true);
    expect(pf('anchor "a" quick\nblock all', { a: "pass in all" }).test("in", "em0", syn).pass).toBe(true);
  });

  it("translate only where nat-anchor or rdr-anchor names them", () => {
    const a = "rdr on em0 inet proto tcp to any port 22 -> 10.0.0.5";
    expect(pf('anchor "a"', { a }).test("in", "em0", syn).packet.dst).toBe(syn.dst);
    expect(pf('rdr-anchor "a"', { a }).test("in", "em0", syn).packet.dst).toBe("10.0.0.5");
  });
});

it("tags are sticky, also when the rule is not the last matching one", () => {
  expect(
    pf("pass in all tag X\npass in all\nblock in tagged Y\nblock in proto tcp tagged X").test("in", "em0", syn).pass,
  ).toBe(false);
});

it("set skip: pf does not process packets there in any way", () =>
  expect(pf("set skip on em0\nblock all").test("in", "em0", syn).by).toBe("skip"));

describe("the parser", () => {
  it("enforces the order of statements, as pfctl does", () => {
    expect(() => parsePf("pass all\nnat on em0 from any to any -> (em0)")).toThrow("Rules must be in order");
    expect(() => parsePf("pass all\nset skip on lo0")).toThrow("Rules must be in order");
  });

  it.each(["pass in frobnicate", "binat on em0 from any to any", "pass on $nothing", "pass port 22"])(
    "passes over nothing that it does not know: %s",
    (line) => expect(() => parsePf(line)).toThrow("pf:"),
  );
});
