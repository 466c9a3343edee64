import { createPublicKey, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { renderCloudFirewall } from "../../scripts/lab/text/cloudFirewall";
import type { FirewallRule, Machine } from "../../scripts/lab/hetzner/world";
import { linkLeg, linkName, MX_LEG, RELAY_LEG, RELAY_LEG_V6 } from "../../scripts/lab/plan";
import { dkimRecord } from "../../scripts/lab/text/dkim";
import { hostsFile, networkdConfig } from "../../scripts/lab/text/guest";
import { renderHomeRouter } from "../../scripts/lab/text/home";
import { renderKnotConf, renderTsigConf, zoneFile } from "../../scripts/lab/text/knot";
import { mailServerFiles } from "../../scripts/lab/text/mailServer";
import { homeAddressLines, homeIPv6Lines, internetLines, macOf } from "../../scripts/lab/text/network";
import { expandIPv6, ownZones, renderZone, reverseName } from "../../scripts/lab/text/zones";
import { hostInNetwork, seedFiles, specOf } from "../../scripts/lab/world/room";
import { byFamily } from "../../scripts/lab/netns";

const DKIM_KEY = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

const aRule = (rule: Partial<FirewallRule> = {}): FirewallRule => ({
  direction: "in",
  protocol: "tcp",
  port: "22",
  sourceIps: ["0.0.0.0/0", "::/0"],
  destinationIps: [],
  description: null,
  ...rule,
});
const aServer = (server: Partial<Machine> = {}): Machine => ({
  id: 7,
  name: "hel1",
  image: "debian-13",
  location: "hel1",
  userData: "",
  sshKeys: ["ssh-ed25519 AAAA operator"],
  ipv4: "203.0.113.1",
  ipv6Network: "2001:db8:c000:1::/64",
  ...server,
});
const fileOf = (server: Machine, path: string) => seedFiles(server).find((file) => file.path === path)?.content ?? "";

describe("the cloud's firewall", () => {
  const chainOf = (text: string, name: string) =>
    new RegExp(`chain ${name} \\{\\n([^}]*)\\}`)
      .exec(text)?.[1]
      ?.trim()
      .split("\n")
      .map((line) => line.trim());

  it("drops whatever no inbound rule lets in, and lets everything out", () => {
    const text = renderCloudFirewall([{ link: "to-s1", rules: [aRule()], silenced: false }]);
    expect(chainOf(text, "in-to-s1")).toEqual([
      "ip saddr 0.0.0.0/0 tcp dport 22 return",
      "ip6 saddr ::/0 tcp dport 22 return",
      "drop",
    ]);
    expect(chainOf(text, "out-to-s1")).toEqual(["return"]);
  });

  it("closes the way out with the first outbound rule", () => {
    const out = aRule({
      direction: "out",
      protocol: "udp",
      port: "53",
      sourceIps: [],
      destinationIps: ["192.0.2.53/32"],
    });
    const text = renderCloudFirewall([{ link: "to-s1", rules: [out], silenced: false }]);
    expect(chainOf(text, "in-to-s1")).toEqual(["drop"]);
    expect(chainOf(text, "out-to-s1")).toEqual(["ip daddr 192.0.2.53/32 udp dport 53 return", "drop"]);
  });

  it.each([
    [aRule({ port: "1024-5000" }), "tcp dport 1024-5000"],
    [aRule({ port: "any" }), "meta l4proto tcp"],
    [aRule({ protocol: "icmp", port: null }), "meta l4proto { icmp, ipv6-icmp }"],
    [aRule({ protocol: "gre", port: null }), "meta l4proto gre"],
    [aRule({ protocol: "esp", port: null }), "meta l4proto esp"],
  ])("writes %j as %s", (rule, service) => {
    expect(renderCloudFirewall([{ link: "to-s1", rules: [rule], silenced: false }])).toContain(
      `ip saddr 0.0.0.0/0 ${service} return`,
    );
  });

  it("leaves a link without a firewall open, and stops a silenced one both ways", () => {
    const text = renderCloudFirewall([{ link: "to-mx", rules: null, silenced: true }]);
    expect(text).not.toContain("in-to-mx");
    expect(text).toContain('elements = { "to-mx" }');
  });

  it("is the same text for every order of the links", () => {
    const links = ["to-s1", "to-s2"].map((link) => ({ link, rules: [aRule()], silenced: true }));
    expect(renderCloudFirewall([...links].reverse())).toBe(renderCloudFirewall(links));
  });
});

describe("zones", () => {
  it.each([
    ["192.0.2.25", "25.2.0.192.in-addr.arpa"],
    ["2001:db8:1::25", "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"],
    ["::1", `1.${"0.".repeat(31)}ip6.arpa`],
  ])("reverses %s to %s", (address, name) => expect(reverseName(address)).toBe(name));

  it("expands any IPv6 address to 32 digits that mean the same", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        fc.pre(!address.includes("."));
        const expanded = expandIPv6(address);
        expect(expanded).toMatch(/^([0-9a-f]{4}:){7}[0-9a-f]{4}$/);
        expect(new URL(`http://[${expanded}]`).host).toBe(new URL(`http://[${address}]`).host);
      }),
    );
  });

  it("puts a server's reverse name into its range's zone, and into no other", () => {
    const zones = ownZones(
      new Map([
        ["203.0.113.7", "hel1.example.org"],
        ["2001:db8:c000:7::1", "hel1.example.org"],
      ]),
      DKIM_KEY,
    );
    const holders = zones.filter((zone) => zone.records.some(({ value }) => value === "hel1.example.org."));
    expect(holders.map(({ name }) => name)).toEqual(["113.0.203.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"]);
  });

  it("gives every zone a SOA and a name server, the root too", () => {
    for (const zone of ownZones(new Map(), DKIM_KEY))
      expect(zone.records.slice(0, 2).map(({ type }) => type)).toEqual(["SOA", "NS"]);
    expect(ownZones(new Map(), DKIM_KEY).map(({ name }) => name)).toContain(".");
  });

  it("publishes the key of the other mail server's signatures, in strings that fit a TXT record", () => {
    const strings = dkimRecord(DKIM_KEY).match(/"[^"]*"/g) ?? [];
    expect(strings.map((each) => each.length - 2 <= 255)).toEqual([true, true]);
    const [, key = ""] = /^v=DKIM1; k=rsa; p=(.*)$/.exec(strings.map((each) => each.slice(1, -1)).join("")) ?? [];
    expect(
      createPublicKey({ key: Buffer.from(key, "base64"), type: "spki", format: "der" }).equals(
        createPublicKey(DKIM_KEY),
      ),
    ).toBe(true);
    expect(ownZones(new Map(), DKIM_KEY).find(({ name }) => name === "example.net")?.records).toContainEqual(
      expect.objectContaining({ name: "lab._domainkey", type: "TXT", value: dkimRecord(DKIM_KEY) }),
    );
  });

  it("writes a zone file with its origin and its default TTL", () => {
    expect(
      renderZone({ name: "example.org", ttl: 60, records: [{ name: "@", ttl: 5, type: "A", value: "192.0.2.1" }] }),
    ).toBe("$ORIGIN example.org.\n$TTL 60\n@ 5 IN A 192.0.2.1\n");
  });

  it("lets only the key's holder change or copy the dynamic zone, and no other zone", () => {
    const text = renderKnotConf(["example.org"]);
    expect(text).toContain('key: "lab-updates"\n    action: [ update, transfer ]\n');
    expect(text.match(/acl: signed/g)).toHaveLength(1);
    expect(text).toContain('  - domain: "example.com."\n    template: dynamic\n');
    expect(text).not.toContain("secret:");
    expect(renderTsigConf("c2VjcmV0")).toContain('secret: "c2VjcmV0"');
  });

  it("lists each zone once in knot's configuration, in one order", () => {
    const text = renderKnotConf(["example.org", "."]);
    expect(text).toBe(renderKnotConf([".", "example.org"]));
    expect(text).toContain('  - domain: "."\n    file: "root.zone"\n');
    expect(zoneFile("example.org")).toBe("example.org.zone");
  });
});

describe("a machine's network", () => {
  it("has its gateway off the link, as at Hetzner", () => {
    expect(networkdConfig(linkLeg("203.0.113.1", "2001:db8:c000:1::1"))).toBe(`[Match]
Name=eth0

[Network]
IPv6AcceptRA=no
LinkLocalAddressing=ipv6
Address=203.0.113.1/32
Address=2001:db8:c000:1::1/64

[Route]
Gateway=172.31.1.1
GatewayOnLink=yes

[Route]
Gateway=fe80::1
GatewayOnLink=yes
`);
  });

  it("has no IPv6 in a home without, and its gateway on the link", () => {
    expect(networkdConfig(RELAY_LEG)).not.toContain(":");
    expect(networkdConfig(RELAY_LEG_V6)).toContain("Gateway=2001:db8:77::1");
    expect(networkdConfig(RELAY_LEG_V6)).not.toContain("GatewayOnLink");
  });

  it("keeps the services' addresses off mx's link", () =>
    expect(networkdConfig(MX_LEG)).toContain("Address=2001:db8:1::25/128"));

  it.each([
    ["both families", {}, ["203.0.113.1/32", "2001:db8:c000:1::/64"], ["203.0.113.1", "2001:db8:c000:1::1"]],
    ["IPv4 only", { ipv6Network: null }, ["203.0.113.1/32"], ["203.0.113.1"]],
    ["IPv6 only", { ipv4: null }, ["2001:db8:c000:1::/64"], ["2001:db8:c000:1::1"]],
  ])("routes to a server with %s what it owns", (_name, change, owned, addresses) => {
    const spec = specOf(aServer(change));
    expect(spec.nic).toEqual({ kind: "link", owned });
    expect(spec.addresses).toEqual(addresses);
    const config = fileOf(aServer(change), "/etc/systemd/network/10-eth0.network");
    for (const address of addresses) expect(config).toContain(`Address=${address}/`);
    expect(config.match(/^Gateway=/gm)).toHaveLength(addresses.length);
  });

  it("takes ::1 of a network for the server's own address", () =>
    expect(hostInNetwork("2001:db8:c000:1::/64")).toBe("2001:db8:c000:1::1"));

  it("gives each machine a locally administered address that stays", () => {
    expect(macOf("s7")).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(macOf("s7")).toBe(macOf("s7"));
    expect(macOf("s7")).not.toBe(macOf("s8"));
  });

  it("refuses an id that makes a link's name too long for the kernel", () => {
    expect(linkName("s1234567890")).toBe("to-s1234567890");
    expect(() => linkName("s123456789012345")).toThrow("Linux allows 15");
  });
});

describe("a server's seed", () => {
  it("hands over keys and user data as they are, unreadable for others", () => {
    const server = aServer({ userData: "#cloud-config\nruncmd: []\n" });
    expect(fileOf(server, "/var/lib/cloud/seed/nocloud/user-data")).toBe(server.userData);
    expect(JSON.parse(fileOf(server, "/var/lib/cloud/seed/nocloud/meta-data"))).toEqual({
      "instance-id": "i-7",
      "local-hostname": "hel1",
      "public-keys": server.sshKeys,
    });
    expect(
      seedFiles(server)
        .filter((file) => file.path.startsWith("/var/lib/cloud/"))
        .map((file) => file.mode),
    ).toEqual([0o600, 0o600]);
  });

  it("is valid cloud-config also without user data", () =>
    expect(fileOf(aServer(), "/var/lib/cloud/seed/nocloud/user-data")).toBe("#cloud-config\n{}\n"));

  it("names the host for itself", () => expect(hostsFile(["hel1"])).toContain("127.0.1.1 hel1\n"));
});

describe("the network's lines", () => {
  it("leave the lab's internet without a way out", () =>
    expect(internetLines().filter((line) => line.includes("default"))).toEqual([]));

  it("give IPv6 back to the home after a change of its address", () => {
    expect(homeAddressLines({ address: "198.51.100.21", ipv6: true }).join("\n")).toContain("2001:db8:2::20/64");
    expect(homeAddressLines({ address: "198.51.100.21", ipv6: false }).join("\n")).not.toContain("2001:db8");
    expect(homeIPv6Lines(true).map(({ namespace }) => namespace)).toEqual(["cpl-home", "cpl-internet"]);
  });

  it("go to ip in runs of one family", () => {
    expect(byFamily(["a", "-6 b", "-6 c", "d"])).toEqual([
      [undefined, ["a"]],
      ["-6", ["b", "c"]],
      [undefined, ["d"]],
    ]);
  });

  it("forward no port into the home", () => expect(renderHomeRouter()).not.toMatch(/dnat|redirect/));
});

describe.each(["trixie", "bookworm"] as const)("a mail server's files on %s", (release) => {
  const files = mailServerFiles({
    host: "chat.example.org",
    domain: "chat.example.org",
    certificate: "C",
    key: "K",
    ca: "CA",
    release,
  });
  const text = (path: string) => files.find((file) => file.path === path)?.content ?? "";

  it("keep the key from everybody but root", () =>
    expect(files.filter((file) => file.content === "K").map((file) => file.mode)).toEqual([0o600]));

  it("trust nobody but the machine itself to relay", () => {
    expect(text("/etc/postfix/main.cf")).toContain("mynetworks = 127.0.0.0/8 [::1]/128\n");
    expect(text("/etc/postfix/main.cf")).toContain("reject_unauth_destination");
  });

  it("check signatures, and sign only with a key, which is for root alone", () => {
    expect(text("/etc/opendkim.conf")).toMatch(/^Mode v$/m);
    const signing = mailServerFiles({
      host: "mx.example.net",
      domain: "example.net",
      certificate: "C",
      key: "K",
      ca: "CA",
      release,
      dkimKey: "D",
    });
    expect(signing.find(({ path }) => path === "/etc/opendkim.conf")?.content).toMatch(
      /^Mode sv\nDomain example\.net\nSelector lab\nKeyFile (\S+)$/m,
    );
    expect(signing.filter(({ content }) => content === "D").map(({ mode }) => mode)).toEqual([0o600]);
  });

  it("take a message of 30 MB", () =>
    expect(Number(/message_size_limit = (\d+)/.exec(text("/etc/postfix/main.cf"))?.[1])).toBeGreaterThanOrEqual(
      30_000_000,
    ));

  it("ask for a login on the submission ports", () => {
    for (const service of ["submission", "submissions"])
      expect(text("/etc/postfix/master.cf")).toMatch(
        new RegExp(`^${service} inet .*smtpd_sasl_auth_enable=yes .*permit_sasl_authenticated,reject`, "m"),
      );
  });

  it("never put a password on a command line", () =>
    expect(text("/etc/dovecot/accounts.lua")).toContain("openssl passwd -6 -stdin"));
});
