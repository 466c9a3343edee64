// What a host says of itself, and what is made of it.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { driftOf, parseHostStatus, type HostStatus } from "../../../components/hosts/status";
import { sshKeyPair } from "../../../components/tunnel/keys";
import { aStack, HOST_KEY, type StackCase } from "../aStack";

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
  version: 1,
  owner: "chatmail-proxy/test/hel1",
  drift: [],
  sets: { filter: { state: "confirmed", digest: "aa", drift: [] } },
  healed: 0,
  lastHealed: "",
};

describe("a host's answer", () => {
  it("is read as it is", () => expect(parseHostStatus(`\n${JSON.stringify(well)}\n`)).toEqual(well));

  it.each([
    ["", "hostctl said nothing"],
    ["Last login: Mon", `hostctl's answer is no JSON (it begins with "Last login: Mon")`],
    [JSON.stringify({ ...well, sets: undefined }), "hostctl's answer lacks something (sets)"],
    [JSON.stringify({ ...well, version: 2 }), "hostctl's answer lacks something (version)"],
  ])("is refused where it is %j", (text, why) => expect(() => parseHostStatus(text)).toThrow(why));
});

describe("what differs on a host", () => {
  it("is nothing where all is as it was brought in", () => expect(driftOf(well, "proxy")).toEqual([]));

  it("is each thing that the host names, in the order of its sets, and sets that were never brought in to their end", () => {
    const sets = {
      filter: { state: "reverted", digest: "aa", drift: ["a"] },
      tunnel: { state: "installing", digest: "bb", drift: ["b", "c"] },
    };
    expect(driftOf({ ...well, sets }, "proxy")).toEqual([
      'the set "filter" was taken back, since nobody confirmed it',
      "a",
      'the set "tunnel" was not brought in to its end',
      "b",
      "c",
    ]);
  });

  it("is all where the machine was set up anew", () => {
    expect(driftOf({ ...well, owner: "", sets: {} }, "proxy")).toEqual([
      "nothing of chatmail-proxy is set up there any more",
    ]);
    expect(driftOf({ ...well, owner: "", sets: {} }, "relay")).toEqual([]);
  });
});

describe("a run", () => {
  const COMMAND = "command:remote:Command";
  const servers = [{ id: 1, name: "hel1", ipv4Address: "203.0.113.5", labels: { proxy: "hel1" } }];
  const RELAY = "192.168.77.10";
  const drifted = {
    ...well,
    sets: {
      filter: {
        state: "confirmed",
        digest: "aa",
        drift: ["the table inet chatmail_proxy is not the one that was loaded"],
      },
    },
  };
  const before = async () => (await aStack()).outputs;
  const later = async (stack: StackCase) =>
    aStack({ before: await before(), servers, now: new Date("2026-11-24T04:00:00Z"), ...stack });
  const commands = (run: Awaited<ReturnType<typeof later>>) =>
    Object.fromEntries(
      run.registered.filter(({ type }) => type === COMMAND).map(({ name, inputs }) => [name, inputs.create]),
    );

  it.each([true, false])(
    "names what differs on a proxy, and sets that proxy up again and no other (preview: %s)",
    async (preview) => {
      const same = await later({ preview, seen: { "203.0.113.5": well } });
      expect(same.warnings.filter((line) => /brought in/.test(line))).toEqual([]);
      const run = await later({ preview, seen: { "203.0.113.5": drifted } });
      expect(run.warnings).toContain(
        `hel1: not as it was brought in (the table inet chatmail_proxy is not the one that was loaded). ${preview ? "pulumi up puts it back" : "This run puts it back"}.`,
      );
      const [was, is] = [commands(same), commands(run)];
      expect(Object.keys(is).filter((name) => is[name] !== was[name] && !name.startsWith("hel1-"))).toEqual([]);
      expect(is["hel1-filter"]).not.toBe(was["hel1-filter"]);
    },
  );

  it("names what differs at a tunnel's end on the relay, and sets up both ends again", async () => {
    const end = (drift: string[]) => ({
      [RELAY]: {
        ...well,
        owner: "",
        sets: {
          "tunnel-hel1": { state: "confirmed", digest: "aa", drift },
          "tunnel-other": { state: "confirmed", digest: "aa", drift: ["not ours"] },
        },
      },
    });
    const same = await later({ seen: end([]) });
    expect(same.warnings.filter((line) => /brought in/.test(line))).toEqual([]);
    const run = await later({ seen: end(["wg-hel1 knows another peer than the one that was set"]) });
    expect(run.warnings).toContain(
      "relay: not as it was brought in (wg-hel1 knows another peer than the one that was set). This run puts it back.",
    );
    expect(commands(run)["hel1-relay-end"]).not.toBe(commands(same)["hel1-relay-end"]);
  });

  it("asks with the key that the host lets in, by the host key that is pinned", async () => {
    const logins: unknown[][] = [];
    const stack = {
      proxies: [
        "hel1",
        { name: "deb1", host: "linux", ipv4: "198.51.100.130", ssh: { hostKey: HOST_KEY, user: "admin", port: 2222 } },
      ],
      settings: { relaySshKey: OPERATOR },
    };
    const first = (await aStack(stack)).outputs;
    await aStack({
      ...stack,
      before: first,
      servers,
      asked: (login, become) =>
        void logins.push([
          login.host,
          login.port,
          login.user,
          login.hostKey.slice(0, 15),
          login.privateKey?.trim() === OPERATOR.trim() ? "operator's key" : login.privateKey?.slice(0, 35),
          become,
        ]),
    });
    expect(logins.sort()).toEqual([
      [RELAY, 22, "root", "ssh-ed25519 AAA", "operator's key", "root"],
      ["198.51.100.130", 2222, "admin", "ssh-ed25519 AAA", "operator's key", "sudo"],
      ["203.0.113.5", 22, "root", "ssh-ed25519 AAA", "-----BEGIN OPENSSH PRIVATE KEY-----", "root"],
    ]);
  });

  it("asks no host that was never set up, and none that is silent", async () => {
    const hosts: string[] = [];
    const asked = ({ host }: { readonly host: string }) => void hosts.push(host);
    await aStack({ servers, asked });
    await later({ silent: ["203.0.113.5"], asked });
    expect(hosts).toEqual([RELAY]);
  });

  it("goes on where a host's answer makes no sense, and says so", async () => {
    const run = await later({ seen: { "203.0.113.5": { version: 2 } as unknown as HostStatus } });
    expect(run.warnings).toContain(
      "hel1: whether it is as it was brought in is not known: hostctl's answer lacks something (version).",
    );
    expect(run.one(COMMAND, "hel1-filter")).toBeDefined();
  });

  it("asks no host that is given up, and none of which the set-up failed, which is done again anyhow", async () => {
    const hosts: string[] = [];
    const asked = ({ host }: { readonly host: string }) => void hosts.push(host);
    const deb1 = { name: "deb1", host: "linux", ipv4: "198.51.100.130", ssh: { hostKey: HOST_KEY } };
    const stack = { proxies: ["hel1", deb1], servers };
    const first = (await aStack({ ...stack, prints: { "hel1-prepare": "failed 2026-11-24T03:00:00Z no network" } }))
      .outputs;
    await aStack({ proxies: ["hel1", { ...deb1, gone: true }], servers, before: first, asked });
    expect(hosts).toEqual([RELAY]);
  });
});
