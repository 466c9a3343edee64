import { spfAdvice } from "../../../components/dns/spf";

const ask = (texts: string[], senders = ["198.51.100.20"], published: string[] = []) =>
  spfAdvice({ mailDomain: "chat.example.org", senders, published, texts });

describe("spfAdvice", () => {
  it("says what to add to the record that is there", () => {
    expect(ask(["v=spf1 a ~all"])).toContain('it says "v=spf1 a ~all"). Use: "v=spf1 ip4:198.51.100.20 a ~all".');
  });

  it("reads a record that is quoted in parts", () =>
    expect(ask(['"v=spf1 ip4:198.51" ".100.20 ~all"'])).toBeUndefined());

  it("says what the record would be where there is none", () => {
    expect(ask(["google-site-verification=x"])).toContain('there is none). Use: "v=spf1 ip4:198.51.100.20 ~all".');
  });

  it.each([
    ["v=spf1 ip4:198.51.100.20 ~all"],
    ["v=spf1 +ip4:198.51.100.20/32 -all"],
    ["V=SPF1 a IP4:198.51.100.20 ~all"],
  ])("is content with %s", (text) => expect(ask([text])).toBeUndefined());

  it("is content with a record that names another host, which may follow the address", () => {
    expect(ask(["v=spf1 a:home.example.net ~all"])).toBeUndefined();
    expect(ask(["v=spf1 include:example.net ~all"])).toBeUndefined();
  });

  it("knows the mail domain by its name too: what an older chatmail zone says covers the proxies, not the relay", () => {
    expect(ask(["v=spf1 a:chat.example.org -all"])).toContain(
      'Use: "v=spf1 ip4:198.51.100.20 a:chat.example.org -all".',
    );
    expect(ask(["v=spf1 a:chat.example.org -all"], ["203.0.113.5"], ["203.0.113.5"])).toBeUndefined();
  });

  it.each([
    ["ip4:198.51.100.0/24", "198.51.100.20"],
    ["ip6:2001:db8::/32", "2001:db8::7"],
  ])("is content with %s, which holds the address", (term, sender) => {
    expect(ask([`v=spf1 ${term} -all`], [sender])).toBeUndefined();
    expect(ask([`v=spf1 ${term} -all`], ["192.0.2.1"])).toContain("ip4:192.0.2.1");
  });

  it("is not thrown by a broken prefix", () =>
    expect(ask(["v=spf1 ip4:198.51.100.0/x ip4:198.51.100.0/99 -all"])).toContain("must name"));

  it("asks for both families where mail leaves by both", () => {
    expect(ask(["v=spf1 a ~all"], ["198.51.100.20", "2001:db8::7"])).toContain(
      '"v=spf1 ip4:198.51.100.20 ip6:2001:db8::7 a ~all"',
    );
  });

  it("says nothing while no sender is known", () => expect(ask(["v=spf1 a ~all"], [])).toBeUndefined());

  it("counts what is published as named where the record says a, as with an egress", () => {
    expect(ask(["v=spf1 a ~all"], ["203.0.113.5"], ["203.0.113.5", "203.0.113.6"])).toBeUndefined();
    expect(ask(["v=spf1 a ~all"], ["203.0.113.5"], ["203.0.113.6"])).toContain('Use: "v=spf1 ip4:203.0.113.5 a ~all"');
    expect(ask(["v=spf1 ~all"], ["203.0.113.5"], ["203.0.113.5"])).toContain('Use: "v=spf1 ip4:203.0.113.5 ~all"');
  });
});
