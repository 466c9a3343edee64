// The package in programs of others: what they import, and that it does what the ready-made program does.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { transform } from "sucrase";
import ts from "typescript";
import * as chatmailProxy from "../../components";
import { argumentOf } from "../../components/api/arguments";
import { OPERATORS_MACHINE } from "../../components/world";
import { aStack, HOST_KEY, type StackCase } from "./aStack";

const {
  cloudflareZone,
  freebsdServer,
  hetznerServer,
  hetznerZone,
  linuxServer,
  manualZone,
  ProxyRelay,
  Relay,
  rfc2136Zone,
} = chatmailProxy;

const ROOT = join(__dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const EXAMPLE = "test/lab/component/index.ts";

// What fails and nobody waits for is told by the SDK's command; here the program's own outputs tell.
const { prototype } = pulumi.ComponentResource as unknown as {
  prototype: { initializeAndRegisterOutputs(...args: unknown[]): Promise<unknown> };
};
const initialize = prototype.initializeAndRegisterOutputs;
prototype.initializeAndRegisterOutputs = function (...args) {
  const data = initialize.apply(this, args);
  data.catch(() => undefined);
  return data;
};

interface Inner {
  promise(): Promise<unknown>;
  allResources(): Promise<unknown>;
  readonly isKnown: Promise<unknown>;
  readonly isSecret: Promise<unknown>;
}

/** A stack's case in which the program is one of somebody else's. */
const programOf =
  (make: () => pulumi.Inputs): StackCase["program"] =>
  async (world) => {
    Object.assign(OPERATORS_MACHINE, world);
    const outputs = make();
    const inner = Object.values(outputs) as unknown as Inner[];
    for (const output of inner)
      for (const each of [output.isKnown, output.isSecret, output.allResources()]) each.catch(() => undefined);
    await Promise.all(inner.map((output) => output.promise()));
    return outputs;
  };

/** What a program exports. */
function exportsOf(text: string): pulumi.Inputs {
  const exported: pulumi.Inputs = {};
  const { code } = transform(text, { transforms: ["typescript", "imports"] });
  const load = (name: string) => (name === "chatmail-proxy" ? chatmailProxy : undefined);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  new Function("require", "exports", code)(load, exported);
  return exported;
}

/** The example as it is, but for the relay's address and host key. */
const example = () => read(EXAMPLE).replace("192.168.1.10", "192.168.77.10").replace("ssh-ed25519 AAAA…", HOST_KEY);

const ssh = { host: "192.168.77.10", hostKey: HOST_KEY };
const NOTHING = { settings: { mailDomain: undefined, relay: undefined, proxies: undefined, dns: undefined } };

/** Runs a program that makes a relay and proxies, and exports what the next run must know. */
const aProgram = (
  make: () => InstanceType<typeof Relay>,
  { settings, ...stack }: StackCase = {},
  more: () => pulumi.Inputs = () => ({}),
) =>
  aStack({
    ...stack,
    settings: { ...NOTHING.settings, ...settings },
    program: programOf(() => {
      const relay = make();
      return { kept: relay.outputs, ...more() };
    }),
  });

const twoProxies = (args: Partial<chatmailProxy.RelayArgs> = {}, hel1: Partial<chatmailProxy.ProxyRelayArgs> = {}) => {
  const relay = new Relay("relay", { ssh, ...args });
  const common = { mailDomain: "chat.example.org", relay, zone: hetznerZone({ zone: "example.org" }) };
  new ProxyRelay("hel1", { ...common, host: hetznerServer({ location: "hel1" }), ...hel1 });
  new ProxyRelay("ash1", { ...common, host: hetznerServer({ location: "ash", serverType: "cpx11" }) });
  return relay;
};

it("registers nothing when it is imported, from CommonJS or from an ES module", () => {
  const dir = mkdtempSync(join(tmpdir(), "reuse-"));
  try {
    install(dir);
    const all = `console.log(Object.keys(a).filter((name) => !/^(default|module.exports)$/.test(name)).sort().join(" "))`;
    const said = (file: string, program: string) => {
      writeFileSync(join(dir, file), program);
      // Without an engine, whatever is registered fails.
      return execFileSync(process.execPath, [file], { cwd: dir, encoding: "utf8" }).trim();
    };
    const names = Object.keys(chatmailProxy).sort().join(" ");
    expect(said("a.cjs", `const a = require("chatmail-proxy"); ${all}`)).toBe(names);
    expect(said("a.mjs", `import * as a from "chatmail-proxy"; ${all}`)).toBe(names);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it("registers in the program of twelve lines what the ready-made program registers with the same settings", async () => {
  expect(read(EXAMPLE).trimEnd().split("\n").length).toBeLessThanOrEqual(12);
  const ready = await aStack();
  const run = await aStack({ ...NOTHING, program: programOf(() => exportsOf(example())) });
  const byName = (resources: typeof run.registered) =>
    [...resources].sort((a, b) => `${a.type} ${a.name}`.localeCompare(`${b.type} ${b.name}`));
  expect(byName(run.registered)).toEqual(byName(ready.registered));
  expect(run.warnings).toEqual(ready.warnings);
  const { address, chatmailProxy: kept } = run.outputs as { address: string; chatmailProxy: Record<string, unknown> };
  expect(address).toBe((ready.outputs.proxies as Record<string, { ipv4: string }>).hel1?.ipv4);
  const { managementPrivateKey, ...outputs } = ready.outputs;
  expect(kept).toEqual({ relay: "relay", ...outputs });
  expect(managementPrivateKey).toBeDefined();
});

it("changes nothing in a second run, also of a stack that the ready-made program made", async () => {
  const first = await aProgram(twoProxies);
  const second = await aProgram(twoProxies, { after: first });
  expect([second.changed, second.warnings]).toEqual([[], first.warnings]);
  const ready = await aStack({
    proxies: ["hel1", { name: "ash1", host: "hetzner", location: "ash", serverType: "cpx11" }],
  });
  expect((await aProgram(twoProxies, { after: ready })).changed).toEqual([]);
});

it("takes several relays, each with a mail domain, keys and a memory of its own", async () => {
  const program = programOf(() => {
    const home = twoProxies();
    const office = new Relay("office", { ssh: { host: "192.168.78.10", hostKey: HOST_KEY } });
    const zone = hetznerZone({ zone: "example.org" });
    const host = hetznerServer({ location: "hel1" });
    new ProxyRelay("o1", { mailDomain: "office.example.org", host, relay: office, zone });
    return { home: home.outputs, office: office.outputs };
  });
  const run = await aStack({ ...NOTHING, program });
  const named = (pattern: RegExp) => run.registered.map(({ name }) => name).filter((name) => pattern.test(name));
  expect(named(/mail-domain$/).sort()).toEqual(["mail-domain", "office-mail-domain"]);
  const keys = run.registered.filter(({ type }) => type === "hcloud:index/sshKey:SshKey");
  expect(keys.map(({ name, inputs }) => [name, inputs.name]).sort()).toEqual([
    ["management-key", "chatmail-proxy-test"],
    ["office-management-key", "chatmail-proxy-office-test"],
  ]);
  expect(run.one("command:remote:Command", "office-tunnels").options.parent).toBe("office");
  expect((await aStack({ ...NOTHING, program, after: run })).changed).toEqual([]);
});

it("knows in a preview what it would make, and not yet where", async () => {
  const address = () => {
    const relay = twoProxies();
    return { kept: relay.outputs, published: relay.published };
  };
  const preview = await aStack({ ...NOTHING, preview: true, program: programOf(address) });
  const names = (run: typeof preview) => run.registered.map(({ name }) => name).sort();
  expect(names(preview)).toEqual(names(await aProgram(twoProxies)));
});

it("publishes the proxies of a relay together", async () => {
  const run = await aProgram(twoProxies);
  const { proxies, published } = run.outputs.kept as {
    proxies: Record<string, { ipv4: string; ipv6: string }>;
    published: string[];
  };
  const all = Object.values(proxies).flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  expect(all.length).toBe(4);
  expect([...published].sort()).toEqual(all.sort());
});

it("says which line is missing where the next run will know nothing of this one, and goes on without it", async () => {
  const forgetful = (stack: StackCase = {}) =>
    aStack({ ...stack, ...NOTHING, program: programOf(() => ({ relay: twoProxies().published })) });
  const line = expect.stringContaining("Add the line: export const chatmailProxy = relay.outputs;") as string;
  const first = await forgetful();
  expect(first.warnings).toContainEqual(line);
  const second = await forgetful({ after: first });
  expect(second.warnings).toContainEqual(line);
  expect(second.changed).toContain("hel1-config");
  expect(second.changed).not.toContain("hel1-server");
});

it("refuses what would cut users off, by what the last run left", async () => {
  const first = await aProgram(twoProxies);
  const moved = aProgram(() => twoProxies({}, { host: hetznerServer({ location: "fsn1" }) }), { after: first });
  await expect(moved).rejects.toThrow('ProxyRelay "hel1": host.location: was "hel1" until now.');
});

describe("faults", () => {
  const faults = (make: () => InstanceType<typeof Relay>, stack?: StackCase) =>
    aProgram(make, stack).then(
      () => "",
      (error: Error) => error.message,
    );

  it("are told all at once, each with the argument that was written, before any host is asked", async () => {
    const said = await faults(
      () =>
        twoProxies(
          { ports: [25, 70000], ssh: { ...ssh, hostKey: "none" }, tunnel: { mtu: 9 } },
          {
            zone: hetznerZone({ zone: "example.org", ttl: 1 }),
            host: hetznerServer({ location: "Helsinki" }),
            slot: -1,
          },
        ),
      { asked: () => expect("a host").toBe("not asked before") },
    );
    expect(said.split("\n")).toEqual([
      "7 arguments need a change before anything is made:",
      expect.stringContaining('  Relay "relay": ssh.hostKey: "none" is not a public SSH key.'),
      expect.stringContaining('  ProxyRelay "hel1": slot: -1 is not a slot.'),
      expect.stringContaining('  ProxyRelay "hel1": host.location: "Helsinki" is not a location.'),
      expect.stringContaining('  Relay "relay": ports[1]: 70000 is not a port.'),
      expect.stringContaining('  Relay "relay": tunnel.mtu: 9 is not an MTU.'),
      expect.stringContaining("  hetznerZone: ttl: 1 is not a TTL"),
      expect.stringContaining('  ProxyRelay "ash1": zone is another than that of ProxyRelay "hel1".'),
    ]);
  });

  it("are a secret in plain text, and an output in place of a plain value", async () => {
    const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${"A".repeat(64)}\n-----END OPENSSH PRIVATE KEY-----\n`;
    const plain = await faults(() => twoProxies({ sshKey: key }));
    expect(plain).toContain('Relay "relay": sshKey is plain text. Regard it as known to others');
    expect(plain).not.toContain("AAAA");
    expect(await faults(() => twoProxies({ sshKey: pulumi.secret(key) }))).toBe("");
    const host = pulumi.output("192.168.77.10") as unknown as string;
    expect(await faults(() => twoProxies({ ssh: { ...ssh, host } }))).toContain(
      'Relay "relay": ssh.host is an Output. Give a plain value',
    );
    const token = (apiToken: pulumi.Input<string>) => cloudflareZone({ zone: "example.org", apiToken });
    expect(await faults(() => twoProxies({}, { zone: token("c".repeat(40)) }))).toContain(
      "cloudflareZone: apiToken is plain text",
    );
  });

  it("are a relay without proxies, one that two Relays stand for, and a proxy that comes too late", async () => {
    expect(await faults(() => new Relay("relay", { ssh }))).toContain('Relay "relay" has no ProxyRelay');
    const twice = () => {
      const relay = twoProxies();
      const other = new Relay("other", { ssh });
      const zone = hetznerZone({ zone: "example.net" });
      new ProxyRelay("o1", {
        mailDomain: "mx.example.net",
        host: hetznerServer({ location: "hel1" }),
        relay: other,
        zone,
      });
      return pulumi.output([relay.published, other.published]);
    };
    const both = aStack({ ...NOTHING, program: programOf(() => ({ both: twice() })) });
    await expect(both).rejects.toThrow('Relay "other": ssh.host is also that of Relay "relay".');
    let late: Promise<unknown> = Promise.resolve();
    await aProgram(() => {
      const relay = twoProxies();
      late = new Promise((resolve) => setTimeout(resolve, 20)).then(
        () =>
          new ProxyRelay("late", {
            mailDomain: "a.b",
            host: hetznerServer({ location: "x" }),
            relay,
            zone: manualZone({ zone: "b" }),
          }),
      );
      late.catch(() => undefined);
      return relay;
    });
    await expect(late).rejects.toThrow('ProxyRelay "late" comes too late');
  });

  it("name arguments of every kind", () => {
    const of = (key: string, zone: chatmailProxy.MailZone = hetznerZone({ zone: "example.org" })) =>
      argumentOf(key, {
        name: "home",
        args: {},
        proxies: [{ name: "hel1", mailDomain: "chat.example.org", host: hetznerServer({ location: "hel1" }), zone }],
      });
    const tsig = { name: "k", secret: "s" };
    expect([
      of("mailDomain"),
      of("relay"),
      of("relay.ssh"),
      of("relaySshKey"),
      of("hostSshKey"),
      of("egress[0]"),
      of("proxies[0]"),
      of("proxies[0].name"),
      of("proxies[0].ssh.hostKey"),
      of("dns.zone"),
      of("dnsSecret", rfc2136Zone({ zone: "example.org", server: "ns1.example.org", tsig })),
      of("hcloud:token"),
    ]).toEqual([
      'ProxyRelay "hel1": mailDomain',
      'Relay "home"',
      'Relay "home": ssh',
      'Relay "home": sshKey',
      'Relay "home": hostSshKey',
      'Relay "home": egress[0]',
      'ProxyRelay "hel1": host',
      'ProxyRelay "hel1": name',
      'ProxyRelay "hel1": host.ssh.hostKey',
      "hetznerZone: zone",
      "rfc2136Zone: tsig.secret",
      "hcloud:token",
    ]);
  });
});

it("takes machines that are there already, with the settings that the ready-made program has for them", async () => {
  const vm = { ipv4: "198.51.100.130", ssh: { hostKey: HOST_KEY } };
  const bsd = { ipv4: "198.51.100.131", ssh: { hostKey: HOST_KEY.replace("A", "B") } };
  const make = () => {
    const relay = new Relay("relay", { ssh, ports: [25, 443], adminNetworks: ["198.51.100.0/24"], egress: ["vm1"] });
    const common = { mailDomain: "chat.example.org", relay, zone: hetznerZone({ zone: "example.org", ttl: 60 }) };
    new ProxyRelay("vm1", { ...common, host: linuxServer(vm) });
    new ProxyRelay("bsd1", { ...common, host: freebsdServer(bsd), publish: false });
    return relay;
  };
  const ready = await aStack({
    proxies: [
      { name: "vm1", host: "linux", ...vm },
      { name: "bsd1", host: "freebsd", ...bsd, publish: false },
    ],
    settings: {
      ports: [25, 443],
      adminNetworks: ["198.51.100.0/24"],
      egress: ["vm1"],
      dns: { zone: "example.org", ttl: 60 },
    },
  });
  const run = await aProgram(make);
  const sorted = (all: typeof run.registered) => [...all].sort((a, b) => a.name.localeCompare(b.name));
  expect(sorted(run.registered)).toEqual(sorted(ready.registered));
});

it("lets others wait for a proxy's parts, and be its parent", async () => {
  const run = await aProgram(() => {
    const parent = new pulumi.ComponentResource("mine:index:Mail", "mine");
    const relay = new Relay("relay", { ssh }, { parent });
    const zone = hetznerZone({ zone: "example.org" });
    const host = hetznerServer({ location: "hel1" });
    const hel1 = new ProxyRelay("hel1", { mailDomain: "chat.example.org", host, relay, zone }, { parent });
    new random.RandomPassword("after", { length: 9 }, { dependsOn: hel1 });
    new random.RandomPassword("at-last", { length: 9 }, { dependsOn: relay });
    return relay;
  });
  const { dependsOn } = run.one("random:index/randomPassword:RandomPassword", "after");
  expect(dependsOn).toEqual(expect.arrayContaining(["hel1-server", "hel1-config", "hel1-confirm", "hel1-A"]));
  const last = run.one("random:index/randomPassword:RandomPassword", "at-last").dependsOn;
  expect(last).toEqual(expect.arrayContaining(["relay-host", "relay-tunnels"]));
  const parents = run.registered.map(({ name, options: { parent } }) => [name, parent]);
  expect(parents).toEqual(
    expect.arrayContaining([
      ["relay", "mine"],
      ["hel1", "mine"],
      ["hel1-host", "hel1"],
    ]),
  );
});

describe("types", () => {
  const FILES = ["index", "api/hosts", "api/proxyRelay", "api/relay", "api/relayArgs", "api/zones"];

  it.each(FILES)("of %s are what the compiler makes of it (UPDATE_GOLDEN=1 writes them)", (file) => {
    const path = join(ROOT, "components/types", `${file}.d.ts`);
    const { outputText, diagnostics } = ts.transpileDeclaration(read(`components/${file}.ts`), {
      reportDiagnostics: true,
      compilerOptions: { stripInternal: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext },
    });
    expect(diagnostics).toEqual([]);
    const text = `// Made of components/${file}.ts by test/unit/reuse.test.ts.\n${outputText}`;
    if (process.env.UPDATE_GOLDEN) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    expect(existsSync(path) ? readFileSync(path, "utf8") : "").toBe(text);
  });

  it("take the program of twelve lines as a fresh Pulumi project checks it, and no wrong arguments", () => {
    const dir = mkdtempSync(join(tmpdir(), "reuse-"));
    try {
      install(dir);
      const right = join(dir, "index.ts");
      const wrong = join(dir, "wrong.ts");
      writeFileSync(right, read(EXAMPLE));
      writeFileSync(
        wrong,
        read(EXAMPLE)
          .replace('location: "hel1"', 'locatoin: "hel1"')
          .replace("  zone,\n", "")
          .replace("hel1.ipv4", "hel1.ipv5"),
      );
      // As `pulumi new typescript` has them.
      const program = ts.createProgram([right, wrong], {
        strict: true,
        target: ts.ScriptTarget.ES2020,
        module: ts.ModuleKind.CommonJS,
        moduleResolution: ts.ModuleResolutionKind.Node10,
        skipLibCheck: true,
        noEmit: true,
        types: [],
      });
      const errors = ts.getPreEmitDiagnostics(program);
      expect(errors.filter(({ file }) => file?.fileName !== wrong).map(({ messageText }) => messageText)).toEqual([]);
      expect(errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "))).toEqual([
        expect.stringContaining("Property 'zone' is missing"),
        expect.stringContaining("'locatoin' does not exist in type 'HetznerServerArgs'"),
        expect.stringContaining("Property 'ipv5' does not exist on type 'ProxyRelay'"),
      ]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

/** A project of somebody else's that has this package, as `npm install PATH` makes it. */
function install(dir: string): void {
  mkdirSync(join(dir, "node_modules"));
  symlinkSync(ROOT, join(dir, "node_modules/chatmail-proxy"));
  symlinkSync(join(ROOT, "node_modules/@pulumi"), join(dir, "node_modules/@pulumi"));
}

it("finds its own programs from the project of another program", () => {
  const dir = mkdtempSync(join(tmpdir(), "reuse-"));
  try {
    install(dir);
    const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: dir, encoding: "utf8", input: "{}" });
    const script = `require("chatmail-proxy"); const { inTheProject } = require("./node_modules/chatmail-proxy/components/projectProgram.ts");
      console.log(JSON.stringify(inTheProject("components/dns/driver/main.ts").interpreter))`;
    const interpreter = JSON.parse(node("-e", script).stdout) as string[];
    expect(interpreter).toEqual([
      "node",
      "--require",
      "./node_modules/chatmail-proxy/scripts/register.js",
      "node_modules/chatmail-proxy/components/dns/driver/main.ts",
    ]);
    // It runs there as it does here.
    const said = node(...interpreter.slice(1), "put chat.example.org A").stderr;
    const here = ["--require", "./scripts/register.js", "components/dns/driver/main.ts", "put chat.example.org A"];
    expect(said).toBe(spawnSync(process.execPath, here, { cwd: ROOT, encoding: "utf8", input: "{}" }).stderr);
    expect(said).not.toContain("Cannot find module");
  } finally {
    rmSync(dir, { recursive: true });
  }
});

describe("docs/component.md", () => {
  const page = read("docs/component.md");

  it("shows the program and the project that the lab runs", () => {
    expect(page).toContain("```ts\n" + read(EXAMPLE) + "```");
    const indented = read("test/lab/component/Pulumi.yaml").replace(/^/gm, "   ").trimEnd();
    expect(page).toContain(`${indented}\n   \`\`\``);
  });

  it("has an argument for every setting", () => {
    const settings = [...read("docs/settings.md").matchAll(/^\| (`.*?) \| /gm)]
      .flatMap(([, keys = ""]) => [...keys.matchAll(/`([\w.[\]]+)`/g)].map(([, key = ""]) => key))
      // A proxy's name is the resource's, its kind and the provider are functions.
      .filter((key) => !["proxies[].name", "proxies[].host", "dns.provider"].includes(key))
      .map((key) => ({ relaySshKey: "sshKey", dnsSecret: "apiToken" })[key] ?? key.replace(/^.*\./, ""));
    expect(settings.length).toBeGreaterThan(50);
    const types = ["hosts", "proxyRelay", "relayArgs", "zones"]
      .map((name) => read(`components/types/api/${name}.d.ts`))
      .join("");
    expect(settings.filter((name) => !new RegExp(`readonly ${name}\\??:`).test(types))).toEqual([]);
  });
});
