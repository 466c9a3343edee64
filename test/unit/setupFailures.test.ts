// A proxy whose set-up fails: a verdict on it alone, and tried again by the next run.
import { allAnswer, aStack, noneAnswers, OURS, rrset, type StackCase } from "./aStack";
import type { Registered, Run } from "./engine";
import { broughtBy, setIn } from "./hostsAfter";

const COMMAND = "command:remote:Command";
const RRSET = "hcloud:index/zoneRrset:ZoneRrset";
const REASON =
  "port 25 is in use on this host (by exim4), and a proxy forwards it to the relay: stop that service, or take the port out of ports";
const deb1 = { name: "deb1", host: "linux", ipv4: "192.0.2.140", ssh: { hostKey: `ssh-ed25519 ${"B".repeat(68)}` } };
const RELAY = "192.168.77.10";
const HEL1 = "203.0.113.120";

const failing = (name: string, rest: StackCase = {}) =>
  aStack({
    proxies: ["hel1", deb1],
    prints: { [name]: `failed ${REASON}` },
    outside: (target) => (target.address === deb1.ipv4 ? noneAnswers(target) : allAnswer(target)),
    ...rest,
  });
const values = (resource: Registered) => (resource.inputs.records as { value: string }[]).map(({ value }) => value);
/** Commands that run nothing, since what they need has failed or cannot be reached. */
const held = (run: Run) =>
  run.registered
    .filter(({ type, inputs }) => type === COMMAND && inputs.create === undefined)
    .map(({ name }) => name)
    .sort();
/** Sets that stay as they are on the host, whatever they are, by command. */
const kept = (run: Run, command: string) =>
  Object.entries(broughtBy(run.one(COMMAND, command)).sets).flatMap(([name, set]) => (set === "keep" ? [name] : []));
/** What is written, or confirmed. */
const written = (run: Run) => run.changed.filter((name) => /-(host|config|confirm|tunnels)$/.test(name));

describe("a proxy of which one document fails", () => {
  it("fails the run at its end, named with the document and its reason, and with nothing that merely follows from it", async () => {
    const run = await failing("deb1-config");
    expect(run.errors).toEqual([expect.stringContaining(`  - deb1: its set-up failed at deb1-config: ${REASON}\n`)]);
    expect(run.errors.join().match(/deb1/g)).toHaveLength(2);
  });

  it("holds back what builds on it there, and nothing else", async () => {
    expect(held(await failing("deb1-host"))).toEqual(["deb1-config", "deb1-confirm"]);
    expect(held(await failing("deb1-config"))).toEqual(["deb1-confirm"]);
    expect(held(await failing("deb1-confirm"))).toEqual([]);
  });

  it("names the host's own answer where that makes no sense", async () => {
    const run = await failing("deb1-host", { prints: { "deb1-host": "failed it ended without a word" } });
    expect(run.errors.join()).toContain("deb1: its set-up failed at deb1-host: it ended without a word");
  });

  it("keeps its old end of the tunnel on the relay where the new one on the proxy did not come in", async () => {
    const first = await aStack({ proxies: ["hel1", deb1] });
    const run = await failing("deb1-host", { after: first, settings: { tunnel: { keyGeneration: 2 } } });
    expect([kept(run, "relay-host"), kept(run, "relay-tunnels")]).toEqual([["keys-deb1"], ["tunnel-deb1"]]);
    expect(held(run)).toEqual(["deb1-config", "deb1-confirm"]);
    // The others' tunnels have new keys, on both ends.
    expect(setIn(run, "relay-host", "keys-hel1")).not.toBe(setIn(first, "relay-host", "keys-hel1"));
    const next = await aStack({ proxies: ["hel1", deb1], after: run, settings: { tunnel: { keyGeneration: 2 } } });
    expect([next.errors, kept(next, "relay-host"), kept(next, "relay-tunnels")]).toEqual([[], [], []]);
    expect(written(next)).toEqual(["deb1-config", "deb1-confirm", "deb1-host", "relay-host", "relay-tunnels"]);
  });

  it("whose end did not come in on the relay is led into no tunnel, and the others are", async () => {
    for (const [step, set] of [
      ["relay-host", "keys-deb1"],
      ["relay-tunnels", "tunnel-deb1"],
    ] as const) {
      const prints = { [step]: `failed ${set}: the disk is full` };
      const run = await failing("", { prints });
      expect([step, held(run)]).toEqual([step, ["deb1-config", "deb1-confirm"]]);
      expect([step, kept(run, "relay-tunnels")]).toEqual([step, step === "relay-host" ? ["tunnel-deb1"] : []]);
      expect(run.errors).toEqual([
        expect.stringContaining("  - deb1: its set-up failed at deb1-relay-end: the disk is full\n"),
      ]);
      const next = await aStack({ proxies: ["hel1", deb1], after: run });
      expect(next.errors).toEqual([]);
      expect(written(next)).toEqual([
        "deb1-config",
        "deb1-confirm",
        ...(step === "relay-host" ? [step] : []),
        "relay-tunnels",
      ]);
    }
  });

  it("leaves the records of those that work up to date", async () => {
    const run = await failing("deb1-config", { rrsets: [rrset("chat", "A", [deb1.ipv4, "198.51.100.77"], OURS)] });
    expect(values(run.one(RRSET, "mail-domain-A"))).toEqual(["203.0.113.120"]);
  });

  const answering = (rrsets: ReturnType<typeof rrset>[]) =>
    failing("deb1-confirm", {
      outside: ({ ports }) => ports.map((port) => ({ port, answer: { kind: "answered" } })),
      rrsets,
    });

  it("stays in the records while the relay answers there all the same", async () => {
    const run = await answering([rrset("chat", "A", [deb1.ipv4], OURS)]);
    expect(values(run.one(RRSET, "mail-domain-A"))).toContain(deb1.ipv4);
    expect(run.errors.join()).toContain("deb1-confirm");
  });

  it("does not come into the records while it fails: what answers there may be somebody else's mail server", async () => {
    expect(values((await answering([])).one(RRSET, "mail-domain-A"))).not.toContain(deb1.ipv4);
  });

  it("that answers by a family by which no other does takes no reason to keep that family in the records", async () => {
    const run = await aStack({
      proxies: ["hel1", { ...deb1, ipv6: "2001:db8::140" }],
      prints: { "deb1-confirm": `failed ${REASON}` },
      outside: (target) => (target.address.startsWith("2001:db8:c000:") ? noneAnswers(target) : allAnswer(target)),
      rrsets: [rrset("chat", "AAAA", ["2001:db8:c000:78::1"], OURS)],
    });
    expect(values(run.one(RRSET, "mail-domain-AAAA"))).toEqual(["2001:db8:c000:78::1"]);
  });

  it("is named with its step and reason in the stack's own page too, beside what it does for mail all the same", async () => {
    const works = await failing("deb1-confirm", { outside: allAnswer });
    expect(works.outputs.readme).toMatch(/\| deb1 \|.*\| set-up failed, works, (not )?published \|/);
    expect(works.outputs.readme).toContain(`## What is wrong\n- deb1: its set-up failed at deb1-confirm: ${REASON}\n`);
    const dead = await failing("deb1-config", { outside: noneAnswers });
    expect(dead.outputs.readme).toMatch(/\| deb1 \|.*\| set-up failed, does not work, not published \|/);
    expect(dead.outputs.readme).toMatch(/\n- hel1 \(203\.0\.113\.120\): .+\n/);
    expect((await aStack({ proxies: ["hel1", deb1] })).outputs.readme).not.toContain("What is wrong");
  });

  it("does not keep the run waiting for its answer", async () => {
    const patience: Record<string, number | undefined> = {};
    await failing("deb1-config", {
      outside: (target) => ((patience[target.address] = target.patience), noneAnswers(target)),
    });
    expect(patience).toMatchObject({ [deb1.ipv4]: 0, "203.0.113.120": 10_000 });
  });

  it.each(["deb1-host", "deb1-config", "deb1-confirm"])(
    "(%s) is written to by the next run, once, with what failed and what was held back, and the others are not",
    async (name) => {
      const first = await failing(name);
      const second = await aStack({ proxies: ["hel1", deb1], after: first });
      const third = await aStack({ proxies: ["hel1", deb1], after: second });
      expect(second.errors).toEqual([]);
      // A new proxy's end comes in whatever becomes of the proxy itself; that of one which is there waits for it.
      expect(written(second)).toEqual([
        "deb1-config",
        "deb1-confirm",
        ...(name === "deb1-host" ? [name, "relay-host", "relay-tunnels"] : []),
      ]);
      const { generation } = broughtBy(second.one(COMMAND, "deb1-config"));
      expect(generation).toBe(second.ranAt.toISOString());
      expect([third.changed, third.errors]).toEqual([[], []]);
    },
  );

  it("stays failed where it fails again, with the same words", async () => {
    const first = await failing("deb1-config");
    const second = await failing("deb1-config", { after: first });
    expect(second.errors).toEqual(first.errors);
    expect(written(second)).toEqual(["deb1-config"]);
  });

  it("is written to again where the host was set back to an earlier day, and has another document", async () => {
    const first = await aStack({ proxies: ["hel1", deb1] });
    const second = await aStack({ proxies: ["hel1", deb1], after: first, settings: { ports: [25, 443] } });
    const run = await aStack({
      proxies: ["hel1", deb1],
      after: second,
      seen: { [deb1.ipv4]: first.hosts[deb1.ipv4] ?? {} },
      settings: { ports: [25, 443] },
    });
    expect(written(run)).toEqual(["deb1-config", "deb1-confirm"]);
  });

  it("is left alone where all of it is there and mail does not get through: another run would change nothing", async () => {
    const first = await aStack({ proxies: ["hel1", deb1] });
    const dead = { proxies: ["hel1", deb1], outside: noneAnswers };
    const second = await aStack({ ...dead, after: first });
    expect([second.errors.length, written(second)]).toEqual([1, []]);
    expect(written(await aStack({ ...dead, after: second }))).toEqual([]);
  });

  it("shows in a preview what is going to be done, not what was held back", async () => {
    const first = await failing("deb1-config");
    const run = await failing("deb1-config", { preview: true, after: first });
    expect(held(run)).toEqual([]);
    expect(written(run)).toEqual(["deb1-config", "deb1-confirm"]);
    expect(run.warnings.join()).not.toContain("its set-up failed");
  });

  it("is not spoken of while its machine does not answer, and is tried again when it does", async () => {
    const first = await failing("deb1-config");
    const silent = await failing("deb1-config", { after: first, silent: [deb1.ipv4] });
    expect(silent.errors.join()).not.toContain("deb1-config");
    expect(written(silent)).toEqual([]);
    const third = await aStack({ proxies: ["hel1", deb1], after: silent });
    expect([third.errors, written(third)]).toEqual([[], ["deb1-config", "deb1-confirm"]]);
  });

  it("says as a warning what does not work meanwhile: it may have another cause", async () => {
    const run = await failing("deb1-confirm", {
      inside: "handshake 999999",
      seen: { [deb1.ipv4]: { view: ["handshake 999999"] } },
    });
    expect(run.warnings).toContainEqual(
      expect.stringContaining("deb1 (192.0.2.140): no WireGuard handshake from the relay"),
    );
  });

  it("keeps an address in the records that nobody could look at in this run", async () => {
    const own = "2001:db8:d000::10";
    const run = await failing("deb1-host", {
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
    const second = await failing("deb1-host", {
      settings: { ...script, tunnel: { keyGeneration: 2, port: 4500 } },
      after: first,
    });
    expect(second.warnings).toContainEqual(
      expect.stringContaining(
        "deb1 could not be set up, and may still have its old end of the tunnel, which the script would cut off. From this pulumi up until it has run there no mail passes through hel1, whose own end of the tunnel changes at once. If deb1 can soon be fixed, do that first, and run pulumi up again; if not, run the script: (umask",
      ),
    );
    const third = await aStack({
      proxies: ["hel1", deb1],
      settings: { ...script, tunnel: { keyGeneration: 2, port: 4500 } },
      after: second,
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
      after: first,
      silent: [deb1.ipv4],
    });
    const third = await aStack({ proxies: ["hel1", deb1], settings: renewed, after: second });
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
      after: first,
      silent: [deb1.ipv4],
    });
    expect(alone.warnings).toContainEqual(
      expect.stringContaining("until it has run again the relay keeps the tunnels that it has. Bring it there"),
    );
  });

  it("is no mere matter of a script that has yet to run on the relay", async () => {
    const run = await failing("deb1-host", { settings: { relay: { setup: "script" } }, inside: "handshake 999999" });
    expect(run.errors.join()).toContain("deb1: its set-up failed at deb1-host");
  });
});

describe("a host that answers the look and dies before it is written to", () => {
  const DIED = "it has stopped answering since this run looked at it; run pulumi up again when it answers";
  const proxies = ["hel1", deb1];
  const change = { proxies, settings: { ports: [25, 443] } };
  const dead: StackCase["outside"] = (target) =>
    target.address === deb1.ipv4 ? noneAnswers(target) : allAnswer(target);

  it("(a proxy) is sent no command, which would end the run; the others go on, and the records lose it", async () => {
    const first = await aStack({ proxies });
    const rrsets = [rrset("chat", "A", [HEL1, deb1.ipv4], OURS)];
    const run = await aStack({ ...change, after: first, dying: [deb1.ipv4], outside: dead, rrsets });
    expect(held(run)).toEqual(["deb1-config", "deb1-confirm"]);
    expect(run.errors).toEqual([expect.stringContaining(`  - deb1: its set-up failed at deb1-config: ${DIED}\n`)]);
    expect(written(run)).toEqual(expect.arrayContaining(["hel1-config", "hel1-confirm", "relay-tunnels"]));
    expect(values(run.one(RRSET, "mail-domain-A"))).toEqual([HEL1]);
    const next = await aStack({ ...change, after: run });
    expect([next.errors, written(next)]).toEqual([[], ["deb1-config", "deb1-confirm"]]);
    expect((await aStack({ ...change, after: next })).changed).toEqual([]);
  });

  it("(the relay) is sent none either, and no proxy gets an end that does not fit", async () => {
    const first = await aStack({ proxies });
    const settings = { tunnel: { keyGeneration: 2 } };
    const run = await aStack({ proxies, settings, after: first, dying: [RELAY] });
    expect(run.errors).toEqual([expect.stringContaining(`  - relay: its set-up failed at relay-host: ${DIED}\n`)]);
    expect(run.outputs.readme).toContain(`- relay: its set-up failed at relay-host: ${DIED}\n`);
    expect(held(run)).toEqual([
      "deb1-config",
      "deb1-confirm",
      "hel1-config",
      "hel1-confirm",
      "relay-host",
      "relay-tunnels",
    ]);
    const next = await aStack({ proxies, settings, after: run });
    expect(next.errors).toEqual([]);
    expect((await aStack({ proxies, settings, after: next })).changed).toEqual([]);
  });

  it("is not asked where nothing is to be written, nor in a preview", async () => {
    const first = await aStack({ proxies });
    const dying = [RELAY, HEL1, deb1.ipv4];
    const run = await aStack({ proxies, after: first, dying });
    expect([run.errors, run.changed]).toEqual([[], []]);
    expect((await aStack({ ...change, after: first, dying, preview: true })).errors).toEqual([]);
  });
});

describe("another way to the relay", () => {
  it("and back brings in again what the first change cleared away, even if that run had faults", async () => {
    const first = await aStack();
    const direct = {
      tunnel: "none",
      relay: { ssh: { host: RELAY, hostKey: deb1.ssh.hostKey }, ipv4: "198.51.100.7" },
    };
    const second = await aStack({ settings: direct, after: first, prints: { "hel1-config": `failed ${REASON}` } });
    expect(second.errors).toHaveLength(1);
    // With the confirmation would go what no document names; the relay is cleared by the engine at the end of a run.
    const seen = { [RELAY]: { sets: {}, documents: {} } };
    const third = await aStack({ after: second, seen });
    expect(third.errors).toEqual([]);
    expect(written(third)).toEqual(["hel1-config", "hel1-confirm", "hel1-host", "relay-host", "relay-tunnels"]);
    expect(written(await aStack({ after: third }))).toEqual([]);
  });
});

describe("a relay on which our part cannot be brought up to date", () => {
  it("is told once, and holds up neither what is there nor the records", async () => {
    const run = await aStack({ prints: { "relay-host": "failed apt-get update failed; see the lines above" } });
    expect(run.errors).toEqual([
      expect.stringContaining(
        "  - relay: its set-up failed at relay-host: apt-get update failed; see the lines above\n",
      ),
    ]);
    expect(run.errors.join()).not.toContain("hel1: its set-up failed");
    expect(held(run)).toEqual(["hel1-config", "hel1-confirm", "relay-tunnels"]);
    expect(run.outputs).toMatchObject({ published: [HEL1, "2001:db8:c000:78::1"] });
    const next = await aStack({ after: run });
    expect([next.errors, written(next)]).toEqual([[], ["hel1-config", "hel1-confirm", "relay-host", "relay-tunnels"]]);
  });

  it("is asked about it in a preview as it stands, and shows what is going to be done", async () => {
    const first = await aStack({ prints: { "relay-tunnels": "failed tunnel-hel1: the disk is full" } });
    const run = await aStack({ after: first, preview: true });
    expect(written(run)).toEqual(["hel1-config", "hel1-confirm", "relay-tunnels"]);
    expect(held(run)).toEqual([]);
    expect(run.warnings.join()).not.toContain("its set-up failed");
  });

  it("is not touched for another plan's sake, but for the tunnels themselves", async () => {
    const { head, sets } = broughtBy((await aStack()).one(COMMAND, "relay-host"));
    const other = broughtBy(
      (await aStack({ settings: { tunnel: { ipv4Range: "10.99.0.0/20" } } })).one(COMMAND, "relay-host"),
    );
    expect([other.head, other.sets]).toEqual([head, sets]);
  });

  it("and that has lost it gets it again, which is told", async () => {
    const after = await aStack();
    const run = await aStack({ after, seen: { [RELAY]: { sets: {}, documents: {} } } });
    expect([run.errors, written(run)]).toEqual([[], ["relay-host", "relay-tunnels"]]);
    expect(run.warnings).toContainEqual(
      expect.stringMatching(/^relay: not as it was brought in .*This run puts it back\.$/),
    );
  });
});

describe("a relay that cannot be reached at the first contact", () => {
  const reason = "it refuses the login as root (publickey)";
  const answers: StackCase["answers"] = { [RELAY]: { reachable: false, why: "login", reason } };

  it("has nothing made before it can be, which a preview warns of", async () => {
    await expect(aStack({ answers })).rejects.toThrow(`relay: ${RELAY} cannot be reached by SSH from here: ${reason}`);
    const preview = await aStack({ answers, preview: true });
    expect(preview.errors).toEqual([]);
    expect(preview.warnings).toContain(
      `relay: ${RELAY} cannot be reached by SSH from here: ${reason}. pulumi up will make nothing before it can.`,
    );
    await expect(aStack({ silent: [RELAY] })).rejects.toThrow("nothing answers within 10 s");
  });

  it("is one as well where the proxies have done without it until now", async () => {
    const after = await aStack({ settings: { relay: { setup: "script" } } });
    await expect(aStack({ after, answers })).rejects.toThrow("cannot be reached by SSH from here");
  });
});

describe("a relay that does not answer", () => {
  it("keeps the proxies' ends of the tunnels, and what redirects into them, as they are too; the rest comes in", async () => {
    const after = await aStack();
    const settings = { tunnel: { keyGeneration: 2 }, ports: [25, 443], adminKeys: [deb1.ssh.hostKey] };
    const run = await aStack({ after, silent: [RELAY], settings });
    expect(run.errors).toEqual([]);
    expect([kept(run, "hel1-host"), kept(run, "hel1-config")]).toEqual([["tunnel-keys"], ["tunnel", "filter"]]);
    expect(broughtBy(run.one(COMMAND, "hel1-config")).head).toEqual(["admin-keys", `admin-key ${deb1.ssh.hostKey}`]);
    expect(setIn(run, "hel1-config", "upgrades")).toBe(setIn(after, "hel1-config", "upgrades"));
    expect(written(run)).toEqual(["hel1-config", "hel1-confirm", "hel1-host"]);
    for (const name of ["relay-host", "relay-tunnels"]) {
      const { inputs, options } = run.one(COMMAND, name);
      expect([name, inputs.create, options.ignoreChanges]).toEqual([
        name,
        undefined,
        expect.arrayContaining(["create", "stdin", "connection"]),
      ]);
    }
    // What stands before a bought host has to fit it.
    expect(run.one("hcloud:index/firewall:Firewall", "hel1-firewall").options.ignoreChanges).toEqual(["rules"]);
    expect((await aStack()).one("hcloud:index/firewall:Firewall", "hel1-firewall").options.ignoreChanges).toEqual([]);
    // And when it answers again, all of it comes in, on both ends.
    const next = await aStack({ after: run, settings });
    expect([kept(next, "hel1-host"), kept(next, "hel1-config")]).toEqual([[], []]);
    expect([next.errors, written(next)]).toEqual([
      [],
      ["hel1-config", "hel1-confirm", "hel1-host", "relay-host", "relay-tunnels"],
    ]);
  });

  it("is no reason to write anything where nothing changes", async () => {
    const after = await aStack();
    for (const preview of [true, false]) {
      const run = await aStack({ after, silent: [RELAY], preview });
      expect([run.changed, run.errors]).toEqual([[], []]);
      expect(run.warnings).toContainEqual(expect.stringContaining(`The relay (${RELAY}) cannot be reached by SSH`));
      expect([kept(run, "hel1-host"), kept(run, "hel1-config")]).toEqual([[], []]);
    }
  });

  it.each([
    ["login", "it refuses the login as root (publickey)"],
    ["hostKey", "another host key is there (SHA256:x) than the one given"],
  ] as const)("(%s) though something answers there is a fault, with all the rest done", async (why, reason) => {
    const after = await aStack();
    const answers: StackCase["answers"] = { [RELAY]: { reachable: false, why, reason } };
    const run = await aStack({ after, answers });
    expect([run.changed, run.outputs.published]).toEqual([[], [HEL1, "2001:db8:c000:78::1"]]);
    expect(run.errors).toEqual([
      expect.stringContaining(
        `  - relay: its SSH cannot be used from here: ${reason}. Nothing was changed on it in this run\n`,
      ),
    ]);
    const preview = await aStack({ after, answers, preview: true });
    expect([preview.changed, preview.errors]).toEqual([[], []]);
    expect(preview.warnings.join()).toContain(`relay: its SSH cannot be used from here: ${reason}`);
  });

  it("gets no new proxy, whose tunnel would have no other end", async () => {
    const after = await aStack();
    await expect(aStack({ after, proxies: ["hel1", deb1], silent: [RELAY] })).rejects.toThrow(
      "proxies[1]: deb1 is new, and the relay does not answer now",
    );
  });
});
