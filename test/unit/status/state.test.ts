// What a look means: the state of each part of a stack, and of all of it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { EXIT, stateOf } from "../../../scripts/status/state";
import { stackStatus } from "../../../scripts/status/schema";
import { ASH1, CERTIFICATE, HEL1, NOW, STACK, answering, found, host, relay, silent, silentHost } from "./aLook";

const seen = (hel1 = host(), ash1 = host(), theRelay = relay()) => ({
  proxies: new Map([
    ["hel1", hel1],
    ["ash1", ash1],
  ]),
  relay: theRelay,
});
const outside = (hel1 = answering, ash1 = answering) =>
  new Map([...HEL1.map((each) => [each, hel1] as const), ...ASH1.map((each) => [each, ash1] as const)]);
const faults = (status: ReturnType<typeof stateOf>) =>
  [...status.proxies, status.relay, status.zone, status.certificate].flatMap((part) => part.faults);

describe("a stack on which nothing is wrong", () => {
  const status = stateOf(STACK, found());

  it("is well in all of its parts, with no fault and no note", () => {
    expect([status.state, EXIT[status.state]]).toEqual(["well", 0]);
    expect(faults(status)).toEqual([]);
    expect(status.proxies.flatMap(({ notes }) => notes)).toEqual([]);
  });

  it("has for each proxy what was seen of it, from here and through the tunnel, with times", () => {
    expect(status.proxies[0]).toMatchObject({
      name: "hel1",
      dnsName: "hel1.proxy.example.org",
      addresses: [
        {
          family: 4,
          address: "203.0.113.1",
          works: true,
          published: true,
          reverse: ["chat.example.org"],
          ports: [
            { port: 25, answer: "answered", ms: 20, note: null },
            { port: 443, answer: "answered", ms: 20, note: null },
          ],
        },
        { family: 6, works: true },
      ],
      tunnel: { state: "up", handshakeAge: 30, received: 2_000_000, sent: 15_000, outbound: [] },
      host: { reachable: true, putBack: 0, clockOffset: 0, tracked: { now: 120, most: 65536 } },
    });
    expect(status.proxies[0]?.tunnel?.ports[0]).toEqual({ port: 25, family: 4, open: true, ms: 12 });
    expect(status.certificate.ports).toEqual([
      expect.objectContaining({ port: 443, issuer: "Let's Encrypt", daysLeft: 61 }),
    ]);
  });

  it("is told in the format that docs/ has", () => {
    expect(stackStatus.parse(JSON.parse(JSON.stringify(status)))).toEqual(status);
    const file = join(__dirname, "../../../docs/status.schema.json");
    if (process.env.UPDATE_GOLDEN) writeFileSync(file, `${JSON.stringify(z.toJSONSchema(stackStatus), null, 2)}\n`);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(z.toJSONSchema(stackStatus));
  });
});

describe("a proxy", () => {
  it("that is dead is down, and the stack, which has another one, is not well", () => {
    const status = stateOf(STACK, found({ seen: seen(silentHost), outside: outside(silent) }));
    expect([status.state, EXIT[status.state]]).toEqual(["degraded", 1]);
    expect(status.proxies.map(({ state }) => state)).toEqual(["down", "well"]);
    expect(faults(status)).toEqual([
      "hel1 (203.0.113.1): neither the relay's ports nor the proxy's own SSH answer: is the machine up?",
      "hel1 (2001:db8::1): neither the relay's ports nor the proxy's own SSH answer: is the machine up?",
      "zone: the records hold what does not work: 203.0.113.1 (hel1), 2001:db8::1 (hel1). pulumi up takes it out",
    ]);
  });

  it("and all others that are dead leave a stack that is down", () => {
    const status = stateOf(
      STACK,
      found({ seen: seen(silentHost, silentHost), outside: outside(silent, silent), certificates: [] }),
    );
    expect([status.state, EXIT[status.state]]).toEqual(["down", 2]);
  });

  it.each([
    [
      "differs from what was brought in",
      { drift: ["a rule is gone"] },
      "not as it was brought in (a rule is gone). pulumi up puts it back",
    ],
    ["has a clock that is wrong", { clock: NOW.getTime() / 1000 - 300 }, "its clock is 300 s slow"],
    ["has a full disk", { disk: { free: 1e6, of: 1e10 } }, "its disk is almost full"],
    ["has somebody else on a port", { conflicts: ["port 25 is in use on this host (by exim4)"] }, "port 25 is in use"],
  ])("that %s is not well, though mail gets through", (_what, changes, text) => {
    const status = stateOf(STACK, found({ seen: seen(host(changes)) }));
    expect([status.state, status.proxies[0]?.state]).toEqual(["degraded", "degraded"]);
    expect(faults(status)).toEqual([expect.stringContaining(`hel1: ${text}`)]);
  });

  it("that waits for a reboot, or has put something back, is well, and it is said", () => {
    const status = stateOf(
      STACK,
      found({
        seen: seen(host({ reboot: "an update waits for it", healed: 2, lastHealed: "2 2026-11-30T11:00:00Z a route" })),
      }),
    );
    expect(status.state).toBe("well");
    expect(status.proxies[0]).toMatchObject({
      host: { reboot: "an update waits for it", putBack: 2, lastPutBack: "2026-11-30T11:00:00Z a route" },
      notes: [
        "hel1: it should be rebooted: an update waits for it",
        expect.stringContaining("hel1: it put something back by itself"),
      ],
    });
  });

  it("that was never set up says what to do", () => {
    const status = stateOf({ ...STACK, before: undefined }, found());
    expect(status.state).toBe("down");
    expect(status.proxies[0]).toMatchObject({ state: "down", faults: ["hel1: it was never set up: run pulumi up"] });
  });
});

describe("the relay", () => {
  it.each([
    [
      "does not let us in",
      { reachable: false as const, why: "login" as const, reason: "root is not let in" },
      "its SSH cannot be used from here: root is not let in",
    ],
    [
      "sends no mail out",
      relay({ outbound: ["fault this relay cannot reach mx.example.net on port 25"] }),
      "this relay cannot reach mx.example.net",
    ],
    [
      "has lost an end of a tunnel",
      relay({ sets: {} }),
      "not as it was brought in (nothing of chatmail-proxy is there any more)",
    ],
  ])("that %s is not well", (_what, theRelay, text) => {
    const status = stateOf(STACK, found({ seen: seen(host(), host(), theRelay) }));
    expect([status.state, status.relay.state]).toEqual(["degraded", "degraded"]);
    expect(status.relay.faults).toEqual([expect.stringContaining(`relay: ${text}`)]);
  });
});

describe("the zone", () => {
  const names = (first: readonly string[] | undefined, second = first, resolver = first) => ({
    authoritative: [
      { server: "ns1 (192.0.2.1)", addresses: first },
      { server: "ns2 (192.0.2.2)", addresses: second },
    ],
    resolver: { server: "resolver", addresses: resolver },
  });
  const all = [...HEL1, ...ASH1];

  it("of which a server answers something else is not well", () => {
    const { zone, state } = stateOf(STACK, found({ names: names(all, [...HEL1]) }));
    expect([state, zone.state]).toEqual(["degraded", "degraded"]);
    expect(zone.faults).toEqual([
      expect.stringMatching(
        /^zone: ns2 \(192\.0\.2\.2\) answers 203\.0\.113\.1, 2001:db8::1 for chat\.example\.org, and the last run published/,
      ),
    ]);
  });

  it("that a resolver remembers as it was is well, and it is said", () => {
    const { zone, state } = stateOf(STACK, found({ names: names(all, all, [...HEL1]) }));
    expect([state, zone.notes]).toEqual(["well", [expect.stringContaining("may remember what was")]]);
  });

  it.each([
    [
      "nobody serves",
      { authoritative: [], resolver: { server: "resolver", addresses: undefined } },
      "no name server of example.org is known",
    ],
    ["nobody answers for", names(undefined), "none of the name servers of example.org answers"],
  ])("that %s is said to be so", (_what, answers, text) => {
    const { zone } = stateOf(STACK, found({ names: answers }));
    expect([zone.state, zone.faults]).toEqual(["degraded", [expect.stringContaining(text)]]);
  });
});

describe("the certificate", () => {
  const shown = (changes: Partial<typeof CERTIFICATE>) =>
    stateOf(STACK, found({ certificates: [{ port: 443, view: { ...CERTIFICATE, ...changes } }] }));

  it.each([
    ["that is not renewed in time", { expires: "2026-12-05T12:00:00Z" }, "degraded", "expires in 5 days"],
    ["that has expired", { expires: "2026-11-29T12:00:00Z" }, "down", "expired on 2026-11-29"],
    [
      "that is another name's",
      { otherName: true, names: ["example.net"] },
      "down",
      "is for example.net, not for chat.example.org",
    ],
  ] as const)("%s is a fault", (_what, changes, state, text) => {
    const status = shown(changes);
    expect([status.state, status.certificate.state]).toEqual([state, state]);
    expect(status.certificate.faults).toEqual([expect.stringContaining(text)]);
  });

  it("of an issuer that this machine does not know is no fault, and it is said", () => {
    const status = shown({ untrusted: "self-signed certificate" });
    expect(status.state).toBe("well");
    expect(status.certificate.notes).toEqual([expect.stringContaining("self-signed certificate")]);
  });
});
