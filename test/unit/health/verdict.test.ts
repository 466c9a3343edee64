import type { Answer } from "../../../components/health/probe";
import { judge, type OutsideView, type Unreached } from "../../../components/health/verdict";
import { parseInsideView } from "../../../components/remote/facts";

const PORTS = [25, 80, 443];

/** What is seen from here, the same at every port but those given. */
const seen = (kind: Answer["kind"], others: Record<number, Answer> = {}) =>
  PORTS.map((port) => ({ port, answer: others[port] ?? { kind } }));

/** What the proxy sees: open ports by family. */
const inside = (open: { 4?: number[]; 6?: number[] }, handshake = 3) =>
  parseInsideView(
    [
      `handshake ${handshake}`,
      ...([4, 6] as const).flatMap((family) =>
        PORTS.map((port) => `port ${port} ${family} ${(open[family] ?? PORTS).includes(port) ? "open" : "shut"}`),
      ),
    ].join("\n"),
  );

const SILENT: Unreached = { silent: true, unreachable: "nothing answers within 10 s" };
const SHUT: Unreached = { silent: false, unreachable: "it refuses the login as root (publickey)" };

describe("judge", () => {
  it("is content when every port answers", () => {
    expect(judge(4, seen("answered"), inside({}))).toEqual({ healthy: true, notOffered: false, faults: [], notes: [] });
  });

  it("trusts what answers now over what the proxy saw earlier", () => {
    expect(judge(4, seen("answered"), inside({ 4: [] }, 999999))).toMatchObject({ healthy: true, faults: [] });
  });

  it("finds a relay that never called", () => {
    expect(judge(4, seen("silent"), inside({ 4: [], 6: [] }, 999999))).toMatchObject({
      healthy: false,
      faults: [expect.stringContaining("no WireGuard handshake from the relay")],
    });
  });

  it("finds a relay on which nothing runs", () => {
    expect(judge(4, seen("silent"), inside({ 4: [], 6: [] }))).toMatchObject({
      healthy: false,
      faults: [expect.stringContaining("are postfix, dovecot and nginx running there?")],
    });
  });

  it("asks after the tunnel too where the relay has not called for longer than a tunnel that is used goes without", () => {
    const view = (handshakeAge: number) => ({ ...inside({ 4: [], 6: [] }), handshakeAge });
    expect(judge(4, seen("silent"), view(150)).faults).toEqual([
      "the relay answers none of the ports through the tunnel over IPv4 (it last called 150 s ago): does its network still let UDP out to the tunnel's port, is it up, and are postfix, dovecot and nginx running there?",
    ]);
    expect(judge(4, seen("silent"), view(60)).faults).toEqual([
      "the relay answers none of the ports through the tunnel over IPv4: are postfix, dovecot and nginx running there?",
    ]);
  });

  it("names the relay's own firewall, which may drop what comes through the tunnel", () => {
    const none = inside({ 4: [], 6: [] });
    expect(judge(4, seen("silent"), none, ["ufw is active on the relay"]).faults).toEqual([
      expect.stringContaining("are postfix"),
      "ufw is active on the relay",
    ]);
    expect(judge(4, seen("answered"), inside({}), ["ufw is active on the relay"]).faults).toEqual([]);
  });

  it("names the proxy's own firewall too where nothing comes through the tunnel any more", () => {
    const view = { ...inside({ 4: [], 6: [] }), firewalls: ["ufw is active on the proxy"] };
    expect(judge(4, seen("silent"), view).faults).toEqual([
      expect.stringContaining("are postfix"),
      "ufw is active on the proxy",
    ]);
    expect(judge(4, seen("silent"), { ...view, tunnel: "none" }).faults).toEqual([
      expect.stringContaining("are postfix"),
    ]);
  });

  it("takes a family that the relay does not serve for no fault of the proxy", () => {
    expect(judge(6, seen("refused"), inside({ 6: [] }))).toEqual({
      healthy: false,
      notOffered: true,
      faults: [],
      notes: ["the relay answers none of the ports through the tunnel over IPv6, so no IPv6 address is published"],
    });
  });

  it("finds ports that get lost between here and the proxy", () => {
    expect(judge(4, seen("answered", { 443: { kind: "silent" } }), inside({}))).toMatchObject({
      healthy: false,
      faults: [
        "no answer from here on port 443, though the relay answers through the tunnel: something in between drops it",
      ],
    });
  });

  it("does not hold a network's block of port 25 against the proxy, if the rest answers", () => {
    expect(judge(4, seen("answered", { 25: { kind: "silent" } }), inside({}))).toMatchObject({
      healthy: true,
      notes: [expect.stringContaining("port 25 is not checkable from here")],
    });
  });

  it("does hold a silent port 25 against it if the relay does answer none", () => {
    expect(judge(4, seen("silent"), inside({})).healthy).toBe(false);
  });

  it("goes by what the proxy sees where this machine has no such family", () => {
    expect(judge(6, seen("notFromHere"), inside({}))).toMatchObject({
      healthy: true,
      notes: [expect.stringContaining("IPv6 is not checkable from here")],
    });
    expect(judge(6, seen("notFromHere"), inside({ 6: [] })).healthy).toBe(false);
  });

  it.each([
    ["EHOSTUNREACH", 'a firewall on the proxy or at its provider answers "prohibited"'],
    ["ENETUNREACH", "does its provider route this address to the machine (an IPv6 block"],
    ["EACCES", "unless a route or firewall of this machine forbids it"],
  ])("holds an address against the proxy where the way there ends with %s, and says what that is", (code, words) => {
    const verdict = judge(
      6,
      seen("silent", Object.fromEntries(PORTS.map((port) => [port, { kind: "silent", code }]))),
      inside({}),
    );
    expect(verdict).toMatchObject({
      healthy: false,
      faults: [expect.stringContaining("no answer from here on ports 25, 80, 443"), expect.stringContaining(words)],
    });
  });

  it("is the same whichever of the ports an error came for, since routers send few of them", () => {
    const views = [
      { 25: { kind: "silent", code: "EHOSTUNREACH" } },
      { 80: { kind: "silent", code: "EHOSTUNREACH" } },
      {},
    ].map((few): OutsideView => seen("silent", few as Record<number, Answer>));
    const verdicts = views.map((view) => judge(4, view, inside({})));
    expect(verdicts.map(({ healthy }) => healthy)).toEqual([false, false, false]);
    expect(verdicts[0]).toEqual(verdicts[1]);
  });

  it("finds a firewall that refuses what the relay takes from the proxy, and does not blame the relay", () => {
    expect(judge(4, seen("refused"), inside({}))).toMatchObject({
      healthy: false,
      faults: [
        "refused from here on ports 25, 80, 443, though the relay answers through the tunnel: something in between (a firewall that rejects?) refuses it",
      ],
      notes: [],
    });
    expect(judge(4, seen("answered", { 443: { kind: "refused" } }), inside({})).healthy).toBe(false);
    expect(judge(4, seen("answered", { 25: { kind: "refused" } }), inside({}))).toMatchObject({
      healthy: true,
      notes: [expect.stringContaining("port 25 is not checkable from here")],
    });
  });

  it("notes a port on which the relay itself says no, since the way there works", () => {
    expect(judge(4, seen("answered", { 80: { kind: "refused" } }), inside({ 4: [25, 443] }))).toMatchObject({
      healthy: true,
      notes: ["the relay refuses connections on port 80: is the service running there?"],
    });
  });

  it("notes a port that the relay does not offer at all", () => {
    expect(judge(4, seen("answered", { 80: { kind: "silent" } }), inside({ 4: [25, 443] }))).toMatchObject({
      healthy: true,
      notes: ["the relay does not answer on port 80, through the tunnel neither"],
    });
  });

  it("is not said to be dead by a machine that cannot reach it at all, where its SSH does not answer", () => {
    for (const unreached of [SILENT, SHUT])
      expect(judge(6, seen("notFromHere"), unreached)).toMatchObject({
        healthy: false,
        faults: [expect.stringContaining("neither can its ports be looked at from here, nor does its SSH answer")],
        notes: [expect.stringContaining("IPv6 is not checkable from here")],
      });
  });

  it("says of one that works why nothing was changed on it: nobody answers there, or somebody lets us in no more", () => {
    expect(judge(4, seen("answered"), SILENT)).toMatchObject({
      healthy: true,
      faults: [
        expect.stringMatching(/^its SSH does not answer from here \(.*so nothing was changed on it in this run$/),
      ],
    });
    expect(judge(4, seen("answered"), SHUT)).toMatchObject({
      healthy: true,
      faults: [
        "its SSH cannot be used from here: it refuses the login as root (publickey). Nothing was changed on it in this run",
      ],
    });
  });

  it("does not take a machine that answers on SSH for one that is down", () => {
    expect(judge(4, seen("silent"), SILENT).faults).toEqual([
      "neither the relay's ports nor the proxy's own SSH answer: is the machine up? Nothing was changed on it in this run",
    ]);
    expect(judge(4, seen("silent"), SHUT).faults).toEqual([
      "the relay's ports do not answer, and its SSH cannot be used from here: it refuses the login as root (publickey). Nothing was changed on it in this run",
    ]);
  });

  it("passes on what is odd about an answer", () => {
    expect(
      judge(
        4,
        seen("answered", { 443: { kind: "answered", note: "shows a certificate for a.example, not for b.example" } }),
        inside({}),
      ).notes,
    ).toEqual(["port 443 shows a certificate for a.example, not for b.example"]);
  });
});

describe("parseInsideView", () => {
  it("reads hostctl's lines", () => {
    expect(
      parseInsideView(
        "handshake 12\nendpoint [2001:db8::7]:40000\nport 25 4 open 220 chat.example.org ESMTP\nport 25 6 shut\n",
      ),
    ).toEqual({
      tunnel: "up",
      handshakeAge: 12,
      relayAddress: "2001:db8::7",
      ports: [
        { port: 25, family: 4, open: true, greeting: "220 chat.example.org ESMTP" },
        { port: 25, family: 6, open: false, greeting: "" },
      ],
      outbound: [],
      firewalls: [],
    });
  });

  it("knows a tunnel that never came up", () => {
    expect(parseInsideView("handshake 999999\nendpoint (none)\n")).toMatchObject({
      tunnel: "silent",
      relayAddress: undefined,
      ports: [],
    });
    expect(parseInsideView("handshake none\n").tunnel).toBe("none");
  });

  it("reads what stands in the way, and whether mail gets out", () => {
    expect(parseInsideView("outbound 4 open\noutbound 6 shut\nfirewall ufw is active\n")).toMatchObject({
      outbound: [
        { family: 4, open: true },
        { family: 6, open: false },
      ],
      firewalls: ["ufw is active"],
    });
  });
});
