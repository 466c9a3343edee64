import fc from "fast-check";
import { parseRange, type Range } from "../../../components/addresses";
import { planFaults, planTunnel, slotCount, slotOf } from "../../../components/tunnel/addressPlan";

const ranges = {
  ipv4Range: parseRange("10.213.64.0/18") as Range,
  ipv6Range: parseRange("fd6d:6169:6c70::/64") as Range,
  routingTables: 5_182_000,
};
const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);

describe("planTunnel", () => {
  it("stays the same for ever for a name, since mail runs over it", () => {
    expect(planTunnel({ name: "hel1" }, ranges)).toEqual({
      slot: 2881,
      proxy: { ipv4: "10.213.109.5", ipv6: "fd6d:6169:6c70::2d05" },
      relay: { ipv4: "10.213.109.6", ipv6: "fd6d:6169:6c70::2d06" },
      relayInterface: "wg-hel1",
      routingTable: 5184881,
    });
  });

  it("shares no address, table or interface between two proxies of different slots", () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        fc.pre(slotOf({ name: a }, slotCount(ranges)) !== slotOf({ name: b }, slotCount(ranges)));
        const values = [planTunnel({ name: a }, ranges), planTunnel({ name: b }, ranges)].flatMap((plan) => [
          plan.proxy.ipv4,
          plan.proxy.ipv6,
          plan.relay.ipv4,
          plan.relay.ipv6,
          plan.routingTable,
          plan.relayInterface,
        ]);
        expect(new Set(values).size).toBe(values.length);
      }),
    );
  });

  it("keeps every interface name within what Linux allows", () => {
    fc.assert(
      fc.property(name, (proxy) =>
        expect(planTunnel({ name: proxy }, ranges).relayInterface.length).toBeLessThanOrEqual(15),
      ),
    );
  });
});

describe("slotCount", () => {
  it.each([
    ["10.0.0.0/28", "fd00::/64", 4],
    ["10.0.0.0/8", "fd00::/124", 4],
    ["10.0.0.0/8", "fd00::/64", 16384],
  ])("of %s and %s is %d", (ipv4, ipv6, count) => {
    expect(slotCount({ ...ranges, ipv4Range: parseRange(ipv4) as Range, ipv6Range: parseRange(ipv6) as Range })).toBe(
      count,
    );
  });
});

describe("planComplaints", () => {
  it("finds two proxies in one slot, whatever put them there", () => {
    const slot = slotOf({ name: "hel1" }, slotCount(ranges));
    expect(planFaults([{ name: "hel1" }, { name: "ash1", slot }], ranges)).toEqual([
      {
        index: 1,
        text: '"ash1" and "hel1" would share slot 2881, that is, their tunnel addresses. Give one of them a free slot of its own (0 to 4095).',
      },
    ]);
  });

  it("finds a slot that the ranges do not hold", () => {
    expect(planFaults([{ name: "hel1", slot: 4096 }], ranges)[0]?.text).toBe(
      "4096 is too high: 10.213.64.0/18 and fd6d:6169:6c70::/64 hold 4096 tunnels. Use a slot from 0 to 4095.",
    );
  });

  it("is content with distinct slots", () =>
    expect(planFaults([{ name: "hel1" }, { name: "ash1" }, { name: "sin1", slot: 0 }], ranges)).toEqual([]));
});
