// What the program does with other hosts than bought ones, and with other ways than a tunnel to a relay over SSH.
import { allAnswer, aStack, HOST_KEY, INSIDE, noneAnswers, OURS, RELAY_FACTS, rrset, type StackCase } from "./aStack";
import type { ProbeTarget } from "../../components/health/probe";
import type { OutsideView } from "../../components/health/verdict";
import type { Registered, Run } from "./engine";
import { broughtBy, setIn } from "./hostsAfter";

const COMMAND = "command:remote:Command";
const RRSET = "hcloud:index/zoneRrset:ZoneRrset";

const hel1 = { name: "hel1", host: "hetzner", location: "hel1" };
const deb1 = {
  name: "deb1",
  host: "linux",
  ssh: { hostKey: HOST_KEY },
  ipv4: "198.51.100.130",
  ipv6: "2001:db8:d000::130",
};
const SSH = { host: "192.168.77.10", hostKey: HOST_KEY };

const commands = (run: Run, start = "") =>
  run.registered.filter(({ type, name }) => type === COMMAND && name.startsWith(start));
const text = (resource: Registered) => String(resource.inputs.stdin);
/** The lines of a document before its sets. */
const head = (run: Run, command: string) => broughtBy(run.one(COMMAND, command)).head;
const filter = (run: Run, proxy: string) => setIn(run, `${proxy}-config`, "filter");
const relayEnd = (run: Run, proxy: string) => setIn(run, "relay-tunnels", `tunnel-${proxy}`);
const values = (run: Run, name: string) =>
  (run.one(RRSET, name).inputs.records as { value: string }[]).map(({ value }) => value);
const has = (run: Run, name: string) => run.registered.some((resource) => resource.name === name);

describe("a proxy on an existing machine", () => {
  const proxies = [deb1];
  const operator = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";

  it("buys nothing, and publishes the addresses given", async () => {
    const run = await aStack({ proxies });
    expect(run.registered.filter(({ type }) => type.startsWith("hcloud") && type !== RRSET)).toEqual([]);
    expect(values(run, "deb1-A")).toEqual(["198.51.100.130"]);
    expect(values(run, "mail-domain-AAAA")).toEqual(["2001:db8:d000::130"]);
    expect(run.errors).toEqual([]);
  });

  it("is reached with the operator's key, or with one of its own, at the host key given", async () => {
    for (const settings of [{ relaySshKey: operator }, { hostSshKey: operator }] as Record<string, unknown>[]) {
      const run = await aStack({
        proxies,
        settings,
        secretKeys: ["hcloud:token", "chatmail-proxy:relaySshKey", "chatmail-proxy:hostSshKey"],
      });
      for (const { name, inputs, secrets } of commands(run, "deb1-")) {
        expect([name, inputs.connection]).toEqual([
          name,
          expect.objectContaining({ host: "198.51.100.130", user: "root", hostKey: HOST_KEY, privateKey: operator }),
        ]);
        expect(secrets.join()).toContain("connection");
      }
    }
  });

  it("gets back what was there before, when the proxy goes", async () => {
    const run = await aStack({ proxies });
    const { inputs, secrets } = run.one("command:local:Command", "deb1-leave");
    expect(inputs).toMatchObject({ delete: "leave deb1", triggers: [HOST_KEY] });
    expect(secrets).toContain("stdin");
    expect(JSON.parse(String(inputs.stdin))).toMatchObject({
      name: "deb1",
      login: { host: "198.51.100.130", port: 22, user: "root", hostKey: HOST_KEY },
      command: expect.stringContaining("hostctl uninstall chatmail-proxy/test/deb1") as string,
    });
    // All of it is taken back before that.
    expect(run.one(COMMAND, "deb1-host").dependsOn).toContain("deb1-leave");
    expect(has(await aStack(), "hel1-leave")).toBe(false);
  });

  it("keeps what others have on it: only what is ours is filtered, and its updates are not ours", async () => {
    const run = await aStack({ proxies });
    expect(filter(run, "deb1")).not.toContain("hook input");
    expect(filter(run, "deb1")).toContain("hook forward priority filter; policy accept;");
    expect(Object.keys(broughtBy(run.one(COMMAND, "deb1-config")).sets)).toEqual(["tunnel", "filter"]);
    const closed = await aStack({ proxies: [{ ...deb1, closed: true }] });
    expect(filter(closed, "deb1")).toContain("hook input priority filter; policy drop;");
  });

  it("gets no packages for updates that are its owner's business", async () => {
    expect(head(await aStack({ proxies }), "deb1-host")).not.toContain("package unattended-upgrades");
    expect(head(await aStack(), "hel1-host")).toContain("package unattended-upgrades");
  });

  it("is asked whether the ports are free: in the look, before any rule is loaded, and with the confirmation", async () => {
    const asked = async (settings: Record<string, unknown>) => {
      let request: string[] = [];
      const run = await aStack({
        proxies,
        settings,
        asked: ({ host }, command) => {
          if (host === "198.51.100.130") request = (/ status "([^"]*)"/.exec(command)?.[1] ?? "").split(";");
        },
      });
      return { run, request };
    };
    const { run, request } = await asked({});
    const free = [
      expect.stringMatching(/^free tunnel 51820 10\.213\.\S+ fd6d:\S+$/) as string,
      ...[25, 80, 143, 443, 465, 587, 993].map((port) => `free tcp ${port}`),
    ];
    for (const lines of [request, head(run, "deb1-config"), text(run.one(COMMAND, "deb1-confirm")).split("\n")])
      expect(lines.filter((line) => line.startsWith("free "))).toEqual(free);
    const udp = await asked({ udpPorts: [3478, "50000-50999"] });
    expect(head(udp.run, "deb1-config").slice(-2)).toEqual(["free udp 3478-3478", "free udp 50000-50999"]);
    expect(udp.request.slice(-2)).toEqual(["free udp 3478-3478", "free udp 50000-50999"]);
    // A server of ours serves nobody else.
    expect(JSON.stringify(commands(await aStack(), "hel1-"))).not.toMatch(/\nfree (tcp|udp|tunnel)/);
  });

  it("is told in a preview what of others is in the way, and fails at it in an up by itself", async () => {
    const conflicts = ["port 25 is in use on this host (by exim4)", "port 443 is in use on this host (by apache2)"];
    const redirected = ["port 25 is in use on this host (by nftables, table ip nat)"];
    const seen = { "198.51.100.130": { conflicts, redirected } };
    const preview = await aStack({ proxies, seen, preview: true });
    expect(preview.warnings).toEqual(
      expect.arrayContaining([...conflicts, ...redirected].map((each) => `deb1: ${each}.`)),
    );
    const run = await aStack({ proxies, seen, prints: { "deb1-config": `failed ${conflicts.join("; ")}` } });
    expect(run.errors.join()).toContain(`deb1: its set-up failed at deb1-config: ${conflicts.join("; ")}`);
    expect(run.warnings.join()).not.toContain("is in use");
  });

  it("may have one family alone, by which the relay then dials", async () => {
    const run = await aStack({
      proxies: [{ ...deb1, ipv4: undefined, ssh: { hostKey: HOST_KEY, host: "192.0.2.9" } }],
    });
    expect(values(run, "mail-domain-AAAA")).toEqual(["2001:db8:d000::130"]);
    expect(has(run, "mail-domain-A")).toBe(false);
    expect(has(run, "deb1-A")).toBe(false);
    expect(relayEnd(run, "deb1")).toContain("|Endpoint = [2001:db8:d000::130]:51820");
    expect(run.one(COMMAND, "deb1-host").inputs.connection).toMatchObject({ host: "192.0.2.9" });
  });

  it("has its interface given where it cannot be found", async () => {
    const run = await aStack({ proxies: [{ ...deb1, wan: ["ens3", "he-ipv6"] }] });
    expect(head(run, "deb1-host")).toContain("wan-of ens3 he-ipv6");
    expect(text(run.one(COMMAND, "deb1-confirm"))).toContain("\nwan-of ens3 he-ipv6\n");
  });

  it("that is lost permanently is asked nothing any more, not even when it leaves", async () => {
    const hosts: string[] = [];
    const run = await aStack({ proxies: [hel1, { ...deb1, gone: true }], asked: ({ host }) => void hosts.push(host) });
    expect(hosts).toEqual([SSH.host]);
    for (const { name, options, inputs } of commands(run, "deb1-"))
      expect([name, options.retainOnDelete, options.ignoreChanges, inputs.create]).toEqual([
        name,
        true,
        expect.arrayContaining(["create", "stdin", "connection"]),
        undefined,
      ]);
    expect(run.one("command:local:Command", "deb1-leave").options.retainOnDelete).toBe(true);
    expect(run.one("command:local:Command", "deb1-relay-end").options.retainOnDelete).toBe(false);
    expect(commands(run, "hel1-").some(({ options }) => options.retainOnDelete)).toBe(false);
  });
});

describe("a machine that is there and does not answer", () => {
  const stack: StackCase = {
    proxies: [hel1, deb1],
    silent: ["198.51.100.130"],
    outside: (target) =>
      target.address.startsWith("198.51.100") || target.address.startsWith("2001:db8:d000")
        ? noneAnswers(target)
        : allAnswer(target),
    rrsets: [rrset("chat", "A", ["198.51.100.130", "203.0.113.120"], OURS)],
  };

  it("has nothing run on it, so that the run goes on to take it out of the records, and fails by its name", async () => {
    const run = await aStack(stack);
    expect(commands(run, "deb1-")).toHaveLength(3);
    for (const { name, inputs, options } of commands(run, "deb1-"))
      expect([name, inputs.create, options.ignoreChanges, options.retainOnDelete]).toEqual([
        name,
        undefined,
        ["create", "stdin", "delete", "connection", "logging"],
        false,
      ]);
    expect(values(run, "mail-domain-A")).toEqual(["203.0.113.120"]);
    expect(run.errors).toEqual([
      expect.stringContaining("deb1 (198.51.100.130): neither the relay's ports nor the proxy's own SSH answer"),
    ]);
  });

  it("keeps its other end on the relay as well, lest the two no longer fit", async () => {
    const after = await aStack({ ...stack, silent: [], outside: allAnswer });
    const settings = { tunnel: { keyGeneration: 2 } };
    const run = await aStack({ ...stack, after, settings });
    for (const [command, set] of [
      ["relay-host", "keys"],
      ["relay-tunnels", "tunnel"],
    ] as const) {
      expect(broughtBy(run.one(COMMAND, command)).sets).toMatchObject({
        [`${set}-deb1`]: "keep",
        [`${set}-hel1`]: expect.anything() as unknown,
      });
      expect(Object.values(broughtBy(run.one(COMMAND, command)).sets).filter((each) => each === "keep")).toHaveLength(
        1,
      );
    }
    expect(run.changed.filter((name) => /^(deb1|hel1|relay)-(host|config|confirm|tunnels)$/.test(name))).toEqual([
      "hel1-config",
      "hel1-confirm",
      "hel1-host",
      "relay-host",
      "relay-tunnels",
    ]);
    // And comes in with the proxy's own, when that answers again.
    const next = await aStack({ ...stack, after: run, settings, silent: [], outside: allAnswer });
    expect(Object.values(broughtBy(next.one(COMMAND, "relay-host")).sets)).not.toContain("keep");
    expect(next.changed.filter((name) => /^(deb1|hel1|relay)-(host|config|confirm|tunnels)$/.test(name))).toEqual([
      "deb1-config",
      "deb1-confirm",
      "deb1-host",
      "relay-host",
      "relay-tunnels",
    ]);
    expect(next.errors).toEqual([]);
  });

  it("changes nothing at all on the relay where nothing else changes", async () => {
    const after = await aStack({ ...stack, silent: [], outside: allAnswer, rrsets: [] });
    const run = await aStack({ ...stack, after });
    expect(run.changed.filter((name) => !name.startsWith("mail-domain"))).toEqual([]);
    expect(Object.keys(broughtBy(run.one(COMMAND, "relay-tunnels")).sets)).toEqual(["tunnel-deb1", "tunnel-hel1"]);
  });

  it("is told even where mail gets through: what was to change on it has not changed", async () => {
    const run = await aStack({ ...stack, outside: allAnswer, rrsets: [] });
    expect(values(run, "mail-domain-A")).toHaveLength(2);
    expect(run.errors.join()).toContain("deb1 (198.51.100.130): its SSH does not answer from here");
  });

  it("keeps an address that nobody here can look at, if it works at its other one", async () => {
    const own = deb1.ipv6;
    const see =
      (ipv4: (target: ProbeTarget) => OutsideView) =>
      (target: ProbeTarget): OutsideView =>
        target.address === own
          ? target.ports.map((port) => ({ port, answer: { kind: "notFromHere" } }))
          : target.address.startsWith("198")
            ? ipv4(target)
            : allAnswer(target);
    const rrsets = [rrset("chat", "AAAA", [own], OURS)];
    const works = await aStack({ ...stack, outside: see(allAnswer), rrsets });
    expect(values(works, "mail-domain-AAAA")).toContain(own);
    const dead = await aStack({ ...stack, outside: see(noneAnswers), rrsets });
    expect(values(dead, "mail-domain-AAAA")).not.toContain(own);
  });

  it("leaves the other proxies' commands free to change", async () => {
    const run = await aStack(stack);
    expect(commands(run, "hel1-").some(({ options }) => options.ignoreChanges.length > 0)).toBe(false);
  });

  it("is found among bought servers too, by this stack's labels and the host key that the last run knew", async () => {
    const after = await aStack({ proxies: [hel1] });
    const run = await aStack({ ...stack, proxies: [hel1], after, silent: ["203.0.113.120"] });
    const { inputs, options } = run.one(COMMAND, "hel1-confirm");
    expect([inputs.create, options.ignoreChanges.includes("stdin")]).toEqual([undefined, true]);
    // A server that is made again is another machine, and set up in any case.
    expect(options.ignoreChanges).not.toContain("triggers");
    expect(run.changed.filter((name) => /^(hel1|relay)-/.test(name))).toEqual([]);
  });
});

describe("a machine that answers, and does not let us in", () => {
  const stack: StackCase = { proxies: [hel1, deb1] };
  const refuses = (why: "login" | "hostKey", reason: string): StackCase => ({
    ...stack,
    answers: { "198.51.100.130": { reachable: false, why, reason } },
  });

  it.each([
    ["login", "it refuses the login as root (publickey)"],
    ["hostKey", "it has another host key than ssh.hostKey says"],
  ] as const)("(%s) is named with the reason, in a preview too, and nothing runs on it", async (why, reason) => {
    const after = await aStack(stack);
    const run = await aStack({ ...refuses(why, reason), after });
    expect(run.errors).toEqual([
      expect.stringContaining(
        `deb1 (198.51.100.130): its SSH cannot be used from here: ${reason}. Nothing was changed on it in this run`,
      ),
    ]);
    expect(run.changed).toEqual([]);
    for (const { name, inputs } of commands(run, "deb1-")) expect([name, inputs.create]).toEqual([name, undefined]);
    // Its mail gets through: it stays in the records.
    expect(values(run, "mail-domain-A")).toContain("198.51.100.130");
    const preview = await aStack({ ...refuses(why, reason), after, preview: true });
    expect([preview.errors, preview.changed]).toEqual([[], []]);
    expect(preview.warnings.join()).toContain(`deb1 (198.51.100.130): its SSH cannot be used from here: ${reason}`);
  });

  it("is told before it was ever set up too, while the others are", async () => {
    const run = await aStack({ ...refuses("login", "it refuses the login as root (publickey)"), outside: allAnswer });
    expect(run.errors.join()).toContain(
      "deb1 (198.51.100.130): its SSH cannot be used from here: it refuses the login",
    );
    expect(commands(run, "hel1-").every(({ inputs }) => inputs.create !== undefined)).toBe(true);
    expect(broughtBy(run.one(COMMAND, "relay-tunnels")).sets).toMatchObject({ "tunnel-deb1": "keep" });
  });

  it("goes on where an answer makes no sense, and says so", async () => {
    const after = await aStack(stack);
    const run = await aStack({
      ...stack,
      after,
      answers: { "198.51.100.130": { reachable: true, status: 0, stdout: "This account is a menu.", stderr: "" } },
    });
    expect(run.errors.join()).toContain(
      "deb1 (198.51.100.130): its SSH cannot be used from here: its answer did not arrive",
    );
    expect(run.changed).toEqual([]);
  });
});

describe("a server that was just bought", () => {
  it("and never answers is named, with what to do, and holds up nobody else", async () => {
    const run = await aStack({ proxies: [hel1, deb1], boots: false });
    expect(run.errors).toEqual([
      expect.stringContaining(
        "  - hel1: its set-up failed at hel1-server: the new server's SSH (203.0.113.120, port 22) has not answered within 5 minutes. See its console at the provider; if it does not start, remove this proxy and add another\n",
      ),
    ]);
    expect(commands(run, "hel1-").map(({ inputs }) => inputs.create)).toEqual([undefined, undefined, undefined]);
    expect(commands(run, "deb1-").every(({ inputs }) => inputs.create !== undefined)).toBe(true);
    expect(run.outputs.lastRun).toMatchObject({ failed: ["hel1"] });
    const next = await aStack({ proxies: [hel1, deb1], after: run });
    expect(next.errors).toEqual([]);
    expect(commands(next, "hel1-").every(({ inputs }) => inputs.create !== undefined)).toBe(true);
    expect(next.changed.filter((name) => name.startsWith("deb1"))).toEqual([]);
  });

  it("is not waited for by a preview", async () => {
    expect((await aStack({ boots: false, preview: true })).warnings.join()).not.toContain("5 minutes");
  });
});

describe("direct forwarding", () => {
  const direct: StackCase = {
    settings: { tunnel: "none", relay: { ipv4: "198.51.100.7", ipv6: "2001:db8:5::7" } },
    inside: INSIDE.replace("handshake 3", "handshake none"),
  };

  it("needs neither tunnel nor keys, and nothing on the relay", async () => {
    const run = await aStack(direct);
    // Without a tunnel the host need not carry IPv6.
    expect(head(run, "hel1-host")).toEqual(
      expect.arrayContaining(["setup chatmail-proxy/test/hel1 direct", "package nftables"]),
    );
    expect(run.errors).toEqual([]);
    expect(
      run.registered.filter(({ name }) => /relay|tunnel|keys$|psk|preshared/.test(name)).map(({ name }) => name),
    ).toEqual([]);
    expect(broughtBy(run.one(COMMAND, "hel1-host")).sets).toEqual({});
    expect(filter(run, "hel1")).toContain("dnat ip6 to 2001:db8:5::7");
    expect(values(run, "mail-domain-A")).toEqual(["203.0.113.120"]);
  });

  it("opens no port for a tunnel, and takes away what an earlier one left on the host", async () => {
    const run = await aStack(direct);
    const rules = run.one("hcloud:index/firewall:Firewall", "hel1-firewall").inputs.rules as { protocol: string }[];
    expect(rules.some(({ protocol }) => protocol === "udp")).toBe(false);
    // What no document names goes with the confirmation.
    const sets = (of: Run) =>
      ["hel1-host", "hel1-config"].flatMap((name) => Object.keys(broughtBy(of.one(COMMAND, name)).sets));
    expect(sets(run)).toEqual(["upgrades", "filter"]);
    expect(sets(await aStack())).toEqual(["tunnel-keys", "upgrades", "tunnel", "filter"]);
    const changed = await aStack({ ...direct, after: await aStack() });
    expect(changed.changed).toEqual(expect.arrayContaining(["hel1-config", "hel1-confirm", "hel1-host"]));
  });

  it("warns that clients share an address, with the relay's own limit where it can be asked", async () => {
    expect((await aStack(direct)).warnings).toContainEqual(
      expect.stringContaining("Postfix then counts them as one client (50 on port 25 unless set otherwise)"),
    );
    const looks: string[] = [];
    const asked = await aStack({
      asked: ({ host }, command) => void (host === SSH.host && looks.push(command)),
      settings: { tunnel: "none", relay: { ssh: SSH, ipv4: "198.51.100.7" } },
      relayFacts: `${RELAY_FACTS}\npostfix smtpd_client_connection_count_limit 1000`,
    });
    expect(asked.warnings).toContainEqual(
      expect.stringContaining("smtpd_client_connection_count_limit = 1000 on this relay"),
    );
    // Asked, and nothing left there.
    expect(looks).toEqual([
      expect.stringContaining('( timeout 30 sh -s status "relay;outbound gmail-smtp-in.l.google.com" )'),
    ]);
    expect(asked.registered.filter(({ name }) => name.startsWith("relay-"))).toEqual([]);
  });

  it("tries the relay's own way out where it can be asked, and tells a fault of it as with a tunnel", async () => {
    const stack = (relay: Record<string, unknown>): StackCase => ({
      settings: { tunnel: "none", relay: { ssh: SSH, ipv4: "198.51.100.7", ...relay } },
    });
    const outbound = ["fault this relay cannot reach mx.example.net on port 25"];
    const looks: string[] = [];
    const asked: StackCase["asked"] = ({ host }, command) => void (host === SSH.host && looks.push(command));
    const run = await aStack({ ...stack({ outboundCheck: "mx.example.net" }), outbound, asked });
    expect(looks).toEqual([expect.stringContaining('sh -s status "relay;outbound mx.example.net" )')]);
    expect(run.errors).toEqual([
      expect.stringContaining("  - relay: this relay cannot reach mx.example.net on port 25\n"),
    ]);
    looks.length = 0;
    for (const relay of [{ outboundCheck: false }, { gone: true }])
      expect((await aStack({ ...stack(relay), asked })).errors).toEqual([]);
    expect(looks).toEqual([expect.stringContaining('sh -s status "relay" )')]);
  });

  it("does without a look at the relay while it does not answer, and goes on", async () => {
    const run = await aStack({
      settings: { tunnel: "none", relay: { ssh: SSH, ipv4: "198.51.100.7" } },
      silent: [SSH.host],
    });
    expect(commands(run, "relay-")).toEqual([]);
    expect(run.warnings).toContainEqual(
      expect.stringContaining(
        `The relay (${SSH.host}) cannot be reached by SSH from here (nothing answers within 10 s), so nothing on it is looked at in this run`,
      ),
    );
    expect(run.errors).toEqual([]);
  });

  it("names a relay that is open to everybody through its proxies", async () => {
    const trusting = `${RELAY_FACTS}\npostfix mynetworks 127.0.0.0/8 203.0.113.0/24`;
    const run = await aStack({
      settings: { tunnel: "none", relay: { ssh: SSH, ipv4: "198.51.100.7" } },
      relayFacts: trusting,
    });
    expect(run.warnings).toContainEqual(
      expect.stringContaining(
        "OPEN RELAY: postfix's mynetworks on the relay holds 203.0.113.0/24, and with it hel1's address 203.0.113.120",
      ),
    );
  });

  it("forwards the families that both have", async () => {
    const run = await aStack({ ...direct, settings: { tunnel: "none", relay: { ipv4: "198.51.100.7" } } });
    expect(filter(run, "hel1")).not.toContain("dnat ip6");
    expect(text(run.one(COMMAND, "hel1-confirm"))).toMatch(/^through - 198\.51\.100\.7 - - 25 /m);
  });
});

describe("egress", () => {
  const ash1 = { name: "ash1", host: "hetzner", location: "ash" };
  const SPF = rrset("chat", "TXT", ['"v=spf1 a ~all"']);
  const stack = (
    settings: Record<string, unknown>,
    inside = `${INSIDE}\noutbound 4 open\noutbound 6 open`,
  ): StackCase => ({ proxies: [hel1, ash1], settings, inside, rrsets: [SPF] });

  it("goes through the proxies in the order given, each with its place on the relay", async () => {
    const run = await aStack(stack({ egress: ["ash1", "hel1"] }));
    expect(relayEnd(run, "ash1")).toContain("|EGRESS=0\n|EGRESS_ELSE=nowhere\n");
    expect(relayEnd(run, "hel1")).toContain("|EGRESS=1\n|EGRESS_ELSE=nowhere\n");
    const last = await aStack(stack({ egress: ["hel1", "relay"] }));
    expect(relayEnd(last, "hel1")).toContain("|EGRESS=0\n|EGRESS_ELSE=own-line\n");
    expect(relayEnd(last, "ash1")).not.toContain("EGRESS");
  });

  it("lets port 25 out of those proxies alone, under the mail domain's name", async () => {
    const run = await aStack(stack({ egress: "ash1" }));
    expect(filter(run, "ash1")).toContain('iifname "wg-relay" oifname { "eth0" } tcp dport 25 masquerade');
    expect(filter(run, "hel1")).not.toContain("masquerade");
    const names = run.registered
      .filter(({ type }) => type === "hcloud:index/rdns:Rdns")
      .map(({ name, inputs }) => [name, inputs.dnsPtr]);
    expect(Object.fromEntries(names)).toEqual({
      "hel1-ptr-ipv4": "hel1.proxy.example.org",
      "hel1-ptr-ipv6": "hel1.proxy.example.org",
      "ash1-ptr-ipv4": "chat.example.org",
      "ash1-ptr-ipv6": "chat.example.org",
    });
  });

  it("fits an SPF record with a, and needs no other address named", async () => {
    expect((await aStack(stack({ egress: "ash1" }))).warnings.filter((line) => line.includes("SPF"))).toEqual([]);
    expect((await aStack(stack({ egress: ["ash1", "relay"] }))).warnings).toContainEqual(
      expect.stringContaining("v=spf1 ip4:198.51.100.20 a ~all"),
    );
  });

  it("changes nothing outbound where it is not asked for", async () => {
    const run = await aStack(stack({}));
    for (const name of ["hel1", "ash1"]) expect(filter(run, name)).not.toContain("masquerade");
    expect(text(run.one(COMMAND, "hel1-confirm"))).toMatch(/^through .* - 25 80 /m);
  });

  it("names a provider that blocks port 25, and fails the run for it", async () => {
    const run = await aStack(stack({ egress: "ash1" }, `${INSIDE}\noutbound 4 shut`));
    expect(text(run.one(COMMAND, "ash1-confirm"))).toMatch(/^through .* gmail-smtp-in.l.google.com 25 /m);
    expect(run.errors.join()).toContain("ash1: no other mail server's port 25 answers from there over IPv4");
  });

  it("else is noted on the page alone, where an address of somebody else's does not bear the proxy's own name", async () => {
    const run = (names: string[]) => aStack({ proxies: [hel1, deb1], reverse: { "198.51.100.130": names } });
    const { warnings, outputs } = await run([]);
    expect(warnings.join()).not.toContain("reverse DNS of");
    expect(outputs.readme).toContain(
      "- deb1: the reverse DNS of 198.51.100.130 says nothing, not deb1.proxy.example.org. Set it at the provider of that machine, if you like: no mail depends on it.\n",
    );
    expect((await run(["DEB1.proxy.example.org"])).outputs.readme).not.toContain("reverse DNS of");
  });

  it("on a machine of somebody else's is checked for the mail domain's name in reverse DNS", async () => {
    const run = (names: string[]) =>
      aStack({
        ...stack({ egress: "deb1" }),
        proxies: [hel1, deb1],
        reverse: { "198.51.100.130": names, "2001:db8:d000::130": ["Chat.example.org"] },
      });
    expect((await run(["static.provider.example"])).warnings).toContainEqual(
      expect.stringContaining(
        "deb1 is an egress, and the reverse DNS of 198.51.100.130 says static.provider.example, not chat.example.org",
      ),
    );
    expect((await run([])).warnings).toContainEqual(expect.stringContaining("198.51.100.130 says nothing"));
    expect((await run(["chat.example.org"])).warnings.join()).not.toContain("reverse DNS of");
    expect((await aStack({ ...stack({ egress: "deb1" }), proxies: [hel1, deb1] })).warnings.join()).not.toContain(
      "reverse DNS of",
    );
  });

  it("is warned about when it is drained", async () => {
    const run = await aStack({ ...stack({ egress: "ash1" }), proxies: [hel1, { ...ash1, publish: false }] });
    expect(run.warnings).toContainEqual(expect.stringContaining("ash1 is an egress, and has publish: false"));
  });
});

describe("a relay that is set up by a script", () => {
  const stack: StackCase = { settings: { relay: { setup: "script" } }, agent: { kind: "none" } };
  const waiting: StackCase = { ...stack, outside: noneAnswers, inside: "handshake 999999\nendpoint (none)" };

  it("is not reached at all, and gets all it needs as a secret output", async () => {
    const run = await aStack({ ...stack, agent: { kind: "answers", keys: 1 } });
    expect(commands(run, "relay-")).toEqual([]);
    expect(has(run, "hel1-relay-end")).toBe(false);
    const script = String(run.outputs.relayScript);
    expect(script).toMatch(/^#!\/bin\/sh\n/);
    expect(script).toContain(
      "hostctl install keys-hel1 <<'END-OF-WHAT-CHATMAIL-PROXY-WROTE'\nfile 0600 /etc/wireguard/wg-hel1.key\n",
    );
    expect(script).toContain("hostctl keep-of chatmail-proxy/test keys-hel1 tunnel-hel1\n");
  });

  it("needs no key and no agent for it", async () => {
    await expect(aStack(stack)).resolves.toMatchObject({ errors: [] });
  });

  it("ends a first run well and unpublished, and says what to do", async () => {
    const run = await aStack(waiting);
    expect(run.errors).toEqual([]);
    expect(has(run, "mail-domain-A")).toBe(false);
    expect(run.warnings).toContainEqual(
      expect.stringContaining(
        "The relay has not called hel1 yet. Set up its end: (umask 077; pulumi stack output --show-secrets relayScript > relay.sh)",
      ),
    );
  });

  it("is waited for only where it has called until now: a person takes their time", async () => {
    const waits = (run: Run) =>
      !String(run.one("command:remote:Command", "hel1-confirm").inputs.stdin).startsWith("wait 0\n");
    const silent = { ...stack, inside: "handshake 999999\nendpoint (none)" };
    const first = await aStack(silent);
    const called = await aStack({ ...stack, after: first });
    expect([waits(first), waits(await aStack({ ...silent, after: first })), waits(called)]).toEqual([
      false,
      false,
      true,
    ]);
    expect(waits(await aStack())).toBe(true);
  });

  it("leaves the relay's own addresses in DNS until the script has run, and takes their place then", async () => {
    const own = [rrset("chat", "A", ["198.51.100.20"])];
    const before = await aStack({ ...waiting, rrsets: own });
    expect([before.errors, has(before, "mail-domain-A")]).toEqual([[], false]);
    const run = await aStack({ ...stack, rrsets: own });
    expect([values(run, "mail-domain-A"), run.one(RRSET, "mail-domain-A").options.importId]).toEqual([
      ["203.0.113.120"],
      "example.org/chat/A",
    ]);
  });

  it("is a fault when a proxy that was published is called no more", async () => {
    const run = await aStack({ ...waiting, rrsets: [rrset("chat", "A", ["203.0.113.120"], OURS)] });
    expect(run.errors).toEqual([expect.stringContaining("no WireGuard handshake from the relay")]);
  });

  it("is told when there is another script than at the last run, and not for another order of the proxies", async () => {
    const ash1 = { name: "ash1", host: "hetzner", location: "ash" };
    const two = { ...stack, proxies: [hel1, ash1] };
    const before = (await aStack(two)).outputs;
    const told = async (now: StackCase) =>
      (await aStack({ ...now, before })).warnings.some((line) =>
        line.startsWith("The relay's script has changed since the last run"),
      );
    expect([await told(two), await told({ ...stack, proxies: [ash1, hel1] })]).toEqual([false, false]);
    expect(await told({ ...stack, proxies: [hel1] })).toBe(true);
    expect(await told({ ...two, settings: { ...stack.settings, ports: [25, 443] } })).toBe(true);
    expect(String(before.readme)).toContain("The relay's script is of 2026-11-24T03:00:00.000Z.");
    expect(JSON.stringify(before.lastRun)).not.toContain("PRIVATE");
  });

  it("is told with what stops until it has run: tunnels whose keys, port or addresses are others, and no mere neighbours of theirs", async () => {
    const ash1 = { name: "ash1", host: "hetzner", location: "ash" };
    const change = (proxies: StackCase["proxies"], now: Record<string, unknown>) => ({
      ...stack,
      proxies,
      settings: { ...stack.settings, ...now },
    });
    const before = (await aStack(stack)).outputs;
    const said = async (now: StackCase, then = before) =>
      (await aStack({ ...now, before: then })).warnings
        .filter((line) => line.startsWith("The relay's script has changed"))
        .join();
    const stops =
      "From this pulumi up until it has run there no mail passes through hel1, whose own end of the tunnel changes at once. Bring it there: (umask";
    for (const tunnel of [{ port: 4500 }, { ipv4Range: "10.9.0.0/18" }])
      expect(await said(change([hel1], { tunnel }))).toContain(stops);
    expect(await said(change([hel1, ash1], { tunnel: { port: 4500 } }))).toContain(stops);
    for (const now of [
      change([hel1, ash1], {}),
      change([hel1], { ports: [25, 443] }),
      change([hel1], { tunnel: { mtu: 1380 } }),
      change([hel1], { relay: { setup: "script", dial: "ipv6" } }),
    ]) {
      expect(await said(now)).toMatch(
        /^The relay's script has changed since the last run, and until it has run again the relay keeps the tunnels that it has\. Bring it there: /,
      );
    }
    // A preview does not know new keys, and that much it does know.
    expect((await aStack({ ...stack, before, preview: true })).warnings).toContainEqual(expect.stringContaining(stops));
    // Of a proxy that does not answer the end stays as it is.
    expect(
      await said({
        ...change([hel1, ash1], { tunnel: { port: 4500 } }),
        silent: ["203.0.113.120"],
        servers: [{ ipv4Address: "203.0.113.120", labels: { ...OURS, proxy: "hel1" } }],
      }),
    ).not.toContain("no mail passes");
    const egress = (await aStack(change([hel1], { egress: "hel1" }))).outputs;
    expect(await said(stack, egress)).toContain(
      "Until it has run there, mail that the relay sends out through hel1 waits in the relay's queue.",
    );
  });

  it("looks itself whether the relay has room for it, and whether mail gets out", async () => {
    const script = String((await aStack(stack)).outputs.relayScript);
    expect(script).toContain(
      "hostctl fits chatmail-proxy/test wg-hel1 5184881 10.213.109.6 fd6d:6169:6c70::2d06 10.213.109.5 fd6d:6169:6c70::2d05\n",
    );
    expect(script.indexOf("hostctl fits")).toBeLessThan(script.indexOf("hostctl install"));
    expect(script).toContain("hostctl outbound gmail-smtp-in.l.google.com || true\n");
    expect(
      String((await aStack({ settings: { relay: { setup: "script", outboundCheck: false } } })).outputs.relayScript),
    ).not.toContain("hostctl outbound");
  });

  it("says itself that nobody reaches a TURN server there, unless its port is handed on", async () => {
    const script = async (udpPorts: unknown[]) =>
      String((await aStack({ ...stack, settings: { ...stack.settings, udpPorts } })).outputs.relayScript);
    const told = `[ -z "$(/usr/local/lib/chatmail-proxy/hostctl turn)" ] || cat >&2 <<'END-OF-WHAT-CHATMAIL-PROXY-WROTE'\nchatmail-proxy: The relay runs a TURN server (UDP 3478), `;
    for (const udpPorts of [[], ["50000-50999"]]) expect(await script(udpPorts)).toContain(told);
    expect(await script([3478, "50000-50999"])).not.toContain("hostctl turn");
  });

  it("publishes once mail gets through", async () => {
    const run = await aStack(stack);
    expect(values(run, "mail-domain-A")).toEqual(["203.0.113.120"]);
    expect(run.warnings.filter((line) => line.includes("relay.sh"))).toEqual([]);
  });
});

describe("what an operator should know", () => {
  const nbg1 = { name: "nbg1", host: "hetzner", location: "nbg1" };
  it("is that all published proxies stand in one network", async () => {
    expect((await aStack({ proxies: [hel1, nbg1] })).warnings).toContainEqual(
      expect.stringContaining("All published proxies (hel1, nbg1) stand in one network, AS24940"),
    );
    const several: StackCase["proxies"][] = [
      [hel1, { ...nbg1, location: "ash" }],
      [hel1],
      [hel1, { ...deb1, autonomousSystem: 64500 }],
      [hel1, deb1],
    ];
    for (const proxies of several)
      expect((await aStack({ proxies })).warnings.join()).not.toContain("stand in one network");
    expect((await aStack({ proxies: [hel1, { ...deb1, autonomousSystem: 24940 }] })).warnings.join()).toContain(
      "(hel1, deb1) stand in one network",
    );
  });

  it("is that the only proxy cannot be drained", async () => {
    const run = await aStack({
      proxies: [{ ...hel1, publish: false }],
      rrsets: [rrset("chat", "A", ["203.0.113.120"], OURS)],
    });
    expect(values(run, "mail-domain-A")).toEqual(["203.0.113.120"]);
    expect(run.warnings).toContainEqual(expect.stringContaining("hel1 has publish: false, but stays in DNS"));
    expect(run.outputs.readme).toContain("works, still published: there is no other");
  });

  it("is that two servers may restart at the same time", async () => {
    expect(
      (
        await aStack({
          proxies: [
            { ...hel1, rebootTime: "03:00" },
            { ...nbg1, rebootTime: "03:00" },
          ],
        })
      ).warnings,
    ).toContainEqual(expect.stringContaining("hel1 (03:00) and nbg1 (03:00) may restart for updates at the same time"));
    const told = async (a: string, b: string, settings = {}) =>
      (
        await aStack({
          proxies: [
            { ...hel1, rebootTime: a },
            { ...nbg1, rebootTime: b },
          ],
          settings,
        })
      ).warnings.some((line) => line.includes("may restart"));
    expect([
      await told("23:55", "00:03"),
      await told("03:00", "03:10"),
      await told("03:00", "03:01", { tunnel: "none", relay: { ipv4: "198.51.100.7" } }),
    ]).toEqual([true, false, true]);
    expect((await aStack({ proxies: [hel1, nbg1] })).warnings.join()).not.toContain("may restart");
  });

  it("is that adminNetworks does nothing on a machine that is not closed", async () => {
    const told = async (proxy: Record<string, unknown>) =>
      (await aStack({ proxies: [hel1, proxy], settings: { adminNetworks: ["198.51.100.0/24"] } })).warnings.some(
        (line) => line.startsWith("adminNetworks has no effect on deb1:"),
      );
    expect([await told(deb1), await told({ ...deb1, closed: true })]).toEqual([true, false]);
  });

  it("is that TURN does not work by forwarding its one port", async () => {
    const turn = `${RELAY_FACTS}\nturn on`;
    expect((await aStack({ relayFacts: turn })).warnings).toContainEqual(
      expect.stringContaining("The relay runs a TURN server (UDP 3478)"),
    );
    expect((await aStack({ relayFacts: turn, settings: { udpPorts: [3478] } })).warnings).toContainEqual(
      expect.stringContaining("but no range for its media"),
    );
    expect(
      (await aStack({ relayFacts: turn, settings: { udpPorts: [3478, "50000-50999"] } })).warnings.join(),
    ).not.toContain("TURN");
    expect((await aStack()).warnings.join()).not.toContain("TURN");
  });

  it("is that postfix trusts others on the internet, whom a captured proxy could pretend to be", async () => {
    const told = async (mynetworks: string, settings = {}) =>
      (await aStack({ relayFacts: `${RELAY_FACTS}\npostfix mynetworks ${mynetworks}`, settings })).warnings.filter(
        (line) => line.includes("mynetworks on the relay holds"),
      );
    expect(await told("127.0.0.0/8 198.51.100.0/24 [2001:db8:9::]/48")).toEqual([
      expect.stringContaining(
        "postfix's mynetworks on the relay holds 198.51.100.0/24, [2001:db8:9::]/48. Addresses in it are others' on the internet too",
      ),
    ]);
    expect(await told("127.0.0.0/8 192.168.77.0/24 [::1]/128")).toEqual([]);
    // Without a tunnel it has no other address than its own.
    expect(await told("198.51.100.0/24", { tunnel: "none", relay: { ssh: SSH, ipv4: "198.51.100.7" } })).toEqual([]);
  });

  it("is that the mail domain is a CNAME, before anything is made", async () => {
    await expect(aStack({ rrsets: [rrset("chat", "CNAME", ["home.dyndns.example."])] })).rejects.toThrow(
      "chat.example.org is a CNAME of home.dyndns.example. in example.org",
    );
  });

  it("is that another stack has a tunnel of this name on the relay", async () => {
    await expect(aStack({ relayFacts: `${RELAY_FACTS}\nours wg-hel1 chatmail-proxy/other` })).rejects.toThrow(
      "the relay already has a tunnel wg-hel1 of the stack chatmail-proxy/other",
    );
    await expect(
      aStack({ relayFacts: `${RELAY_FACTS}\nours wg-hel1 chatmail-proxy/test\naddress wg-hel1 10.213.109.6/32` }),
    ).resolves.toMatchObject({ errors: [] });
  });
});

describe("who may log in, and where", () => {
  it("is the host's to say, whose rules are taken back if they shut their operator out", async () => {
    const run = await aStack({
      proxies: [{ ...hel1, sshPort: 2222 }],
      settings: { adminNetworks: ["198.51.100.0/24", "2001:db8:1::/48"] },
    });
    const rules = run.one("hcloud:index/firewall:Firewall", "hel1-firewall").inputs.rules as {
      port?: string;
      sourceIps: string[];
    }[];
    expect(rules.find(({ port }) => port === "2222")?.sourceIps).toEqual(["0.0.0.0/0", "::/0"]);
    expect(filter(run, "hel1")).toContain("|\t\tip saddr { 198.51.100.0/24 } tcp dport 2222 accept");
    expect(run.one(COMMAND, "hel1-config").inputs.connection).toMatchObject({ port: 2222 });
    const server = run.one("hcloud:index/server:Server", "hel1-server");
    expect(JSON.stringify(server.inputs.userData)).toContain("Port 2222");
    // Another port for one that lives means another server: it counts at the first boot alone.
    expect([(server.inputs.labels as Record<string, string>).sshport, server.options.replaceOnChanges]).toEqual([
      "2222",
      ["labels.sshport"],
    ]);
  });
});

describe("UDP ports", () => {
  it("are handed on, opened in the cloud firewall, and let in on the relay", async () => {
    const run = await aStack({ settings: { udpPorts: [3478, "50000-50999"] } });
    const rules = run.one("hcloud:index/firewall:Firewall", "hel1-firewall").inputs.rules as {
      protocol: string;
      port?: string;
    }[];
    expect(rules.filter(({ protocol }) => protocol === "udp").map(({ port }) => port)).toEqual([
      "51820",
      "3478",
      "50000-50999",
    ]);
    expect(filter(run, "hel1")).toContain("elements = { 3478, 50000-50999 }");
    expect(relayEnd(run, "hel1")).toContain("udp dport { 3478, 50000-50999 } accept");
  });
});

describe("a proxy on an existing FreeBSD machine", () => {
  const bsd1 = {
    name: "bsd1",
    host: "freebsd",
    ssh: { hostKey: HOST_KEY },
    ipv4: "198.51.100.131",
    ipv6: "2001:db8:d000::131",
  };

  it("goes the same steps, with FreeBSD's own program, rules and tunnel", async () => {
    const run = await aStack({ proxies: [bsd1] });
    expect(run.errors).toEqual([]);
    expect(text(run.one(COMMAND, "bsd1-host"))).toContain("sysrc");
    expect(text(run.one(COMMAND, "bsd1-host"))).not.toContain("systemctl");
    expect(head(run, "bsd1-host")).toEqual(["setup chatmail-proxy/test/bsd1", "wan-of"]);
    const rules = filter(run, "bsd1");
    expect(rules).toContain("rdr on eth0 inet proto tcp");
    // Its default: what nobody named is shut, as in the guide.
    expect(rules).toMatch(/^\|block /m);
    expect(setIn(run, "bsd1-config", "tunnel")).toContain("INTERFACE=wg5182");
    expect(text(run.one(COMMAND, "bsd1-confirm"))).toMatch(/^through wg5182 /m);
    expect(values(run, "mail-domain-A")).toEqual(["198.51.100.131"]);
  });
});
