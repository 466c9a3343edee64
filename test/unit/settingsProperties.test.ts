// What must hold for whatever stands in the stack file.
import fc from "fast-check";
import { checkSettings, formatFaults } from "../../components/settings/check";
import { HOST_KEY } from "./aStack";

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);

/** Settings as a careful operator writes them. */
const sound = fc
  .record({
    names: fc.uniqueArray(label, { minLength: 1, maxLength: 5 }),
    zone: fc.tuple(label, label).map((labels) => labels.join(".")),
    host: label,
    ports: fc.uniqueArray(
      fc.integer({ min: 1, max: 65535 }).filter((port) => port !== 22 && port !== 51820),
      { minLength: 1, maxLength: 8 },
    ),
    address: fc.ipV4(),
    ttl: fc.integer({ min: 60, max: 86400 }),
  })
  .map(({ names, zone, host, ports, address, ttl }) => ({
    mailDomain: `${host}.${zone}`,
    relay: { ssh: { host: address, hostKey: HOST_KEY } },
    // A slot each, so that no two names collide by chance.
    proxies: names.map((name, slot) => ({ name, host: "hetzner", location: "hel1", slot })),
    ports,
    dns: { zone, ttl },
  }));

describe("checkSettings", () => {
  it("accepts sound settings, whatever the names, ports and addresses", () => {
    fc.assert(fc.property(sound, (raw) => expect(checkSettings(raw)).toHaveProperty("settings")));
  });

  it("never throws, whatever stands in a key, and complains about that key or one below it", () => {
    const key = fc.constantFrom("mailDomain", "relay", "proxies", "ports", "adminKeys", "tunnel", "dns");
    fc.assert(
      fc.property(sound, key, fc.jsonValue(), (raw, changed, value) => {
        const result = checkSettings({ ...raw, [changed]: value });
        if ("settings" in result) return;
        // A mail domain of its own may well not be in the zone any more: that is a fault of dns.zone.
        for (const fault of result.faults)
          expect(fault.key).toMatch(new RegExp(`^(${changed}|dns\\.zone|ports\\[|proxies\\[)`));
        expect(formatFaults(result.faults, "p").split("\n").length).toBeGreaterThan(result.faults.length);
      }),
    );
  });

  it("does not care for the order of proxies and ports", () => {
    fc.assert(
      fc.property(sound, (raw) => {
        const turned = { ...raw, proxies: [...raw.proxies].reverse(), ports: [...raw.ports].reverse() };
        expect("settings" in checkSettings(turned)).toBe("settings" in checkSettings(raw));
      }),
    );
  });

  it("always names the second of two equal ports", () => {
    fc.assert(
      fc.property(sound, fc.nat(), (raw, pick) => {
        const port = raw.ports[pick % raw.ports.length] as number;
        expect(checkSettings({ ...raw, ports: [...raw.ports, port] })).toEqual({
          faults: [{ key: `ports[${raw.ports.length}]`, text: `${port} is named twice. Remove one.` }],
        });
      }),
    );
  });
});
