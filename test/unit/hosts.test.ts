import fc from "fast-check";
import { cloudFirewallRules } from "../../components/filter/cloudFirewall";
import { rebootTime } from "../../components/platforms/unattendedUpgrades";

describe("rebootTime", () => {
  it("is a time of the night for every slot", () => {
    fc.assert(fc.property(fc.nat(16383), (slot) => expect(rebootTime(slot)).toMatch(/^0[2-5]:[0-5]\d$/)));
  });

  it("is not the same for neighbours", () => expect(rebootTime(1)).not.toBe(rebootTime(2)));
});

describe("cloudFirewallRules", () => {
  it("has one rule a port, each from anywhere on both families", () => {
    const rules = cloudFirewallRules({ sshPort: 22, ports: [443, 25], udpPorts: [], tunnelPort: 51820 });
    expect(rules.map(({ port, protocol }) => [protocol, port])).toEqual([
      ["icmp", undefined],
      ["tcp", "22"],
      ["udp", "51820"],
      ["tcp", "25"],
      ["tcp", "443"],
    ]);
    for (const { sourceIps } of rules) expect(sourceIps).toEqual(["0.0.0.0/0", "::/0"]);
  });
});
