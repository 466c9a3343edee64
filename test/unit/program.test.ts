import { presharedKey, sshKeyPair, wireGuardKeyPair } from "../../components/tunnel/keys";
import type { OutsideView } from "../../components/health/verdict";
import type { ProbeTarget } from "../../components/health/probe";
import { allAnswer, aStack, HOST_KEY, INSIDE, noneAnswers, OURS, RELAY_FACTS, rrset, type StackCase } from "./aStack";
import { UNKNOWN, type Registered, type Run } from "./engine";
import { broughtBy, setIn } from "./hostsAfter";

const COMMAND = "command:remote:Command";
const LOCAL = "command:local:Command";
const RRSET = "hcloud:index/zoneRrset:ZoneRrset";
const SERVER = "hcloud:index/server:Server";
const FIREWALL = "hcloud:index/firewall:Firewall";

const rows = (run: Run, type: string) => run.registered.filter((resource) => resource.type === type);
const leaving = (run: Run) => rows(run, LOCAL).filter(({ inputs }) => String(inputs.delete).startsWith("leave "));
const values = (resource: Registered) => (resource.inputs.records as { value: string }[]).map(({ value }) => value);

describe("a stack with one proxy", () => {
  let run: Run;
  beforeAll(async () => {
    run = await aStack({ settings: { adminKeys: [HOST_KEY] } });
  });

  it("ends without an error", () => expect(run.errors).toEqual([]));

  it("buys a server in the location given, with its own addresses, firewall and key", () => {
    const server = run.one(SERVER, "hel1-server");
    expect(server.inputs).toMatchObject({
      name: "hel1.proxy.example.org",
      serverType: "cx23",
      image: "debian-13",
      location: "hel1",
      backups: false,
      deleteProtection: false,
      sshKeys: ["management-key-id"],
      labels: { ...OURS, proxy: "hel1" },
    });
    expect(server.inputs).not.toHaveProperty("datacenter");
    expect(server.dependsOn).toEqual(["hel1-firewall", "hel1-host-key", "hel1-ipv4", "hel1-ipv6", "management-key"]);
  });

  it("replaces a server only after the old one is gone, and not for a new wording of user data", () => {
    expect(run.one(SERVER, "hel1-server").options).toMatchObject({
      deleteBeforeReplace: true,
      ignoreChanges: ["userData", "sshKeys"],
      protect: false,
    });
  });

  it("with deleteProtection is kept by the engine too, which refuses in a preview, before anything that leads to it is gone", async () => {
    const kept = await aStack({
      proxies: [{ name: "hel1", host: "hetzner", location: "hel1", deleteProtection: true, backups: true }],
    });
    expect(
      kept.registered
        .filter(({ options }) => options.protect)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["hel1-ipv4", "hel1-ipv6", "hel1-server"]);
    expect(kept.one(SERVER, "hel1-server").inputs).toMatchObject({
      deleteProtection: true,
      rebuildProtection: true,
      backups: true,
    });
    expect(run.registered.some(({ options }) => options.protect)).toBe(false);
  });

  it("keeps the addresses apart from the server, in its location", () => {
    for (const type of ["ipv4", "ipv6"]) {
      expect(run.one("hcloud:index/primaryIp:PrimaryIp", `hel1-${type}`).inputs).toMatchObject({
        type,
        location: "hel1",
        autoDelete: false,
      });
    }
  });

  it("gives both addresses the proxy's name as reverse DNS, gone with the address", () => {
    const names = rows(run, "hcloud:index/rdns:Rdns").map(({ inputs, options }) => [
      inputs.ipAddress,
      inputs.dnsPtr,
      options.deletedWith,
    ]);
    expect(names).toEqual([
      ["203.0.113.120", "hel1.proxy.example.org", "hel1-ipv4"],
      ["2001:db8:c000:78::1", "hel1.proxy.example.org", "hel1-ipv6"],
    ]);
  });

  it("opens the cloud firewall for SSH, the tunnel, ICMP and the mail ports alone", () => {
    const rules = run.one(FIREWALL, "hel1-firewall").inputs.rules as {
      direction: string;
      protocol: string;
      port?: string;
    }[];
    expect(rules.map(({ direction, protocol, port }) => `${direction} ${protocol} ${port ?? ""}`.trim())).toEqual([
      "in icmp",
      "in tcp 22",
      "in udp 51820",
      "in tcp 25",
      "in tcp 80",
      "in tcp 143",
      "in tcp 443",
      "in tcp 465",
      "in tcp 587",
      "in tcp 993",
    ]);
  });

  it("reaches the server with the management key, and the relay with the operator's agent, both by a pinned host key", () => {
    const commands = rows(run, COMMAND);
    expect(commands.map(({ name }) => name).sort()).toEqual([
      "hel1-config",
      "hel1-confirm",
      "hel1-host",
      "relay-host",
      "relay-tunnels",
    ]);
    const management = sshKeyPair("management-key".padEnd(64, "x"), "ssh management key", "chatmail-proxy");
    const host = sshKeyPair("hel1-host-key".padEnd(64, "x"), "ssh host key", "hel1");
    for (const { name, inputs } of commands) {
      const connection = inputs.connection as Record<string, unknown>;
      const onRelay = name.startsWith("relay");
      // Exactly the provider's fields: an unknown one makes it print the private key.
      expect(Object.keys(connection).sort()).toEqual([
        "dialErrorLimit",
        "host",
        "hostKey",
        "perDialTimeout",
        "port",
        ...(onRelay ? [] : ["privateKey"]),
        "user",
      ]);
      expect(connection).toMatchObject(
        onRelay
          ? { host: "192.168.77.10", hostKey: HOST_KEY }
          : { host: "203.0.113.120", hostKey: host.publicKey, privateKey: management.privateKey },
      );
    }
  });

  it("has the host key in the server's user data before the first contact", () => {
    const host = sshKeyPair("hel1-host-key".padEnd(64, "x"), "ssh host key", "hel1");
    const { ssh_keys: keys } = JSON.parse(
      String(run.one(SERVER, "hel1-server").inputs.userData).replace("#cloud-config\n", ""),
    ) as { ssh_keys: Record<string, string> };
    expect(keys).toEqual({ ed25519_private: host.privateKey, ed25519_public: host.publicKey });
  });

  it("installs all on a machine anew when it is another machine", () => {
    for (const { name, inputs, options } of rows(run, COMMAND).filter(({ name }) => name.startsWith("hel1"))) {
      expect([name, inputs.triggers, options.deleteBeforeReplace]).toEqual([name, ["hel1-server-id"], true]);
      // Nothing to undo there: the machine goes as a whole, and may be dead by then.
      expect(inputs).not.toHaveProperty("delete");
    }
  });

  it("is few things in the stack: at most 5 commands for a proxy, and at most 20 resources for a bought one", () => {
    const own = run.registered.filter(({ name }) => name.startsWith("hel1"));
    expect(own.filter(({ type }) => type === COMMAND).length).toBeLessThanOrEqual(5);
    expect(own.length).toBeLessThanOrEqual(20);
  });

  it("takes its things off the relay again, from the operator's machine, and does nothing until then", () => {
    const jobs = leaving(run).map(({ name, inputs, options }) => {
      const job = JSON.parse(String(inputs.stdin)) as { name: string; login: { host: string }; command: string };
      const verb = /hostctl (drop \S+|release \S+|uninstall \S+)/.exec(job.command)?.[1];
      return [name, inputs.create, job.name, job.login.host, verb, options.deletedWith];
    });
    expect(jobs.sort()).toEqual([
      ["hel1-relay-end", undefined, "relay", "192.168.77.10", "drop tunnel-hel1", "relay-leave"],
      ["relay-leave", undefined, "relay", "192.168.77.10", "release chatmail-proxy/test", ""],
    ]);
    // Which must be there still when the relay is let go.
    expect(run.one(COMMAND, "relay-host").dependsOn).toContain("relay-leave");
  });

  it("brings the program with the first document alone, and is told by each which one it is", () => {
    const documents = Object.fromEntries(
      ["hel1-host", "hel1-config", "relay-host", "relay-tunnels"].map((name) => {
        const { name: document, generation, withProgram, sets } = broughtBy(run.one(COMMAND, name));
        return [name, [document, generation, withProgram, Object.keys(sets)]];
      }),
    );
    const generation = "2026-11-24T03:00:00.000Z";
    expect(documents).toEqual({
      "hel1-host": ["host", generation, true, ["tunnel-keys"]],
      "hel1-config": ["config", generation, false, ["upgrades", "tunnel", "filter"]],
      "relay-host": ["relay@chatmail-proxy@test", generation, true, ["keys-hel1"]],
      "relay-tunnels": ["tunnels@chatmail-proxy@test", generation, false, ["tunnel-hel1"]],
    });
  });

  it("goes on with what an earlier version has set up, which took its things away when they went", () => {
    const aliases = ["hel1-host", "relay-host"].map((name) => run.one(COMMAND, name).options.aliases);
    expect(aliases).toEqual([["hel1-hostctl"], ["relay-hostctl"]]);
  });

  it("sets up the host before what is brought to it, with the packages that it needs", () => {
    expect(broughtBy(run.one(COMMAND, "hel1-host")).head).toEqual([
      "setup chatmail-proxy/test/hel1",
      ...["wireguard-tools", "nftables", "iproute2", "procps", "unattended-upgrades"].map((name) => `package ${name}`),
      "wan-of",
    ]);
    expect(broughtBy(run.one(COMMAND, "relay-host")).head).toEqual([
      "setup",
      ...["wireguard-tools", "nftables", "iproute2", "iputils-ping", "procps"].map((name) => `package ${name}`),
      "independent",
    ]);
    expect(run.one(COMMAND, "hel1-config").dependsOn).toContain("hel1-host");
    expect(run.one(COMMAND, "relay-tunnels").dependsOn).toContain("relay-host");
  });

  it("redirects only when both ends of the tunnel are there, by rules that a second connection confirms", () => {
    const { sets } = broughtBy(run.one(COMMAND, "hel1-config"));
    expect(Object.entries(sets).map(([name, set]) => [name, set !== "keep" && set.guarded])).toEqual([
      ["upgrades", false],
      ["tunnel", false],
      ["filter", true],
    ]);
    expect(String(run.one(COMMAND, "hel1-config").inputs.stdin)).toContain("\nset filter guarded 60\n");
    expect(run.one(COMMAND, "hel1-config").dependsOn).toEqual(
      expect.arrayContaining(["hel1-host", "relay-host", "relay-tunnels"]),
    );
    const confirm = run.one(COMMAND, "hel1-confirm");
    expect(confirm.inputs.create).toContain(" confirm config 2026-11-24T03:00:00.000Z ) ".trimEnd());
    expect(confirm.dependsOn).toEqual(expect.arrayContaining(["hel1-config", "relay-tunnels"]));
  });

  it("asks with the confirmation what the proxy then sees of the relay", () => {
    expect(run.one(COMMAND, "hel1-confirm").inputs.stdin).toBe(
      ["through wg-relay 10.213.109.6 fd6d:6169:6c70::2d06 - 25 80 143 443 465 587 993", "wan-of", ""].join("\n"),
    );
  });

  it("keeps trying to confirm until well after the host has gone back by itself", () => {
    const { dialErrorLimit, perDialTimeout } = run.one(COMMAND, "hel1-confirm").inputs.connection as Record<
      string,
      number
    >;
    expect((dialErrorLimit as number) * (perDialTimeout as number)).toBeGreaterThan(60 + 30);
  });

  it("publishes the proxy's own name and the mail domain, whose records go before the proxy does", () => {
    expect(values(run.one(RRSET, "hel1-A"))).toEqual(["203.0.113.120"]);
    expect(values(run.one(RRSET, "mail-domain-A"))).toEqual(["203.0.113.120"]);
    expect(values(run.one(RRSET, "mail-domain-AAAA"))).toEqual(["2001:db8:c000:78::1"]);
    expect(run.one(RRSET, "mail-domain-A").inputs).toMatchObject({
      zone: "example.org",
      name: "chat",
      ttl: 300,
      labels: OURS,
    });
    expect(run.one(RRSET, "mail-domain-A").dependsOn).toEqual(
      expect.arrayContaining(["hel1-server", "hel1-confirm", "hel1-relay-end", "hel1-ipv4"]),
    );
  });

  it("names the relay's own public addresses there too: it is seen by the one family that it dials alone", async () => {
    const own = `${RELAY_FACTS}\naddress eth0 2001:db8:77::10/64\naddress docker0 2001:db8:99::1/64\nsource 192.168.77.10\nsource 2001:db8:77::10`;
    expect((await aStack({ relayFacts: own })).warnings).toEqual([
      expect.stringContaining("SPF: the relay's mail leaves from 198.51.100.20 and 2001:db8:77::10, which"),
    ]);
    expect((await aStack({ relayFacts: `${own}\npostfix inet_protocols ipv4` })).warnings).toEqual([
      expect.stringContaining("SPF: the relay's mail leaves from 198.51.100.20, which"),
    ]);
  });

  it("says what SPF must name, since mail leaves from the relay's own address", () => {
    expect(run.warnings).toEqual([expect.stringContaining("SPF: the relay's mail leaves from 198.51.100.20")]);
  });

  it("gives the outputs that an operator wants", () => {
    expect(run.outputs).toMatchObject({
      mailDomain: "chat.example.org",
      published: ["203.0.113.120", "2001:db8:c000:78::1"],
      proxies: {
        hel1: {
          dnsName: "hel1.proxy.example.org",
          ipv4: "203.0.113.120",
          ipv6: "2001:db8:c000:78::1",
          wireGuardPublicKey: wireGuardKeyPair("hel1-proxy-key".padEnd(64, "x"), "wireguard proxy").publicKey,
        },
      },
    });
    expect(run.outputs.readme).toContain(
      "| hel1 | hel1.proxy.example.org | 203.0.113.120 | 2001:db8:c000:78::1 | works, published |",
    );
  });

  it("adds the operator's keys on the proxy", () =>
    expect(broughtBy(run.one(COMMAND, "hel1-config")).head).toEqual(["admin-keys", `admin-key ${HOST_KEY}`]));

  it("takes them away again where the settings have none", async () =>
    expect(broughtBy((await aStack()).one(COMMAND, "hel1-config")).head).toEqual(["admin-keys"]));
});

describe("the proxies' own names", () => {
  it("stand in another subdomain where that is wanted: in their records, in reverse DNS and at Hetzner Cloud", async () => {
    const run = await aStack({
      proxies: ["hel1", "ash1"],
      settings: { dns: { zone: "example.org", proxySubdomain: "px.mail" } },
    });
    const name = (proxy: string) => `${proxy}.px.mail.example.org`;
    for (const proxy of ["hel1", "ash1"]) {
      for (const type of ["A", "AAAA"])
        expect(run.one(RRSET, `${proxy}-${type}`).inputs).toMatchObject({
          zone: "example.org",
          name: `${proxy}.px.mail`,
          type,
        });
      for (const family of ["ipv4", "ipv6"])
        expect(run.one("hcloud:index/rdns:Rdns", `${proxy}-ptr-${family}`).inputs.dnsPtr).toBe(name(proxy));
      expect(run.one(SERVER, `${proxy}-server`).inputs.name).toBe(name(proxy));
      expect(run.outputs.proxies).toHaveProperty([proxy, "dnsName"], name(proxy));
      expect(run.outputs.readme).toContain(name(proxy));
    }
    expect(JSON.stringify(run)).not.toContain("proxy.example.org");
  });
});

describe("labels of the operator's", () => {
  it("stand beside ours on server, addresses and firewall", async () => {
    const labels = { cost: "mail", "example.org/env": "" };
    const run = await aStack({ proxies: [{ name: "hel1", host: "hetzner", location: "hel1", labels }] });
    const labelled = [
      run.one(SERVER, "hel1-server"),
      run.one(FIREWALL, "hel1-firewall"),
      ...["ipv4", "ipv6"].map((type) => run.one("hcloud:index/primaryIp:PrimaryIp", `hel1-${type}`)),
    ];
    for (const { name, inputs } of labelled)
      expect([name, inputs.labels]).toEqual([name, { ...labels, ...OURS, proxy: "hel1" }]);
  });
});

describe("the family by which the relay dials", () => {
  it("is the one given, of a proxy that has both, and the other of one that has no such address", async () => {
    const deb1 = { name: "deb1", host: "linux", ssh: { hostKey: HOST_KEY }, ipv4: "198.51.100.130" };
    const ends = async (dial: string) => {
      const run = await aStack({
        proxies: ["hel1", deb1],
        settings: { relay: { ssh: { host: "192.168.77.10", hostKey: HOST_KEY }, dial } },
      });
      return ["hel1", "deb1"].map(
        (proxy) => /\|Endpoint = (\S+)/.exec(setIn(run, "relay-tunnels", `tunnel-${proxy}`))?.[1],
      );
    };
    expect(await ends("ipv6")).toEqual(["[2001:db8:c000:78::1]:51820", "198.51.100.130:51820"]);
    expect(await ends("ipv4")).toEqual(["203.0.113.120:51820", "198.51.100.130:51820"]);
  });
});

describe("secrets", () => {
  const seed = (name: string) => name.padEnd(64, "x");
  const psk = presharedKey(seed("hel1-preshared-key"), "wireguard preshared");
  const wireGuard = [
    wireGuardKeyPair(seed("hel1-proxy-key"), "wireguard proxy").privateKey,
    wireGuardKeyPair(seed("hel1-relay-key"), "wireguard relay").privateKey,
    psk,
  ];
  const body = (pem: string) => pem.split("\n")[3] as string;
  const operator = sshKeyPair("o".repeat(64), "test", "operator").privateKey;
  const ssh = [
    sshKeyPair(seed("management-key"), "ssh management key", "chatmail-proxy"),
    sshKeyPair(seed("hel1-host-key"), "ssh host key", "hel1"),
  ].map(({ privateKey }) => body(privateKey));

  it("stand in no input that is not marked secret, in no command line, environment or trigger", async () => {
    const looks: string[] = [];
    const run = await aStack({
      settings: { relaySshKey: operator },
      asked: (_login, command, stdin) => void looks.push(command, stdin),
    });
    const secrets = [...wireGuard, ...ssh, body(operator)];
    const seen = new Set<string>();
    for (const resource of run.registered) {
      for (const [key, value] of Object.entries(resource.inputs)) {
        const text = JSON.stringify(value).replaceAll("\\n", "\n");
        for (const secret of secrets.filter(
          (each) => text.includes(each) || text.includes(JSON.stringify(each).slice(1, -1)),
        )) {
          seen.add(secret);
          expect([resource.name, key, resource.secrets]).toEqual([resource.name, key, expect.arrayContaining([key])]);
          expect(["stdin", "connection", "userData"]).toContain(key);
        }
      }
    }
    // All of them are in use somewhere, so that the test looks for what is really there.
    expect([...seen].sort()).toEqual([...secrets].sort());
    // What they are made of, and what the provider is reached with, goes nowhere at all; and a look takes nothing along.
    const everywhere = JSON.stringify(run.registered.map(({ inputs }) => inputs));
    const seeds = ["management-key", "hel1-host-key", "hel1-proxy-key", "hel1-relay-key", "hel1-preshared-key"].map(
      seed,
    );
    for (const source of [...seeds, "t".repeat(64)]) expect(everywhere).not.toContain(source);
    expect(looks.length).toBeGreaterThan(0);
    for (const secret of [...secrets, ...seeds]) expect(looks.join("\n")).not.toContain(secret);
  });

  it("go to the hosts on stdin alone, by command lines that all may see", async () => {
    const run = await aStack({ settings: { relaySshKey: operator } });
    const secrets = [...wireGuard, ...ssh, body(operator), seed("hel1-proxy-key"), seed("hel1-host-key")];
    const commands = rows(run, COMMAND);
    for (const { name, inputs, secrets: marked } of commands) {
      const lines = [inputs.create, inputs.delete, inputs.triggers].map(String).join();
      expect([name, secrets.filter((each) => lines.includes(each))]).toEqual([name, []]);
      expect([name, marked.filter((path) => !["stdin", "connection"].includes(path))]).toEqual([name, []]);
      // What they say is data for us, and never a secret; it is not shown. What goes wrong is.
      expect([name, inputs.logging]).toEqual([name, "stderr"]);
    }
    expect(
      commands
        .filter(({ secrets: marked }) => marked.includes("stdin"))
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["hel1-host", "relay-host"]);
  });

  it("hide no line of a rule or a command from a preview, though what hosts say is taken for a secret too", async () => {
    const after = await aStack({ settings: { relaySshKey: operator } });
    const run = await aStack({ after, settings: { relaySshKey: operator, ports: [25, 443] }, preview: true });
    for (const { name, secrets: marked } of rows(run, COMMAND))
      expect([name, [...marked].sort()]).toEqual([
        name,
        name.endsWith("-host") ? ["connection", "stdin"] : ["connection"],
      ]);
  });

  it("are in no message, whatever fails", async () => {
    const run = await aStack({
      settings: { relaySshKey: operator },
      outside: noneAnswers,
      prints: { "hel1-host": "failed no network", "relay-host": "failed keys-hel1: the disk is full" },
    });
    expect(run.errors).toHaveLength(1);
    const told = [
      ...run.warnings,
      ...run.errors,
      JSON.stringify(run.outputs.readme),
      JSON.stringify(run.outputs.lastRun),
    ];
    for (const secret of [...wireGuard, ...ssh, body(operator), seed("hel1-proxy-key")])
      expect(told.join("\n")).not.toContain(secret);
  });

  it("come from passwords without special characters, never from an ID", async () => {
    const run = await aStack();
    expect(
      rows(run, "random:index/randomPassword:RandomPassword")
        .map(({ name, inputs }) => [name, inputs.length, inputs.special])
        .sort(),
    ).toEqual(
      ["hel1-host-key", "hel1-preshared-key", "hel1-proxy-key", "hel1-relay-key", "management-key"].map((name) => [
        name,
        64,
        false,
      ]),
    );
  });

  it("leave the program only as secret outputs", async () => {
    const { outputs } = await aStack();
    const { managementPrivateKey, ...open } = outputs;
    expect(managementPrivateKey).toContain("OPENSSH PRIVATE KEY");
    for (const secret of [...wireGuard, ...ssh]) expect(JSON.stringify(open)).not.toContain(secret);
  });
});

describe("another generation of keys", () => {
  const seeds = async (keyGeneration: number) => {
    const run = await aStack({ settings: { tunnel: { keyGeneration } } });
    return Object.fromEntries(
      rows(run, "random:index/randomPassword:RandomPassword").map(({ name, inputs }) => [name, inputs.keepers]),
    );
  };

  it("makes the tunnel's keys anew, and none by which a host is reached", async () => {
    const [first, second] = [await seeds(1), await seeds(2)];
    const changed = Object.keys(first).filter((name) => JSON.stringify(first[name]) !== JSON.stringify(second[name]));
    expect(changed.sort()).toEqual(["hel1-preshared-key", "hel1-proxy-key", "hel1-relay-key"]);
  });
});

describe("a preview of a new stack", () => {
  it("plans the mail domain's records without knowing their values, and waits for nothing", async () => {
    const run = await aStack({ preview: true });
    expect(values(run.one(RRSET, "mail-domain-A"))).toEqual([UNKNOWN]);
    expect(run.one(SERVER, "hel1-server").inputs.publicNets).toEqual([
      { ipv4Enabled: true, ipv4: UNKNOWN, ipv6Enabled: true, ipv6: UNKNOWN },
    ]);
    expect(run.errors).toEqual([]);
  });
});

describe("adding and removing a proxy", () => {
  const of = (run: Run, proxy: string) =>
    run.registered
      .filter(({ name }) => name.startsWith(`${proxy}-`))
      .map(({ type, name, inputs }) => JSON.stringify([type, name, inputs]))
      .sort();

  it("leaves the other proxy's resources as they are, in whatever order they stand", async () => {
    const alone = of(await aStack({ proxies: ["hel1"] }), "hel1");
    expect(alone.length).toBeGreaterThan(14);
    expect(of(await aStack({ proxies: ["hel1", "ash1"] }), "hel1")).toEqual(alone);
    expect(of(await aStack({ proxies: ["ash1", "hel1"] }), "hel1")).toEqual(alone);
  });

  it("writes nothing to the other proxy", async () => {
    const first = await aStack();
    const second = await aStack({ proxies: ["ash1", "hel1"], after: first });
    expect(second.errors).toEqual([]);
    expect(second.changed.filter((name) => !name.startsWith("ash1"))).toEqual([
      "mail-domain-A",
      "mail-domain-AAAA",
      "relay-host",
      "relay-tunnels",
    ]);
    const third = await aStack({ proxies: ["hel1"], after: second });
    expect(third.changed).toEqual(["mail-domain-A", "mail-domain-AAAA", "relay-host", "relay-tunnels"]);
    expect(Object.keys(broughtBy(third.one(COMMAND, "relay-tunnels")).sets)).toEqual(["tunnel-hel1"]);
  });

  it("in another order changes nothing at all", async () => {
    const first = await aStack({ proxies: ["hel1", "ash1"] });
    expect((await aStack({ proxies: ["ash1", "hel1"], after: first })).changed).toEqual([]);
  });

  it("puts all proxies' addresses into one record set of each family", async () => {
    const run = await aStack({ proxies: ["hel1", "ash1"] });
    expect(values(run.one(RRSET, "mail-domain-A"))).toHaveLength(2);
    expect(values(run.one(RRSET, "mail-domain-AAAA"))).toHaveLength(2);
  });
});

describe("records that no proxy in the settings stands for any more", () => {
  it("stay, since nothing else works, and fail the run, so that what they name is not deleted", async () => {
    const run = await aStack({
      proxies: [{ name: "hel1", host: "hetzner", location: "hel1", publish: false }],
      rrsets: [rrset("chat", "A", ["203.0.113.99"], OURS)],
    });
    expect(values(run.one(RRSET, "mail-domain-A"))).toEqual(["203.0.113.99"]);
    expect(run.errors).toEqual([
      expect.stringContaining(
        "the mail domain's records still hold 203.0.113.99, which is none of the proxies in the settings",
      ),
    ]);
  });
});

describe("a proxy that does not prove itself", () => {
  const failing = (name: string) =>
    aStack({
      proxies: ["hel1", "ash1"],
      outside: (target) =>
        target.address === addresses[name]?.[4] || target.address === addresses[name]?.[6]
          ? noneAnswers(target)
          : allAnswer(target),
    });
  const addresses: Record<string, { 4: string; 6: string }> = {};
  beforeAll(async () => {
    const { outputs } = await aStack({ proxies: ["hel1", "ash1"] });
    for (const [name, { ipv4, ipv6 }] of Object.entries(
      outputs.proxies as Record<string, { ipv4: string; ipv6: string }>,
    ))
      addresses[name] = { 4: ipv4, 6: ipv6 };
  });

  it("stays out of the records, while the others' are up to date and the run fails by its name", async () => {
    const run = await failing("ash1");
    expect(values(run.one(RRSET, "mail-domain-A"))).toEqual([addresses.hel1?.[4]]);
    expect(run.errors).toEqual([
      expect.stringContaining(
        `ash1 (${addresses.ash1?.[4]}): no answer from here on ports 25, 80, 143, 443, 465, 587, 993`,
      ),
    ]);
  });

  it("publishes nothing where nothing stood, if it is the only one", async () => {
    const run = await aStack({ outside: noneAnswers });
    expect(
      rows(run, RRSET)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["hel1-A", "hel1-AAAA"]);
    expect(run.errors).toEqual([expect.stringContaining("Nothing is published under the mail domain by this stack.")]);
  });

  it("leaves an existing address of others alone, if it is the only one", async () => {
    const run = await aStack({ outside: noneAnswers, rrsets: [rrset("chat", "A", ["198.51.100.20"])] });
    expect(rows(run, RRSET).some(({ name }) => name === "mail-domain-A")).toBe(false);
  });

  it("keeps what was published before, if it is the only one: no address at all would make senders give up", async () => {
    const run = await aStack({ outside: noneAnswers, rrsets: [rrset("chat", "A", ["203.0.113.120"], OURS)] });
    expect(values(run.one(RRSET, "mail-domain-A"))).toEqual(["203.0.113.120"]);
    expect(rows(run, RRSET).some(({ name }) => name === "mail-domain-AAAA")).toBe(false);
  });
});

describe("the mail domain's records", () => {
  it("are adopted where somebody else made them", async () => {
    const run = await aStack({ rrsets: [rrset("chat", "A", ["198.51.100.20"])] });
    expect(run.one(RRSET, "mail-domain-A").options.importId).toBe("example.org/chat/A");
    expect(run.one(RRSET, "mail-domain-AAAA").options.importId).toBe("");
  });

  it("are not adopted a second time, which would delete them", async () => {
    const run = await aStack({ rrsets: [rrset("chat", "A", ["203.0.113.120"], OURS)] });
    expect(run.one(RRSET, "mail-domain-A").options.importId).toBe("");
  });

  it("stand at the zone's top where the mail domain is the zone", async () => {
    const run = await aStack({ settings: { mailDomain: "example.org" }, rrsets: [rrset("@", "A", ["198.51.100.20"])] });
    expect(run.one(RRSET, "mail-domain-A")).toMatchObject({
      inputs: { name: "@" },
      options: { importId: "example.org/@/A" },
    });
  });

  it("do not hold a proxy that is drained, which goes on working", async () => {
    const run = await aStack({ proxies: ["hel1", { name: "ash1", host: "hetzner", location: "ash", publish: false }] });
    expect(values(run.one(RRSET, "mail-domain-A"))).toHaveLength(1);
    expect(run.outputs.readme).toMatch(/\| ash1 \|.*\| works, not published \|/);
  });

  it("make other names that point at the old address worth a word", async () => {
    const run = await aStack({
      rrsets: [rrset("chat", "A", ["198.51.100.20"]), rrset("mta-sts.chat", "A", ["198.51.100.20"])],
    });
    expect(run.warnings).toContainEqual(
      expect.stringContaining("mta-sts.chat.example.org A 198.51.100.20 points at the mail domain's old address"),
    );
  });
});

describe("a relay that already uses what the plan wants", () => {
  it.each([
    [
      "a network",
      "address docker0 10.213.0.1/16",
      "tunnel.ipv4Range: the relay already uses 10.213.0.1/16 on docker0, and 10.213.109.6 for wg-hel1 lies in it. Choose a range that is free there.",
    ],
    [
      "an IPv6 network",
      "address eth1 fd6d:6169:6c70::9/64",
      "tunnel.ipv6Range: the relay already uses fd6d:6169:6c70::9/64 on eth1",
    ],
    [
      "a routing table",
      "table tun0 5184881",
      "tunnel.routingTables: the relay's routing table 5184881, meant for wg-hel1, is in use already (routes on tun0).",
    ],
    [
      "a rule's table",
      "rule 100: from 198.51.100.0/24 lookup 5184881",
      'tunnel.routingTables: the relay\'s routing table 5184881, meant for wg-hel1, is in use already (the rule "100: from 198.51.100.0/24 lookup 5184881").',
    ],
    [
      "the interface's name",
      "address wg-hel1 198.51.100.7/32",
      "proxies: the relay already has an interface wg-hel1 that is not ours.",
    ],
    [
      "the trust of postfix",
      "postfix mynetworks 127.0.0.0/8 10.0.0.0/8 [::1]/128",
      "relay: postfix trusts 10.0.0.0/8 (mynetworks), and with it 10.213.109.5, the tunnel's other end: a captured proxy could send through your relay.",
    ],
    ["no IPv6 at all", "ipv6 off ipv6.disable=1 at boot", "relay has IPv6 switched off (ipv6.disable=1 at boot)."],
    [
      "no IPv6 for new interfaces",
      "ipv6 off net.ipv6.conf.default.disable_ipv6=1, which each new interface gets",
      "relay has IPv6 switched off (net.ipv6.conf.default.disable_ipv6=1, which each new interface gets). The tunnel carries IPv6 to it even where the home line has none: set that to 0",
    ],
  ])("(%s) is found before anything is bought", async (_what, line, expected) => {
    const facts = line.startsWith("ipv6") ? RELAY_FACTS.replace("ipv6 on", line) : `${RELAY_FACTS}\n${line}`;
    await expect(aStack({ relayFacts: facts })).rejects.toThrow(expected);
  });

  it("is looked at by every run, the first line of which it stops, until it is mended", async () => {
    const first = await aStack();
    const taken = `${RELAY_FACTS}\nroute docker0 10.213.109.0/24`;
    await expect(aStack({ after: first, relayFacts: taken })).rejects.toThrow("the relay already uses 10.213.109.0/24");
    await expect(aStack({ after: first, relayFacts: taken, preview: true })).rejects.toThrow("10.213.109.0/24");
    expect(await aStack({ after: first })).toMatchObject({ errors: [], changed: [] });
  });

  it.each(["route tun0 10.0.0.0/8", "route eth0 10.128.0.0/9", "route tun0 fd00::/8"])(
    "does not count by a wide route, which ours outrank: %s",
    async (line) => {
      expect((await aStack({ relayFacts: `${RELAY_FACTS}\n${line}` })).errors).toEqual([]);
    },
  );

  it("is not mistaken for our own earlier run", async () => {
    const own = [
      "ours wg-hel1",
      "address wg-hel1 10.213.109.6/32",
      "table wg-hel1 5184881",
      "rule 4710: from 10.213.109.6 lookup 5184881",
      "rule 4721: from all iif lo ipproto tcp dport 25 lookup 5184881",
    ].join("\n");
    const run = await aStack({ relayFacts: `${RELAY_FACTS}\n${own}` });
    expect(run.errors).toEqual([]);
  });
});

describe("a proxy that keeps track of many connections", () => {
  it("is warned of from four fifths of its room on", async () => {
    expect((await aStack({ inside: `${INSIDE}\ntracked 104000 131072` })).warnings.join()).not.toContain(
      "keeps track of",
    );
    expect((await aStack({ inside: `${INSIDE}\ntracked 105000 131072` })).warnings).toContainEqual(
      expect.stringContaining(
        "hel1 keeps track of 105000 connections, and has room for 131072: once that is full, new ones are dropped",
      ),
    );
  });
});

describe("the check of the relay's own way out", () => {
  const FAULT = "this relay cannot reach mx.example.net on port 25";
  const RELAY = { ssh: { host: "192.168.77.10", hostKey: HOST_KEY } };
  const CHECK = "outbound gmail-smtp-in.l.google.com";
  /** What the relay is asked, in turn. */
  const asking = async (stack: StackCase) => {
    const questions: string[] = [];
    const run = await aStack({
      ...stack,
      asked: ({ host }, command) => {
        if (host === RELAY.ssh.host) questions.push(/ status "([^"]*)"/.exec(command)?.[1] ?? command);
      },
    });
    return { run, questions };
  };

  it("is made with the look at it, by every run", async () => {
    const { run, questions } = await asking({});
    expect(questions).toEqual([`relay;${CHECK}`]);
    expect((await asking({ after: run })).questions).toEqual(questions);
    expect((await asking({ after: run, preview: true })).questions).toEqual(questions);
  });

  it("is made again where its mail leaves through tunnels that this run has changed", async () => {
    const settings = { egress: "hel1" };
    const stack = { settings, inside: `${INSIDE}\noutbound 4 open`, outbound: [`fault ${FAULT}`] };
    const { run, questions } = await asking({ ...stack, again: { [RELAY.ssh.host]: { outbound: [] } } });
    expect([run.errors, questions]).toEqual([[], [`relay;${CHECK}`, `${CHECK} 15`]]);
    const broken = await asking({
      ...stack,
      outbound: [],
      again: { [RELAY.ssh.host]: { outbound: [`fault ${FAULT}`] } },
    });
    expect(broken.run.errors.join()).toContain(`  - relay: ${FAULT}\n`);
    // Not where nothing of it was changed, nor in a preview, which changes nothing.
    expect((await asking({ ...stack, outbound: [], after: run })).questions).toEqual([`relay;${CHECK}`]);
    expect((await asking({ ...stack, after: run, preview: true })).questions).toEqual([`relay;${CHECK}`]);
    // A tunnel may have come up since it failed.
    const up = await asking({ ...stack, after: run, again: { [RELAY.ssh.host]: { outbound: [] } } });
    expect([up.run.errors, up.questions]).toEqual([[], [`relay;${CHECK}`, `${CHECK} 15`]]);
  });

  it("is made again where it failed, and this run has changed the relay since: a run that was cut off may have left its rules", async () => {
    const stack = { outbound: [`fault ${FAULT}`], again: { [RELAY.ssh.host]: { outbound: [] } } };
    const { run, questions } = await asking(stack);
    expect([run.errors, questions]).toEqual([[], [`relay;${CHECK}`, `${CHECK} 15`]]);
    const unchanged = await asking({ ...stack, after: run });
    expect([unchanged.run.errors.join(), unchanged.questions]).toEqual([
      expect.stringContaining(`  - relay: ${FAULT}\n`),
      [`relay;${CHECK}`],
    ]);
  });

  it("is a fault when it fails, with everything else done", async () => {
    const run = await aStack({ outbound: [`fault ${FAULT}`] });
    expect(run.errors).toEqual([expect.stringContaining(`  - relay: ${FAULT}\n`)]);
    expect(run.outputs.published).toHaveLength(2);
    expect((await aStack({ after: run })).errors).toEqual([]);
    expect((await aStack({ after: run, outbound: [`fault ${FAULT}`] })).errors).toHaveLength(1);
  });

  it("is a warning where one family alone is shut", async () => {
    const run = await aStack({ outbound: ["warning mail leaves over IPv4, but not over IPv6"] });
    expect([run.errors, run.warnings]).toEqual([
      [],
      expect.arrayContaining(["relay: mail leaves over IPv4, but not over IPv6"]),
    ]);
  });

  it("is a warning in a preview, and no news from a relay that does not answer", async () => {
    const outbound = [`fault ${FAULT}`];
    const preview = await aStack({ outbound, preview: true });
    expect([preview.errors, preview.warnings.join()]).toEqual([[], expect.stringContaining(`relay: ${FAULT}`)]);
    const after = await aStack({ outbound });
    const silent = await aStack({ outbound, after, silent: [RELAY.ssh.host] });
    expect(silent.errors).toEqual([]);
  });

  it("can be switched off", async () => {
    const { questions } = await asking({ settings: { relay: { ...RELAY, outboundCheck: false } } });
    expect(questions).toEqual(["relay"]);
    const egress = await asking({ settings: { relay: { ...RELAY, outboundCheck: false }, egress: "hel1" } });
    expect(egress.questions).toEqual(["relay"]);
  });
});

describe("a relay that is reached as another user than root", () => {
  it("is asked by sudo -n everywhere", async () => {
    const looks: string[] = [];
    const run = await aStack({
      settings: { relay: { ssh: { host: "192.168.77.10", hostKey: HOST_KEY, user: "admin" } } },
      asked: ({ user }, command) => void looks.push(`${user} ${command}`),
    });
    expect(looks).toEqual([expect.stringMatching(/^admin sudo -n sh -c /)]);
    const lines = [
      ...rows(run, COMMAND)
        .filter(({ name }) => name.startsWith("relay"))
        .map(({ inputs }) => inputs.create),
      ...leaving(run).map(({ inputs }) => (JSON.parse(String(inputs.stdin)) as { command: string }).command),
    ];
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/^sudo -n /);
  });
});

describe("the proxy's view of the relay", () => {
  it("is that of the look at the beginning where nothing was written, and else that of the confirmation", async () => {
    const dead = { outside: noneAnswers, inside: "handshake 999999\nendpoint (none)" };
    const SILENT = "no WireGuard handshake from the relay";
    const first = await aStack();
    const cut = await aStack({ ...dead, after: first });
    expect(cut.changed).toEqual([]);
    expect(cut.errors.join()).toContain(SILENT);
    expect((await aStack({ ...dead, after: first, preview: true })).warnings.join()).toContain(SILENT);
    // What the look saw, this run has put right.
    const seen = { "203.0.113.120": { view: dead.inside.split("\n") } };
    const mended = await aStack({
      after: first,
      seen,
      outside: noneAnswers,
      settings: { tunnel: { keyGeneration: 2 } },
    });
    expect(mended.errors.join()).not.toContain(SILENT);
    expect(mended.errors.join()).toContain("though the relay answers through the tunnel");
  });

  it("is asked for once more where the relay's end alone was written, and by no preview", async () => {
    const asking = async (stack: StackCase) => {
      let times = 0;
      const run = await aStack({ ...stack, asked: ({ host }) => void (times += Number(host === "203.0.113.120")) });
      return [times, run.errors.join(), run.changed] as const;
    };
    const after = await aStack();
    const seen = { "203.0.113.120": { view: ["handshake 999999", "endpoint (none)"] } };
    const stack = { after, outside: noneAnswers, seen, again: { "203.0.113.120": { view: INSIDE.split("\n") } } };
    const settings = { relay: { ssh: { host: "192.168.77.10", hostKey: HOST_KEY }, dial: "ipv6" } };
    const [times, errors, changed] = await asking({
      ...stack,
      settings: { ...settings, relay: { ...settings.relay, dial: "ipv4" } },
    });
    expect([times, changed]).toEqual([1, []]);
    expect(errors).toContain("no WireGuard handshake");
    const moved = await asking({ ...stack, settings });
    expect([moved[0], moved[2]]).toEqual([2, ["relay-tunnels"]]);
    expect(moved[1]).toContain("though the relay answers through the tunnel");
    expect((await asking({ ...stack, settings, preview: true }))[0]).toBe(1);
  });

  describe("where this machine has no IPv6", () => {
    const HEL1 = "203.0.113.120";
    const IPV6 = "2001:db8:c000:78::1";
    const CUT = ["handshake 999999", "endpoint (none)"];
    const outside = (target: ProbeTarget): OutsideView =>
      target.address.includes(":")
        ? target.ports.map((port) => ({ port, answer: { kind: "notFromHere" } }))
        : allAnswer(target);

    it("is that after the keys were put back there, and not that of the look", async () => {
      const after = await aStack({ outside });
      const { sets } = after.hosts[HEL1] as (typeof after.hosts)[string];
      const keys = { ...sets["tunnel-keys"], drift: ["the key is another"] } as (typeof sets)[string];
      const run = await aStack({
        after,
        outside,
        seen: { [HEL1]: { sets: { ...sets, "tunnel-keys": keys }, view: CUT } },
        again: { [HEL1]: { view: INSIDE.split("\n") } },
      });
      expect([run.errors, run.changed, run.outputs.published]).toEqual([[], ["hel1-host"], [HEL1, IPV6]]);
    });

    it("is that after a failure, and not that of the look", async () => {
      const after = await aStack({ outside });
      const run = await aStack({
        proxies: ["hel1", "ash1"],
        after,
        outside,
        settings: { tunnel: { keyGeneration: 2 } },
        rrsets: [rrset("chat", "A", [HEL1], OURS), rrset("chat", "AAAA", [IPV6], OURS)],
        prints: { "hel1-config": "failed the disk is full" },
        again: { [HEL1]: { view: CUT } },
      });
      expect(run.outputs.published).toContain(HEL1);
      expect(run.outputs.published).not.toContain(IPV6);
    });

    it("of a machine that is given up is none, whatever it saw last", async () => {
      const deb1 = {
        name: "deb1",
        host: "linux",
        ipv4: "192.0.2.140",
        ipv6: "2001:db8::140",
        ssh: { hostKey: HOST_KEY },
      };
      const after = await aStack({ proxies: ["hel1", deb1], outside });
      const run = await aStack({
        proxies: ["hel1", { ...deb1, gone: true }],
        after,
        outside: (target) => (target.address === deb1.ipv4 ? noneAnswers(target) : outside(target)),
      });
      expect(run.outputs.published).not.toContain("2001:db8::140");
    });
  });
});
