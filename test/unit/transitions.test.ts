import { snapshotOf, snapshotAfterFailure } from "../../components/lastRun";
import { checkSettings, formatFaults } from "../../components/settings/check";
import type { Settings } from "../../components/settings/schema";
import { unsafeTransitions, leftBehind } from "../../components/transitions";
import type { ProbeTarget } from "../../components/health/probe";
import type { OutsideView } from "../../components/health/verdict";
import { allAnswer, aStack, HOST_KEY, INSIDE, noneAnswers } from "./aStack";

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
  if ("faults" in checked) throw new Error(formatFaults(checked.faults, "test"));
  return checked.settings;
}

const after = (raw: Raw) => ({
  ...snapshotOf(settingsOf(raw)),
  failed: [],
  documents: true,
  published: ["203.0.113.120"],
  addresses: {},
  hostKeys: {},
});

/** What is said of the second settings in a stack that stands by the first. */
const refused = (before: Raw, now: Raw) =>
  formatFaults(unsafeTransitions(after(before), settingsOf(now)), "chatmail-proxy");
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
      'dns.provider has changed from example.org (hetzner). This run would delete the addresses of chat.example.org there, and nobody could find your relay until the delegation has moved. Restore the old dns, with onDestroy "keep" in it',
    ],
    ["another zone", {}, { dns: { zone: "chat.example.org" } }, "dns.zone has changed from example.org (hetzner)"],
    [
      "another zone, though the relay's addresses would come back",
      { dns: { ...DNS, onDestroy: "relay" }, relay: { ...RELAY, ipv4: "198.51.100.20" } },
      { dns: { zone: "chat.example.org" } },
      "dns.zone has changed from",
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
      "proxies[1].ssh.hostKey has changed since the last run. If you changed it yourself: set gone: true with the old key and run pulumi up",
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
      ...snapshotAfterFailure(after({}), snapshotOf(settingsOf({ proxies: [HETZNER], ...SCRIPT }))),
    };
    expect(unsafeTransitions(faulty, settingsOf({ proxies: [HETZNER, { ...MACHINE, name: "vm2" }] }))).toEqual([
      expect.objectContaining({ key: "proxies[1].name" }),
    ]);
    expect(unsafeTransitions(faulty, settingsOf(SCRIPT))).toEqual([expect.objectContaining({ key: "relay.setup" })]);
  });

  it("is none where nothing was ever published", () => {
    expect(unsafeTransitions({ ...after({}), published: [] }, settingsOf({ mailDomain: "mail.example.org" }))).toEqual(
      [],
    );
  });

  it("is none where there are no addresses by which mail comes in, and a script has all the time", () => {
    expect(unsafeTransitions({ ...after(DIRECT), published: [] }, settingsOf(SCRIPT))).toEqual([]);
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
  ])("is not: %s", (_what, before, now) => expect(unsafeTransitions(after(before), settingsOf(now))).toEqual([]));
});

describe("what the last run leaves behind, and nobody here can take away", () => {
  it("is the old zone's addresses", () => {
    expect(left(KEEP, { dns: { zone: "chat.example.org" } })).toEqual([
      expect.stringContaining(
        "The addresses of chat.example.org are still in example.org (hetzner), and no longer updated.",
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
    ).toContainEqual(expect.stringContaining("are still in example.org (hetzner)"));
  });

  it("does not need the relay's SSH for what is not the relay's", async () => {
    const after = await aStack();
    const run = await aStack({ after, silent: ["192.168.77.10"], settings: { adminKeys: [HOST_KEY] } });
    expect(run.warnings).toContainEqual(
      expect.stringContaining(
        "The relay (192.168.77.10) cannot be reached by SSH from here (nothing answers within 10 s), so this run changes nothing on it",
      ),
    );
    for (const name of ["relay-host", "relay-tunnels"]) {
      const { inputs, options } = run.one(COMMAND, name);
      expect([name, inputs.create, options.ignoreChanges]).toEqual([
        name,
        undefined,
        expect.arrayContaining(["create", "stdin", "connection"]),
      ]);
    }
    expect(run.errors).toEqual([]);
    expect(run.changed).toEqual(["hel1-config", "hel1-confirm"]);
  });

  it("sees again what only the hosts can see, in previews too, and runs nothing on them for that", async () => {
    const EGRESS = { settings: { egress: "hel1" } };
    const shut = `${INSIDE}\noutbound 4 shut\noutbound 6 open`;
    const SHUT = "no other mail server's port 25 answers from there over IPv4";
    const first = await aStack({ ...EGRESS, inside: shut });
    expect(first.warnings.join()).toContain(SHUT);
    const again = await aStack({ ...EGRESS, after: first, inside: shut, preview: true });
    expect([again.changed, again.warnings.join()]).toEqual([[], expect.stringContaining(SHUT)]);
    const open = await aStack({ ...EGRESS, after: first, inside: `${INSIDE}\noutbound 4 open\noutbound 6 open` });
    expect([open.changed, open.warnings.join()]).toEqual([[], expect.not.stringContaining(SHUT)]);
    // A relay on which nothing runs.
    const dead = await aStack({
      after: await aStack(),
      outside: noneAnswers,
      inside: INSIDE.replaceAll("open", "shut"),
    });
    expect([dead.changed, dead.errors.join()]).toEqual([
      [],
      expect.stringContaining("are postfix, dovecot and nginx running"),
    ]);
  });

  it("shows no change 25 hours later where nothing has changed, from a home without IPv6", async () => {
    const proxies = ["hel1", { name: "deb1", host: "linux", ipv4: "192.0.2.140", ssh: { hostKey: OTHER_KEY } }];
    const outside = (target: ProbeTarget): OutsideView =>
      target.address.includes(":")
        ? target.ports.map((port) => ({ port, answer: { kind: "notFromHere" } }))
        : allAnswer(target);
    const stack = { proxies, outside, settings: { egress: "hel1" } };
    const first = await aStack(stack);
    for (const preview of [true, false]) {
      const run = await aStack({ ...stack, after: first, preview });
      expect(run.ranAt.getTime() - first.ranAt.getTime()).toBe(25 * 3600 * 1000);
      expect([run.changed, run.errors]).toEqual([[], []]);
    }
  });

  it("of an earlier version left more words than are read today", async () => {
    const { outputs } = await aStack();
    const lastRun = {
      ...(outputs.lastRun as Raw),
      failed: undefined,
      looks: { at: { hel1: "2026-11-24T03:00:00.000Z" }, unwell: [] },
      attempts: { at: {}, failed: ["hel1"] },
    };
    await expect(aStack({ before: { ...outputs, lastRun }, proxies: moved })).rejects.toThrow(
      'proxies[0].location: was "hel1" until now.',
    );
  });

  describe("after one of a version before documents, whose last steps take the tunnels off the relay", () => {
    const RELAY_HOST = "192.168.77.10";
    const earlier = async () => {
      const { outputs } = await aStack();
      return { ...outputs, lastRun: { ...(outputs.lastRun as Raw), documents: undefined } };
    };
    const documents = (run: { readonly outputs: Raw }) => (run.outputs.lastRun as Raw).documents;

    it("changes nothing while the relay cannot be reached, or is to be let go of", async () => {
      const before = await earlier();
      const silent = { before, silent: [RELAY_HOST] };
      await expect(aStack(silent)).rejects.toThrow(
        `must reach ${RELAY_HOST}, which it cannot: nothing answers within 10 s. Run pulumi up again when it can.`,
      );
      await expect(aStack({ before, settings: GONE })).rejects.toThrow(`must reach ${RELAY_HOST}, without relay.gone.`);
      expect((await aStack({ ...silent, preview: true })).warnings).toContainEqual(
        expect.stringContaining("Until then pulumi up changes nothing."),
      );
    });

    it("leaves word when those steps are gone: where nothing was at fault", async () => {
      const before = await earlier();
      expect(documents(await aStack({ before }))).toBe(true);
      expect(documents(await aStack({ before, outside: noneAnswers }))).toBe(false);
      expect(documents(await aStack({ outside: noneAnswers }))).toBe(true);
    });
  });

  it("has no objection where the last one left no word, or one of another version", async () => {
    for (const before of [{}, { lastRun: {} }, { lastRun: { mailDomain: "other.example.org" }, proxies: {} }])
      expect((await aStack({ before, proxies: moved })).errors).toEqual([]);
  });
});
