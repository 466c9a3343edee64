// What is open, seen from outside and from inside the tunnel: the ports that are meant to be, and no others.
import type { ChildProcess } from "node:child_process";
import { MailClient } from "../../scripts/lab/mail";
import { HOME_LINE, MAIL_PORTS } from "../../scripts/lab/plan";
import { waitFor } from "../../scripts/lab/wait";
import { theLab, type TheLab } from "./theLab";
import { capture } from "./wire";

jest.setTimeout(300_000);

let the: TheLab;
let addresses: string[];

beforeAll(async () => {
  the = await theLab();
  addresses = await the.addresses("hel1");
});
afterAll(() => the?.close());

/** The ports meant for everybody: the mail ports and the proxy's own SSH. */
const MEANT = [22, ...MAIL_PORTS].sort((a, b) => a - b);

async function scanBoth(): Promise<Record<string, readonly number[]>> {
  const found: Record<string, readonly number[]> = {};
  for (const address of addresses) found[address] = (await the.client.scan(address)).open;
  return found;
}

describe("TCP ports 1 to 65535 of the proxy, from the internet, on both families", () => {
  const expected = () => Object.fromEntries(addresses.map((address) => [address, MEANT]));

  it("are shut but for SSH and the mail ports", async () => expect(await scanBoth()).toEqual(expected()));

  it("are so by the host's own rules too, with the cloud firewall detached", async () => {
    const { firewalls } = await the.api<{ firewalls: { id: number }[] }>("GET", "/firewalls");
    const { servers } = await the.api<{ servers: { id: number }[] }>("GET", "/servers");
    const everywhere = servers.map(({ id }) => ({ type: "server", server: { id } }));
    for (const { id } of firewalls)
      await the.api("POST", `/firewalls/${id}/actions/remove_from_resources`, { remove_from: everywhere });
    try {
      expect(await scanBoth()).toEqual(expected());
    } finally {
      for (const { id } of firewalls)
        await the.api("POST", `/firewalls/${id}/actions/apply_to_resources`, { apply_to: everywhere });
    }
  });
});

describe("from a captured proxy", () => {
  /** Whether the proxy gets a TCP connection to an address and port, with the routes a captor would set. */
  const reaches = async (address: string, port: number) =>
    (await the.sh(
      "hel1",
      `timeout 3 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null && echo open || echo shut`,
    )) === "open";
  let relay: Record<"ipv4" | "ipv6" | "proxy4" | "proxy6", string>;
  let captor: MailClient;

  beforeAll(async () => {
    const conf = await the.sh("hel1", "wg show wg-relay allowed-ips");
    const [, ipv4 = "", ipv6 = ""] = /(\S+)\/32 (\S+)\/128/.exec(conf) ?? [];
    const [proxy4 = "", proxy6 = ""] = (
      await the.sh("hel1", "ip -o address show dev wg-relay scope global | awk '{ print $4 }' | cut -d / -f 1")
    ).split("\n");
    relay = { ipv4, ipv6, proxy4, proxy6 };
    // A captor owns the host: its own rules are gone, and whatever it likes is routed into the tunnel.
    // Whoever has captured it lets nothing put back what they changed, nor what is at it just now.
    await the.sh(
      "hel1",
      "systemctl stop chatmail-proxy-heal.timer chatmail-proxy-heal.service; nft delete table inet chatmail_proxy; wg set wg-relay peer $(wg show wg-relay peers) allowed-ips 0.0.0.0/0,::/0; ip route add 192.168.77.0/24 dev wg-relay; ip -6 route add 2001:db8:77::/64 dev wg-relay",
    );
    await the.lab.control.setHome({ ipv6: true });
    await waitFor("the tunnel", 30, () => reaches(relay.ipv4, 993));
    captor = await MailClient.inNetworkOf(the.lab, "hel1");
  });
  afterAll(async () => {
    captor.close();
    await the.lab.control.setHome({ ipv6: false });
    await the.lab.control.reboot("hel1");
  });

  it.each([4, 6] as const)(
    "the mail ports of the relay are reached over IPv%s, and no other TCP port",
    async (family) => {
      expect((await captor.scan(family === 4 ? relay.ipv4 : relay.ipv6)).open).toEqual([...MAIL_PORTS]);
    },
  );

  it.each(["192.168.77.10", "2001:db8:77::10"])(
    "not one port is reached by the relay's own address %s",
    async (address) => {
      expect((await captor.scan(address)).open).toEqual([]);
    },
  );

  describe("while the relay routes between its networks, as one with containers does", () => {
    const MACHINES = {
      IPv4: [HOME_LINE.operator4, HOME_LINE.lanGateway4],
      IPv6: ["2001:db8:77::20", HOME_LINE.lanGateway6],
    } as const;
    /** On which the operator's machine, which stands in the home, answers here. */
    const PORT = 1000;
    const KEYS = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];
    const set = (values: string[]) => `sysctl -qw ${KEYS.map((key, i) => `${key}=${values[i] ?? ""}`).join(" ")}`;
    let listener: ChildProcess;
    let before: string[];

    beforeAll(async () => {
      before = (await the.sh("relay", `sysctl -n ${KEYS.join(" ")}`)).split("\n");
      await the.sh("relay", `${set(["1", "1"])}; systemctl stop chatmail-proxy-watch@wg-hel1`);
      await the.sh("operator", `ip address add ${MACHINES.IPv6[0]}/64 dev eth1 nodad`);
      listener = await the.lab.spawn(
        "operator",
        [process.execPath, "-e", `require("net").createServer((s) => s.end("home")).listen(${PORT}, "::")`],
        { stdio: "ignore" },
      );
      for (const [machine] of Object.values(MACHINES))
        await waitFor(
          `an answer from ${machine}`,
          60,
          async () =>
            (await the.sh("relay", `timeout 3 bash -c 'exec 3<>/dev/tcp/${machine}/${PORT}' && echo open`, "any")) ===
            "open",
        );
    });
    afterAll(async () => {
      listener.kill();
      await the.sh("operator", `ip address del ${MACHINES.IPv6[0]}/64 dev eth1`);
      await the.sh("relay", `systemctl start chatmail-proxy-watch@wg-hel1; ${set(before)}`);
    });

    /** What the proxy sends through the tunnel, and arrives in the home: its bridge carries whatever goes to any machine there. */
    const arrivals = () =>
      capture(the.lab, "router", HOME_LINE.lanBridge, `host ${relay.proxy4} or host ${relay.proxy6}`);

    // The well-known ports alone, among them the one that answers: all are asked at once, and take no longer than a silent
    // one. The rest would show no more, since not one packet arrives, whatever its port.
    it("nothing else in the home network is: no port answers over either family, and no packet gets there", async () => {
      const arrived = await arrivals();
      const found = await Promise.all(
        Object.values(MACHINES)
          .flat()
          .map(async (machine) => [machine, (await captor.scan(machine, 1, 1024)).open]),
      );
      expect(Object.fromEntries(found)).toEqual(
        Object.fromEntries(
          Object.values(MACHINES)
            .flat()
            .map((machine) => [machine, []]),
        ),
      );
      expect(await arrived.stop()).toEqual([]);
    });

    it("our table on the relay alone keeps it so: without it packets do get there", async () => {
      const arrived = await arrivals();
      await the.sh("relay", "nft delete table inet chatmail_proxy_hel1");
      try {
        for (const machine of Object.values(MACHINES).flat()) await captor.scan(machine, PORT, PORT);
      } finally {
        await the.sh("relay", "nft -f /etc/chatmail-proxy/wg-hel1.nft");
      }
      const lines = (await arrived.stop()).join("\n");
      for (const machine of Object.values(MACHINES).flat()) expect(lines).toContain(` > ${machine}.${PORT}: Flags [S]`);
    });
  });

  it("no packet that claims to come from the home gets in, so that postfix cannot take it for a trusted one", async () => {
    await the.sh("hel1", "ip address add 192.168.77.99/32 dev wg-relay; ip -6 address add fd00::99/128 dev wg-relay");
    const spoofed = (source: string, target: string) =>
      the.sh(
        "hel1",
        `python3 -c 'import socket; s = socket.create_connection(("${target}", 25), 3, ("${source}", 0)); print("open")' 2>/dev/null || echo shut`,
      );
    expect(await spoofed("192.168.77.99", relay.ipv4)).toBe("shut");
    expect(await spoofed("fd00::99", relay.ipv6)).toBe("shut");
  });
});
