// A host that forwards, around the evaluator: what comes in is filtered, delivered or routed, and filtered again.
import { ANCHOR } from "../../../components/filter/pf";
import { familyOf } from "../../../components/addresses";
import { Pf, type Packet, type Version } from "./evaluate";

/** pf.conf as hostctl writes it where there is none. */
export const MAIN_RULES = [
  "# Written for chatmail-proxy, since this host had no rules for pf. Rules of your own go below. # chatmail-proxy",
  "set skip on lo0 # chatmail-proxy",
  "set reassemble yes # chatmail-proxy",
  'nat-anchor "chatmail_proxy" # chatmail-proxy',
  'rdr-anchor "chatmail_proxy" # chatmail-proxy',
  'anchor "chatmail_proxy" # chatmail-proxy',
  'load anchor "chatmail_proxy" from "/usr/local/etc/chatmail-proxy/proxy.pf" # chatmail-proxy',
  "",
].join("\n");

export const HOST = { ipv4: "198.51.100.2", ipv6: "2001:db8:9::2" };
export const RELAY = { ipv4: "192.0.2.6", ipv6: "2001:db8:7::6" };
export const CLIENT = { ipv4: "203.0.113.9", ipv6: "2001:db8:c::9" };

const ADDRESSES: Interfaces = {
  em0: [HOST.ipv4, "fe80::2", HOST.ipv6],
  em1: ["10.0.0.1"],
  wg5182: ["192.0.2.5", "2001:db8:7::5"],
  lo0: ["127.0.0.1", "::1"],
};

/** A host with two lines: its own addresses at each; IPv4 goes out by the first, IPv6 by the second, a tunnel. */
export const TWO_WANS = {
  vtnet0: { ipv4: "198.51.100.2", ipv6: "2001:db8:9::2" },
  gif0: { ipv4: "198.51.100.130", ipv6: "2001:db8:a::2" },
};

type Interfaces = Readonly<Record<string, readonly string[]>>;

export interface Outcome {
  readonly end: "delivered" | "forwarded" | "blocked in" | "blocked out";
  /** Where it left, or would have. */
  readonly out?: string;
  readonly packet: Packet;
  readonly by: string;
}

export class Router {
  readonly pf: Pf;

  constructor(
    main: string,
    anchor?: string,
    private readonly tunnelUp = true,
    private readonly addresses = ADDRESSES,
    /** Where the default route of each family goes. */
    private readonly ways = { 4: "em0", 6: "em0" },
    version: Version = 14,
  ) {
    this.pf = new Pf(main, anchor === undefined ? {} : { [ANCHOR]: anchor }, addresses, version);
  }

  static withTwoWans(main: string, anchor: string): Router {
    return new Router(
      main,
      anchor,
      true,
      { ...ADDRESSES, em0: [], vtnet0: Object.values(TWO_WANS.vtnet0), gif0: Object.values(TWO_WANS.gif0) },
      { 4: "vtnet0", 6: "gif0" },
    );
  }

  /** A packet comes in on an interface. */
  arrive(iface: string, packet: Packet): Outcome {
    const first = this.pf.test("in", iface, packet);
    if (!first.pass) return { end: "blocked in", packet: first.packet, by: first.by };
    if (first.packet.dst.startsWith("ff02:") || Object.values(this.addresses).flat().includes(first.packet.dst))
      return { end: "delivered", packet: first.packet, by: first.by };
    return this.leave(first.packet);
  }

  /** A packet of the host's own, or one that is forwarded, goes out. */
  leave(packet: Packet): Outcome {
    const out = this.route(packet.dst);
    const { pass, packet: last, by } = this.pf.test("out", out, packet);
    return { end: pass ? "forwarded" : "blocked out", out, packet: last, by };
  }

  private route(address: string): string {
    if (this.tunnelUp && (address === RELAY.ipv4 || address === RELAY.ipv6)) return "wg5182";
    return address.startsWith("10.0.0.") ? "em1" : this.ways[familyOf(address) ?? 4];
  }
}
