// What is open, seen from outside and from inside the tunnel: the ports that are meant to be, and no others.
import { MailClient } from "../../scripts/lab/mail";
import { MAIL_PORTS } from "../../scripts/lab/plan";
import { waitFor } from "../../scripts/lab/wait";
import { theLab, type TheLab } from "./theLab";

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
    for (const { id } of firewalls) await the.api("POST", `/firewalls/${id}/actions/remove_from_resources`, { remove_from: everywhere });
    try {
      expect(await scanBoth()).toEqual(expected());
    } finally {
      for (const { id } of firewalls) await the.api("POST", `/firewalls/${id}/actions/apply_to_resources`, { apply_to: everywhere });
    }
  });
});

describe("from a captured proxy", () => {
  /** Whether the proxy gets a TCP connection to an address and port, with the routes a captor would set. */
  const reaches = async (address: string, port: number) => (await the.sh("hel1", `timeout 3 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null && echo open || echo shut`)) === "open";
  let relay: { ipv4: string; ipv6: string };
  let captor: MailClient;

  beforeAll(async () => {
    const conf = await the.sh("hel1", "wg show wg-relay allowed-ips");
    const [, ipv4 = "", ipv6 = ""] = /(\S+)\/32 (\S+)\/128/.exec(conf) ?? [];
    relay = { ipv4, ipv6 };
    // A captor owns the host: its own rules are gone, and whatever it likes is routed into the tunnel.
    await the.sh("hel1", "nft delete table inet chatmail_proxy; wg set wg-relay peer $(wg show wg-relay peers) allowed-ips 0.0.0.0/0,::/0; ip route add 192.168.77.0/24 dev wg-relay; ip -6 route add 2001:db8:77::/64 dev wg-relay");
    await the.lab.control.setHome({ ipv6: true });
    await waitFor("the tunnel", 30, () => reaches(relay.ipv4, 993));
    captor = await MailClient.inNetworkOf(the.lab, "hel1");
  });
  afterAll(async () => {
    captor.close();
    await the.lab.control.setHome({ ipv6: false });
    await the.lab.control.reboot("hel1");
  });

  it.each([4, 6] as const)("the mail ports of the relay are reached over IPv%s, and no other TCP port", async (family) => {
    expect((await captor.scan(family === 4 ? relay.ipv4 : relay.ipv6)).open).toEqual([...MAIL_PORTS]);
  });

  it.each(["192.168.77.10", "2001:db8:77::10"])("not one port is reached by the relay's own address %s", async (address) => {
    expect((await captor.scan(address)).open).toEqual([]);
  });

  it("nothing else in the home network is", async () => {
    await the.sh("relay", "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    try {
      // The operator's machine stands in the home, and answers on a port of its own.
      const listener = await the.lab.spawn("operator", [process.execPath, "-e", 'require("net").createServer((s) => s.end("home")).listen(8000, "192.168.77.20")'], { stdio: "ignore" });
      try {
        expect(await the.sh("relay", "for i in 1 2 3 4 5; do timeout 3 bash -c 'exec 3<>/dev/tcp/192.168.77.20/8000' 2>/dev/null && echo open && break; sleep 0.5; done")).toBe("open");
        expect(await reaches("192.168.77.20", 8000)).toBe(false);
        expect(await reaches("192.168.77.1", 53)).toBe(false);
      } finally {
        listener.kill();
      }
    } finally {
      await the.sh("relay", "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    }
  });

  it("no packet that claims to come from the home gets in, so that postfix cannot take it for a trusted one", async () => {
    await the.sh("hel1", "ip address add 192.168.77.99/32 dev wg-relay; ip -6 address add fd00::99/128 dev wg-relay");
    const spoofed = (source: string, target: string) => the.sh("hel1", `python3 -c 'import socket; s = socket.create_connection(("${target}", 25), 3, ("${source}", 0)); print("open")' 2>/dev/null || echo shut`);
    expect(await spoofed("192.168.77.99", relay.ipv4)).toBe("shut");
    expect(await spoofed("fd00::99", relay.ipv6)).toBe("shut");
  });
});
