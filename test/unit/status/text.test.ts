// The status as a person reads it, and the command line.
import { readArguments } from "../../../scripts/status/arguments";
import { settingsIn } from "../../../scripts/status/stack";
import { stateOf } from "../../../scripts/status/state";
import { bytes, inColour, plain, statusText } from "../../../scripts/status/text";
import { STACK, found, host, relay, silentHost, silent, HEL1, ASH1, answering } from "./aLook";

describe("the text", () => {
  it("has a line for each proxy, the relay, the zone and the certificate", () => {
    expect(statusText(stateOf(STACK, found()), plain)).toBe(
      [
        "chat.example.org (stack prod), 2026-11-30 12:00:00 UTC: well",
        "",
        ...["hel1", "ash1"].flatMap((name, i) => [
          `${name}         well      published, called 30 s ago, 2.0 MB in, 15.0 kB out, 1.0 GB free, 120 of 65536 connections`,
          `             203.0.113.${i + 1} works: 25 20 ms, 443 20 ms; PTR chat.example.org`,
          `             2001:db8::${i + 1} works: 25 20 ms, 443 20 ms; PTR chat.example.org`,
          "             inside: 25/IPv4 12 ms, 25/IPv6 12 ms, 443/IPv4 12 ms, 443/IPv6 12 ms",
        ]),
        "relay        well      1.0 GB free, 120 of 65536 connections",
        "zone         well      example.org at hetzner, 2 of 2 name servers answer what was published (2001:db8::1, 2001:db8::2, 203.0.113.1, 203.0.113.2), so does the resolver",
        "certificate  well      61 days left, for chat.example.org, by Let's Encrypt, on 443",
        "",
      ].join("\n"),
    );
  });

  it("says below what is wrong, and what is worth knowing", () => {
    const seen = {
      proxies: new Map([
        ["hel1", silentHost],
        ["ash1", host({ reboot: "an update waits for it" })],
      ]),
      relay: relay(),
    };
    const outside = new Map([
      ...HEL1.map((each) => [each, silent] as const),
      ...ASH1.map((each) => [each, answering] as const),
    ]);
    const text = statusText(stateOf(STACK, found({ seen, outside })), plain);
    expect(text).toContain("hel1         down      published, not asked, SSH: nothing answers within 5 s\n");
    expect(text).toContain("\nWhat is wrong:\n  - hel1 (203.0.113.1): neither");
    expect(text).toContain("\nWorth knowing:\n  - ash1: it should be rebooted: an update waits for it\n");
  });

  it("is in colours where it is wanted so, and the same without them", () => {
    const status = stateOf(STACK, found());
    const coloured = statusText(status, inColour);
    expect(coloured).toContain("\u001b[32mwell");
    expect(coloured.replace(/\u001b\[\d+m/g, "")).toBe(statusText(status, plain));
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [123_456, "123 kB"],
    [1_500_000_000, "1.5 GB"],
  ])("shows %i bytes as %s", (count, text) => expect(bytes(count)).toBe(text));
});

describe("the command line", () => {
  it.each([
    [[], { stack: undefined, json: false, watch: false }],
    [["--json", "--stack", "prod"], { stack: "prod", json: true, watch: false }],
    [["--watch"], { stack: undefined, json: false, watch: true }],
  ])("%j is read", (args, wanted) => expect(readArguments(args)).toEqual(wanted));

  it.each([[["--jason"]], [["prod"]], [["--json", "--watch"]], [["--stack"]]])("%j is refused with the usage", (args) =>
    expect(() => readArguments(args)).toThrow(/usage: npm run status/),
  );
});

it("takes settings as pulumi prints them, and knows which are secret", () => {
  expect(
    settingsIn({
      "chatmail-proxy:mailDomain": { value: "chat.example.org", secret: false },
      "hcloud:token": { value: "t", secret: true },
      "chatmail-proxy:unset": { secret: false },
    }),
  ).toEqual({
    values: { "chatmail-proxy:mailDomain": "chat.example.org", "hcloud:token": "t" },
    secretKeys: ["hcloud:token"],
  });
});
