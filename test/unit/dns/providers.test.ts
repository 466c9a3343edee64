// The program with each DNS provider: what it registers, and what the driver is told.
import type { OnDestroyJob, SetJob } from "../../../components/dns/driver/job";
import { runOperation } from "../../../components/dns/driver/run";
import { digestOf, markName, markText } from "../../../components/dns/marks";
import type { Lookup, LookupType } from "../../../components/dns/lookup";
import type { WorldView } from "../../../components/dns/worldView";
import { aStack, HOST_KEY, noneAnswers, OURS, rrset, type StackCase, INSIDE } from "../aStack";
import { UNKNOWN, type Registered, type Run } from "../engine";
import { TestCloudflare, TOKEN } from "./cloudflareApi";
import { KEY, TestNameServer } from "./nameServer";

const LOCAL = "command:local:Command";
const RRSET = "hcloud:index/zoneRrset:ZoneRrset";
const CHAT = "chat.example.org";
const RELAY = { ssh: { host: "192.168.77.10", hostKey: HOST_KEY }, ipv4: "198.51.100.20", ipv6: "2001:db8::20" };

type Registrations = Pick<Run, "registered">;
const rows = ({ registered }: Registrations, type: string) => registered.filter((resource) => resource.type === type);
/** What is done at a DNS provider from the operator's machine. */
const operations = (run: Registrations) =>
  rows(run, LOCAL).filter(({ inputs }) => !String(inputs.delete).startsWith("leave "));
const jobOf = <T = SetJob>({ inputs }: Registered) => JSON.parse(String(inputs.stdin)) as T;

let server: TestNameServer;
let cloudflare: TestCloudflare;
beforeEach(async () => {
  server = await new TestNameServer().start();
  cloudflare = await new TestCloudflare().start();
});
afterEach(async () => {
  await server.stop();
  await cloudflare.stop();
});

const rfc2136 = (more: object = {}) => ({
  zone: "example.org",
  provider: "rfc2136",
  server: "127.0.0.1",
  port: server.port,
  tsig: { name: KEY.name },
  ...more,
});
const atNameServer = ({ settings, ...stack }: StackCase = {}, dns: object = {}) =>
  aStack({ ...stack, settings: { dns: rfc2136(dns), dnsSecret: KEY.secret, ...settings } });
const atCloudflare = (stack: StackCase = {}) =>
  aStack({
    ...stack,
    settings: { dns: { zone: "example.org", provider: "cloudflare" }, dnsSecret: TOKEN, ...stack.settings },
    dns: { cloudflareApi: cloudflare.api, openLookup: () => Promise.reject(new Error("not here")) },
  });

describe("a zone at one's own name server", () => {
  it("is changed by a command for each set, which is no shell's and the same on every machine", async () => {
    const run = await atNameServer();
    expect(
      operations(run)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["hel1-A", "hel1-AAAA", "mail-domain-A", "mail-domain-AAAA", "mail-domain-farewell"]);
    const { inputs } = run.one(LOCAL, "mail-domain-A");
    expect(inputs).toMatchObject({
      interpreter: ["node", "--require", "./scripts/register.js", "components/dns/driver/main.ts"],
      create: `put ${CHAT} A 203.0.113.120 TTL 300`,
      delete: `drop ${CHAT} A`,
      triggers: ["example.org", CHAT, "A"],
      logging: "stderr",
      addPreviousOutputInEnv: false,
    });
    expect(inputs).not.toHaveProperty("dir");
    expect(inputs).not.toHaveProperty("update");
    expect(rows(run, RRSET)).toEqual([]);
    expect(run.errors).toEqual([]);
  });

  it("has its secret on stdin alone, which is secret", async () => {
    const run = await atNameServer({}, { onDestroy: "relay" }).catch(() => undefined);
    expect(run).toBeUndefined();
    const { registered } = await atNameServer({ settings: { relay: RELAY } }, { onDestroy: "relay" });
    const seen = registered.flatMap(({ name, inputs, secrets }) =>
      Object.entries(inputs).flatMap(([key, value]) =>
        JSON.stringify(value).includes(KEY.secret) ? [[name, key, secrets.includes(key)]] : [],
      ),
    );
    expect(seen.map(([name]) => name).sort()).toEqual([
      "hel1-A",
      "hel1-AAAA",
      "mail-domain-A",
      "mail-domain-AAAA",
      "mail-domain-farewell",
    ]);
    for (const each of seen) expect(each).toEqual([each[0], "stdin", true]);
    // What a preview is to show is no secret.
    for (const { secrets } of operations({ registered })) expect(secrets).toEqual(["stdin"]);
  });

  it("gets what the program wants when the driver does it, adopted or new, and nothing to do a second time", async () => {
    server.hold(`${CHAT} 3600 A 198.51.100.20`);
    const first = await atNameServer();
    for (const set of operations(first).filter(({ inputs }) => inputs.stdin))
      await runOperation({ verb: "put", job: jobOf(set) });
    expect(server.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.120`, `${CHAT} 300 AAAA 2001:db8:c000:78::1`]);
    expect(server.lines("hel1.proxy.example.org")).toHaveLength(2);
    // The second run gives the engine the same inputs.
    const stdin = (run: Run) => operations(run).map(({ name, inputs }) => [name, inputs.stdin]);
    expect(stdin(await atNameServer())).toEqual(stdin(first));
  });

  it("has a set put back that somebody changed by hand, or deleted", async () => {
    server.hold(`${markName(CHAT, "A")} 300 TXT ${markText("test", ["203.0.113.120"])}`);
    expect(jobOf((await atNameServer()).one(LOCAL, "mail-domain-A")).changedByHand).toEqual([]);
    server.hold(`${CHAT} 300 A 192.0.2.9`);
    expect(jobOf((await atNameServer()).one(LOCAL, "mail-domain-A")).changedByHand).toEqual(["192.0.2.9"]);
  });

  it("keeps what was published before when no proxy proves itself", async () => {
    server.hold(`${CHAT} 300 A 203.0.113.120`, `${markName(CHAT, "A")} 300 TXT ${markText("test", ["203.0.113.120"])}`);
    const run = await atNameServer({ outside: noneAnswers });
    expect(jobOf(run.one(LOCAL, "mail-domain-A")).values).toEqual(["203.0.113.120"]);
    expect(operations(run).some(({ name }) => name === "mail-domain-AAAA")).toBe(false);
  });

  it("is left alone where others made it and no proxy proves itself", async () => {
    server.hold(`${CHAT} 300 A 198.51.100.20`);
    const run = await atNameServer({ outside: noneAnswers });
    expect(operations(run).some(({ name }) => name === "mail-domain-A")).toBe(false);
  });

  it("is looked at for names that point at the old address, and for SPF", async () => {
    server.hold(
      `${CHAT} 300 A 198.51.100.20`,
      `mta-sts.${CHAT} 300 A 198.51.100.20`,
      `${CHAT} 300 TXT v=spf1 ip4:198.51.100.20 ~all`,
    );
    const run = await atNameServer();
    expect(run.warnings).toEqual([
      expect.stringContaining(`mta-sts.${CHAT} A 198.51.100.20 points at the mail domain's old address`),
    ]);
  });

  it.each<[string, WorldView, string]>([
    [
      "served by others, with another zone",
      {
        kind: "served",
        nameServers: ["ns7.example.net"],
        soas: [{ primary: "ns7.example.net", hostmaster: "dns.example.net" }],
      },
      "(other name servers answer for it, with another zone): what is changed there has no effect yet. The delegation names ns7.example.net now. At the registrar of example.org, set its name servers to ns1.example.org;",
    ],
    [
      "delegated to nobody",
      { kind: "undelegated", above: "org" },
      "(your resolver knows org, and no name servers of this zone in it): what is changed there has no effect yet. At the registrar",
    ],
    [
      "not answered for",
      { kind: "unanswered", above: "org" },
      "(your resolver knows org, and gets no answer for this zone: its name servers are silent, or its DNSSEC is broken): what",
    ],
    [
      "answered for by none of its name servers",
      { kind: "unanswered", above: "org", nameServers: ["ns7.example.net"] },
      "(none of its name servers answers, though those of org do): what is changed there has no effect yet. The delegation names ns7.example.net now.",
    ],
  ])("is told of in the preview where it is %s", async (_what, view, expected) => {
    const { warnings } = await aStack({
      preview: true,
      settings: { dns: rfc2136(), dnsSecret: KEY.secret },
      dns: { lookAtZone: () => Promise.resolve(view) },
    });
    expect(warnings).toEqual([
      expect.stringContaining(`DNS: the world does not ask the zone example.org at 127.0.0.1 ${expected}`),
    ]);
  });

  it.each<[string, WorldView | undefined]>([
    [
      "its secondaries stand in public under other names, with the same zone",
      {
        kind: "served",
        nameServers: ["ns7.example.net"],
        soas: [{ primary: "NS1.example.org", hostmaster: "dns.example.net" }],
      },
    ],
    [
      "the world asks its own name servers",
      { kind: "served", nameServers: ["ns1.example.org", "ns7.example.net"], soas: [] },
    ],
    ["other servers are named, and none is heard", { kind: "served", nameServers: ["ns7.example.net"], soas: [] }],
    ["nothing is seen from here", undefined],
  ])("is not talked about where %s", async (_what, view) => {
    expect(
      (
        await aStack({
          preview: true,
          settings: { dns: rfc2136(), dnsSecret: KEY.secret },
          dns: { lookAtZone: () => Promise.resolve(view) },
        })
      ).warnings,
    ).toEqual([]);
  });

  it("is found closed to us before anything is bought", async () => {
    server.whims = { updates: 5 };
    await expect(atNameServer()).rejects.toThrow("does not let the key chatmail-proxy change example.org");
  });

  it("is planned in a preview without knowing the addresses", async () => {
    const run = await atNameServer({ preview: true });
    expect(run.one(LOCAL, "mail-domain-A").inputs).toMatchObject({ create: UNKNOWN, delete: `drop ${CHAT} A` });
  });
});

describe("a zone at Cloudflare", () => {
  it("gets what the program wants when the driver does it, and nothing to do a second time", async () => {
    cloudflare.hold(CHAT, "A", "198.51.100.20", { proxied: true, ttl: 1 });
    const first = await atCloudflare();
    for (const set of operations(first).filter(({ inputs }) => inputs.stdin))
      await runOperation({ verb: "put", job: jobOf(set) });
    expect(cloudflare.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.120`, `${CHAT} 300 AAAA 2001:db8:c000:78::1`]);
    const stdin = (run: Run) => operations(run).map(({ name, inputs }) => [name, inputs.stdin]);
    expect(stdin(await atCloudflare())).toEqual(stdin(first));
    expect(first.errors).toEqual([]);
  });

  it("has its token on stdin alone, which is secret", async () => {
    const { registered } = await atCloudflare();
    const seen = registered.flatMap(({ name, inputs, secrets }) =>
      Object.entries(inputs).flatMap(([key, value]) =>
        JSON.stringify(value).includes(TOKEN) ? [[name, key, secrets.includes(key)]] : [],
      ),
    );
    expect(seen).toHaveLength(4);
    for (const each of seen) expect(each).toEqual([each[0], "stdin", true]);
  });

  it("keeps what was published before when no proxy proves itself", async () => {
    cloudflare.hold(CHAT, "A", "203.0.113.120");
    cloudflare.hold(markName(CHAT, "A"), "TXT", `"stack=test set=${digestOf(["203.0.113.120"])}"`);
    const run = await atCloudflare({ outside: noneAnswers });
    expect(jobOf(run.one(LOCAL, "mail-domain-A")).values).toEqual(["203.0.113.120"]);
  });

  it("is taken from behind Cloudflare's own proxy again", async () => {
    cloudflare.hold(CHAT, "A", "203.0.113.120", { proxied: true });
    cloudflare.hold(markName(CHAT, "A"), "TXT", `"stack=test set=${digestOf(["203.0.113.120"])}"`);
    const set = (await atCloudflare()).one(LOCAL, "mail-domain-A");
    // Another job than without, so that the engine runs it.
    expect(jobOf(set).changedByHand).toEqual(["203.0.113.120"]);
    await runOperation({ verb: "put", job: jobOf(set) });
    expect(cloudflare.lines(CHAT)).toEqual([`${CHAT} 300 A 203.0.113.120`]);
  });

  it.each([false, true])(
    "is told of where the world does not ask it, with the name servers to set (preview: %s)",
    async (preview) => {
      cloudflare.zone.status = "pending";
      expect((await atCloudflare({ preview })).warnings).toContainEqual(
        "DNS: the world does not ask the zone example.org at Cloudflare (pending): what is changed there has no effect yet. At the registrar of example.org, set its name servers to ns1.cloudflare.example, ns2.cloudflare.example; or name the provider that the world does ask in dns.provider.",
      );
    },
  );

  it("is found by its xn-- name, though Cloudflare lists it in letters beyond ASCII", async () => {
    cloudflare.zone.name = "bücher.example";
    cloudflare.hold("chat.bücher.example", "A", "198.51.100.20", { proxied: true, ttl: 1 });
    const mailDomain = "chat.xn--bcher-kva.example";
    const run = await atCloudflare({
      settings: { mailDomain, dns: { zone: "xn--bcher-kva.example", provider: "cloudflare" }, dnsSecret: TOKEN },
    });
    for (const set of operations(run).filter(({ inputs }) => inputs.stdin))
      await runOperation({ verb: "put", job: jobOf(set) });
    expect(cloudflare.lines().filter((line) => line.startsWith("chat."))).toEqual([
      `${mailDomain} 300 A 203.0.113.120`,
      `${mailDomain} 300 AAAA 2001:db8:c000:78::1`,
    ]);
  });

  it("is not opened with another token", async () => {
    await expect(atCloudflare({ settings: { dnsSecret: "x".repeat(40) } })).rejects.toThrow(
      "dns: Cloudflare refuses the token: Authentication error (10000).",
    );
  });
});

describe("a zone at Hetzner Cloud", () => {
  const ASSIGNED = ["hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com."];
  const delegation =
    (status: string, more: object = {}) =>
    () =>
      Promise.resolve({
        assigned: ASSIGNED,
        delegated: ["ns1.example.net."],
        status,
        checked: "2026-11-24T02:00:00Z",
        ...more,
      });

  it.each(["invalid", "lame", "unregistered"])(
    "is told of in the preview where the world does not ask it (%s)",
    async (status) => {
      const { warnings } = await aStack({ preview: true, dns: { hetznerDelegation: delegation(status) } });
      expect(warnings).toContainEqual(
        `DNS: the world does not ask the zone example.org at Hetzner Cloud (${status}, as Hetzner saw it on 2026-11-24T02:00:00Z): what is changed there has no effect yet. The delegation names ns1.example.net now. At the registrar of example.org, set its name servers to hydrogen.ns.hetzner.com, oxygen.ns.hetzner.com; or name the provider that the world does ask in dns.provider.`,
      );
    },
  );

  it.each(["valid", "partially-valid", "unknown", "something new"])(
    "is not talked about where Hetzner says %s",
    async (status) => {
      expect((await aStack({ preview: true, dns: { hetznerDelegation: delegation(status) } })).warnings).toEqual([]);
    },
  );

  it("is not talked about where it is delegated by now, and Hetzner has not seen it yet", async () => {
    const seen = { kind: "served", nameServers: ["oxygen.ns.hetzner.com"], soas: [] } as const;
    expect(
      (
        await aStack({
          preview: true,
          dns: { hetznerDelegation: delegation("invalid"), lookAtZone: () => Promise.resolve(seen) },
        })
      ).warnings,
    ).toEqual([]);
  });

  it.each(["chat", "@"])(
    "is refused where its own NS records give the mail domain away, and not for those of its top (%s)",
    async (name) => {
      const run = aStack({ rrsets: [rrset(name, "NS", ["ns1.example.net."])] });
      if (name === "@") expect((await run).errors).toEqual([]);
      else
        await expect(run).rejects.toThrow(
          `dns.zone: ${CHAT} is not in the zone example.org, but in ${CHAT}, which is a zone of its own: nobody asks example.org for it. Set dns.zone to ${CHAT}`,
        );
    },
  );

  it.each(["chat", "hel1.proxy"])(
    "whose %s is protected against changes is found so before anything is made",
    async (name) => {
      const run = aStack({ rrsets: [{ ...rrset(name, "A", ["198.51.100.20"]), changeProtection: true }] });
      await expect(run).rejects.toThrow(
        `dns: ${name}.example.org A in the zone example.org cannot be changed: change protection is switched on. Switch it off at Hetzner Cloud`,
      );
    },
  );

  it("may hold protected sets that are not ours to change", async () => {
    expect(
      (
        await aStack({
          rrsets: [
            { ...rrset("www", "A", ["198.51.100.20"]), changeProtection: true },
            { ...rrset("chat", "TXT", ['"v=spf1 a ~all"']), changeProtection: true },
          ],
        })
      ).errors,
    ).toEqual([]);
  });
});

const onlyIpv4: StackCase["outside"] = ({ address, ports }) =>
  ports.map((port) => ({ port, answer: { kind: address.includes(":") ? "silent" : "answered" } }));

describe("a destroy that leaves the relay's own addresses", () => {
  const onDestroy = (run: Run) => run.one(LOCAL, "mail-domain-farewell");

  it.each<[string, (onDestroy: string) => Promise<Run>]>([
    ["Hetzner Cloud", (onDestroy) => aStack({ settings: { relay: RELAY, dns: { zone: "example.org", onDestroy } } })],
    ["one's own name server", (onDestroy) => atNameServer({ settings: { relay: RELAY } }, { onDestroy })],
    [
      "Cloudflare",
      (onDestroy) =>
        atCloudflare({ settings: { relay: RELAY, dns: { zone: "example.org", provider: "cloudflare", onDestroy } } }),
    ],
  ])("at %s acts before the sets go, and can be switched on and off in place", async (_where, stack) => {
    const [on, off] = [onDestroy(await stack("relay")), onDestroy(await stack("delete"))];
    expect(on.inputs).toMatchObject({ create: `hold ${CHAT}`, delete: `restore ${CHAT}` });
    expect(on.dependsOn).toEqual(expect.arrayContaining(["mail-domain-A", "mail-domain-AAAA"]));
    expect(jobOf<OnDestroyJob>(on)).toMatchObject({
      name: CHAT,
      stack: "test",
      ttl: 300,
      unwanted: [],
      relay: { A: ["198.51.100.20"], AAAA: ["2001:db8::20"] },
    });
    expect(on.secrets).toEqual(["stdin"]);
    // Switched off it stays, and has nothing to run: a resource that left the program would run its last delete at once.
    expect(off.inputs).toEqual({ triggers: on.inputs.triggers });
  });

  it("keeps Hetzner's sets of the mail domain, and no others", async () => {
    const run = await aStack({ settings: { relay: RELAY, dns: { zone: "example.org", onDestroy: "relay" } } });
    expect(rows(run, RRSET).map(({ name, options }) => [name, options.retainOnDelete])).toEqual(
      expect.arrayContaining([
        ["hel1-A", false],
        ["hel1-AAAA", false],
        ["mail-domain-A", true],
        ["mail-domain-AAAA", true],
      ]),
    );
    const without = await aStack();
    expect(rows(without, RRSET).filter(({ options }) => options.retainOnDelete)).toEqual([]);
  });

  it("lets go of a family at Hetzner's that the relay does not offer any more, while the stack stays", async () => {
    const run = await aStack({
      outside: onlyIpv4,
      inside: INSIDE.replaceAll("6 open", "6 shut"),
      settings: { relay: RELAY, dns: { zone: "example.org", onDestroy: "relay" } },
      rrsets: [rrset("chat", "A", ["203.0.113.120"], OURS), rrset("chat", "AAAA", ["2001:db8:c000:78::1"], OURS)],
    });
    expect(rows(run, RRSET).some(({ name }) => name === "mail-domain-AAAA")).toBe(false);
    expect(jobOf<OnDestroyJob>(onDestroy(run)).unwanted).toEqual(["AAAA"]);
  });

  it("talks to the API that the provider talks to, with its token on stdin alone", async () => {
    const run = await aStack({
      settings: {
        relay: RELAY,
        dns: { zone: "example.org", onDestroy: "relay" },
        "hcloud:endpoint": "http://api.hetzner.cloud/v1",
      },
    });
    expect(jobOf<OnDestroyJob>(onDestroy(run)).access).toEqual({
      provider: "hetzner",
      zone: "example.org",
      api: "http://api.hetzner.cloud/v1",
      token: "t".repeat(64),
    });
    const { inputs, ...rest } = onDestroy(run);
    expect(JSON.stringify([rest, { ...inputs, stdin: "" }])).not.toContain("t".repeat(64));
  });
});

describe("a destroy that keeps the addresses", () => {
  it.each<[string, string, () => Promise<Run>]>([
    ["Hetzner Cloud", RRSET, () => aStack({ settings: { dns: { zone: "example.org", onDestroy: "keep" } } })],
    ["one's own name server", LOCAL, () => atNameServer({}, { onDestroy: "keep" })],
    [
      "Cloudflare",
      LOCAL,
      () => atCloudflare({ settings: { dns: { zone: "example.org", provider: "cloudflare", onDestroy: "keep" } } }),
    ],
  ])("at %s keeps the mail domain's sets, and no others", async (_where, type, stack) => {
    const run = await stack();
    const kept = Object.fromEntries(rows(run, type).map(({ name, options }) => [name, options.retainOnDelete]));
    expect(kept).toMatchObject({
      "hel1-A": false,
      "hel1-AAAA": false,
      "mail-domain-A": true,
      "mail-domain-AAAA": true,
    });
    // While the stack stands, what is not wanted goes; when it goes, nothing is run.
    const { create, delete: atTheEnd } = run.one(LOCAL, "mail-domain-farewell").inputs;
    expect([create, atTheEnd]).toEqual([`hold ${CHAT}`, undefined]);
  });

  it.each<[string, (stack: StackCase) => Promise<Run>]>([
    ["Hetzner Cloud", (stack) => aStack({ ...stack, settings: { dns: { zone: "example.org", onDestroy: "keep" } } })],
    ["one's own name server", (stack) => atNameServer(stack, { onDestroy: "keep" })],
  ])("at %s lets go of a family that no proxy has any more, while the stack stays", async (_where, stack) => {
    const run = await stack({
      outside: onlyIpv4,
      inside: INSIDE.replaceAll("6 open", "6 shut"),
      rrsets: [rrset("chat", "A", ["203.0.113.120"], OURS), rrset("chat", "AAAA", ["2001:db8:c000:78::1"], OURS)],
    });
    expect(jobOf<OnDestroyJob>(run.one(LOCAL, "mail-domain-farewell")).unwanted).toEqual(["AAAA"]);
  });
});

describe("a zone that the operator changes by hand", () => {
  const world = (live: Record<string, string[]>) => {
    const lookup: Lookup = (name, type) => Promise.resolve(live[`${name} ${type}`] ?? []);
    return { cloudflareApi: "http://127.0.0.1:9", openLookup: () => Promise.resolve(lookup) };
  };
  const byHand = (live: Record<string, string[]>, stack: StackCase = {}) =>
    aStack({
      ...stack,
      settings: { dns: { zone: "example.org", provider: "manual", ttl: 600 }, ...stack.settings },
      dns: { ...world(live), ...stack.dns },
    });
  const PROXY = {
    [`${CHAT} A`]: ["203.0.113.120"],
    [`${CHAT} AAAA`]: ["2001:DB8:C000:78:0::1"],
    "hel1.proxy.example.org A": ["203.0.113.120"],
    "hel1.proxy.example.org AAAA": ["2001:db8:c000:78::1"],
  };
  const SPF = { [`${CHAT} TXT`]: ["v=spf1 ip4:198.51.100.20 ~all"] };

  it("is told in lines of a zone file, with the TTL", async () => {
    const run = await byHand({});
    expect(run.outputs.zoneLines).toBe(
      [
        "chat.example.org. 600 IN A 203.0.113.120",
        "chat.example.org. 600 IN AAAA 2001:db8:c000:78::1",
        "hel1.proxy.example.org. 600 IN A 203.0.113.120",
        "hel1.proxy.example.org. 600 IN AAAA 2001:db8:c000:78::1",
        "",
      ].join("\n"),
    );
    expect([rows(run, RRSET), operations(run), run.errors]).toEqual([[], [], []]);
  });

  it("is compared with what is live, and every difference is told as the line to add or remove", async () => {
    const run = await byHand({ ...SPF, ...PROXY, [`${CHAT} A`]: ["198.51.100.20"] });
    expect(run.warnings).toEqual([
      "DNS: add to the zone: chat.example.org. 600 IN A 203.0.113.120",
      "DNS: remove from the zone: chat.example.org. IN A 198.51.100.20",
    ]);
  });

  it("is not talked about once all is live", async () =>
    expect((await byHand({ ...SPF, ...PROXY })).warnings).toEqual([]));

  it("keeps naming the only proxy, though it is to be drained", async () => {
    const run = await byHand(
      { ...SPF, ...PROXY },
      { proxies: [{ name: "hel1", host: "hetzner", location: "hel1", publish: false }] },
    );
    expect(run.warnings.join()).toContain("hel1 has publish: false, but stays in DNS");
    expect(run.outputs.zoneLines).toContain(`${CHAT}. 600 IN A 203.0.113.120\n`);
  });

  it("must not name a proxy any more when that is to go", async () => {
    const machine = (name: string, number: number) => ({
      name,
      host: "linux",
      ipv4: `192.0.2.${number}`,
      ssh: { hostKey: `${HOST_KEY.slice(0, -1)}${number % 10}` },
    });
    const live = (...values: string[]) => ({ ...SPF, [`${CHAT} A`]: values });
    const before = (await byHand(live("192.0.2.1", "192.0.2.2"), { proxies: [machine("vm1", 1), machine("vm2", 2)] }))
      .outputs;
    const one = { proxies: [machine("vm1", 1)], before };
    await expect(byHand(live("192.0.2.1", "192.0.2.2"), one)).rejects.toThrow(
      "proxies: without vm2, whose 192.0.2.2 is still published under chat.example.org: its clients could not connect any more. Put the entry back with publish: false",
    );
    expect((await byHand(live("192.0.2.1"), one)).errors).toEqual([]);
  });

  it("is never to hold what has not proved itself", async () => {
    const run = await byHand({ ...SPF, [`${CHAT} A`]: ["198.51.100.20"] }, { outside: noneAnswers });
    expect(run.outputs.zoneLines).not.toContain(`${CHAT}.`);
    expect(run.warnings.filter((warning) => warning.includes(` ${CHAT}.`))).toEqual([]);
  });

  it("is looked at for names that point at the old address", async () => {
    const run = await byHand({
      ...SPF,
      ...PROXY,
      [`${CHAT} A`]: ["198.51.100.20"],
      [`mta-sts.${CHAT} A`]: ["198.51.100.20"],
    });
    expect(run.warnings).toContainEqual(
      expect.stringContaining(`mta-sts.${CHAT} A 198.51.100.20 points at the mail domain's old address`),
    );
  });

  it("is not told to lose what a wildcard says, nor to adopt it, but what becomes of it", async () => {
    const lookup: Lookup = (name, type) =>
      Promise.resolve(
        name.endsWith("proxy.example.org")
          ? (PROXY[`${name} ${type}` as keyof typeof PROXY] ?? [])
          : type === "A"
            ? ["192.0.2.77"]
            : [],
      );
    const run = await aStack({
      settings: { dns: { zone: "example.org", provider: "manual", ttl: 600 } },
      dns: { ...world({}), openLookup: () => Promise.resolve(lookup) },
    });
    expect(run.warnings.filter((warning) => warning.startsWith("DNS:"))).toEqual([
      `DNS: add to the zone: ${CHAT}. 600 IN A 203.0.113.120`,
      `DNS: add to the zone: ${CHAT}. 600 IN AAAA 2001:db8:c000:78::1`,
      expect.stringContaining(
        `DNS: ${CHAT} is answered for by a wildcard above it (A 192.0.2.77), not by records of its own.`,
      ),
    ]);
    expect(run.warnings.join("\n")).not.toMatch(/still has|old address/);
  });

  it.each<[string, WorldView, string[]]>([
    [
      "none of its name servers answers",
      { kind: "unanswered", above: "org", nameServers: ["ns2.example.net", "ns1.example.net"] },
      [
        "DNS: none of the name servers of example.org (ns1.example.net, ns2.example.net) answers for it, though those of org do: what you change in it has no effect until they do. Is example.org delegated to your DNS provider, and served there?",
      ],
    ],
    ["they are not heard from here", { kind: "served", nameServers: ["ns1.example.net"], soas: [] }, []],
  ])("is told of in the preview where %s, and only then", async (_what, view, expected) => {
    const { warnings } = await byHand(
      {},
      { preview: true, dns: { ...world({}), lookAtZone: () => Promise.resolve(view) } },
    );
    expect(warnings).toEqual(expected);
  });

  it("is told of where the mail domain is in a zone of its own, which may be only one's own network's, and the run goes on", async () => {
    const asked: string[] = [];
    const run = await aStack({
      settings: { mailDomain: "a.chat.example.org", dns: { zone: "example.org", provider: "manual" } },
      dns: {
        ...world({}),
        findCut: (names) => (asked.push(...names), Promise.resolve(names.find((name) => name === CHAT))),
      },
    });
    expect(run.warnings).toContainEqual(
      expect.stringContaining(
        `DNS: as your resolver has it, a.chat.example.org is not in the zone example.org, but in ${CHAT}, which is a zone of its own: nobody asks example.org for it. Set dns.zone to ${CHAT}`,
      ),
    );
    expect(run.outputs.zoneLines).toContain("a.chat.example.org. 300 IN A 203.0.113.120\n");
    expect(asked).toEqual(["a.chat.example.org", CHAT]);
  });

  describe.each<[string, (values: Partial<Record<LookupType, string[]>>) => Record<string, string[]>, string, string]>([
    [
      "a wildcard",
      (values) => Object.fromEntries(Object.entries(values).map(([type, all]) => [`*.example.org ${type}`, all])),
      "is answered for by a wildcard above it",
      `It would be the first record of ${CHAT} itself, which then has no addresses from the wildcard any more: add its A and AAAA with it`,
    ],
    [
      "a CNAME",
      (values) => ({
        [`${CHAT} CNAME`]: ["home.example.org"],
        ...Object.fromEntries(Object.entries(values).map(([type, all]) => [`${CHAT} ${type}`, all])),
      }),
      `DNS: remove from the zone: ${CHAT}. IN CNAME home.example.org.`,
      `While ${CHAT} is a CNAME, the text belongs to the name that it leads to`,
    ],
  ])("where %s leads to the mail domain's addresses", (_what, leads, changed, place) => {
    const machine = (name: string, number: number) => ({
      name,
      host: "linux",
      ipv4: `192.0.2.${number}`,
      ssh: { hostKey: `${HOST_KEY.slice(0, -1)}${number % 10}` },
    });
    const VM1 = machine("vm1", 1);
    const VM2 = machine("vm2", 2);
    const PROXIES = { "vm1.proxy.example.org A": ["192.0.2.1"], "vm2.proxy.example.org A": ["192.0.2.2"] };
    const ledTo = (values: string[], stack: StackCase, text = "v=spf1 ip4:198.51.100.20 ~all") => {
      const live: Record<string, string[]> = { ...PROXIES, ...leads({ A: values, TXT: [text] }) };
      const there = (name: string) => Object.keys(live).some((key) => key.startsWith(`${name} `));
      const lookup: Lookup = (name, type) =>
        Promise.resolve(live[`${there(name) ? name : "*.example.org"} ${type}`] ?? []);
      return byHand({}, { ...stack, dns: { openLookup: () => Promise.resolve(lookup) } });
    };
    const BOTH = ["192.0.2.2", "192.0.2.1"];

    it.each([true, false])("has nothing to change where they are right (preview: %s)", async (preview) => {
      const run = await ledTo(BOTH, { preview, proxies: [VM1, VM2] });
      expect([run.warnings, run.errors]).toEqual([[], []]);
    });

    it("is told where a better text belongs, which would take its addresses away or can not stand there", async () => {
      const { warnings } = await ledTo(BOTH, { proxies: [VM1, VM2] }, "v=spf1 a ~all");
      expect(warnings).toEqual([expect.stringMatching(/^SPF: .*\(it says "v=spf1 a ~all"\)/)]);
      expect(warnings[0]).toContain(place);
    });

    it("must not lead to a proxy any more when that is to go", async () => {
      const before = (await ledTo(BOTH, { proxies: [VM1, VM2] })).outputs;
      await expect(ledTo(BOTH, { proxies: [VM1], before })).rejects.toThrow(
        "proxies: without vm2, whose 192.0.2.2 is still published under chat.example.org: its clients could not connect any more.",
      );
      expect((await ledTo(["192.0.2.1"], { proxies: [VM1], before })).errors).toEqual([]);
    });

    it("keeps them where no proxy proves itself", async () => {
      const run = await ledTo(BOTH, { proxies: [VM1, VM2], outside: noneAnswers });
      expect(run.outputs.published).toEqual(BOTH);
      expect(run.warnings.filter((warning) => warning.startsWith("DNS:"))).toEqual([]);
    });

    it("is told to change where they are others, and which texts go with them", async () => {
      const { warnings } = await ledTo(["198.51.100.20"], { proxies: [VM1] });
      expect(warnings).toContainEqual(`DNS: add to the zone: ${CHAT}. 600 IN A 192.0.2.1`);
      expect(warnings).toContainEqual(expect.stringContaining(changed));
      expect(warnings).toContainEqual(expect.stringContaining("(there is none)"));
      expect(warnings.join("\n")).not.toContain("still has");
    });
  });

  it("is looked at for names that point where a CNAME of the mail domain led", async () => {
    const run = await byHand({
      ...SPF,
      ...PROXY,
      [`${CHAT} CNAME`]: ["home.example.org"],
      [`${CHAT} A`]: ["198.51.100.20"],
      [`mta-sts.${CHAT} A`]: ["198.51.100.20"],
    });
    expect(run.warnings).toContainEqual(
      expect.stringContaining(`mta-sts.${CHAT} A 198.51.100.20 points at the mail domain's old address`),
    );
  });

  it("is not told to change names that are a CNAME of the mail domain already", async () => {
    const run = await byHand({
      ...SPF,
      ...PROXY,
      [`${CHAT} A`]: ["198.51.100.20"],
      [`www.${CHAT} CNAME`]: [CHAT],
      [`www.${CHAT} A`]: ["198.51.100.20"],
    });
    expect(run.warnings.join("\n")).not.toContain("www.");
  });

  it("is told of where it cannot be looked up, and the run goes on", async () => {
    const lookup: Lookup = (name) =>
      name === CHAT ? Promise.resolve([]) : Promise.reject(new Error(`${name} could not be looked up`));
    const run = await aStack({
      settings: { dns: { zone: "example.org", provider: "manual" } },
      dns: { cloudflareApi: "", openLookup: () => Promise.resolve(lookup) },
    });
    expect(run.warnings).toContain("hel1.proxy.example.org could not be looked up");
    expect(run.errors).toEqual([]);
  });

  it("is planned in a preview without a word about lines that nobody knows yet", async () =>
    expect((await byHand({}, { preview: true })).warnings).toEqual([]));
});
