import fc from "fast-check";
import {
  addressAt,
  canonicalAddress,
  familyOf,
  formatRange,
  overlap,
  parseRange,
  type Range,
} from "../../components/addresses";

const range = (text: string) => parseRange(text) as Range;

describe("canonicalAddress", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["::", "::"],
    ["fd00::0:1", "fd00::1"],
  ])("spells %s as %s", (text, expected) => expect(canonicalAddress(text)).toBe(expected));

  it.each(["", "192.0.2", "192.0.2.256", "192.0.2.1/24", "0x7f.1", "2001:db8::1::2", "fe80::1%eth0", "localhost", "1"])(
    "takes %p for no address",
    (text) => expect(canonicalAddress(text)).toBeUndefined(),
  );
});

describe("parseRange", () => {
  it.each([["192.0.2.0/24"], ["0.0.0.0/0"], ["203.0.113.7/32"], ["2001:db8::/32"], ["::/0"], ["2001:db8::1/128"]])(
    "reads %s and prints it again",
    (text) => {
      expect(formatRange(range(text))).toBe(text);
    },
  );

  it.each([
    "192.0.2.1/24",
    "192.0.2.0/33",
    "192.0.2.0",
    "192.0.2.0/",
    "2001:db8::1/64",
    "2001:db8::/129",
    "192.0.2.0/24/1",
    "a/8",
  ])("refuses %p", (text) => expect(parseRange(text)).toBeUndefined());
});

describe("addressAt", () => {
  it.each([
    ["192.0.2.0/24", 5, "192.0.2.5"],
    ["10.213.64.0/18", 16383, "10.213.127.255"],
    ["2001:db8:7::/64", 4294967296, "2001:db8:7::1:0:0"],
  ])("finds in %s at %d the address %s", (text, place, expected) =>
    expect(addressAt(range(text), place)).toBe(expected),
  );

  it("refuses a place outside the range", () =>
    expect(() => addressAt(range("192.0.2.0/30"), 4)).toThrow("192.0.2.0/30 has no address number 4"));

  it("gives an address of the range for every place in it", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("192.0.2.0/24", "10.0.0.0/8", "2001:db8::/32"),
        fc.bigInt({ min: 0n, max: (1n << 24n) - 1n }),
        (text, seed) => {
          const whole = range(text);
          const address = addressAt(whole, seed % whole.size);
          expect(familyOf(address)).toBe(whole.family);
          expect(overlap(whole, range(`${address}/${whole.family === 4 ? 32 : 128}`))).toBe(true);
        },
      ),
    );
  });
});

describe("overlap", () => {
  it.each([
    ["192.0.2.0/24", "192.0.2.128/25", true],
    ["192.0.2.0/25", "192.0.2.128/25", false],
    ["0.0.0.0/0", "203.0.113.7/32", true],
    ["2001:db8::/32", "2001:db9::/32", false],
    ["::/0", "0.0.0.0/0", false],
  ])("of %s and %s is %p, either way round", (a, b, expected) => {
    expect(overlap(range(a), range(b))).toBe(expected);
    expect(overlap(range(b), range(a))).toBe(expected);
  });
});
