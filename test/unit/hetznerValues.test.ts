// test/unit/hetznerValues.test.ts: which addresses, names and record values the fake Hetzner Cloud takes. Starts no server.
import { blockContains, canonicalAddress, canonicalBlock } from "../../scripts/lab/hetzner/addresses";
import {
  recordComplaint,
  rrsetNameComplaint,
  zoneNameComplaint,
  type RrsetType,
} from "../../scripts/lab/hetzner/recordValues";

describe("addresses", () => {
  it.each([
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.256", undefined],
    ["fe80::1%eth0", undefined],
  ])("writes the address %s as %p", (text, canonical) => expect(canonicalAddress(text)).toBe(canonical));

  it.each([
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["::/0", "::/0"],
    ["10.0.1.1/32", "10.0.1.1/32"],
    ["10.0.1.1/24", undefined],
    ["2001:0DB8:ff00:42::/64", "2001:db8:ff00:42::/64"],
    ["2001:db8::1/64", undefined],
    ["10.0.0.0/33", undefined],
    ["10.0.0.0", undefined],
  ])("writes the block %s as %p", (text, canonical) => expect(canonicalBlock(text)).toBe(canonical));

  it("knows what lies in a block", () => {
    expect(blockContains("2001:db8:c000:1::/64", "2001:db8:c000:1::1")).toBe(true);
    expect(blockContains("2001:db8:c000:1::/64", "2001:db8:c000:2::1")).toBe(false);
    expect(blockContains("10.0.0.0/8", "2001:db8::1")).toBe(false);
  });
});

describe("names and records", () => {
  it.each([
    ["Example.org", "must be a domain name in lower case"],
    ["example.org.", "must be a domain name in lower case"],
    ["org", "must be a domain name in lower case"],
    ["chat.example.org", "subdomains are not supported"],
    ["example.co.uk", undefined],
    ["xn--mnchen-3ya.de", undefined],
  ])("judges the zone name %s: %p", (name, complaint) => {
    if (complaint === undefined) expect(zoneNameComplaint(name)).toBeUndefined();
    else expect(zoneNameComplaint(name)).toContain(complaint);
  });

  it.each([
    ["@", true],
    ["*", true],
    ["*.chat", true],
    ["_dmarc.chat", true],
    ["chat.", false],
    ["chat.example.org", false],
    ["a..b", false],
    ["-a", false],
  ])("takes %s as a record set's name: %s", (name, good) =>
    expect(rrsetNameComplaint(name, "example.org") === undefined).toBe(good),
  );

  it.each<[RrsetType, string, boolean]>([
    ["A", "203.0.113.1", true],
    ["A", "203.0.113.256", false],
    ["AAAA", "2001:db8::1", true],
    ["AAAA", "203.0.113.1", false],
    ["CAA", '0 issue "letsencrypt.org"', true],
    ["CAA", "0 issue letsencrypt.org", false],
    ["CNAME", "relay.example.net.", true],
    ["CNAME", "mail", true],
    ["CNAME", "two words", false],
    ["MX", "10 chat.example.org.", true],
    ["MX", "chat.example.org.", false],
    ["MX", "99999 chat.example.org.", false],
    ["SRV", "0 5 993 chat.example.org.", true],
    ["SRV", "0 5 chat.example.org.", false],
    ["TXT", '"v=spf1 a ~all"', true],
    ["TXT", "v=spf1 a ~all", false],
    ["TXT", `"${"x".repeat(255)}" "${"y".repeat(10)}"`, true],
    ["TXT", `"${"x".repeat(256)}"`, false],
    ["TXT", '"a \\" b"', true],
    ["TLSA", "3 1 1 0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3", true],
    ["TLSA", "3 1 1 xyz", false],
    ["DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", true],
    ["HTTPS", '1 . alpn="h2,h3"', true],
    ["SVCB", "one .", false],
    ["HINFO", '"PC" "Linux"', true],
    ["RP", "admin.example.org. .", true],
    ["PTR", "host.example.org.", true],
    ["NS", "10.0.0.1 x", false],
  ])("takes for %s the value %s: %s", (type, value, good) =>
    expect(recordComplaint(type, value) === undefined).toBe(good),
  );
});
