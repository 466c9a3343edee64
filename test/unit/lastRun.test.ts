import { standingAfter, standingDespite } from "../../components/lastRun";
import { unwellHosts, whenToLook } from "../../components/looks";
import { checkSettings, formatComplaints } from "../../components/settings/check";
import type { Settings } from "../../components/settings/schema";
import { checkAgainst, leftBehind } from "../../components/steps";
import type { ProbeTarget } from "../../components/proof/probe";
import type { OutsideView } from "../../components/proof/verdict";
import { allAnswer, aStack, HOST_KEY, INSIDE, noneAnswers } from "./aStack";
import type { Run } from "./engine";

const OTHER_KEY = `ssh-ed25519 ${"B".repeat(68)}`;
const HETZNER = { name: "hel1", host: "hetzner", location: "hel1" };
const MACHINE = { name: "vm1", host: "linux", ssh: { hostKey: `${HOST_KEY} root@vm1` }, ipv4: "192.0.2.140" };
const DNS = { zone: "example.org" };
const MANUAL = { ...DNS, provider: "manual" };
const RELAY = { ssh: { host: "192.168.77.10", hostKey: HOST_KEY } };
const RFC2136 = { ...DNS, provider: "rfc2136", server: "192.0.2.1", tsig: { name: "k" } };

const COMMAND = "command:remote:Command";

type Raw = Record<string, unknown>;

function settingsOf(raw: Raw): Settings {
  const checked = checkSettings({
    mailDomain: "chat.example.org",
    relay: RELAY,
    proxies: [HETZNER, MACHINE],
    dns: DNS,
    ...raw,
  });
  if ("complaints" in checked) throw new Error(formatComplaints(checked.complaints, "test"));
  return checked.settings;
}

const after = (raw: Raw) => ({
  ...standingAfter(settingsOf(raw)),
  looks: { at: {}, unwell: [] },
  attempts: { at: {}, failed: [] },
  published: ["203.0.113.120"],
  addresses: {},
  hostKeys: {},
});

/** What is said of the second settings in a stack that stands by the first. */
const refused = (before: Raw, now: Raw) =>
  formatComplaints(checkAgainst(after(before), settingsOf(now)), "chatmail-proxy");
const left = (before: Raw, now: Raw) => leftBehind(after(before), settingsOf(now), "chatmail-proxy/test");

const KEEP = { dns: { ...DNS, onDestroy: "keep" } };
const SCRIPT = { relay: { setup: "script" } };
const GONE = { relay: { ...RELAY, gone: true } };
const DIRECT = { tunnel: "none", relay: { ipv4: "198.51.100.20" } };

describe("a change that would cut somebody off", () => {
  it.each<[string, Raw, Raw, string]>([
    [
      "another DNS provider",
      {},
      { dns: RFC2136 },
      'dns.provider is another than example.org (hetzner), where this run would delete the addresses of chat.example.org: nobody could find your relay until the delegation has moved. Change dns back, with onDestroy "keep" in it',
    ],
    ["another zone", {}, { dns: { zone: "chat.example.org" } }, "dns.zone is another than example.org (hetzner)"],
    [
      "another zone, though the relay's addresses would come back",
      { dns: { ...DNS, onDestroy: "relay" }, relay: { ...RELAY, ipv4: "198.51.100.20" } },
      { dns: { zone: "chat.example.org" } },
      "dns.zone is another than",
    ],
    [
      "another mail domain",
      {},
      { mailDomain: "mail.example.org" },
      "mailDomain: was chat.example.org until now, whose addresses this run would delete.",
    ],
    [
      "a relay that is to be set up by a script from now on",
      {},
      SCRIPT,
      'relay.setup: "script" would first take all tunnels off the relay, over SSH, and cut its users off.',
    ],
    [
      "tunnels whose other ends nobody has brought to the relay yet",
      DIRECT,
      SCRIPT,
      'tunnel: was "none" until now, and with relay.setup "script" all mail would stop at once: proxies would lead it into tunnels that have no other end until a person has run the script on the relay. With relay.setup "ssh" both ends come in together, and no mail is lost',
    ],
    [
      "the same, with the relay's own addresses in DNS meanwhile",
      DIRECT,
      SCRIPT,
      'set tunnel back to "none" (and leave relay.setup away), let everybody in to its mail ports, set dns.onDestroy: relay and run pulumi up, then run pulumi destroy;',
    ],
    [
      "the same, in a zone that is changed by hand",
      { ...DIRECT, dns: MANUAL },
      { ...SCRIPT, dns: MANUAL },
      "put the relay's own addresses into the zone, in place of the proxies', then run pulumi destroy;",
    ],
    [
      "a living proxy in another location",
      {},
      { proxies: [MACHINE, { ...HETZNER, location: "ash" }] },
      'proxies[1].location: was "hel1" until now. A proxy cannot move while it lives: change this back, add a proxy with a new name beside it, and then: npm run remove -- hel1',
    ],
    [
      "a living proxy on another kind of host",
      {},
      { proxies: [HETZNER, { name: "vm1", host: "hetzner", location: "ash" }] },
      'proxies[1].host: was "linux" until now.',
    ],
    [
      "a machine with another host key",
      {},
      { proxies: [HETZNER, { ...MACHINE, ssh: { hostKey: OTHER_KEY } }] },
      "proxies[1].ssh.hostKey is another than at the last run. If nobody but you changed it: set gone: true with the old key and run pulumi up",
    ],
    [
      "a machine under another name",
      {},
      { proxies: [HETZNER, { ...MACHINE, name: "vm2" }] },
      "proxies[1].name is new, but this machine is the proxy vm1",
    ],
  ])("is refused: %s", (_what, before, now, text) => expect(refused(before, now)).toContain(text));

  it("is refused as well after a run with faults, in which nothing was taken away", () => {
    const faulty = {
      ...after({}),
      ...standingDespite(after({}), standingAfter(settingsOf({ proxies: [HETZNER], ...SCRIPT }))),
    };
    expect(checkAgainst(faulty, settingsOf({ proxies: [HETZNER, { ...MACHINE, name: "vm2" }] }))).toEqual([
      expect.objectContaining({ key: "proxies[1].name" }),
    ]);
    expect(checkAgainst(faulty, settingsOf(SCRIPT))).toEqual([expect.objectContaining({ key: "relay.setup" })]);
  });

  it("is none where nothing was ever published", () => {
    expect(checkAgainst({ ...after({}), published: [] }, settingsOf({ mailDomain: "mail.example.org" }))).toEqual([]);
  });

  it("is none where there are no addresses by which mail comes in, and a script has all the time", () => {
    expect(checkAgainst({ ...after(DIRECT), published: [] }, settingsOf(SCRIPT))).toEqual([]);
  });

  it("is told together with all others of its kind", () => {
    expect(refused({}, { proxies: [{ ...HETZNER, location: "ash" }], mailDomain: "mail.example.org" })).toMatch(
      /2 settings need a change[^]*mailDomain[^]*location/,
    );
  });

  it.each<[string, Raw, Raw]>([
    ["nothing", {}, {}],
    ["the order of the proxies", {}, { proxies: [MACHINE, HETZNER] }],
    ["another comment behind a host key", {}, { proxies: [HETZNER, { ...MACHINE, ssh: { hostKey: HOST_KEY } }] }],
    ["one proxy more", { proxies: [HETZNER] }, {}],
    ["one proxy less", {}, { proxies: [HETZNER] }],
    ["what happens at the end", {}, KEEP],
    ["the zone, after it was to be kept", KEEP, { dns: { zone: "chat.example.org" } }],
    ["the mail domain, after it was to be kept", KEEP, { mailDomain: "mail.example.org" }],
    ["the zone, when the old one is gone for good", {}, { dns: { zone: "chat.example.org", left: "example.org" } }],
    ["from a zone that is changed by hand", { dns: MANUAL }, {}],
    ["to a script, after the relay was let go", GONE, SCRIPT],
    ["from a script to SSH", SCRIPT, {}],
    [
      "a machine's key, after it was given up",
      { proxies: [HETZNER, { ...MACHINE, gone: true }] },
      { proxies: [HETZNER, { ...MACHINE, ssh: { hostKey: OTHER_KEY } }] },
    ],
    ["a tunnel to none", {}, DIRECT],
    ["a script's tunnel to none", SCRIPT, DIRECT],
    ["none to a tunnel whose ends both come in over SSH", DIRECT, {}],
  ])("is not: %s", (_what, before, now) => expect(checkAgainst(after(before), settingsOf(now))).toEqual([]));
});

describe("what the last run leaves behind, and nobody here can take away", () => {
  it("is the old zone's addresses", () => {
    expect(left(KEEP, { dns: { zone: "chat.example.org" } })).toEqual([
      expect.stringContaining(
        "The addresses of chat.example.org still stand in example.org (hetzner), where nobody keeps them any more.",
      ),
    ]);
    expect(left(KEEP, { mailDomain: "mail.example.org" })).toHaveLength(1);
    expect(left(KEEP, { dns: MANUAL })).toEqual([]);
    expect(left({ dns: MANUAL }, {})).toEqual([]);
    expect(left({}, {})).toEqual([]);
  });

  it("is what a script set up on a relay that needs no tunnel any more", () => {
    expect(left(SCRIPT, DIRECT)).toEqual([expect.stringContaining("hostctl release chatmail-proxy/test")]);
  });

  it("is the old relay, when another has taken its place", () => {
    const moved = { relay: { ssh: { host: "192.168.77.11", hostKey: OTHER_KEY } } };
    expect(left({}, moved)).toEqual([
      expect.stringContaining(
        "run on the old one, as root: /usr/local/lib/chatmail-proxy/hostctl release chatmail-proxy/test.",
      ),
    ]);
    expect(left(GONE, moved)).toEqual([]);
  });
});

describe("a host is asked what it sees", () => {
  const T = (hours: number) => new Date(Date.UTC(2026, 10, 24, hours));
  const looks = (unwell: string[] = []) => ({ at: { hel1: T(0).toISOString() }, unwell });

  it.each<[string, Parameters<typeof whenToLook>, Date]>([
    ["when it never was", [undefined, ["hel1"], T(5)], T(5)],
    ["not again on the same day", [looks(), ["hel1"], T(23)], T(0)],
    ["again on another day", [looks(), ["hel1"], T(24)], T(24)],
    ["not again in a preview on another day", [looks(), ["hel1"], T(25), { preview: true }], T(0)],
    ["again when it was not well", [looks(["hel1"]), ["hel1"], T(1)], T(1)],
    ["not again for another's sake", [looks(["ash1"]), ["hel1"], T(1)], T(0)],
  ])("%s", (_when, args, at) => expect(whenToLook(...args)).toEqual({ hel1: at.toISOString() }));

  it("and so is the relay when something was found on it", () => {
    expect([unwellHosts([], true), unwellHosts([], false)]).toEqual([["relay"], []]);
  });
});

describe("a run", () => {
  const moved = [{ ...HETZNER, location: "ash" }];

  it("leaves word of what stands, for the next one, which refuses before anything is made", async () => {
    const { outputs } = await aStack();
    const again = aStack({ before: outputs, proxies: moved });
    await expect(again).rejects.toThrow('proxies[0].location: was "hel1" until now.');
    expect(
      (
        await aStack({
          before: (await aStack({ settings: KEEP })).outputs,
          settings: { dns: { zone: "chat.example.org" } },
        })
      ).warnings,
    ).toContainEqual(expect.stringContaining("still stand in example.org (hetzner)"));
  });

  it("does not need the relay's SSH for what is not the relay's", async () => {
    const before = (await aStack()).outputs;
    const run = await aStack({ before, silent: ["192.168.77.10"], now: new Date(Date.UTC(2026, 10, 30)) });
    expect(run.warnings).toContainEqual(
      expect.stringContaining(
        "The relay's SSH (192.168.77.10) does not answer from here, so nothing is changed on it in this run",
      ),
    );
    for (const name of ["relay-facts", "relay-prepare", "hel1-relay-end"])
      expect([name, run.one(COMMAND, name).options.ignoreChanges]).toEqual([
        name,
        expect.arrayContaining(["create", "stdin", "connection"]),
      ]);
    expect(run.one(COMMAND, "hel1-through").options.ignoreChanges).toEqual([]);
  });

  it("asks again what only the hosts can see, after a run in which that was not well, and not a third time", async () => {
    const EGRESS = { settings: { egress: "hel1" } };
    const asked = (run: Run) => [
      run.one(COMMAND, "hel1-through").inputs.stdin,
      run.one(COMMAND, "relay-facts").inputs.stdin,
    ];
    const at = (minutes: number) => ({ now: new Date(Date.UTC(2026, 10, 24, 3, minutes)) });
    const first = await aStack({ ...EGRESS, ...at(0), inside: `${INSIDE}\noutbound 4 shut\noutbound 6 open` });
    const second = await aStack({ ...EGRESS, ...at(1), before: first.outputs });
    const third = await aStack({ ...EGRESS, ...at(2), before: second.outputs });
    expect(asked(second)[0]).not.toBe(asked(first)[0]);
    expect(asked(third)).toEqual(asked(second));
    // The relay's part was well.
    expect(asked(second)[1]).toBe(asked(first)[1]);
    const dead = await aStack({ ...at(0), outside: noneAnswers, inside: INSIDE.replaceAll("open", "shut") });
    expect(asked(await aStack({ ...at(1), before: dead.outputs }))[1]).not.toBe(asked(dead)[1]);
  });

  it("shows no change in a preview 25 hours later where nothing has changed, and an update looks again", async () => {
    const proxies = ["hel1", { name: "deb1", host: "linux", ipv4: "192.0.2.140", ssh: { hostKey: OTHER_KEY } }];
    // A home without IPv6, as most are.
    const outside = (target: ProbeTarget): OutsideView =>
      target.address.includes(":")
        ? target.ports.map((port) => ({ port, answer: { kind: "notFromHere" } }))
        : allAnswer(target);
    const stack = { proxies, outside, settings: { egress: "hel1" } };
    const inputs = (run: Run) => run.registered.map(({ name, inputs: each }) => [name, each]);
    const first = await aStack({ ...stack, now: new Date("2026-11-24T23:30:00Z") });
    const tomorrow = new Date("2026-11-26T00:30:00Z");
    expect(inputs(await aStack({ ...stack, before: first.outputs, now: tomorrow, preview: true }))).toEqual(
      inputs(await aStack({ ...stack, before: first.outputs, now: new Date("2026-11-24T23:31:00Z"), preview: true })),
    );
    expect(inputs(await aStack({ ...stack, before: first.outputs, now: tomorrow }))).not.toEqual(inputs(first));
  });

  it("has no objection where the last one left no word, or one of another version", async () => {
    for (const before of [{}, { lastRun: {} }, { lastRun: { mailDomain: "other.example.org" }, proxies: {} }])
      expect((await aStack({ before, proxies: moved })).errors).toEqual([]);
  });
});
