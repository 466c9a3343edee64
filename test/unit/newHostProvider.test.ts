// A fourth kind of host is one file (rentedHost.ts) and one line in the table, which this file adds; nothing else is told.
import type { HostProvider } from "../../components/hosts/host";
import type { ProxySettings } from "../../components/settings";
import { networkAdvice } from "../../components/hosts/networks";
import { findEndpoints } from "../../components/hosts/endpoints";
import { checkSettings } from "../../components/settings/check";
import { rented } from "./rentedHost";
import { aStack, HOST_KEY, type StackCase } from "./aStack";
import type { Run } from "./engine";
import { setIn } from "./hostsAfter";

jest.mock("../../components/hosts/providers", () => {
  const { PROVIDERS } = jest.requireActual<typeof import("../../components/hosts/providers")>(
    "../../components/hosts/providers",
  );
  return { PROVIDERS: [...PROVIDERS, jest.requireActual<typeof import("./rentedHost")>("./rentedHost").rented] };
});

const COMMAND = "command:remote:Command";
const RRSET = "hcloud:index/zoneRrset:ZoneRrset";

const rent1 = { name: "rent1", host: "rented", contract: "k1", ipv4: "203.0.113.77" };
const rent2 = { ...rent1, name: "rent2", contract: "k2", ipv4: "203.0.113.78" };
const hel1 = { name: "hel1", host: "hetzner", location: "hel1" };
const deb1 = { name: "deb1", host: "linux", ssh: { hostKey: HOST_KEY }, ipv4: "198.51.100.130" };

const aStackOf = (proxies: StackCase["proxies"], settings: Record<string, unknown> = {}, rest: StackCase = {}) =>
  aStack({
    proxies,
    settings: { "rented:token": "rent", ...settings },
    secretKeys: ["hcloud:token", "rented:token", "chatmail-proxy:dnsSecret"],
    ...rest,
  });

const checked = (proxies: unknown[], settings = {}) =>
  checkSettings({
    mailDomain: "chat.example.org",
    relay: { ssh: { host: "192.168.77.10", hostKey: HOST_KEY } },
    dns: { zone: "example.org" },
    proxies,
    ...settings,
  });
const faults = (...proxies: unknown[]) => {
  const result = checked(proxies);
  return "faults" in result ? result.faults.map(({ key, text }) => `${key} ${text}`) : [];
};
const entries = (...proxies: unknown[]): readonly ProxySettings[] => {
  const result = checked(proxies);
  if ("faults" in result) throw new Error(JSON.stringify(result.faults));
  return result.settings.proxies;
};
const has = (run: Run, type: string) => run.registered.some((resource) => resource.type === type);

describe("an entry of a fourth kind", () => {
  it("is read by the kind's own schema, beside the others", () => {
    expect(entries(hel1, rent1)[1]).toEqual({ ...rent1, publish: true, place: "ams" });
    expect(faults({ ...rent1, location: "hel1" })).toEqual([
      expect.stringContaining(
        'proxies[0] has an unknown key "location". Known here: name, publish, slot, host, contract, place, ipv4.',
      ),
    ]);
    expect(faults({ ...rent1, contract: "NO" }, { ...rent2, host: "azure" })).toEqual([
      expect.stringContaining('proxies[0].contract "NO" is not a contract.'),
      'proxies[1].host "azure" is not a kind of host. Use one of "hetzner", "linux", "freebsd", "rented".',
    ]);
  });

  it("is checked against itself, and against entries of other kinds", () => {
    expect(faults({ ...rent1, contract: "void" })).toEqual(["proxies[0] has a contract that is void. Sign another."]);
    expect(faults({ ...deb1, ipv4: rent1.ipv4 }, rent1)).toEqual([
      "proxies[1] is the same machine as proxies[0]. A machine is one proxy: remove one of the two.",
    ]);
    expect(checked([rent1], { ports: [25, 2200] })).toMatchObject({
      faults: [{ key: "ports[1]", text: expect.stringContaining("2200 is the proxy's own SSH port") as string }],
    });
  });

  it("needs its own token, neither Hetzner's nor the operator's SSH key", async () => {
    const plain = {
      relay: { setup: "script" },
      dns: { zone: "example.org", provider: "cloudflare" },
      dnsSecret: "d".repeat(40),
      "hcloud:token": undefined,
    };
    const refusal = (settings: Record<string, unknown>) =>
      aStack({
        proxies: [rent1],
        settings: { ...plain, ...settings },
        agent: { kind: "none" },
        secretKeys: ["chatmail-proxy:dnsSecret"],
      });
    await expect(refusal({})).rejects.toThrow(
      /One setting needs a change.*\n {2}rented:token is missing\. Ask your landlord\.$/,
    );
    await expect(refusal({ "rented:token": "rent" })).rejects.toThrow(
      /One setting needs a change.*\n {2}rented:token is in the stack file in plain text\./,
    );
  });
});

describe("a host of a fourth kind", () => {
  it("carries a proxy from its first contact to the mail domain's records", async () => {
    const run = await aStackOf(
      [rent1],
      { adminNetworks: ["198.51.100.0/24"], egress: "rent1" },
      { reverse: { [rent1.ipv4]: ["other.example.net"] } },
    );
    expect(run.errors).toEqual([]);
    expect(has(run, "test:hosts:RentedHost")).toBe(true);
    // Reached with the stack's key, which nobody registers at Hetzner Cloud for it.
    expect([has(run, "hcloud:index/server:Server"), has(run, "hcloud:index/sshKey:SshKey")]).toEqual([false, false]);
    expect(run.one(COMMAND, "rent1-host").inputs.connection).toMatchObject({
      host: rent1.ipv4,
      port: 2200,
      dialErrorLimit: 7,
    });
    expect(setIn(run, "rent1-config", "upgrades")).toContain("05:00");
    expect(run.outputs.published).toEqual([rent1.ipv4]);
    expect(run.one(RRSET, "mail-domain-A").inputs.records).toMatchObject([{ value: rent1.ipv4 }]);
    expect(run.warnings).toContainEqual(expect.stringContaining("adminNetworks has no effect on rent1:"));
    expect(run.warnings).toContainEqual(
      expect.stringContaining(
        "rent1 is an egress, and the reverse DNS of 203.0.113.77 says other.example.net, not chat.example.org",
      ),
    );
  });

  it("is told of together with the others where they have something in common", async () => {
    expect((await aStackOf([rent1, { ...hel1, rebootTime: "05:05" }])).warnings).toContainEqual(
      expect.stringContaining("rent1 (05:00) and hel1 (05:05) may restart for updates at the same time"),
    );
    expect(networkAdvice(entries(rent1, { ...deb1, autonomousSystem: 64500 }))).toContain(
      "(rent1, deb1) stand in one network, AS64500",
    );
    expect(networkAdvice(entries(rent1, hel1))).toBeUndefined();
  });

  it("is looked for where its kind says that it stands, on each of its ports, and not before it exists", async () => {
    const fresh = { ...rent1, name: "rent3", contract: "new", ipv4: "203.0.113.79" };
    expect([...(await findEndpoints(entries(rent1, rent2, fresh, deb1), { stack: "test" })).keys()].sort()).toEqual([
      "deb1",
      "rent1",
      "rent2",
    ]);
    const logins: string[] = [];
    const asked: StackCase["asked"] = ({ host, port, user }) => void logins.push(`${user}@${host}:${port}`);
    const run = await aStackOf([rent1, rent2, fresh, deb1], {}, { silent: ["rent1.test.example.net"], asked });
    expect(logins.sort()).toEqual([
      "root@192.168.77.10:22",
      "root@198.51.100.130:22",
      "root@rent1.test.example.net:22",
      "root@rent1.test.example.net:2200",
      "root@rent2.test.example.net:22",
      "root@rent2.test.example.net:2200",
    ]);
    const runs = ["rent1", "rent2", "rent3", "deb1"].map((name) => run.one(COMMAND, `${name}-config`));
    expect(runs.map(({ inputs }) => inputs.create !== undefined)).toEqual([false, true, true, true]);
  });

  it("that answers on one of its ports is reached: it may be about to get another one", async () => {
    const after = await aStackOf([rent1]);
    const known = { ...after.hosts, "rent1.test.example.net": after.hosts[rent1.ipv4] };
    const run = await aStackOf(
      [rent1],
      {},
      { after: { ...after, hosts: known as typeof after.hosts }, refusedPorts: [2200] },
    );
    expect([run.errors, run.changed]).toEqual([[], []]);
  });
});

describe("a change of a fourth kind's host", () => {
  it("is held against what its kind remembers of the last run", async () => {
    const before = (await aStackOf([rent1])).outputs;
    expect(before.lastRun).toMatchObject({ proxies: { rent1: { host: "rented", contract: "k1", place: "ams" } } });
    const refused = async (...proxies: Record<string, unknown>[]) =>
      aStackOf(proxies, {}, { before }).then(
        () => "",
        (error: Error) => error.message,
      );
    expect(await refused({ ...rent1, place: "fra" })).toContain(
      'proxies[0].place: was "ams" until now. A proxy cannot move while it lives: change this back, add a proxy with a new name beside it, and then: npm run remove -- rent1',
    );
    expect(await refused({ ...rent1, name: "rent9" })).toContain(
      "proxies[0].name is new, but this machine is the proxy rent1",
    );
    expect(await refused({ ...deb1, name: "rent1" })).toContain('proxies[0].host: was "rented" until now.');
    expect(await refused(rent1, rent2)).toBe("");
  });
});

describe("the table of providers", () => {
  it("takes none that lacks a part", () => {
    const partial: Omit<typeof rented, "findEndpoints"> = rented;
    // @ts-expect-error The type check fails where this is no error.
    const providers: readonly HostProvider[] = [partial];
    expect(providers).toEqual([rented]);
  });
});
