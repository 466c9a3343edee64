// What goes wrong by itself, and heals without a hand: reboots, another address at home, rules that others took away.
import { newAccount, relayTarget } from "../../scripts/lab/mail";
import { HOME_LINE } from "../../scripts/lab/plan";
import { waitFor } from "../../scripts/lab/wait";
import { theLab, type TheLab } from "./theLab";

jest.setTimeout(200_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab();
  await mailFlows(30);
});
afterAll(() => the?.close());

/** Waits until a client gets its mail at both addresses of the proxy; the seconds that took. */
async function mailFlows(within: number): Promise<number> {
  const started = Date.now();
  const addresses = await the.addresses("hel1");
  await waitFor(`mail at ${addresses.join(" and ")}`, within, async () => {
    const logins = addresses.map((address) => the.client.login(newAccount(), relayTarget(address)));
    return (await Promise.allSettled(logins)).every(({ status }) => status === "fulfilled") || undefined;
  });
  return (Date.now() - started) / 1000;
}

const tables = (host: string) => the.sh(host, "nft list tables");

describe("within 60 s, mail flows again after", () => {
  it("a reboot of the proxy", async () => {
    await the.lab.control.reboot("hel1");
    await mailFlows(60);
    expect(await tables("hel1")).toContain("table inet chatmail_proxy");
  });

  it("a reboot of the proxy while nothing else moves: the tunnel is idle but for its own watch", async () => {
    await the.lab.control.reboot("hel1");
    const handshake = () => the.sh("hel1", "wg show wg-relay latest-handshakes 2>/dev/null | awk '$2 > 0'", "any");
    await waitFor("a handshake by the relay's own doing", 60, async () => (await handshake()) !== "" || undefined);
  });

  it("a reboot of the relay", async () => {
    await the.lab.control.reboot("relay");
    await mailFlows(60);
  });

  it("a power cut of both", async () => {
    await Promise.all(["hel1", "relay"].map((host) => the.lab.control.power(host, "off")));
    await Promise.all(["relay", "hel1"].map((host) => the.lab.control.power(host, "on")));
    await mailFlows(60);
  });

  it("another address of the home line", async () => {
    await the.lab.control.setHome({ address: HOME_LINE.addresses4[1] });
    await mailFlows(60);
    await the.lab.control.setHome({ address: HOME_LINE.addresses4[0] });
    await mailFlows(60);
  });

  it("the relay's tunnel was taken down by hand", async () => {
    await the.sh("relay", "wg-quick down wg-hel1");
    await mailFlows(60);
  });

  it("the proxy's tunnel was taken down by hand", async () => {
    await the.sh("hel1", "wg-quick down wg-relay");
    await mailFlows(60);
  });

  it("an address and a route of the proxy's tunnel were taken away, and forwarding was switched off", async () => {
    await the.sh(
      "hel1",
      "ip address flush dev wg-relay; ip route flush dev wg-relay; sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0",
    );
    await mailFlows(60);
  });

  it("our rules on the proxy were flushed by hand", async () => {
    await the.sh("hel1", "nft flush ruleset");
    await mailFlows(60);
  });
});

describe.each(["hel1", "relay"])("our rules on %s stay in force", (host) => {
  const ours = () => the.sh(host, "nft -s list ruleset | sed -n '/table inet chatmail_proxy/,/^}/p'");

  // The owner's rules went with its stop.
  afterAll(() => the.sh(host, "systemctl start nftables"));

  it.each([
    ["starts", "systemctl start nftables"],
    ["is reloaded", "systemctl reload nftables"],
    ["is restarted", "systemctl restart nftables"],
    ["is upgraded", "apt-get -q install -y --reinstall nftables"],
    ["stops", "systemctl stop nftables"],
  ])("when nftables.service %s", async (_what, command) => {
    const before = await ours();
    expect(before).toContain("table inet chatmail_proxy");
    const told = await the.sh(
      host,
      `nft monitor >/tmp/monitor & sleep 0.5; ${command} >/dev/null; sleep 0.5; kill $!; cat /tmp/monitor`,
    );
    expect(await ours()).toBe(before);
    // For a moment without our rules the kernel would answer what it hands on, and reset each connection that is sending.
    const gaps = told
      .split(/^# new generation.*$/m)
      .filter(
        (part) => part.includes("delete table inet chatmail_proxy") && !part.includes("add table inet chatmail_proxy"),
      );
    expect(gaps).toEqual([]);
    await mailFlows(10);
  });
});

it("the relay looks for the size of a path by itself where ICMP is lost on the way", async () => {
  expect(await the.sh("relay", "sysctl -n net.ipv4.tcp_mtu_probing")).toBe("1");
});

// By itself: nothing puts them back meanwhile.
it.each([
  ["configures an interface again", "networkctl reconfigure eth0"],
  ["is restarted", "systemctl restart systemd-networkd"],
])("the relay's routing rules stay when systemd-networkd %s", async (_what, command) => {
  const rules = () => the.sh("relay", "ip -4 rule show; ip -6 rule show");
  const before = await rules();
  expect(before).toMatch(/from 10\.213\.\S+ lookup/);
  await the.sh("relay", `systemctl stop chatmail-proxy-watch@wg-hel1; ${command}; sleep 3`);
  try {
    expect(await rules()).toBe(before);
  } finally {
    await the.sh("relay", "systemctl start chatmail-proxy-watch@wg-hel1");
  }
});
