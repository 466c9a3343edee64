// What a host says of itself, and what is made of it.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import {
  driftOf,
  generationOf,
  isInPlace,
  liveDigest,
  parseHostStatus,
  type HostStatus,
} from "../../../components/hosts/status";
import { sshKeyPair } from "../../../components/tunnel/keys";
import { allAnswer, aStack, BARE_STATUS, HOST_KEY, INSIDE, noneAnswers, type StackCase } from "../aStack";
import { broughtBy } from "../hostsAfter";

const OPERATOR = sshKeyPair("o".repeat(64), "the operator's", "me").privateKey;
const JSON_SH = readFileSync(join(__dirname, "../../../components/remote/host/json.sh"), "utf8");
const SHELLS = ["dash", "bash"];

describe.each(SHELLS)("text that %s writes as JSON", (shell) => {
  const asJson = (call: string, ...args: string[]) =>
    spawnSync(shell, ["-c", `LC_ALL=C; export LC_ALL; ${JSON_SH}\n${call}`, "-", ...args], { encoding: "utf8" }).stdout;
  // What an argument can hold: all but NUL. A shell's $(…) takes newlines off the end, which is no part of the helper.
  const text = fc
    .string({ unit: "grapheme", maxLength: 40 })
    .map((any) => any.replaceAll("\0", "").replace(/\n+$/, ""));

  it("is read as the same text again", () => {
    fc.assert(
      fc.property(text, (any) => expect(JSON.parse(asJson('json_string "$1"', any))).toBe(any)),
      { numRuns: 60 },
    );
    for (const odd of [
      "",
      '"',
      "\\",
      "\\n",
      'a "b" \\ c',
      "a\nb",
      "\n",
      "\t\r\u0001\u001b[0m\u007f",
      "%s%d",
      "-n",
      "$(id) `id` $HOME",
      "ü€😀",
    ])
      expect(JSON.parse(asJson('json_string "$1"', odd))).toBe(odd.replace(/\n+$/, ""));
  });

  it("is a list of its lines", () => {
    const line = text.map((any) => any.replaceAll("\n", "")).filter((any) => any !== "");
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), (lines) =>
        expect(
          JSON.parse(asJson('[ $# = 0 ] || printf "%s\\n" "$@" | json_list; [ $# != 0 ] || : | json_list', ...lines)),
        ).toEqual(lines),
      ),
      { numRuns: 40 },
    );
  });
});

const well: HostStatus = {
  ...BARE_STATUS,
  owner: "chatmail-proxy/test/hel1",
  sets: { filter: { state: "confirmed", digest: "aa", drift: [] } },
  documents: { config: { digest: "dd", generation: "g1", state: "confirmed" } },
};

describe("a host's answer", () => {
  it("is read as it is", () => expect(parseHostStatus(`\n${JSON.stringify(well)}\n`)).toEqual(well));

  it.each([
    ["", "hostctl said nothing"],
    ["Last login: Mon", `hostctl's answer is no JSON (it begins with "Last login: Mon")`],
    [JSON.stringify({ ...well, sets: undefined }), "hostctl's answer lacks something (sets)"],
    [JSON.stringify({ ...well, version: 1 }), "hostctl's answer lacks something (version)"],
  ])("is refused where it is %j", (text, why) => expect(() => parseHostStatus(text)).toThrow(why));
});

describe("what differs on a host", () => {
  it("is nothing where all is as it was brought in", () => expect(driftOf(well, ["filter"])).toEqual([]));

  it("is each thing that the host names, in the order given, and sets that were never brought in completely", () => {
    const sets = {
      filter: { state: "reverted", digest: "aa", drift: ["a"] },
      tunnel: { state: "installing", digest: "bb", drift: ["b", "c"] },
      other: { state: "confirmed", digest: "cc", drift: ["not ours to speak of"] },
    };
    expect(driftOf({ drift: ["its hostctl is another"], sets }, ["filter", "tunnel", "upgrades"])).toEqual([
      "its hostctl is another",
      'the set "filter" was taken back, since nobody confirmed it',
      "a",
      'the set "tunnel" was not brought in completely',
      "b",
      "c",
      'the set "upgrades" is not there any more',
    ]);
  });

  it("is all where the machine was set up again", () => {
    expect(driftOf({ ...well, sets: {} }, ["filter"])).toEqual(["nothing of chatmail-proxy is there any more"]);
    expect(driftOf({ ...well, sets: {} }, [])).toEqual([]);
  });
});

describe("the generation of a document", () => {
  const of = (there: HostStatus | undefined, digest = "dd", toConfirm = false) =>
    generationOf({ name: "config", sets: ["filter"], digest, toConfirm }, there, "new");
  const state = (word: string) => ({ config: { digest: "dd", generation: "g1", state: word } });
  const filter = (set: Partial<HostStatus["sets"][string]>) => ({
    filter: { state: "confirmed", digest: "aa", drift: [], ...set },
  });

  it("is that of the host where it has the document, and nothing of it differs", () => {
    expect(of(well)).toBe("g1");
    expect(of({ ...well, documents: state("applied") })).toBe("g1");
    expect(of({ ...well, sets: { ...well.sets, other: { state: "reverted", digest: "", drift: ["x"] } } })).toBe("g1");
  });

  it.each<[string, HostStatus | undefined, string?]>([
    ["the host was not asked", undefined],
    ["another document is wanted", well, "ee"],
    ["it has none of this name: it failed, or the machine was reset", { ...well, documents: {} }],
    ["nobody has confirmed it", { ...well, documents: state("armed") }],
    ["a set of it is gone", { ...well, sets: {} }],
    ["a set of it was taken back", { ...well, sets: filter({ state: "reverted" }) }],
    ["a set of it differs", { ...well, sets: filter({ drift: ["the table is another"] }) }],
    ["our own part of the host differs", { ...well, drift: ["its hostctl is another"] }],
  ])("is a new one where %s", (...[, there, digest]) => expect(of(there, digest)).toBe("new"));

  it("is a new one where it is to be confirmed and was not, though its rules were in force before", () => {
    expect([of(well, "dd", true), of({ ...well, documents: state("applied") }, "dd", true)]).toEqual(["g1", "new"]);
  });

  it("looks at a set alone where that is asked", () => {
    expect([liveDigest(well, "filter"), liveDigest(well, "tunnel"), liveDigest(undefined, "filter")]).toEqual([
      "aa",
      undefined,
      undefined,
    ]);
    expect(liveDigest({ ...well, sets: filter({ state: "armed" }) }, "filter")).toBeUndefined();
    expect([
      isInPlace(well, "filter", "aa"),
      isInPlace(well, "filter", "bb"),
      isInPlace({ ...well, sets: filter({ drift: ["x"] }) }, "filter", "aa"),
      isInPlace(undefined, "filter", "aa"),
    ]).toEqual([true, false, false, false]);
  });
});

describe("a run", () => {
  const COMMAND = "command:remote:Command";
  const RELAY = "192.168.77.10";
  const HEL1 = "203.0.113.120";
  const told = (run: { readonly warnings: readonly string[] }) =>
    run.warnings.filter((line) => line.includes("brought in"));
  const commands = (changed: readonly string[]) =>
    changed.filter((name) => /-(host|config|confirm|tunnels)$/.test(name));
  /** What a host says after a run, with a set of it that differs. */
  const drifted = (run: Awaited<ReturnType<typeof aStack>>, host: string, set: string, drift: string) => {
    const { sets } = run.hosts[host] as Pick<HostStatus, "sets">;
    const found = sets[set] as HostStatus["sets"][string];
    return { [host]: { sets: { ...sets, [set]: { ...found, drift: [drift] } } } };
  };

  it("on hosts that all have it registers the same inputs as the run before: 25 h later too, and in a preview", async () => {
    const proxies = ["hel1", { name: "deb1", host: "linux", ipv4: "198.51.100.130", ssh: { hostKey: HOST_KEY } }];
    const first = await aStack({ proxies });
    const inputs = (run: typeof first) =>
      Object.fromEntries(run.registered.map(({ type, name, inputs: each }) => [`${type} ${name}`, each]));
    for (const preview of [false, true]) {
      const run = await aStack({ proxies, after: first, preview });
      expect(run.ranAt.getTime() - first.ranAt.getTime()).toBe(25 * 3600 * 1000);
      expect([run.errors, run.changed, told(run)]).toEqual([[], [], []]);
      expect(inputs(run)).toEqual(inputs(first));
    }
  });

  it.each([true, false])(
    "names what differs on a proxy, and writes that document again and no other (preview: %s)",
    async (preview) => {
      const after = await aStack();
      const seen = drifted(after, HEL1, "filter", "the table inet chatmail_proxy is not the one that was loaded");
      const run = await aStack({ after, seen, preview });
      expect(told(run)).toEqual([
        `hel1: not as it was brought in (the table inet chatmail_proxy is not the one that was loaded). ${preview ? "pulumi up puts it back" : "This run puts it back"}.`,
      ]);
      expect(commands(run.changed)).toEqual(["hel1-config", "hel1-confirm"]);
      const [was, is] = [after, run].map((each) => broughtBy(each.one(COMMAND, "hel1-config")));
      expect(is).toEqual({ ...was, generation: run.ranAt.toISOString() });
      const next = await aStack(preview ? { after, seen } : { after: run });
      expect(commands(next.changed)).toEqual(preview ? ["hel1-config", "hel1-confirm"] : []);
    },
  );

  it("names what differs at a tunnel's end on the relay, and writes that document again and no other", async () => {
    const after = await aStack({ proxies: ["hel1", "ash1"] });
    const seen = drifted(after, RELAY, "tunnel-hel1", "wg-hel1 knows another peer than the one that was set");
    const others = { ...seen[RELAY]?.sets, "tunnel-other": { state: "confirmed", digest: "aa", drift: ["not ours"] } };
    const run = await aStack({ proxies: ["hel1", "ash1"], after, seen: { [RELAY]: { sets: others } } });
    expect(told(run)).toEqual([
      "relay: not as it was brought in (wg-hel1 knows another peer than the one that was set). This run puts it back.",
    ]);
    expect(commands(run.changed)).toEqual(["relay-tunnels"]);
  });

  it("writes all of a machine again that was reset, and nothing else", async () => {
    const after = await aStack({ proxies: ["hel1", "ash1"] });
    const run = await aStack({ proxies: ["hel1", "ash1"], after, seen: { [HEL1]: { sets: {}, documents: {} } } });
    expect(told(run)).toEqual([
      "hel1: not as it was brought in (nothing of chatmail-proxy is there any more). This run puts it back.",
    ]);
    expect(commands(run.changed)).toEqual(["hel1-config", "hel1-confirm", "hel1-host"]);
  });

  it("shows in a preview just what an update then writes", async () => {
    const proxies = ["hel1", "ash1"];
    const after = await aStack({ proxies });
    const cases: StackCase[] = [
      { seen: { [HEL1]: { drift: ["its hostctl is another one"] } } },
      { seen: drifted(after, HEL1, "tunnel-keys", "a file is another") },
      { seen: drifted(after, RELAY, "keys-hel1", "a file is another") },
      { settings: { ports: [25, 443] } },
    ];
    for (const [i, each] of cases.entries()) {
      const [preview, update] = [
        await aStack({ proxies, after, ...each, preview: true }),
        await aStack({ proxies, after, ...each }),
      ];
      expect([i, commands(preview.changed)]).toEqual([i, commands(update.changed)]);
      expect(commands(update.changed)).not.toEqual([]);
    }
  });

  it("knows in a preview of one proxy more how the others are", async () => {
    const after = await aStack();
    const inside = `${INSIDE}\ntracked 105000 131072`;
    const run = await aStack({ proxies: ["hel1", "ash1"], after, preview: true, inside });
    expect(run.errors).toEqual([]);
    expect(run.warnings.join()).toContain("hel1 keeps track of 105000 connections");
    expect(commands(run.changed).filter((name) => name.startsWith("hel1"))).toEqual([]);
  });

  it("does not write what it only keeps: a host that cannot be reached yet is no reason to write to another", async () => {
    const deb1 = { name: "deb1", host: "linux", ipv4: "198.51.100.130", ssh: { hostKey: HOST_KEY } };
    const stack: StackCase = { proxies: ["hel1", deb1], silent: [deb1.ipv4] };
    const first = await aStack(stack);
    expect(broughtBy(first.one(COMMAND, "relay-tunnels")).sets).toMatchObject({ "tunnel-deb1": "keep" });
    for (const preview of [true, false])
      expect((await aStack({ ...stack, after: first, preview })).changed).toEqual([]);
    // Nor is it told as something that was there once.
    const second = await aStack({ ...stack, after: first });
    const third = await aStack({ ...stack, silent: [], after: second });
    expect([told(second), told(third), third.errors]).toEqual([[], [], []]);
    expect(commands(third.changed)).toEqual([
      "deb1-config",
      "deb1-confirm",
      "deb1-host",
      "relay-host",
      "relay-tunnels",
    ]);
  });

  it("takes what a machine said for nothing where another one takes its place", async () => {
    const after = await aStack();
    const old = after.servers.map((server) => ({ ...server, id: 4711 }));
    const run = await aStack({ after, servers: old });
    expect(commands(run.changed)).toEqual(["hel1-config", "hel1-confirm", "hel1-host"]);
  });

  it("brings hostctl again where that differs, and with it all documents of that host", async () => {
    const after = await aStack();
    const run = await aStack({ after, seen: { [HEL1]: { drift: ["its hostctl is another one"] } } });
    expect(told(run)).toEqual(["hel1: not as it was brought in (its hostctl is another one). This run puts it back."]);
    expect(commands(run.changed)).toEqual(["hel1-config", "hel1-confirm", "hel1-host"]);
  });

  it("asks with the key that the host lets in, by the host key that is pinned", async () => {
    const logins: unknown[][] = [];
    const deb1 = {
      name: "deb1",
      host: "linux",
      ipv4: "198.51.100.130",
      ssh: { hostKey: HOST_KEY, user: "admin", port: 2222 },
    };
    const stack = { proxies: ["hel1", deb1], settings: { relaySshKey: OPERATOR } };
    await aStack({
      ...stack,
      after: await aStack(stack),
      asked: (login, command, stdin) =>
        void logins.push([
          login.host,
          login.port,
          login.user,
          login.hostKey.slice(0, 15),
          login.privateKey?.trim() === OPERATOR.trim() ? "operator's key" : login.privateKey?.slice(0, 35),
          /^(sudo -n )?sh -c/.exec(command)?.[0],
          stdin.startsWith("#!/bin/sh\n") && stdin.endsWith("\n# end\n"),
        ]),
    });
    expect(logins.sort()).toEqual([
      [RELAY, 22, "root", "ssh-ed25519 AAA", "operator's key", "sh -c", true],
      ["198.51.100.130", 2222, "admin", "ssh-ed25519 AAA", "operator's key", "sudo -n sh -c", true],
      [HEL1, 22, "root", "ssh-ed25519 AAA", "-----BEGIN OPENSSH PRIVATE KEY-----", "sh -c", true],
    ]);
  });

  it("asks each host once, whatever its last run did, and none that is yet to be bought, or is given up", async () => {
    const deb1 = { name: "deb1", host: "linux", ipv4: "198.51.100.130", ssh: { hostKey: HOST_KEY } };
    const askedBy = async (stack: StackCase) => {
      const hosts: string[] = [];
      const run = await aStack({ ...stack, asked: ({ host }) => void hosts.push(host) });
      return { run, hosts: hosts.sort() };
    };
    const first = await askedBy({ proxies: ["hel1", deb1], prints: { "hel1-host": "failed no network" } });
    expect(first.hosts).toEqual([RELAY, deb1.ipv4]);
    const second = await askedBy({ proxies: ["hel1", deb1], after: first.run });
    expect(second.hosts).toEqual([RELAY, deb1.ipv4, HEL1]);
    expect((await askedBy({ proxies: ["hel1", { ...deb1, gone: true }], after: second.run })).hosts).toEqual([
      RELAY,
      HEL1,
    ]);
    // Of a server that was bought by a run which did not come to its end no host key is known: it is set up as a new one.
    const cut = await askedBy({ servers: first.run.servers });
    expect([cut.hosts, commands(cut.run.changed).length]).toEqual([[RELAY], 5]);
    const script = { relay: { setup: "script" } };
    expect((await askedBy({ proxies: ["hel1"], settings: script })).hosts).toEqual([]);
  });

  it("asks nobody twice who does not answer", async () => {
    const stack = { settings: { egress: "hel1" } };
    const after = await aStack(stack);
    for (const silent of [[RELAY], [HEL1], [RELAY, HEL1]]) {
      const hosts: string[] = [];
      await aStack({ ...stack, after, silent, outside: noneAnswers, asked: ({ host }) => void hosts.push(host) });
      expect([silent, hosts.sort()]).toEqual([silent, [RELAY, HEL1]]);
    }
  });

  it("goes on where a host's answer makes no sense, and says so", async () => {
    const after = await aStack();
    const run = await aStack({ after, seen: { [HEL1]: { version: 3 } as unknown as HostStatus }, outside: allAnswer });
    expect(run.errors.join()).toContain(
      "hel1 (203.0.113.120): its SSH cannot be used from here: hostctl's answer lacks something (version). Nothing was changed on it in this run",
    );
    expect(run.changed).toEqual([]);
  });
});
