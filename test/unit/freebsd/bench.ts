// What the tests of hostctl on FreeBSD start from: a host that is set up, and bundles as the program makes them.
import { freebsd } from "../../../components/platforms/freebsd";
import { bundle } from "../../../components/remote/bundle";
import { PF_CASES } from "../../golden/cases";
import { FakeHost, type Shell } from "./fakeHost";

export const filterOf = (name: string) => bundle(freebsd.filterSet(PF_CASES[name]!, [{ name: "em0", acceptRa: 1 }]));
export const FILTER = filterOf("proxy-routed.pf");

const plan = {
  slot: 1,
  proxy: { ipv4: "192.0.2.5", ipv6: "2001:db8:7::5" },
  relay: { ipv4: "192.0.2.6", ipv6: "2001:db8:7::6" },
  relayInterface: "wg-bsd1",
  routingTable: 1,
};
export const PEER = Buffer.alloc(32, "R").toString("base64");
export const TUNNEL = bundle(freebsd.tunnelSet({ plan, port: 51820, mtu: 1420, peerPublicKey: PEER })).text;
export const KEYS = bundle(freebsd.tunnelKeysSet({ privateKey: "k", presharedKey: "s" })).text;

/** A pf.conf of an operator's own: a macro, every kind of statement, a continued line, no newline at its end. */
export const OWN_PF =
  'ext = "em0"\nset skip on lo0\nscrub in all\nnat on $ext inet from 10.0.0.0/24 to any -> ($ext)\nblock in \\\n  log all\npass out all\npass in on $ext proto tcp to port 8080';

/** Hosts for the tests around it; each is gone after its test. */
export function bench(shell: Shell) {
  const hosts: FakeHost[] = [];
  afterEach(() => hosts.splice(0).forEach((each) => each.close()));
  const bare = (files: Record<string, string> = {}) => {
    const made = new FakeHost(shell, files);
    hosts.push(made);
    return made;
  };
  const host = (files: Record<string, string> = {}) => {
    const made = bare(files);
    made.ok("setup");
    return made;
  };
  /** Armed and confirmed. */
  const brought = (files: Record<string, string> = {}) => {
    const made = host(files);
    made.arm(FILTER);
    made.confirmed();
    return made;
  };
  return { bare, host, brought };
}
