import { parseRelayFacts } from "../../../components/remote/facts";
import { trustedClients, trustedNetwork } from "../../../components/tunnel/relayConflicts";

const facts = (mynetworks: string) =>
  parseRelayFacts(
    [
      "address lo 127.0.0.1/8",
      "address eth0 198.51.100.20/24",
      "address eth0 2001:db8:5::20/64",
      `postfix mynetworks ${mynetworks}`,
    ].join("\n"),
  );

describe("networks that postfix trusts, and in which others on the internet are", () => {
  it.each<[string, string, string[]]>([
    ["loopback, as postfix and chatmail have it", "127.0.0.0/8, [::ffff:127.0.0.0]/104 [::1]/128", []],
    [
      "private networks, which the relay drops what comes from",
      "10.0.0.0/8 172.16.0.0/12 192.168.77.0/24 100.64.0.0/10 169.254.0.0/16 [fd00::]/8 [fe80::]/10",
      [],
    ],
    [
      "addresses of the relay's own (mynetworks_style = host)",
      "198.51.100.20/32 198.51.100.20 [2001:db8:5::20]/128",
      [],
    ],
    [
      "networks that the relay is in (mynetworks_style = subnet)",
      "127.0.0.0/8 198.51.100.0/24 [2001:db8:5::]/64",
      ["198.51.100.0/24", "[2001:db8:5::]/64"],
    ],
    ["others, single addresses too", "127.0.0.0/8,192.0.2.7", ["192.0.2.7"]],
    ["private ones with public ones around them", "10.0.0.0/7 [fc00::]/6", ["10.0.0.0/7", "[fc00::]/6"]],
    ["what is no network", "hash:/etc/postfix/networks !192.0.2.1 /etc/postfix/more", []],
    ["nothing", "", []],
  ])("are told: %s", (_what, mynetworks, told) => expect(trustedClients(facts(mynetworks))).toEqual(told));

  it("are another question than that of one address", () => {
    expect(trustedNetwork(facts("127.0.0.0/8, [2001:db8:5::]/64"), "2001:db8:5::9")).toBe("[2001:db8:5::]/64");
    expect(trustedNetwork(facts("127.0.0.0/8"), "192.0.2.7")).toBeUndefined();
  });
});
