// What somebody changed by hand on a proxy or on the relay: a preview names it, an update puts it back, and a second preview
// finds nothing.
import { proveMail } from "../../scripts/lab/mail";
import { succeeded, theLab, type TheLab } from "./theLab";

jest.setTimeout(400_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab();
});
afterAll(() => the?.close());

/** By host: what is done there, and what a preview says of it. What watches there is stopped first, else it puts things back itself. */
const CHANGES: Record<"hel1" | "relay", readonly (readonly [what: string, script: string, says: RegExp])[]> = {
  hel1: [
    [
      "a unit stopped and disabled",
      "systemctl -q disable --now chatmail-proxy-heal.timer; systemctl -q stop chatmail-proxy-heal.service",
      /chatmail-proxy-heal\.timer is not enabled; chatmail-proxy-heal\.timer is not running/,
    ],
    [
      "a rule of our table",
      "nft insert rule inet chatmail_proxy forward counter drop",
      /the table inet chatmail_proxy is not the one that was loaded/,
    ],
    ["a sysctl of ours", "sysctl -q -w net.ipv4.ip_forward=0", /net\.ipv4\.ip_forward is 0, not 1/],
    [
      "a file of ours",
      "echo '# by hand' >>/etc/wireguard/wg-relay.conf",
      /\/etc\/wireguard\/wg-relay\.conf is not the file that was brought in/,
    ],
    [
      "a file's mode",
      "chmod 644 /etc/wireguard/wg-relay.key",
      /\/etc\/wireguard\/wg-relay\.key has another mode than 0600/,
    ],
    [
      "a peer's addresses",
      "wg set wg-relay peer $(wg show wg-relay peers) allowed-ips 10.99.0.1/32",
      /wg-relay takes other addresses from its peer than were set/,
    ],
    [
      "an address of the tunnel",
      "ip -6 addr flush dev wg-relay scope global",
      /the address [0-9a-f:]+\/128 is missing on wg-relay/,
    ],
    ["a route of the tunnel", "ip -4 route flush dev wg-relay", /the route to [0-9.]+\/32 by wg-relay is missing/],
    [
      "a key for root's logins",
      "printf '%s\\n' '# chatmail-proxy: begin (written by pulumi up)' 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHza1OuFifN1laroveDShXBK17OQOW4QQmR3PCN5Y2LJ eve' '# chatmail-proxy: end' >>/root/.ssh/authorized_keys",
      /the keys that may log in as root are not those that were brought in/,
    ],
    [
      "hostctl itself",
      "echo '# by hand' >>/usr/local/lib/chatmail-proxy/hostctl",
      /\/usr\/local\/lib\/chatmail-proxy\/hostctl is not the program that was brought in/,
    ],
  ],
  relay: [
    [
      "the watch",
      "systemctl -q disable --now chatmail-proxy-watch@wg-hel1.service",
      /chatmail-proxy-watch@wg-hel1\.service is not enabled/,
    ],
    [
      "our table, flushed",
      "nft flush table inet chatmail_proxy_hel1",
      /the table inet chatmail_proxy_hel1 is not the one that was loaded/,
    ],
    [
      "another peer",
      "wg set wg-hel1 peer $(wg show wg-hel1 peers) remove; wg set wg-hel1 peer $(wg genkey | wg pubkey) allowed-ips 10.99.0.1/32 endpoint 192.0.2.99:9",
      /wg-hel1 knows another peer than the one that was set; wg-hel1 takes other addresses from its peer than were set; wg-hel1 sends to 192\.0\.2\.99:9, not to \S+:51820/,
    ],
    [
      "a routing rule",
      ". /etc/chatmail-proxy/wg-hel1.conf; ip -4 rule del from $IPV4 lookup $TABLE",
      /the routing rule "from [0-9.]+ lookup \d+" is missing/,
    ],
    [
      "hostctl itself",
      "echo '# by hand' >>/usr/local/lib/chatmail-proxy/hostctl",
      /\/usr\/local\/lib\/chatmail-proxy\/hostctl is not the program that was brought in/,
    ],
  ],
};

/** What a run says of a host's drift. */
const told = (output: string, host: string) =>
  [...output.matchAll(new RegExp(`warning: ${host}: not as it was brought in \\((.*)\\)\\. `, "g"))]
    .map(([, what = ""]) => what)
    .at(-1) ?? "";

it("is nothing where nobody changed anything: a preview is empty", async () => {
  const output = succeeded(await the.preview(undefined, ["--expect-no-changes"]));
  expect([told(output, "hel1"), told(output, "relay")]).toEqual(["", ""]);
});

describe.each(["hel1", "relay"] as const)("on %s", (host) => {
  it("is named by a preview, each thing, in that host's row, put back by an update, and then gone", async () => {
    for (const [, script] of CHANGES[host]) await the.sh(host, script);
    const other = host === "hel1" ? "relay" : "hel1";
    const foreseen = succeeded(await the.preview(undefined, []));
    for (const [what, , says] of CHANGES[host]) expect(`${what}: ${told(foreseen, host)}`).toMatch(says);
    expect(told(foreseen, other)).toBe("");
    expect(foreseen).toMatch(
      new RegExp(
        `chatmail-proxy:index:${host === "hel1" ? "ProxyRelay" : "Relay"} \\(${host}\\):\n\\s+warning: ${host}: not as it was brought in`,
      ),
    );
    expect(foreseen).toContain("pulumi up puts it back");

    const output = succeeded(await the.up());
    expect(told(output, host)).toBe(told(foreseen, host));
    // No server, address or record was touched for it.
    expect(output).not.toMatch(/hcloud:\S+ \S+ (?:created|updated|replaced|deleted)/);
    const after = succeeded(await the.preview(undefined, ["--expect-no-changes"]));
    expect(told(after, host)).toBe("");
    await proveMail(the.lab);
  });
});

it("is all of a host that was set up anew, and of a relay that has lost our program", async () => {
  await the.sh("hel1", "/usr/local/lib/chatmail-proxy/hostctl uninstall");
  expect(told(succeeded(await the.preview()), "hel1")).toBe("nothing of chatmail-proxy is there any more");
  succeeded(await the.up());
  expect(told(succeeded(await the.preview(undefined, ["--expect-no-changes"])), "hel1")).toBe("");
  await proveMail(the.lab);
});
