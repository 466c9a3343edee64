// From a relay that stood alone, through adoption of its records and a run that fails half-way, to a destroy that leaves
// nothing, whatever state things are in.
import { proveMail } from "../../scripts/lab/mail";
import { HOME_LINE } from "../../scripts/lab/plan";
import { waitFor } from "../../scripts/lab/wait";
import { failed, succeeded, theLab, type TheLab } from "./theLab";

jest.setTimeout(300_000);

let the: TheLab;

interface RecordSet {
  readonly name: string;
  readonly type: string;
  readonly records: readonly { value: string }[];
}

const recordSets = async () =>
  (await the.api<{ rrsets: RecordSet[] }>("GET", "/zones/example.org/rrsets?per_page=50")).rrsets
    .map(({ name, type, records }) => `${name} ${type} ${records.map(({ value }) => value).join(" ")}`)
    .sort();
/** But for those of the other relay, which is none of this stack's. */
const addressRecords = async () =>
  (await recordSets()).filter((set) => / (A|AAAA) /.test(set) && !set.startsWith("direct "));
const makeRecord = (name: string, type: string, value: string) =>
  the.api("POST", "/zones/example.org/rrsets", { name, type, records: [{ value }] });
const destroy = async () => succeeded(await the.pulumi("destroy", "--yes", "--skip-preview"));

/** What a host has of ours, or that our work could have left: files, packages, units, rules, interfaces, settings. */
const traces = (host: string) =>
  the.sh(
    host,
    `find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /var/log -o -path /var/cache -o -path /var/lib/apt \\) -prune -o \\( -name '*chatmail-proxy*' -o -path '/etc/wireguard/*' \\) -print
dpkg-query -W -f '\${db:Status-Abbrev} \${Package}\\n' wireguard-tools nftables 2>/dev/null | grep ^i
systemctl list-units --all --no-legend 'chatmail-proxy*' 'wg-quick*'
nft list tables 2>/dev/null; ip -br link | grep wg-; ip -4 rule show; ip -6 rule show; ip route show table all | grep wg-; true`,
  );

let relayBefore: string;

beforeAll(async () => {
  the = await theLab({ stack: false });
  await destroy().catch(() => undefined); // of a stack that another test left; none is fine
  relayBefore = await traces("relay");
});
afterAll(() => the?.close());

async function nothingLeft(): Promise<void> {
  for (const kind of ["servers", "primary_ips", "firewalls", "ssh_keys"] as const)
    expect([kind, await the.names(kind)]).toEqual([kind, []]);
  expect((await recordSets()).filter((set) => /^(chat A|\S*proxy)/.test(set))).toEqual([]);
  expect(await traces("relay")).toBe(relayBefore);
  await waitFor(
    "the server's machine to be gone",
    30,
    async () => (await the.addresses("hel1")).length === 0 || undefined,
  );
}

describe("a relay whose SSH does not answer", () => {
  it("fails the run before anything is bought", async () => {
    failed(
      await the.up(
        (config) => void ((config["chatmail-proxy:relay"] as { ssh: Record<string, unknown> }).ssh.port = 2222),
      ),
    );
    expect(await the.names("servers")).toEqual([]);
    expect(await the.names("primary_ips")).toEqual([]);
  });
});

describe("a relay that already uses the plan's network", () => {
  it("fails the run before anything is bought, in words of the settings", async () => {
    await the.sh(
      "relay",
      "ip link add docker0 type bridge; ip address add 10.213.0.1/16 dev docker0; ip link set docker0 up",
    );
    try {
      const output = failed(await the.up());
      expect(output).toContain(
        "tunnel.ipv4Range: the relay already uses 10.213.0.1/16 on docker0, and 10.213.109.6 for wg-hel1 lies in it. Choose a range that is free there.",
      );
      expect(await the.names("servers")).toEqual([]);
      // A preview looks, too.
      expect(failed(await the.preview())).toContain(
        "tunnel.ipv4Range: the relay already uses 10.213.0.1/16 on docker0",
      );
    } finally {
      await the.sh("relay", "ip link del docker0");
    }
    // Mended by hand, it stops the next run no more (below), though no setting has changed.
  });
});

describe("the mail domain's records that were there before", () => {
  beforeAll(async () => {
    await makeRecord("chat", "A", HOME_LINE.addresses4[0]);
    await makeRecord("chat", "AAAA", "2001:db8:77::10");
    await makeRecord("mta-sts.chat", "A", HOME_LINE.addresses4[0]);
  });
  afterAll(() => the.api("DELETE", "/zones/example.org/rrsets/mta-sts.chat/A"));

  it("stay while the only proxy cannot be set up, whose run prints no secret, and is simply run again", async () => {
    // In the way of the relay's end: a directory where the private key should go.
    await the.sh("relay", "mkdir -p /etc/wireguard/wg-hel1.key");
    try {
      const output = failed(await the.up());
      expect(output).toContain(
        "hel1: its set-up failed at hel1-relay-end: /etc/wireguard/wg-hel1.key is a directory, and a file of ours should go there",
      );
      expect(output).not.toMatch(/[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=(?!")/); // nothing that looks like a WireGuard key
      expect(output).not.toContain("warning: DNS:");
      expect(await addressRecords()).toContain(`chat A ${HOME_LINE.addresses4[0]}`);
    } finally {
      await the.sh("relay", "rmdir /etc/wireguard/wg-hel1.key");
    }
  });

  it("stay while a run is killed in the middle of things; the next one says what to do", async () => {
    const powerCut = new AbortController();
    const run = the.up(undefined, { signal: powerCut.signal });
    await waitFor(
      "rules that nobody has confirmed yet",
      90,
      async () => (await the.sh("hel1", "nft list tables", "any")).includes("chatmail_proxy"),
      50,
    );
    powerCut.abort();
    expect((await run).status).not.toBe(0);
    expect(failed(await the.up())).toMatch(/the stack is currently locked[^]*pulumi cancel/);
    succeeded(await the.pulumi("cancel", "--yes"));
    expect(await addressRecords()).toContain(`chat A ${HOME_LINE.addresses4[0]}`);
  });

  it("are adopted: they hold the proxy from now on", async () => {
    const output = succeeded(await the.up());
    const [ipv4, ipv6] = await the.addresses("hel1");
    expect(await addressRecords()).toEqual([
      `chat A ${ipv4}`,
      `chat AAAA ${ipv6}`,
      `hel1.proxy A ${ipv4}`,
      `hel1.proxy AAAA ${ipv6}`,
      `mta-sts.chat A ${HOME_LINE.addresses4[0]}`,
    ]);
    expect(output).toContain(
      `mta-sts.chat.example.org A ${HOME_LINE.addresses4[0]} points at the mail domain's old address`,
    );
  });

  it("survive a second run", async () => {
    const before = await recordSets();
    expect(succeeded(await the.up())).toMatch(/Resources:\n {4}\d+ unchanged\n/);
    expect(await recordSets()).toEqual(before);
  });

  it("have reverse DNS that gives the proxy's own name", async () => {
    for (const address of await the.addresses("hel1"))
      expect(await the.sh("client", `getent hosts ${address}`)).toContain("hel1.proxy.example.org");
  });
});

describe("destroy", () => {
  it("leaves nothing at Hetzner Cloud, in DNS, or on the relay", async () => {
    await destroy();
    await nothingLeft();
  });

  it("leaves nothing either when the server is dead already", async () => {
    succeeded(await the.up());
    await the.lab.control.power("hel1", "off");
    await destroy();
    await nothingLeft();
  });

  const deletedByHand = async () => {
    const { servers } = await the.api<{ servers: { id: number }[] }>("GET", "/servers");
    for (const { id } of servers) await the.api("DELETE", `/servers/${id}`);
    await waitFor("the server to be gone", 30, async () => (await the.names("servers")).length === 0 || undefined);
  };

  it("leaves nothing either when somebody deleted the server by hand, nor once that was bought again, under its old addresses", async () => {
    succeeded(await the.up());
    const addresses = await the.addresses("hel1");
    await deletedByHand();
    succeeded(await the.up());
    expect(await the.addresses("hel1")).toEqual(addresses);
    for (const address of addresses) await proveMail(the.lab, address);
    await deletedByHand();
    await destroy();
    await nothingLeft();
  });
});
