import { misled, resolveFromHere } from "../../components/sshHosts";
import { aStack, HOST_KEY } from "./aStack";

const ours = {
  mailDomain: "chat.example.org",
  names: { hel1: "hel1.proxy.example.org" },
  addresses: { hel1: ["203.0.113.120", "2001:db8:c000:78::1"] },
};
const relay = { key: "relay.ssh.host", host: "www.chat.example.org" };

describe("an SSH host", () => {
  it("is told of where it is a proxy's address", () => {
    expect(misled(relay, { addresses: ["198.51.100.20", "203.0.113.120"], aliases: [] }, ours)).toEqual([
      'relay.ssh.host: www.chat.example.org is 203.0.113.120, the proxy hel1\'s address, so that a proxy answers its SSH, not the machine that you mean: "another host key is there". Set relay.ssh.host to an address at which the machine itself answers SSH (at home, the one in your own network).',
    ]);
  });

  it("is told of where it is a CNAME of the mail domain or of a proxy's name, whatever those hold yet", () => {
    expect(
      misled(relay, { addresses: ["198.51.100.20"], aliases: ["a.example.net", "chat.example.org"] }, ours),
    ).toEqual([
      expect.stringContaining("www.chat.example.org is a CNAME of chat.example.org, whose records name proxies"),
    ]);
    expect(misled(relay, { addresses: [], aliases: ["hel1.proxy.example.org"] }, ours)).toEqual([
      expect.stringContaining("is a CNAME of hel1.proxy.example.org"),
    ]);
  });

  it("is left alone at an address of its own, at home too, and where it is the proxy that is meant", () => {
    expect(misled(relay, { addresses: ["198.51.100.20"], aliases: [] }, ours)).toEqual([]);
    expect(misled(relay, { addresses: ["192.168.1.10"], aliases: ["chat.example.org"] }, ours)).toEqual([]);
    expect(
      misled({ ...relay, proxy: "hel1" }, { addresses: ["203.0.113.120"], aliases: ["hel1.proxy.example.org"] }, ours),
    ).toEqual([]);
  });

  it("that is an address means itself, its zone too", async () => {
    expect(await resolveFromHere("fe80::1%eth0")).toEqual({ addresses: ["fe80::1%eth0"], aliases: [] });
    expect((await resolveFromHere("localhost")).addresses).toContain("127.0.0.1");
  });
});

describe("a run", () => {
  const settings = { relay: { ssh: { host: "www.chat.example.org", hostKey: HOST_KEY } } };
  const resolves = { "www.chat.example.org": { addresses: ["198.51.100.20"], aliases: ["chat.example.org"] } };

  it.each([false, true])("warns of an SSH host that leads to a proxy (preview: %s)", async (preview) => {
    expect((await aStack({ settings, resolves, preview })).warnings).toContainEqual(
      expect.stringContaining("relay.ssh.host: www.chat.example.org is a CNAME of chat.example.org"),
    );
  });

  it("warns of an address that this very run found to be a proxy's", async () => {
    expect(
      (await aStack({ settings, resolves: { "www.chat.example.org": { addresses: ["203.0.113.120"], aliases: [] } } }))
        .warnings,
    ).toContainEqual(expect.stringContaining("is 203.0.113.120, the proxy hel1's address"));
  });

  it("says nothing of one that does not", async () => {
    expect(
      (
        await aStack({ settings, resolves: { "www.chat.example.org": { addresses: ["198.51.100.20"], aliases: [] } } })
      ).warnings.join(),
    ).not.toContain("relay.ssh.host");
  });
});
