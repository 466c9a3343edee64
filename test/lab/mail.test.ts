// Mail through a proxy, as clients and other servers meet it, over both families.
import {
  createAccount,
  logLines,
  newAccount,
  newId,
  proveMail,
  readLetter,
  relayTarget,
  sendFromOtherServer,
  waitForLetter,
} from "../../scripts/lab/mail";
import { ip } from "../../scripts/lab/netns";
import { ACCESS, CLIENT_LEG, INTERNET, MAIL_DOMAIN, MX_LEG, OTHER_DOMAIN } from "../../scripts/lab/plan";
import { asSigned, dkimVerdict, signedLetter } from "./dkim";
import { theLab, type TheLab } from "./theLab";
import { capture } from "./wire";

jest.setTimeout(300_000);

let the: TheLab;
let proxy: Record<"IPv4" | "IPv6", string>;

beforeAll(async () => {
  the = await theLab();
  const [ipv4 = "", ipv6 = ""] = await the.addresses("hel1");
  proxy = { IPv4: ipv4, IPv6: ipv6 };
});
afterAll(() => the?.close());

describe.each([
  ["without", false],
  ["with", true],
] as const)("in a home %s IPv6 of its own", (_word, ipv6) => {
  beforeAll(() => the.lab.control.setHome({ ipv6 }));
  afterAll(() => the.lab.control.setHome({ ipv6: false }));

  it.each(["IPv4", "IPv6"] as const)(
    "mail flows in and out, submitted on 465 and 587, read over IMAPS, with the page over HTTPS: %s",
    async (family) => {
      expect((await proveMail(the.lab, proxy[family])).map(({ what }) => what)).toHaveLength(5);
    },
  );

  it.each([
    ["IPv4", CLIENT_LEG.ipv4],
    ["IPv6", CLIENT_LEG.ipv6 ?? ""],
  ] as const)("the relay's logs show the client's own address: %s", async (family, address) => {
    const account = newAccount("eve");
    await the.client.login(account, relayTarget(proxy[family]));
    const lines = await logLines(the.lab, "relay", account.user);
    expect(lines.join("\n")).toContain(`rip=${address}`);
    const bob = newAccount("bob", OTHER_DOMAIN);
    await createAccount(the.lab, "mx", bob);
    const id = newId();
    await the.client.submit(465, account, { from: account.user, to: bob.user, id }, relayTarget(proxy[family]));
    expect(
      (await logLines(the.lab, "relay", `[${address}], sasl_method=PLAIN, sasl_username=${account.user}`)).length,
    ).toBeGreaterThan(0);
  });

  it("the other server reaches port 25 over either family, and is seen with its own address", async () => {
    const account = newAccount("carol");
    await the.client.login(account);
    for (const family of ["IPv4", "IPv6"] as const) {
      const id = newId();
      await the.client.deliver({ from: `dave@${OTHER_DOMAIN}`, to: account.user, id }, relayTarget(proxy[family]));
      expect((await the.client.find(account, id)).size).toBeGreaterThan(0);
    }
  });
});

describe.each([
  ["IPv4", MX_LEG.ipv4],
  ["IPv6", `IPv6:${MX_LEG.ipv6}`],
] as const)("DKIM, where the other server comes over %s", (family, address) => {
  it("passes, and does so whoever hands the letter in, but not once its text is another", async () => {
    const letter = await signedLetter(the.lab, "relay", MAIL_DOMAIN, family);
    expect(letter.text).toContain(`[${address}]`);
    expect(dkimVerdict(letter.text)).toBe(`pass ${OTHER_DOMAIN}`);
    const handedIn = async (text: string) => {
      const account = newAccount("erin");
      await the.client.login(account);
      await the.client.deliver(
        { from: letter.from, to: account.user, id: letter.id, text },
        relayTarget(proxy[family]),
      );
      return dkimVerdict(await readLetter(the.lab, "relay", account.user, letter.id));
    };
    expect(await handedIn(asSigned(letter))).toBe(`pass ${OTHER_DOMAIN}`);
    expect(await handedIn(asSigned(letter).replace("The letter", "A letter"))).toBe(`fail ${OTHER_DOMAIN}`);
  });
});

it("a message of 25 MB passes both ways", async () => {
  const [account, bob] = [newAccount(), newAccount("bob", OTHER_DOMAIN)];
  await the.client.login(account);
  await createAccount(the.lab, "mx", bob);
  const [out, back] = [newId(), newId()];
  await the.client.submit(465, account, { from: account.user, to: bob.user, id: out, bytes: 25_000_000 });
  expect((await waitForLetter(the.lab, "mx", bob.user, out, 60)).size).toBeGreaterThan(24_000_000);
  await sendFromOtherServer(the.lab, { from: bob.user, to: account.user, id: back, bytes: 25_000_000 });
  expect((await the.client.find(account, back, undefined, 60)).size).toBeGreaterThan(25_000_000);
});

describe.each([
  [
    "IPv4",
    CLIENT_LEG.ipv4,
    {
      headers: 40,
      syn: "tcp[tcpflags] & tcp-syn != 0",
      tooBig: "icmp[icmptype] == icmp-unreach and icmp[icmpcode] == 4",
      told: /need to frag \(mtu 1300\)/,
    },
  ],
  [
    "IPv6",
    CLIENT_LEG.ipv6 ?? "",
    {
      headers: 60,
      syn: "ip6 and ip6[53] & 2 != 0",
      tooBig: "icmp6 and ip6[40] == 2",
      told: /packet too big, mtu 1300/,
    },
  ],
] as const)("packets over %s", (family, client, { headers, syn, tooBig, told }) => {
  /** MSS by the flags of the packet that announces it: S from the client, S. in the relay's answer. */
  const announced = (lines: string[]): Record<string, number> =>
    Object.fromEntries(
      lines
        .map((line) => /Flags \[(S\.?)\].*\bmss (\d+)/.exec(line))
        .map((found) => [found?.[1] ?? "none", Number(found?.[2])]),
    );

  it("fit the tunnel: MSS clamped in what comes in by the proxy, and no larger in what goes back", async () => {
    const most = Number(/ mtu (\d+)/.exec(await the.sh("relay", "ip -o link show dev wg-hel1"))?.[1]) - headers;
    const filter = `tcp port 993 and ${syn}`;
    const [outside, inside] = [
      await capture(the.lab, "hel1", "eth0", filter),
      await capture(the.lab, "relay", "wg-hel1", filter),
    ];
    await the.client.login(newAccount(), relayTarget(proxy[family]));
    const [wanted, clamped] = [announced(await outside.stop()), announced(await inside.stop())];
    expect(wanted.S).toBeGreaterThan(most);
    expect(clamped).toEqual({ S: most, "S.": most });
    expect(wanted["S."]).toBe(most);
  });

  it("are made smaller by the relay where the way to a client is narrower still: the proxy hands on the ICMP that says so", async () => {
    const route = (verb: string) =>
      `${family === "IPv6" ? "-6 " : ""}route ${verb} ${client}${family === "IPv6" ? "/128" : "/32"} dev ${ACCESS.bridge}`;
    await the.sh("relay", "head -c 300000 /dev/zero >/var/www/relay/large");
    await ip(INTERNET, [`${route("add")} mtu lock 1300`]);
    const caught = await capture(the.lab, "relay", "wg-hel1", tooBig);
    try {
      const address = family === "IPv6" ? `[${proxy[family]}]` : proxy[family];
      expect(
        await the.sh(
          "client",
          `curl -sS -k -m 20 --resolve ${MAIL_DOMAIN}:443:${address} -o /dev/null -w '%{size_download}' https://${MAIL_DOMAIN}/large`,
        ),
      ).toBe("300000");
      expect((await caught.stop()).join("\n")).toMatch(told);
    } finally {
      await caught.stop();
      await ip(INTERNET, [route("del")]);
      await the.sh("relay", "rm /var/www/relay/large; ip -4 route flush cache; ip -6 route flush cache");
    }
  });

  it("that ask whether the proxy is there (ping) are answered by it", async () => {
    expect(await the.sh("mx", `ping -n -c 1 -W 3 ${proxy[family]}`)).toContain(" 0% packet loss");
  });
});

it("strangers may not send through the relay: the tunnel is no trusted network", async () => {
  await expect(the.client.deliver({ from: "eve@example.net", to: `bob@${OTHER_DOMAIN}`, id: newId() })).rejects.toThrow(
    /Relay access denied|554/,
  );
});

it("the relay does not wait on IPv6 that its home has not: a connection there fails at once", async () => {
  const started = Date.now();
  const output = await the.sh("relay", 'bash -c "exec 3<>/dev/tcp/2001:db8:1::25/25" 2>&1', "any");
  expect(output).toContain("refused");
  // An ICMPv6 error to itself takes the kernel a whole second.
  expect(Date.now() - started).toBeLessThan(800);
});
