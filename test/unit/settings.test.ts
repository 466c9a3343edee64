import { shown } from "../../components/settings/values";
import { aStack, HOST_KEY } from "./aStack";

/** The error that a stack with these settings ends with, before anything is registered. */
async function refusal(settings: Record<string, unknown>): Promise<string> {
  const run = aStack({ settings });
  const error = await run.then(
    () => undefined,
    (reason: Error) => reason,
  );
  if (!error) throw new Error("these settings were accepted");
  return error.message;
}

const hel1 = { name: "hel1", host: "hetzner", location: "hel1" };
const deb1 = { name: "deb1", host: "linux", ssh: { hostKey: HOST_KEY }, ipv4: "198.51.100.130" };
const RFC2136 = { zone: "example.org", provider: "rfc2136", server: "192.0.2.53", tsig: { name: "chatmail-proxy" } };
const ssh = { host: "192.168.77.10", hostKey: HOST_KEY };

describe("settings", () => {
  it.each<[string, Record<string, unknown>, string]>([
    [
      "no relay",
      { relay: undefined },
      "relay is missing. Give the relay: setup, ssh, gone, dial, outboundCheck, ipv4, ipv6.",
    ],
    [
      "a relay without a host key",
      { relay: { ssh: { host: "192.168.77.10" } } },
      'relay.ssh.hostKey is missing. Use one line such as "ssh-ed25519 AAAA…", as a .pub file holds it.',
    ],
    [
      "a relay's address that is none",
      { relay: { ssh: { ...ssh, host: "192.168.77.300" } } },
      'relay.ssh.host: "192.168.77.300" is neither an IP address nor a name. Use one such as 192.168.1.10, fe80::1%eth0 or relay.example.org, without user and port.',
    ],
    [
      "a user that is none",
      { relay: { ssh: { ...ssh, user: "Root!" } } },
      'relay.ssh.user: "Root!" is not a user name. Use one such as root.',
    ],
    [
      "a family that is none",
      { relay: { ssh, dial: "ipv5" } },
      'relay.dial: "ipv5" is neither "ipv4" nor "ipv6". Say which family the relay dials out with.',
    ],
    ["no mail domain", { mailDomain: "" }, "mailDomain is missing. Use a domain name such as chat.example.org."],
    [
      "a mail domain that is none",
      { mailDomain: "chat_example" },
      'mailDomain: "chat_example" is not a domain name. Use one such as chat.example.org, without a final dot.',
    ],
    ["no proxies", { proxies: [] }, "proxies is missing. Give a list with an entry for each proxy."],
    ["proxies that are no list", { proxies: { hel1 } }, "proxies: "],
    [
      "a proxy name that is not a DNS label",
      { proxies: [{ ...hel1, name: "Hel_1" }] },
      'proxies[0].name: "Hel_1" is not a DNS label. Use lower-case letters, digits and inner hyphens, such as hel1.',
    ],
    [
      "a proxy name taken twice",
      { proxies: [hel1, hel1] },
      'proxies[1].name: "hel1" is taken by proxies[0]. Give each proxy a name of its own.',
    ],
    [
      "a proxy name too long for an interface",
      { proxies: [hel1, { ...hel1, name: "frankfurt-main" }] },
      'proxies[1].name: "frankfurt-main" is too long: its interface "wg-frankfurt-main" has 17 characters, Linux allows 15. Use at most 12.',
    ],
    [
      "an unknown kind of host",
      { proxies: [{ ...hel1, host: "azure" }] },
      'proxies[0].host: "azure" is not a kind of host. Use one of "hetzner", "linux", "freebsd".',
    ],
    [
      "a proxy without a kind of host",
      { proxies: [{ name: "hel1", location: "hel1" }] },
      'proxies[0].host is missing. Use one of "hetzner", "linux", "freebsd".',
    ],
    [
      "a proxy that is a word",
      { proxies: ["hel1"] },
      'proxies[0]: "hel1" is not a proxy. Give it the keys name, host, and those of its kind of host.',
    ],
    [
      "an existing machine without a host key",
      { proxies: [{ ...deb1, ssh: {} }] },
      'proxies[0].ssh.hostKey is missing. Use one line such as "ssh-ed25519 AAAA…", as a .pub file holds it.',
    ],
    [
      "an existing machine without an address",
      { proxies: [{ ...deb1, ipv4: undefined }] },
      "proxies[0] has no public address. Set ipv4, ipv6 or both to what clients reach the machine at.",
    ],
    [
      "one machine twice",
      { proxies: [deb1, { ...deb1, name: "deb2", ipv4: undefined, ipv6: "2001:db8::5" }] },
      "proxies[1] is the same machine as proxies[0]. A machine is one proxy: remove one of the two.",
    ],
    [
      "an address of the other family",
      { proxies: [{ ...deb1, ipv4: "2001:db8::5" }] },
      'proxies[0].ipv4: "2001:db8::5" is not an IPv4 address. Use one such as 203.0.113.5.',
    ],
    [
      "an interface that is none",
      { proxies: [{ ...deb1, wan: ["eth 0"] }] },
      'proxies[0].wan[0]: "eth 0" is not an interface\'s name. Use one such as eth0.',
    ],
    [
      "a forwarded port that is a machine's SSH port",
      { proxies: [{ ...deb1, ssh: { hostKey: HOST_KEY, port: 443 } }] },
      "ports[3]: 443 is the proxy's own SSH port; forwarding it would lock you out. Remove it.",
    ],
    [
      "the relay's name for a proxy",
      { proxies: [{ ...hel1, name: "relay" }] },
      'proxies[0].name: "relay" means the relay itself. Use another name.',
    ],
    [
      "a UDP port that is none",
      { udpPorts: ["3478-"] },
      'udpPorts[0]: "3478-" is not a port or a range of ports. Use one such as 3478 or 50000-50999, from 1 to 65535.',
    ],
    [
      "a UDP range that is turned round",
      { udpPorts: ["50999-50000"] },
      'udpPorts[0]: "50999-50000" is not a port or a range of ports.',
    ],
    [
      "UDP ranges that overlap",
      { udpPorts: [3478, "3000-4000"] },
      "udpPorts[1]: 3000-4000 and 3478 have ports in common. Change one of them.",
    ],
    [
      "a UDP range that holds the tunnel's port",
      { udpPorts: ["49152-65535"] },
      "udpPorts[0]: 49152-65535 holds 51820, which is tunnel.port, by which the relay reaches the proxies. Change one of them.",
    ],
    [
      "a network that is none",
      { adminNetworks: ["198.51.100.20/24"] },
      'adminNetworks[0]: "198.51.100.20/24" is not a network in CIDR form, with all bits behind the prefix zero. Use one such as 198.51.100.0/24 or 2001:db8:1::/48.',
    ],
    [
      "a time that is none",
      { proxies: [{ ...hel1, rebootTime: "24:00" }] },
      'proxies[0].rebootTime: "24:00" is not a time of the day. Use one such as 03:30 (the server\'s clock, which is UTC).',
    ],
    ...["managed-by", "stack", "proxy", "sshport"].map((key): [string, Record<string, unknown>, string] => [
      `a label of ours (${key})`,
      { proxies: [{ ...hel1, labels: { [key]: "22" } }] },
      `proxies[0].labels.${key} is a label that this program gives itself. Use another key.`,
    ]),
    [
      "a label's key that is none",
      { proxies: [{ ...hel1, labels: { "my label": "x" } }] },
      "proxies[0].labels.my label is not a label's key. Use letters, digits, and inner dots, hyphens and underscores.",
    ],
    [
      "a label's value that is none",
      { proxies: [{ ...hel1, labels: { cost: "mail server" } }] },
      'proxies[0].labels.cost: "mail server" is not a label\'s value. Use letters, digits, and inner dots, hyphens and underscores.',
    ],
    [
      "labels that are none",
      { proxies: [{ ...hel1, labels: "mail" }] },
      'proxies[0].labels: "mail" is not a set of labels. Use keys with a value each, such as cost: mail.',
    ],
    ["an egress that is no proxy", { egress: "ash1" }, 'egress[0]: "ash1" is no proxy. Use names from proxies: hel1.'],
    ["an egress named twice", { egress: ["hel1", "hel1"] }, 'egress[1]: "hel1" is named twice. Remove one.'],
    [
      "the relay's own line as the only egress",
      { egress: ["relay"] },
      'egress[0]: "relay" (the relay\'s own line) can only be the last resort, behind a proxy. Move it to the end, or remove egress.',
    ],
    [
      "no tunnel and no address to forward to",
      { tunnel: "none" },
      'relay has no public address here, to which proxies forward when tunnel is "none". Set relay.ipv4, relay.ipv6 or both.',
    ],
    [
      "an egress without a tunnel",
      { tunnel: "none", relay: { ssh, ipv4: "198.51.100.7" }, egress: "hel1" },
      'egress: needs a tunnel, and tunnel is "none". Remove one of the two.',
    ],
    [
      "a script without a tunnel",
      { tunnel: "none", relay: { setup: "script", ipv4: "198.51.100.7" } },
      'relay.setup: "script" has nothing to do when tunnel is "none". Remove it.',
    ],
    [
      "a relay that nothing says how to reach",
      { relay: { dial: "ipv4" } },
      'relay.ssh is missing. Give how to reach the relay over SSH: host, port, user, hostKey. (If it cannot be reached from here, set relay.setup to "script".)',
    ],
    [
      "a way to set up the relay that is none",
      { relay: { ssh, setup: "by hand" } },
      'relay.setup: "by hand" is not a way to set up the relay. Use "ssh" or "script".',
    ],
    [
      "an unknown key",
      { poxies: [], prots: [1] },
      'has an unknown key "prots". Known here: mailDomain, relay, relaySshKey, hostSshKey, proxies, ports, udpPorts, adminKeys, adminNetworks, egress, tunnel, dns, dnsSecret.',
    ],
    [
      "an unknown key of a proxy",
      { proxies: [{ ...hel1, region: "eu" }] },
      'proxies[0] has an unknown key "region". Known here: name, publish, slot, host, location, serverType, image, labels, deleteProtection, backups, sshPort, rebootTime.',
    ],
    ["a port of 0", { ports: [0] }, "ports[0]: 0 is not a port. Use a whole number from 1 to 65535."],
    ["a port above 65535", { ports: [65536] }, "ports[0]: 65536 is not a port. Use a whole number from 1 to 65535."],
    [
      "a port that is no number",
      { ports: ["smtp"] },
      'ports[0]: "smtp" is not a port. Use a whole number from 1 to 65535.',
    ],
    ["a port named twice", { ports: [25, 443, 25] }, "ports[2]: 25 is named twice. Remove one."],
    [
      "the SSH port",
      { ports: [25, 22] },
      "ports[1]: 22 is the proxy's own SSH port; forwarding it would lock you out. Remove it.",
    ],
    [
      "the WireGuard port as a UDP port",
      { udpPorts: [443], tunnel: { port: 443 } },
      "udpPorts[0]: 443 holds 443, which is tunnel.port, by which the relay reaches the proxies. Change one of them.",
    ],
    [
      "the mail domain as the relay's address",
      { relay: { ssh: { ...ssh, host: "Chat.example.org" } } },
      "relay.ssh.host: \"chat.example.org\" is the mail domain, whose addresses are the proxies' once this program has run. Use the relay's own address as you reach it",
    ],
    [
      "a proxy's name as the relay's address",
      { relay: { ssh: { ...ssh, host: "hel1.proxy.example.org" } } },
      'relay.ssh.host: "hel1.proxy.example.org" is the name that this program gives to the proxy hel1. Use the relay\'s own address',
    ],
    [
      "the mail domain as an existing machine's address",
      { proxies: [hel1, { ...deb1, ssh: { ...deb1.ssh, host: "chat.example.org" } }] },
      'proxies[1].ssh.host: "chat.example.org" is the mail domain',
    ],
    [
      "a proxy's name as its machine's address",
      { proxies: [{ ...deb1, ssh: { ...deb1.ssh, host: "deb1.proxy.example.org" } }] },
      'proxies[0].ssh.host: "deb1.proxy.example.org" is the name that this program gives to the proxy deb1. Use the machine\'s own address, or leave it out.',
    ],
    ...["ssh-rsa", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"].map(
      (type): [string, Record<string, unknown>, string] => [
        `a pin of type ${type}`,
        { relay: { ssh: { ...ssh, hostKey: `${type} ${"A".repeat(68)}` } } },
        "is a key of a type by which no connection can be made: servers sign with it by other algorithms than its name says. Use the line of the host's /etc/ssh/ssh_host_ed25519_key.pub",
      ],
    ),
    [
      "an existing machine's pin of type ssh-rsa",
      { proxies: [{ ...deb1, ssh: { hostKey: `ssh-rsa ${"A".repeat(68)}` } }] },
      "proxies[0].ssh.hostKey: ",
    ],
    [
      "pins of two lines",
      { relay: { ssh: { ...ssh, hostKey: `${HOST_KEY}\n${HOST_KEY}\n` } } },
      "is not a public SSH key.",
    ],
    ...["13.12.23.42", "[13.12.23.42]", "2001:db8::20", "[IPv6:2001:db8::20]"].map(
      (mailDomain): [string, Record<string, unknown>, string] => [
        `the mail domain ${mailDomain}`,
        { mailDomain },
        `mailDomain: ${shown(mailDomain)} is an address, not a domain name. The users of such a relay have its one address in their own, so that no proxy can stand in for it, and there are no DNS records to change.`,
      ],
    ),
    ["a zone that is an address", { dns: { zone: "192.0.2.1" } }, 'dns.zone: "192.0.2.1" is not a domain name.'],
    [
      "a mail domain with _ within",
      { mailDomain: "ch_at.example.org" },
      'mailDomain: "ch_at.example.org" is not a domain name.',
    ],
    [
      "a link-local address without its interface",
      { relay: { ssh: { ...ssh, host: "fe80::1%" } } },
      'relay.ssh.host: "fe80::1%" is neither an IP address nor a name.',
    ],
    [
      "an SSH host with its user",
      { relay: { ssh: { ...ssh, host: "root@relay" } } },
      'relay.ssh.host: "root@relay" is neither an IP address nor a name.',
    ],
    [
      "a range with host bits",
      { tunnel: { ipv4Range: "10.0.0.1/8" } },
      'tunnel.ipv4Range: "10.0.0.1/8" is not an IPv4 range in CIDR form, with all bits behind the prefix zero. Use one such as 10.213.64.0/18.',
    ],
    [
      "a range of the other family",
      { tunnel: { ipv6Range: "10.0.0.0/8" } },
      'tunnel.ipv6Range: "10.0.0.0/8" is not an IPv6 range in CIDR form, with all bits behind the prefix zero. Use one such as fd6d:6169:6c70::/64.',
    ],
    [
      "a range that is too small",
      { tunnel: { ipv4Range: "10.0.0.0/29" } },
      'tunnel.ipv4Range: "10.0.0.0/29" has the prefix /29. Use one from /8 to /28, such as 10.213.64.0/18.',
    ],
    [
      "an MTU below IPv6's least",
      { tunnel: { mtu: 1279 } },
      "tunnel.mtu: 1279 is not an MTU. Use a whole number from 1280 to 1500.",
    ],
    [
      "a zone that does not contain the mail domain",
      { dns: { zone: "example.net" } },
      'dns.zone: "example.net" does not contain the mail domain chat.example.org. Name the zone that does.',
    ],
    [
      "a zone that only looks as if",
      { mailDomain: "chat.notexample.org", dns: { zone: "example.org" } },
      'dns.zone: "example.org" does not contain the mail domain chat.notexample.org. Name the zone that does.',
    ],
    [
      "a TTL that is none",
      { dns: { zone: "example.org", ttl: "5m" } },
      'dns.ttl: "5m" is not a TTL in seconds. Use a whole number from 60 to 86400.',
    ],
    ...["a..b", "proxy.", "-x", ".", "Proxy", "a".repeat(65)].map(
      (proxySubdomain): [string, Record<string, unknown>, string] => [
        `the subdomain ${proxySubdomain}`,
        { dns: { zone: "example.org", proxySubdomain } },
        `dns.proxySubdomain: ${shown(proxySubdomain)} is not a subdomain. Use lower-case letters, digits and inner hyphens, such as proxy, or several such words with a dot between them.`,
      ],
    ),
    ["no zone", { dns: { ttl: 300 } }, "dns.zone is missing. Use a domain name such as chat.example.org."],
    [
      "DNS settings that are none",
      { dns: "example.org" },
      'dns: "example.org" is not the DNS settings. Give it the keys provider, zone.',
    ],
    [
      "an unknown DNS provider",
      { dns: { zone: "example.org", provider: "route53" } },
      'dns.provider: "route53" is not a DNS provider. Use one of hetzner, rfc2136, cloudflare, manual.',
    ],
    [
      "another provider's key",
      { dns: { zone: "example.org", server: "192.0.2.53" } },
      'dns has an unknown key "server". Known here: provider, zone, left, ttl, proxySubdomain, onDestroy.',
    ],
    [
      "no name server for updates",
      { dns: { zone: "example.org", provider: "rfc2136", tsig: { name: "k" } } },
      "dns.server is missing. Use an address or a name.",
    ],
    [
      "no key for updates",
      { dns: { zone: "example.org", provider: "rfc2136", server: "192.0.2.53" } },
      "dns.tsig is missing. Give the key for signed updates: name, algorithm.",
    ],
    [
      "a key's name that is none",
      { dns: { ...RFC2136, tsig: { name: "my key" } } },
      'dns.tsig.name: "my key" is not the name of a key. Use it as the name server has it, such as chatmail-proxy.',
    ],
    [
      "an algorithm that is broken",
      { dns: { ...RFC2136, tsig: { name: "k", algorithm: "hmac-md5" } } },
      'dns.tsig.algorithm: "hmac-md5" is no algorithm for a key. Use one of hmac-sha256, hmac-sha384, hmac-sha512.',
    ],
    [
      "no secret for updates",
      { dns: RFC2136 },
      "dnsSecret is missing. Set the secret of the key dns.tsig.name, in base64 as the name server has it: pulumi config set --secret dnsSecret",
    ],
    [
      "a secret for updates that is none",
      { dns: RFC2136, dnsSecret: "hunter2" },
      "dnsSecret is not a key's secret in base64 (it has 7 characters). Copy it whole, without quotes: pulumi config set --secret dnsSecret",
    ],
    [
      "no token for Cloudflare",
      { dns: { zone: "example.org", provider: "cloudflare" } },
      'dnsSecret is missing. Make an API token with the permission "DNS: Edit" (Zone)',
    ],
    [
      "a token for Cloudflare that is none",
      { dns: { zone: "example.org", provider: "cloudflare" }, dnsSecret: "hunter2" },
      "dnsSecret is not an API token of Cloudflare's (it has 7 characters).",
    ],
    [
      "an unknown onDestroy",
      { dns: { zone: "example.org", onDestroy: "leave" } },
      'dns.onDestroy: "leave" is none of "delete", "keep" and "relay".',
    ],
    [
      "onDestroy relay without an address of the relay",
      { dns: { zone: "example.org", onDestroy: "relay" } },
      `dns.onDestroy: "relay" needs an address to put there. Set relay.ipv4 or relay.ipv6, the relay's own public address.`,
    ],
    [
      "onDestroy in a zone that is changed manually",
      { dns: { zone: "example.org", provider: "manual", onDestroy: "relay" } },
      'dns has an unknown key "onDestroy". Known here: provider, zone, left, ttl, proxySubdomain.',
    ],
    [
      "a relay's public address that is none",
      { relay: { ssh, ipv4: "2001:db8::1" } },
      'relay.ipv4: "2001:db8::1" is not an IPv4 address. Use one such as 198.51.100.20.',
    ],
    [
      "a relay's public address that is private",
      { relay: { ssh, ipv4: "192.168.1.10" } },
      'relay.ipv4: "192.168.1.10" is an address inside a network, which nobody reaches from outside. Use the public one, such as 198.51.100.20.',
    ],
    ["no token", { "hcloud:token": undefined }, "hcloud:token is missing."],
    [
      "a token of the wrong length",
      { "hcloud:token": "abc" },
      "hcloud:token has 3 characters, a Hetzner Cloud token has 64. Copy it whole, without spaces or quotes.",
    ],
    [
      "two proxies in one slot",
      { proxies: [hel1, { ...hel1, name: "ash1", slot: 2881 }] },
      'proxies[1].slot: "ash1" and "hel1" would share slot 2881, that is, their tunnel addresses. Give one of them a free slot of its own (0 to 4095).',
    ],
    [
      "a relay key that is none",
      { relaySshKey: "hunter2" },
      "relaySshKey is no private SSH key (it has 7 characters).",
    ],
    [
      "an admin key that is none",
      { adminKeys: ["ssh-ed25519 short"] },
      'adminKeys[0]: "ssh-ed25519 short" is not a public SSH key.',
    ],
  ])("with %s are refused, with key, value and cure", async (_what, settings, expected) => {
    expect(await refusal(settings)).toContain(expected);
  });

  it("are refused with all faults in one message", async () => {
    const message = await refusal({
      mailDomain: "x",
      ports: [0, 25, 25],
      proxies: [{ ...hel1, name: "UPPER" }, hel1, hel1],
      "hcloud:token": "abc",
    });
    expect(message.split("\n")).toEqual([
      "6 settings need a change before anything is made (namespace chatmail-proxy, in Pulumi.<stack>.yaml):",
      '  mailDomain: "x" is not a domain name. Use one such as chat.example.org, without a final dot.',
      '  proxies[0].name: "UPPER" is not a DNS label. Use lower-case letters, digits and inner hyphens, such as hel1.',
      "  ports[0]: 0 is not a port. Use a whole number from 1 to 65535.",
      "  ports[2]: 25 is named twice. Remove one.",
      '  proxies[2].name: "hel1" is taken by proxies[1]. Give each proxy a name of its own.',
      "  hcloud:token has 3 characters, a Hetzner Cloud token has 64. Copy it whole, without spaces or quotes.",
    ]);
  });

  it("never print a secret, however wrong it is", async () => {
    const message = await refusal({
      "hcloud:token": "verysecrettoken",
      relaySshKey: "verysecretkey",
      dns: RFC2136,
      dnsSecret: "verysecret!",
      ports: [0],
    });
    expect(message).not.toContain("verysecret");
  });

  it("refuse a secret that stands in the stack file in plain text", async () => {
    const run = aStack({ secretKeys: ["chatmail-proxy:relaySshKey"] });
    await expect(run).rejects.toThrow("hcloud:token is in the stack file in plain text.");
  });

  it("refuse a DNS secret that stands there in plain text", async () => {
    const run = aStack({
      settings: { dns: { zone: "example.org", provider: "cloudflare" }, dnsSecret: "c".repeat(40) },
      secretKeys: ["hcloud:token"],
    });
    await expect(run).rejects.toThrow("chatmail-proxy:dnsSecret is in the stack file in plain text.");
  });

  it("refuse an agent that does not answer, which the provider would stumble over even with a key", async () => {
    const run = aStack({ agent: { kind: "silent", path: "/tmp/gone" } });
    await expect(run).rejects.toThrow('SSH_AUTH_SOCK: "/tmp/gone" is set, but no SSH agent answers there');
  });

  it("ask for a key where there is no agent", async () => {
    await expect(aStack({ agent: { kind: "none" } })).rejects.toThrow(
      "relaySshKey is missing, and there is no SSH agent either.",
    );
  });

  it("ask for each machine's own key", async () => {
    const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    const secretKeys = ["hcloud:token", "chatmail-proxy:hostSshKey"];
    await expect(
      aStack({ agent: { kind: "none" }, proxies: [deb1], settings: { hostSshKey: key }, secretKeys }),
    ).rejects.toThrow(
      "relaySshKey is missing, and there is no SSH agent either. Set a key that may log in to the relay",
    );
    await expect(
      aStack({ agent: { kind: "none" }, proxies: [deb1], settings: { relay: { setup: "script" } } }),
    ).rejects.toThrow("hostSshKey is missing");
    await expect(
      aStack({
        agent: { kind: "none" },
        proxies: [deb1],
        settings: { hostSshKey: key, relay: { setup: "script" } },
        secretKeys,
      }),
    ).resolves.toMatchObject({ errors: [] });
  });

  it("refuse a private key that is locked with a passphrase", async () => {
    const locked =
      "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABA=\n-----END OPENSSH PRIVATE KEY-----\n";
    expect(await refusal({ relaySshKey: locked })).toContain("relaySshKey is locked with a passphrase");
  });

  it("fold upper case in names", async () => {
    const { outputs } = await aStack({ settings: { mailDomain: "Chat.Example.org", dns: { zone: "EXAMPLE.org" } } });
    expect(outputs.mailDomain).toBe("chat.example.org");
  });

  it.each<[string, Record<string, unknown>]>([
    ["an SSH host of one label", { relay: { ssh: { ...ssh, host: "Relay_1" } } }],
    ["a link-local address with its interface", { relay: { ssh: { ...ssh, host: "fe80::1ff:fe23:4567:890a%eth0" } } }],
    ["a user with a dot", { relay: { ssh: { ...ssh, user: "first.last" } } }],
    ["a tunnel that takes UDP 443 beside TCP 443", { tunnel: { port: 443 } }],
    ["a pin that ends its line", { relay: { ssh: { ...ssh, hostKey: `${HOST_KEY} root@relay\n` } } }],
    ["a mail domain with chatmail's _ in front", { mailDomain: "_chat.example.org" }],
    ["an RSA key for logins", { adminKeys: [`ssh-rsa ${"A".repeat(68)}\n`] }],
    [
      "the mail domain as the address of a relay that is gone",
      { relay: { gone: true, ssh: { ...ssh, host: "chat.example.org" } } },
    ],
  ])("with %s are accepted", async (_what, settings) => {
    expect((await aStack({ settings })).errors).toEqual([]);
  });

  it("reach the provider with a link-local address and a pin as it wants them", async () => {
    const { registered } = await aStack({
      settings: { relay: { ssh: { ...ssh, host: "FE80::1%Eth0", hostKey: `${HOST_KEY}\n` } } },
    });
    const { connection } = registered.find(({ name }) => name === "relay-host")?.inputs as { connection: object };
    expect(connection).toMatchObject({ host: "fe80::1%Eth0", hostKey: HOST_KEY });
  });
});
