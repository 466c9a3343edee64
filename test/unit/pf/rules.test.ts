// What our rules mean, packet by packet, on both ways through the host.
import fc from "fast-check";
import { renderPf } from "../../../components/filter/pf";
import { PF_CASES } from "../../golden/cases";
import { CLIENT, HOST, MAIN_RULES, RELAY, Router, TWO_WANS, type Outcome } from "./router";
import { reversed, VERSIONS, type Packet } from "./evaluate";
import { parsePf } from "./parse";

const PORTS = [25, 80, 143, 443, 465, 587, 993];
const FAMILIES = ["ipv4", "ipv6"] as const;
const DIRECT = { ipv4: "198.51.100.7", ipv6: "2001:db8:5::7" };
const anchor = (name: string) => renderPf(PF_CASES[`${name}.pf`]!);
const router = (name: string, main = MAIN_RULES, tunnelUp = true) => new Router(main, anchor(name), tunnelUp);
const tcp = (src: string, dst: string, dport: number, more: Partial<Packet> = {}): Packet => ({
  proto: "tcp",
  src,
  dst,
  sport: 40000,
  dport,
  flags: "S",
  ...more,
});
const mail = (family: "ipv4" | "ipv6", port = 25) => tcp(CLIENT[family], HOST[family], port, { mss: 1460 });
it.each(Object.entries(PF_CASES))(
  "%s says nothing that pf does not read, in its order",
  (_name, filter) => void parsePf(renderPf(filter)),
);

const brief = ({ end, out, packet }: Outcome) => [end, out, packet.src, packet.dst];

describe.each(["proxy-routed", "proxy-egress", "proxy-shared"])("%s", (name) => {
  it.each(PORTS.flatMap((port) => FAMILIES.map((family) => [port, family] as const)))(
    "hands port %i on (%s), the client's address unchanged, and brings the answer back",
    (port, family) => {
      const host = router(name);
      const there = host.arrive("em0", mail(family, port));
      expect(brief(there)).toEqual(["forwarded", "wg5182", CLIENT[family], RELAY[family]]);
      const back = host.arrive("wg5182", { ...reversed(there.packet), flags: "SA", mss: 1460 });
      expect(brief(back)).toEqual(["forwarded", "em0", HOST[family], CLIENT[family]]);
      expect(host.arrive("em0", { ...mail(family, port), flags: "A" }).end).toBe("forwarded");
      // Both directions: the tunnel is narrower than the path on either side of it.
      const most = family === "ipv4" ? 1380 : 1360;
      expect([there.packet.mss, back.packet.mss]).toEqual([most, most]);
    },
  );

  it("tells the relay of a path that is too narrow, and the client", () => {
    const host = router(name);
    const there = host.arrive("em0", mail("ipv6"));
    const answer = host.arrive("wg5182", { ...reversed(there.packet), flags: "SA" });
    const toobig: Packet = {
      proto: "icmp6",
      src: "2001:db8:ffff::1",
      dst: HOST.ipv6,
      icmpType: "toobig",
      about: answer.packet,
    };
    expect(brief(host.arrive("em0", toobig))).toEqual(["forwarded", "wg5182", "2001:db8:ffff::1", RELAY.ipv6]);
    // The host itself says so to the client, about a packet that does not fit into the tunnel.
    expect(
      host.leave({ proto: "icmp6", src: HOST.ipv6, dst: CLIENT.ipv6, icmpType: "toobig", about: mail("ipv6") }).end,
    ).toBe("forwarded");
  });

  it("sends no mail out by the default route while the tunnel is down", () => {
    expect(router(name, MAIN_RULES, false).arrive("em0", mail("ipv4"))).toMatchObject({
      end: "blocked out",
      by: "block drop out quick all tagged chatmail_proxy",
    });
  });

  it("lets the relay shake hands, and answers it", () => {
    const host = router(name);
    for (const family of FAMILIES) {
      const hello: Packet = { proto: "udp", src: CLIENT[family], dst: HOST[family], sport: 1024, dport: 51820 };
      expect(host.arrive("em0", hello).end).toBe("delivered");
      expect(host.leave(reversed(hello)).end).toBe("forwarded");
    }
  });

  it("answers the relay's pings through the tunnel, and may look at the relay's ports itself", () => {
    const host = router(name);
    const ping: Packet = { proto: "icmp", src: RELAY.ipv4, dst: "192.0.2.5", icmpType: "echoreq", sport: 7, dport: 7 };
    expect(host.arrive("wg5182", ping).end).toBe("delivered");
    expect(host.leave({ ...reversed(ping), icmpType: "echorep" }).end).toBe("forwarded");
    const look = tcp("192.0.2.5", RELAY.ipv4, 993);
    expect(host.leave(look).out).toBe("wg5182");
    expect(host.arrive("wg5182", { ...reversed(look), flags: "SA" }).end).toBe("delivered");
  });

  it("lets a captured relay reach nothing but port 25 of others, and that only where it sends its mail here", () => {
    const packet = fc.record({
      proto: fc.constantFrom("tcp" as const, "udp" as const, "icmp" as const),
      src: fc.constantFrom(RELAY.ipv4, CLIENT.ipv4, "10.0.0.9"),
      dst: fc.constantFrom(CLIENT.ipv4, HOST.ipv4, "192.0.2.5", "10.0.0.7", "10.0.0.1", "8.8.8.8"),
      sport: fc.constantFrom(25, 443, 40000),
      dport: fc.constantFrom(22, 25, 80, 587, 51820),
      flags: fc.constantFrom("S", "A", "SA"),
      icmpType: fc.constantFrom("echoreq", "echorep", "unreach", "redir"),
    });
    fc.assert(
      fc.property(packet, (given) => {
        const { end, out, packet: left } = router(name).arrive("wg5182", given);
        const ping =
          given.proto === "icmp" &&
          given.icmpType === "echoreq" &&
          given.src === RELAY.ipv4 &&
          given.dst === "192.0.2.5";
        const egress =
          name !== "proxy-routed" &&
          given.proto === "tcp" &&
          given.dport === 25 &&
          given.flags === "S" &&
          given.src === RELAY.ipv4 &&
          [CLIENT.ipv4, "8.8.8.8"].includes(given.dst);
        if (ping) expect(end).toBe("delivered");
        else if (egress) expect([end, out, left.src]).toEqual(["forwarded", "em0", HOST.ipv4]);
        else expect(end).toMatch(/^blocked/);
      }),
      { numRuns: 400 },
    );
  });

  it("takes nothing for the relay that it has not redirected itself, though it be addressed to it", () => {
    const stray = router(name).arrive("em0", tcp(CLIENT.ipv4, RELAY.ipv4, 25));
    expect(stray.end).toMatch(/^blocked/);
  });
});

describe("the relay's own mail", () => {
  it.each(FAMILIES)("leaves under the proxy's address (%s), and its answer finds back", (family) => {
    const host = router("proxy-egress");
    const there = host.arrive("wg5182", tcp(RELAY[family], CLIENT[family], 25));
    expect(brief(there)).toEqual(["forwarded", "em0", HOST[family], CLIENT[family]]);
    expect(brief(host.arrive("em0", { ...reversed(there.packet), flags: "SA" }))).toEqual([
      "forwarded",
      "wg5182",
      CLIENT[family],
      RELAY[family],
    ]);
  });

  it("does not leave where egress is another proxy's", () =>
    expect(router("proxy-routed").arrive("wg5182", tcp(RELAY.ipv4, CLIENT.ipv4, 25)).end).toBe("blocked in"));
});

describe("a host that is ours alone", () => {
  const host = () => router("proxy-routed");

  it("lets SSH in, and does not cut the session that loads the rules", () => {
    for (const family of FAMILIES) {
      expect(host().arrive("em0", tcp(CLIENT[family], HOST[family], 22)).end).toBe("delivered");
      const session = tcp(CLIENT[family], HOST[family], 22, { flags: "A" });
      const fresh = host(); // as after `pfctl -e` or -F all: no states
      expect(fresh.arrive("em0", session).end).toBe("delivered");
      expect(fresh.leave({ ...reversed(session), flags: "A" }).end).toBe("forwarded");
    }
  });

  it("does not cut that session either when the host speaks first, as a shell that prints does", () => {
    for (const name of ["proxy-routed", "proxy-two-wans"])
      for (const family of FAMILIES) {
        const session = tcp(CLIENT[family], HOST[family], 22, { flags: "A" });
        const fresh = router(name);
        for (let packet = 0; packet < 3; packet++)
          expect(fresh.leave(reversed(session))).toMatchObject({ end: "forwarded" });
        expect(fresh.arrive("em0", session).end).toBe("delivered");
      }
  });

  it("keeps connections to the relay through the tunnel that are older than pf", () => {
    const one = host();
    const look = tcp("192.0.2.5", RELAY.ipv4, 993, { flags: "A" });
    for (let packet = 0; packet < 2; packet++) expect(one.leave(look).end).toBe("forwarded");
    expect(one.arrive("wg5182", reversed(look)).end).toBe("delivered");
  });

  it("checks the windows of connections that begin under it", () => {
    const rules = parsePf(anchor("proxy-routed")).rules;
    for (const [to, iface] of [
      [CLIENT.ipv4, "em0"],
      [RELAY.ipv4, "wg5182"],
    ] as const) {
      const { by } = host().pf.test("out", iface, tcp(iface === "em0" ? HOST.ipv4 : "192.0.2.5", to, 443));
      expect(rules.find(({ text }) => text === by)).toMatchObject({ state: true, sloppy: false });
    }
  });

  it("keeps its own connections, new and old, and loopback", () => {
    for (const flags of ["S", "A"]) {
      const one = host();
      const out = tcp(HOST.ipv4, CLIENT.ipv4, 443, { flags });
      expect(one.leave(out).end).toBe("forwarded");
      expect(one.arrive("em0", { ...reversed(out), flags: "A" }).end).toBe("delivered");
    }
    expect(host().arrive("lo0", tcp("127.0.0.1", "127.0.0.1", 8080)).end).toBe("delivered");
  });

  it("lets SSH in only from where the settings say", () => {
    const from = (src: string) => router("proxy-egress").arrive("em0", tcp(src, HOST.ipv4, 22)).end;
    expect([from("192.0.2.200"), from(CLIENT.ipv4)]).toEqual(["delivered", "blocked in"]);
  });

  it("has every other port closed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 65535 }).filter((port) => ![22, ...PORTS].includes(port)),
        fc.constantFrom(...FAMILIES),
        fc.constantFrom("S", "A", "SA", "F"),
        (port, family, flags) => {
          expect(host().arrive("em0", { ...mail(family, port), flags }).end).toBe("blocked in");
          expect(
            host().arrive("em0", { proto: "udp", src: CLIENT[family], dst: HOST[family], sport: 9, dport: port }).end,
          ).toBe(port === 51820 ? "delivered" : "blocked in");
        },
      ),
    );
  });

  it.each(["echoreq", "echorep", "unreach", "timex"])("takes ICMP %s", (icmpType) =>
    expect(host().arrive("em0", { proto: "icmp", src: CLIENT.ipv4, dst: HOST.ipv4, icmpType }).end).toBe("delivered"),
  );
  it.each(["echorep", "echoreq", "unreach", "toobig", "timex"])("takes ICMPv6 %s", (icmpType) =>
    expect(host().arrive("em0", { proto: "icmp6", src: CLIENT.ipv6, dst: HOST.ipv6, icmpType }).end).toBe("delivered"),
  );
  it.each(["neighbradv", "neighbrsol", "routeradv", "routersol"])(
    "takes and sends ICMPv6 %s, to a group too",
    (icmpType) => {
      for (const dst of ["ff02::1", HOST.ipv6])
        expect(host().arrive("em0", { proto: "icmp6", src: "fe80::1", dst, icmpType }).end).toBe("delivered");
      expect(host().leave({ proto: "icmp6", src: "fe80::2", dst: "ff02::2", icmpType }).end).toBe("forwarded");
    },
  );
  it.each(["redir", "routeradv"])("takes no ICMP %s", (icmpType) =>
    expect(host().arrive("em0", { proto: "icmp", src: CLIENT.ipv4, dst: HOST.ipv4, icmpType }).end).toBe("blocked in"),
  );

  it("forwards for nobody: not a ping, not a connection", () => {
    expect(host().arrive("em0", { proto: "icmp", src: CLIENT.ipv4, dst: "10.0.0.7", icmpType: "echoreq" }).end).toBe(
      "blocked in",
    );
    expect(host().arrive("em1", tcp("10.0.0.7", CLIENT.ipv4, 443)).end).toBe("blocked in");
  });

  it("renews its lease", () => {
    expect(host().arrive("em0", { proto: "udp", src: "10.9.9.9", dst: HOST.ipv4, sport: 67, dport: 68 }).end).toBe(
      "delivered",
    );
    expect(host().arrive("em0", { proto: "udp", src: "fe80::1", dst: HOST.ipv6, sport: 547, dport: 546 }).end).toBe(
      "delivered",
    );
  });

  it("leaves the last word on anything else to rules of the operator's own, which come after ours", () => {
    const own = `${MAIN_RULES}pass in on em0 proto tcp from any to any port 8080\nblock out on em0 proto tcp from any to any port 6667\nblock in quick proto tcp from any to any port 25\n`;
    const shared = router("proxy-routed", own);
    expect(shared.arrive("em0", tcp(CLIENT.ipv4, HOST.ipv4, 8080)).end).toBe("delivered");
    expect(shared.leave(tcp(HOST.ipv4, CLIENT.ipv4, 6667)).end).toBe("blocked out");
    // Mail is ours.
    expect(shared.arrive("em0", mail("ipv4")).end).toBe("forwarded");
  });
});

describe("a host that others use too", () => {
  const own = MAIN_RULES + "block in all\npass in on em0 proto tcp from any to any port 8080\npass out all\n";

  it.each(["proxy-shared", "proxy-shared-direct"])(
    "%s leaves its services, its routing and its firewall as they were",
    (name) => {
      expect(router(name).arrive("em0", tcp(CLIENT.ipv4, HOST.ipv4, 8080)).end).toBe("delivered");
      expect(router(name).arrive("em1", tcp("10.0.0.7", CLIENT.ipv4, 443))).toMatchObject({
        end: "forwarded",
        out: "em0",
      });
      expect(router(name).arrive("em0", tcp(CLIENT.ipv4, HOST.ipv4, 9999)).by).toBe("no rule");
      expect(router(name, own).arrive("em0", tcp(CLIENT.ipv4, HOST.ipv4, 8080)).end).toBe("delivered");
      expect(router(name, own).arrive("em0", tcp(CLIENT.ipv4, HOST.ipv4, 9999)).end).toBe("blocked in");
      expect(router(name, own).arrive("em0", mail("ipv4")).end).toBe("forwarded");
    },
  );
});

describe("an SSH session on a host that others use too", () => {
  // As with `pfctl -e`: no states, and rules of the host that look at a connection's first packet alone.
  const fresh = (name: string) =>
    router(
      name,
      `${MAIN_RULES}block all\npass in on em0 proto tcp from 192.0.2.200 to any port 22 flags S/SA keep state\n`,
    );
  const names = ["proxy-shared", "proxy-shared-direct"];

  it.each(names)("goes on when %s turns pf on, whoever speaks first", (name) => {
    for (const family of FAMILIES) {
      const said = tcp(CLIENT[family], HOST[family], 22, { flags: "A" });
      const listens = fresh(name);
      expect(listens.arrive("em0", said).end).toBe("delivered");
      expect(listens.leave(reversed(said)).end).toBe("forwarded");
      const speaks = fresh(name);
      expect(speaks.leave(reversed(said)).end).toBe("forwarded");
      expect(speaks.arrive("em0", said).end).toBe("delivered");
    }
  });

  it.each(names)(
    "is not let in anew by %s, not even after a packet that pretends to belong to one: that is for the host's own rules",
    (name) => {
      const host = fresh(name);
      host.arrive("em0", tcp(CLIENT.ipv4, HOST.ipv4, 22, { flags: "A" }));
      expect(host.arrive("em0", tcp(CLIENT.ipv4, HOST.ipv4, 22)).end).toBe("blocked in");
      const arrives = (src: string) => fresh(name).arrive("em0", tcp(src, HOST.ipv4, 22)).end;
      expect([arrives("192.0.2.200"), arrives(CLIENT.ipv4)]).toEqual(["delivered", "blocked in"]);
    },
  );
});

describe("a translation of the host's own behind ours", () => {
  const at = (version: 14 | 15, rule: string, port = 25) =>
    new Router(
      `${MAIN_RULES.replace(/^anchor/m, `${rule}\nanchor`)}pass all\n`,
      anchor("proxy-shared"),
      true,
      undefined,
      undefined,
      version,
    ).arrive("em0", mail("ipv4", port));

  it("leaves mail to us on every version where it does not meet ours", () => {
    for (const version of VERSIONS)
      expect(brief(at(version, "rdr on em0 inet proto tcp from any to (em0) port 8080 -> 10.0.0.2"))).toEqual([
        "forwarded",
        "wg5182",
        CLIENT.ipv4,
        RELAY.ipv4,
      ]);
  });

  it("takes a port of ours on FreeBSD 15, where neither works then: so it is refused when rules are checked", () => {
    const rule = "rdr on em0 inet proto tcp from any to (em0) port 25 -> 10.0.0.2";
    expect(at(14, rule)).toMatchObject({ end: "forwarded", out: "wg5182" });
    expect(at(15, rule)).toMatchObject({
      end: "blocked out",
      by: "block drop out quick all tagged chatmail_proxy",
      packet: { dst: "10.0.0.2" },
    });
  });
});

describe("without a tunnel", () => {
  it.each(["proxy-direct", "proxy-shared-direct"])(
    "%s hands mail on under the proxy's address, and only that",
    (name) => {
      for (const family of FAMILIES) {
        const host = router(name);
        const there = host.arrive("em0", mail(family));
        expect(brief(there)).toEqual(["forwarded", "em0", HOST[family], DIRECT[family]]);
        expect(brief(host.arrive("em0", { ...reversed(there.packet), flags: "SA" }))).toEqual([
          "forwarded",
          "em0",
          HOST[family],
          CLIENT[family],
        ]);
      }
      // The host's own words with the relay are not hidden, nor confused with what is forwarded.
      expect(router(name).leave(tcp(HOST.ipv4, DIRECT.ipv4, 443)).packet).toMatchObject({
        src: HOST.ipv4,
        sport: 40000,
      });
    },
  );

  it("leaves a family alone that the relay does not have", () =>
    expect(router("proxy-direct-ipv4").arrive("em0", mail("ipv6")).end).toBe("blocked in"));
});

describe("proxy-two-wans", () => {
  const host = () => Router.withTwoWans(MAIN_RULES, anchor("proxy-two-wans"));
  const wans = ["vtnet0", "gif0"] as const;
  const ways = { ipv4: "vtnet0", ipv6: "gif0" };

  it.each(wans.flatMap((wan) => FAMILIES.map((family) => [wan, family] as const)))(
    "hands mail on that comes in by %s (%s), and its answer goes back under the address that was asked",
    (wan, family) => {
      const one = host();
      const asked = TWO_WANS[wan][family];
      for (const port of [25, 443]) {
        const there = one.arrive(wan, tcp(CLIENT[family], asked, port, { mss: 1460 }));
        expect(brief(there)).toEqual(["forwarded", "wg5182", CLIENT[family], RELAY[family]]);
        // By the default route, which need not be the way that it came.
        const back = one.arrive("wg5182", { ...reversed(there.packet), flags: "SA", mss: 1460 });
        expect(brief(back)).toEqual(["forwarded", ways[family], asked, CLIENT[family]]);
        expect(brief(one.arrive(wan, tcp(CLIENT[family], asked, port, { flags: "A" })))).toEqual([
          "forwarded",
          "wg5182",
          CLIENT[family],
          RELAY[family],
        ]);
        const most = family === "ipv4" ? 1240 : 1220;
        expect([there.packet.mss, back.packet.mss]).toEqual([most, most]);
      }
      // Only the ports of the settings.
      expect(one.arrive(wan, tcp(CLIENT[family], asked, 993)).end).toBe("blocked in");
    },
  );

  it.each(wans)("lets the relay shake hands by %s, and answers it", (wan) => {
    for (const family of FAMILIES) {
      const one = host();
      const hello: Packet = { proto: "udp", src: CLIENT[family], dst: TWO_WANS[wan][family], sport: 1024, dport: 443 };
      expect(one.arrive(wan, hello).end).toBe("delivered");
      expect(one.leave(reversed(hello)).end).toBe("forwarded");
    }
  });

  it.each(wans)("lets SSH in by %s, from where the settings say", (wan) => {
    const from = (src: string) => host().arrive(wan, tcp(src, TWO_WANS[wan].ipv4, 2222)).end;
    expect([from("192.0.2.200"), from(CLIENT.ipv4)]).toEqual(["delivered", "blocked in"]);
    expect(host().arrive(wan, tcp("2001:db8:1::9", TWO_WANS[wan].ipv6, 2222)).end).toBe("delivered");
  });
});

it("hands UDP ranges on, every port of them and none beside", () => {
  const host = router("proxy-udp");
  const at = (dport: number) => host.arrive("em0", { proto: "udp", src: CLIENT.ipv4, dst: HOST.ipv4, sport: 9, dport });
  for (const port of [3478, 50000, 50999])
    expect(brief(at(port))).toEqual(["forwarded", "wg5182", CLIENT.ipv4, RELAY.ipv4]);
  for (const port of [3479, 49999, 51000]) expect(at(port).end).toBe("blocked in");
});
