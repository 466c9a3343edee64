import { aStack, HOST_KEY, type StackCase } from "./aStack";

const OTHER_KEY = `ssh-ed25519 ${"B".repeat(68)}`;
const HETZNER = { name: "hel1", host: "hetzner", location: "hel1" };
const MACHINE = { name: "vm1", host: "linux", ssh: { hostKey: `${HOST_KEY} root@vm1` }, ipv4: "192.0.2.140" };
const DNS = { zone: "example.org" };
const RELAY = { ssh: { host: "192.168.77.10", hostKey: HOST_KEY } };
const RFC2136 = { ...DNS, provider: "rfc2136", server: "192.0.2.1", tsig: { name: "k" } };
const SECRET = "c2VjcmV0IG9mIGEga2V5IGZvciB1cGRhdGVz";


const plain = (more: StackCase = {}): StackCase => ({ proxies: [HETZNER, MACHINE], ...more });
const then = async (before: StackCase, now: StackCase) => aStack({ ...now, before: (await aStack(before)).outputs });
const withDns = (dns: Record<string, unknown>, more: Record<string, unknown> = {}) => plain({ settings: { dns, ...more } });

describe("a change that would cut somebody off", () => {
  it.each<[string, StackCase, StackCase, string]>([
    ["another DNS provider", plain(), withDns(RFC2136, { dnsSecret: SECRET }), "dns.provider is another than example.org (hetzner), where this run would delete the addresses of chat.example.org: nobody could find your relay until the delegation has moved. Change dns back, with onDestroy \"keep\" in it"],
    ["another zone", plain(), withDns({ zone: "chat.example.org" }), "dns.zone is another than example.org (hetzner)"],
    ["another zone, though the relay's addresses would come back", withDns({ ...DNS, onDestroy: "relay" }, { relay: { ...RELAY, ipv4: "198.51.100.20" } }), withDns({ zone: "chat.example.org" }), "dns.zone is another than"],
    ["another mail domain", plain(), plain({ settings: { mailDomain: "mail.example.org" } }), "mailDomain: was chat.example.org until now, whose addresses this run would delete."],
    ["a relay that is to be set up by a script from now on", plain(), plain({ settings: { relay: { setup: "script" } } }), 'relay.setup: "script" would first take all tunnels off the relay, over SSH, and cut its users off.'],
    ["a living proxy in another location", plain(), plain({ proxies: [MACHINE, { ...HETZNER, location: "ash" }] }), 'proxies[1].location: was "hel1" until now. A proxy cannot move while it lives: change this back, add a proxy with a new name beside it, and then: npm run remove -- hel1'],
    ["a living proxy on another kind of host", plain(), plain({ proxies: [HETZNER, { name: "vm1", host: "hetzner", location: "ash" }] }), 'proxies[1].host: was "linux" until now.'],
    ["a machine with another host key", plain(), plain({ proxies: [HETZNER, { ...MACHINE, ssh: { hostKey: OTHER_KEY } }] }), "proxies[1].ssh.hostKey is another than at the last run. If nobody but you changed it: set gone: true with the old key and run pulumi up"],
    ["a machine under another name", plain(), plain({ proxies: [HETZNER, { ...MACHINE, name: "vm2" }] }), "proxies[1].name is new, but this machine is the proxy vm1"],
  ])("is refused before anything is made: %s", async (_what, before, now, text) => {
    await expect(then(before, now)).rejects.toThrow(text);
  });

  it("is told together with all others of its kind", async () => {
    const both = then(plain(), plain({ proxies: [{ ...HETZNER, location: "ash" }], settings: { mailDomain: "mail.example.org" } }));
    await expect(both).rejects.toThrow(/2 settings need a change[\s\S]*mailDomain[\s\S]*location/);
  });

  it.each<[string, StackCase, StackCase]>([
    ["nothing", plain(), plain()],
    ["the order of the proxies", plain(), plain({ proxies: [MACHINE, HETZNER] })],
    ["another comment behind a host key", plain(), plain({ proxies: [HETZNER, { ...MACHINE, ssh: { hostKey: HOST_KEY } }] })],
    ["a machine and its name, together with the old one's removal", plain({ proxies: [HETZNER] }), plain()],
    ["one proxy less", plain(), plain({ proxies: [HETZNER] })],
    ["what happens at the end", plain(), withDns({ ...DNS, onDestroy: "keep" })],
    ["the zone, after it was to be kept", withDns({ ...DNS, onDestroy: "keep" }), withDns({ zone: "chat.example.org" })],
    ["the mail domain, after it was to be kept", withDns({ ...DNS, onDestroy: "keep" }), plain({ settings: { mailDomain: "mail.example.org" } })],
    ["to a script, after the relay was let go", plain({ settings: { relay: { ...RELAY, gone: true } } }), plain({ settings: { relay: { setup: "script" } } })],
    ["from a script to SSH", plain({ settings: { relay: { setup: "script" } } }), plain()],
    ["a machine's key, after it was given up", plain({ proxies: [HETZNER, { ...MACHINE, gone: true }] }), plain({ proxies: [HETZNER, { ...MACHINE, ssh: { hostKey: OTHER_KEY } }] })],
    ["a tunnel to none", plain(), plain({ settings: { tunnel: "none", relay: { ...RELAY, ipv4: "198.51.100.20" } } })],
  ])("is not: %s", async (_what, before, now) => {
    expect((await then(before, now)).errors).toEqual([]);
  });

  it("is not seen where the last run left no word, or one of another version", async () => {
    for (const before of [{}, { lastRun: {} }, { lastRun: { mailDomain: "other.example.org" }, proxies: {} }]) expect((await aStack({ before })).errors).toEqual([]);
  });
});

describe("what the last run leaves behind, and nobody here can take away", () => {
  const warnings = async (before: StackCase, now: StackCase) => (await then(before, now)).warnings.join("\n");

  it("is the old zone's addresses", async () => {
    expect(await warnings(withDns({ ...DNS, onDestroy: "keep" }), withDns({ zone: "chat.example.org" }))).toContain("The addresses of chat.example.org still stand in example.org (hetzner), where nobody keeps them any more.");
  });

  it("is what a script set up on a relay that needs no tunnel any more", async () => {
    expect(await warnings(plain({ settings: { relay: { setup: "script" } } }), plain({ settings: { tunnel: "none", relay: { ipv4: "198.51.100.20" } } }))).toContain("Run there, as root: sh relay.sh --remove");
  });

  it("is the old relay, when another has taken its place", async () => {
    const text = "run on the old one, as root: /usr/local/lib/chatmail-proxy/hostctl uninstall";
    const moved = plain({ settings: { relay: { ssh: { host: "192.168.77.11", hostKey: OTHER_KEY } } } });
    expect(await warnings(plain(), moved)).toContain(text);
    expect(await warnings(plain({ settings: { relay: { ...RELAY, gone: true } } }), moved)).not.toContain(text);
    expect(await warnings(plain(), plain())).not.toContain(text);
  });
});
