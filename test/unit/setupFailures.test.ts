// A proxy whose set-up fails: a verdict on it alone, and tried again by the next run.
import { HOLD } from "../../components/remote/hostctl";
import { failureOf, wentWell } from "../../components/remote/step";
import type { ProbeTarget } from "../../components/proof/probe";
import { allAnswer, aStack, noneAnswers, OURS, rrset, type StackCase } from "./aStack";
import type { Registered, Run } from "./engine";

const COMMAND = "command:remote:Command";
const RRSET = "hcloud:index/zoneRrset:ZoneRrset";
const REASON =
  "port 25 is in use on this host (by exim4), and a proxy hands it on to the relay: stop that service, or take the port out of ports";
const deb1 = { name: "deb1", host: "linux", ipv4: "192.0.2.140", ssh: { hostKey: `ssh-ed25519 ${"B".repeat(68)}` } };
const AT = (minute: number) => new Date(Date.UTC(2026, 10, 24, 3, minute));

const failing = (name: string, rest: StackCase = {}) =>
  aStack({
    proxies: ["hel1", deb1],
    prints: { [name]: `a line\nfailed ${REASON}` },
    outside: (target) => (target.address === deb1.ipv4 ? noneAnswers(target) : allAnswer(target)),
    ...rest,
  });
const values = (resource: Registered) => (resource.inputs.records as { value: string }[]).map(({ value }) => value);
const held = (run: Run) =>
  run.registered
    .filter(({ type, inputs }) => type === COMMAND && inputs.create === HOLD)
    .map(({ name }) => name)
    .sort();

describe("the word of a step", () => {
  it.each([
    ["", true, undefined],
    ["wan eth0 1\n", true, undefined],
    ["held\n", false, undefined],
    ["port 25 4 open\nfailed it ended\n", false, "it ended"],
    ["failed 2026-11-24T03:00:00Z it ended\n", false, "it ended (at 2026-11-24T03:00:00Z)"],
    ["a line that failed\n", true, undefined],
  ])("%j", (stdout, well, reason) => expect([wentWell(stdout), failureOf(stdout)]).toEqual([well, reason]));
});

describe("a proxy of which one step fails", () => {
  it("fails the run at its end, named with the step and its reason, and with nothing that merely follows from it", async () => {
    const run = await failing("deb1-free");
    expect(run.errors).toEqual([expect.stringContaining(`  - deb1: its set-up failed at deb1-free: ${REASON}\n`)]);
    expect(run.errors.join().match(/deb1/g)).toHaveLength(2);
  });

  it("holds back what builds on that step there, and nothing else", async () => {
    expect(held(await failing("deb1-free"))).toEqual([
      "deb1-filter",
      "deb1-filter-confirm",
      "deb1-filter-in-force",
      "deb1-tidy",
    ]);
    expect(held(await failing("deb1-admin-keys"))).toEqual([]);
    expect(held(await failing("deb1-filter-confirm"))).toEqual(["deb1-filter-in-force", "deb1-tidy"]);
  });

  it("keeps its old end of the tunnel on the relay where the new one on the proxy did not come in", async () => {
    expect(held(await failing("deb1-keys"))).toEqual(
      expect.arrayContaining(["deb1-tunnel", "deb1-relay-end-keys", "deb1-relay-end", "deb1-filter"]),
    );
    expect(held(await failing("deb1-relay-end"))).toEqual(expect.arrayContaining(["deb1-filter"]));
  });

  it("leaves the records of those that work up to date", async () => {
    const run = await failing("deb1-free", { rrsets: [rrset("chat", "A", [deb1.ipv4, "198.51.100.77"], OURS)] });
    expect(values(run.one(RRSET, "mail-domain-A"))).toEqual(["203.0.113.120"]);
  });

  it("stays in the records while the relay answers there all the same", async () => {
    const run = await failing("deb1-filter-confirm", {
      outside: ({ ports }) => ports.map((port) => ({ port, answer: { kind: "answered" } })),
    });
    expect(values(run.one(RRSET, "mail-domain-A"))).toContain(deb1.ipv4);
    expect(run.errors.join()).toContain("deb1-filter-confirm");
  });

  it("does not keep the run waiting for its answer", async () => {
    const patience: Record<string, boolean | undefined> = {};
    await failing("deb1-tunnel", {
      outside: (target) => ((patience[target.address] = target.patient), noneAnswers(target)),
    });
    expect(patience).toMatchObject({ [deb1.ipv4]: false, "203.0.113.120": true });
  });

  it("is set up anew by the next run, once, and the others are not", async () => {
    const lines = (run: Run) =>
      ["deb1-hostctl", "deb1-free", "deb1-relay-end", "hel1-prepare"].map((name) =>
        String(run.one(COMMAND, name).inputs.create),
      );
    const first = await failing("deb1-free", { now: AT(0) });
    const second = await aStack({ proxies: ["hel1", deb1], now: AT(1), before: first.outputs });
    const third = await aStack({ proxies: ["hel1", deb1], now: AT(2), before: second.outputs });
    expect(second.errors).toEqual([]);
    const [was, is] = [lines(first), lines(second)];
    expect(is.map((line, i) => line !== was[i])).toEqual([true, true, true, false]);
    expect(is.slice(0, 3)).toEqual(
      Array.from({ length: 3 }, () => expect.stringContaining(AT(1).toISOString()) as string),
    );
    expect(lines(third)).toEqual(is);
  });

  it("has the same done for it when it was set up and did not work: a host may have been set back to an earlier day", async () => {
    const lines = (run: Run) =>
      ["deb1-hostctl", "deb1-tunnel", "deb1-relay-end", "relay-hostctl", "hel1-tunnel"].map((name) =>
        String(run.one(COMMAND, name).inputs.create),
      );
    const dead = (target: ProbeTarget) => (target.address === deb1.ipv4 ? noneAnswers(target) : allAnswer(target));
    const first = await aStack({ proxies: ["hel1", deb1], now: AT(0), outside: dead });
    const second = await aStack({ proxies: ["hel1", deb1], now: AT(1), before: first.outputs });
    const third = await aStack({ proxies: ["hel1", deb1], now: AT(2), before: second.outputs });
    const [was, is] = [lines(first), lines(second)];
    expect(is.map((line, i) => line !== was[i])).toEqual([true, true, true, true, false]);
    expect(second.one(COMMAND, "relay-prepare").inputs.create).not.toBe(
      first.one(COMMAND, "relay-prepare").inputs.create,
    );
    expect(lines(third)).toEqual(is);
  });

  it("shows in a preview what is going to be done, not what was held back", async () => {
    const first = await failing("deb1-free", { now: AT(0) });
    const run = await failing("deb1-free", { preview: true, before: first.outputs });
    expect(held(run)).toEqual([]);
  });

  it("is not spoken of while its machine does not answer, and is tried again when it does", async () => {
    const first = await failing("deb1-free", { now: AT(0) });
    const silent = await failing("deb1-free", { now: AT(1), before: first.outputs, silent: [deb1.ipv4] });
    expect(silent.errors.join()).not.toContain("deb1-free");
    expect(silent.outputs.lastRun).toMatchObject({ attempts: { failed: ["deb1"] } });
  });

  it("says as a warning what does not work meanwhile: it may have another cause", async () => {
    const run = await failing("deb1-admin-keys", { inside: "handshake 999999" });
    expect(run.warnings).toContainEqual(
      expect.stringContaining("deb1 (192.0.2.140): no WireGuard handshake from the relay"),
    );
  });

  it("keeps an address in the records that nobody could look at in this run", async () => {
    const own = "2001:db8:d000::10";
    const run = await failing("deb1-hostctl", {
      proxies: ["hel1", { ...deb1, ipv6: own }],
      outside: ({ address, ports }) =>
        ports.map((port) => ({ port, answer: address.includes(":") ? { kind: "notFromHere" } : { kind: "answered" } })),
      rrsets: [rrset("chat", "AAAA", [own], OURS)],
    });
    expect(values(run.one(RRSET, "mail-domain-AAAA"))).toContain(own);
  });

  it("has the relay's script wait, which holds the other end of what could not be brought in", async () => {
    const script = { relay: { setup: "script" } };
    const first = await aStack({ proxies: ["hel1", deb1], settings: script });
    const second = await failing("deb1-prepare", {
      settings: { ...script, tunnel: { keyGeneration: 2, port: 4500 } },
      before: first.outputs,
    });
    expect(second.warnings).toContainEqual(
      expect.stringContaining(
        "deb1 could not be set up, and may still have its old end of the tunnel, which the script would cut off. From this pulumi up until it has run there no mail passes through hel1, whose own end of the tunnel changes at once. If deb1 is soon mended, do that first, and run pulumi up again; if not, run the script: (umask",
      ),
    );
    const third = await aStack({
      proxies: ["hel1", deb1],
      settings: { ...script, tunnel: { keyGeneration: 2, port: 4500 } },
      before: second.outputs,
    });
    expect(third.warnings).toContainEqual(
      expect.stringContaining(
        "no mail passes through hel1, deb1, whose own end of the tunnel changes at once. Bring it there: (umask",
      ),
    );
  });

  it("is told of one as well that does not answer though it works: the script would cut it off, in later runs too", async () => {
    const settings = { relay: { setup: "script" } };
    const renewed = { ...settings, tunnel: { port: 4500 } };
    const first = await aStack({ proxies: ["hel1", deb1], settings });
    const second = await aStack({
      proxies: ["hel1", deb1],
      settings: renewed,
      before: first.outputs,
      silent: [deb1.ipv4],
    });
    const third = await aStack({ proxies: ["hel1", deb1], settings: renewed, before: second.outputs });
    expect(second.warnings).toContainEqual(
      expect.stringContaining(
        "deb1 could not be set up, and may still have its old end of the tunnel, which the script would cut off. From this pulumi up until it has run there no mail passes through hel1,",
      ),
    );
    expect(third.warnings).toContainEqual(
      expect.stringContaining(
        "no mail passes through hel1, deb1, whose own end of the tunnel changes at once. Bring it there",
      ),
    );
    const alone = await aStack({
      proxies: ["hel1", deb1],
      settings: { ...settings, ports: [25, 443] },
      before: first.outputs,
      silent: [deb1.ipv4],
    });
    expect(alone.warnings).toContainEqual(
      expect.stringContaining("until it has run again the relay keeps the tunnels that it has. Bring it there"),
    );
  });

  it("is no mere matter of a script that has yet to run on the relay", async () => {
    const run = await failing("deb1-prepare", { settings: { relay: { setup: "script" } }, inside: "handshake 999999" });
    expect(run.errors.join()).toContain("deb1: its set-up failed at deb1-prepare");
  });
});

describe("another way to the relay", () => {
  const lines = (run: Run) =>
    run.registered
      .filter(({ type, name }) => type === COMMAND && name.startsWith("hel1-"))
      .map(({ name, inputs }) => [name, inputs.create]);

  it("and back sets up anew what the first change cleared away, even if that run had faults", async () => {
    const first = await aStack({ now: AT(0) });
    const direct = {
      tunnel: "none",
      relay: { ssh: { host: "192.168.77.10", hostKey: deb1.ssh.hostKey }, ipv4: "198.51.100.7" },
    };
    const second = await aStack({
      settings: direct,
      before: first.outputs,
      now: AT(1),
      prints: { "hel1-admin-keys": `failed ${REASON}` },
    });
    const third = await aStack({ before: second.outputs, now: AT(2) });
    for (const name of ["hel1-keys", "hel1-tunnel", "hel1-relay-end"])
      expect([name, third.one(COMMAND, name).inputs.create]).toEqual([
        name,
        expect.stringContaining(AT(2).toISOString()),
      ]);
    expect(lines(await aStack({ before: third.outputs, now: AT(3) }))).toEqual(lines(third));
  });
});

describe("a relay on which our part cannot be brought up to date", () => {
  it("is told, and holds up neither what is there nor the records", async () => {
    const run = await aStack({
      prints: { "relay-prepare": "failed 2026-11-24T03:01:00Z apt-get update failed; see the lines above" },
    });
    expect(run.errors).toEqual([
      expect.stringContaining(
        "  - relay: its set-up failed at relay-prepare: apt-get update failed; see the lines above (at 2026-11-24T03:01:00Z)\n",
      ),
    ]);
    expect(held(run)).toEqual([
      "hel1-filter",
      "hel1-filter-confirm",
      "hel1-filter-in-force",
      "hel1-relay-end",
      "hel1-relay-end-keys",
      "hel1-tidy",
    ]);
    expect(run.outputs).toMatchObject({
      published: ["203.0.113.120", "2001:db8:c000:78::1"],
      lastRun: { looks: { unwell: ["relay"] } },
    });
  });

  it("is not touched for another plan's sake", async () => {
    const lines = (run: Run) => ["relay-hostctl", "relay-prepare"].map((name) => run.one(COMMAND, name).inputs.create);
    expect(lines(await aStack({ settings: { tunnel: { ipv4Range: "10.99.0.0/20" } } }))).toEqual(lines(await aStack()));
  });

  it("and that has lost it is told, where it had it before; else nothing is made before it has", async () => {
    const relayFacts = "failed chatmail-proxy is not on this machine any more";
    await expect(aStack({ relayFacts })).rejects.toThrow(
      "relay: its set-up failed at relay-facts: chatmail-proxy is not on this machine any more",
    );
    const run = await aStack({ relayFacts, before: (await aStack()).outputs });
    expect(run.errors).toEqual([
      expect.stringContaining(
        "  - relay: its set-up failed at relay-facts: chatmail-proxy is not on this machine any more\n",
      ),
    ]);
    expect(run.outputs).toMatchObject({
      published: ["203.0.113.120", "2001:db8:c000:78::1"],
      lastRun: { looks: { unwell: ["relay"] } },
    });
  });
});

describe("a relay that does not answer", () => {
  it("keeps the proxies' ends of the tunnels, and what redirects into them, as they are too", async () => {
    const before = (await aStack()).outputs;
    const run = await aStack({ before, silent: ["192.168.77.10"], settings: { tunnel: { keyGeneration: 2 } } });
    for (const name of [
      "hel1-keys",
      "hel1-tunnel",
      "hel1-relay-end",
      "hel1-filter",
      "hel1-filter-confirm",
      "hel1-filter-in-force",
    ])
      expect([name, run.one(COMMAND, name).options.ignoreChanges]).toEqual([
        name,
        expect.arrayContaining(["create", "stdin"]),
      ]);
    expect(run.one(COMMAND, "hel1-admin-keys").options.ignoreChanges).toEqual([]);
    expect(run.registered.some(({ name }) => name === "relay-outbound")).toBe(false);
    // What stands before a bought host has to fit it.
    expect(run.one("hcloud:index/firewall:Firewall", "hel1-firewall").options.ignoreChanges).toEqual(["rules"]);
    expect((await aStack()).one("hcloud:index/firewall:Firewall", "hel1-firewall").options.ignoreChanges).toEqual([]);
  });

  it("gets no new proxy, whose tunnel would have no other end", async () => {
    const before = (await aStack()).outputs;
    await expect(aStack({ before, proxies: ["hel1", deb1], silent: ["192.168.77.10"] })).rejects.toThrow(
      "proxies[1]: deb1 is new, and the relay does not answer now",
    );
  });
});
