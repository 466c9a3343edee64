// The guide's own pf.conf, word for word, in the evaluator: what works in it, and the rules of it that never do.
import { Router, CLIENT, HOST, RELAY } from "./router";
import { reversed, type Packet } from "./evaluate";
import { parsePf } from "./parse";

const GUIDE = `
ext_if = "em0"
forward_ports = "{ 25, 80, 143, 443, 465, 587, 993 }"
chatmail_ipv4 = "${RELAY.ipv4}"
icmp_types = "{ echoreq, echorep, unreach, timex }"
chatmail_ipv6 = "${RELAY.ipv6}"
icmp6_types = "{ echorep, echoreq, neighbradv, neighbrsol, routeradv, routersol, unreach, toobig, timex }"

set skip on lo0

nat on $ext_if inet from any to any -> ($ext_if:0)
nat on $ext_if inet6 from any to any -> ($ext_if:0)

rdr on $ext_if inet proto tcp from any to ($ext_if:0) port $forward_ports -> $chatmail_ipv4
rdr on $ext_if inet6 proto tcp from any to ($ext_if:0) port $forward_ports -> $chatmail_ipv6

pass in quick on $ext_if inet proto tcp from any to any port $forward_ports flags S/SA modulate state
pass in quick on $ext_if inet6 proto tcp from any to any port $forward_ports flags S/SA modulate state

pass in quick on $ext_if proto tcp from any to ($ext_if) port 22 flags S/SA modulate state

pass in quick on $ext_if inet proto icmp all icmp-type $icmp_types keep state
pass in quick on $ext_if inet6 proto ipv6-icmp all icmp6-type $icmp6_types keep state

pass on $ext_if inet proto tcp from any to $chatmail_ipv4 flags S/SA modulate state
pass on $ext_if inet6 proto tcp from any to $chatmail_ipv6 flags S/SA modulate state

pass out quick on $ext_if from any to any

block drop in log all
`;

const mail = (port = 25): Packet => ({
  proto: "tcp",
  src: CLIENT.ipv4,
  dst: HOST.ipv4,
  sport: 40000,
  dport: port,
  flags: "S",
});

it("hands mail on to a relay behind the WAN, under the proxy's address", () => {
  const direct = new Router(GUIDE, undefined, false);
  const there = direct.arrive("em0", mail());
  expect([there.end, there.packet.src, there.packet.dst]).toEqual(["forwarded", HOST.ipv4, RELAY.ipv4]);
  expect(direct.arrive("em0", { ...reversed(there.packet), flags: "SA" }).packet).toMatchObject({
    src: HOST.ipv4,
    dst: CLIENT.ipv4,
    sport: 25,
    dport: 40000,
  });
});

it("loses the relay's answers where the relay is behind a tunnel: out on it no rule matches, so no state is made", () => {
  const tunnelled = new Router(GUIDE);
  const there = tunnelled.arrive("em0", mail());
  expect([there.end, there.out, there.by]).toEqual(["forwarded", "wg5182", "no rule"]);
  const back = tunnelled.arrive("wg5182", { ...reversed(there.packet), flags: "SA" });
  expect([back.end, back.by]).toEqual(["blocked in", "block drop in log all"]);
});

it("has a `pass on $ext_if … to $chatmail` that decides nothing: inward the final block is the last match, outward the quick rule stands for it", () => {
  const router = new Router(GUIDE);
  const neighbour = { ...mail(8080), dst: RELAY.ipv4 };
  expect(router.arrive("em0", neighbour).by).toBe("block drop in log all");
  expect(router.leave({ ...neighbour, src: "10.0.0.7", dst: CLIENT.ipv4 }).by).toBe(
    "pass out quick on $ext_if from any to any",
  );
  // And for every packet to the relay, either way and on any port: without these two rules it fares the same.
  const without = GUIDE.replace(/^pass on .*$/gm, "");
  expect(parsePf(GUIDE).rules.length - parsePf(without).rules.length).toBe(2);
  for (const port of [22, 25, 80, 8080])
    for (const dst of [RELAY.ipv4, HOST.ipv4])
      for (const flags of ["S", "A", "SA"])
        for (const direction of ["in", "out"] as const) {
          const packet = { ...mail(port), dst, flags };
          const [one, other] = [GUIDE, without].map((text) => new Router(text).pf.test(direction, "em0", packet));
          expect(one).toEqual(other);
          expect(one?.by).not.toMatch(/^pass on/);
        }
});

it("cuts the SSH session that loads it: its packets are no SYN, and no state is there yet", () => {
  expect(new Router(GUIDE).arrive("em0", { ...mail(22), flags: "A" }).by).toBe("block drop in log all");
  expect(new Router(GUIDE).arrive("em0", mail(22)).end).toBe("delivered");
});
