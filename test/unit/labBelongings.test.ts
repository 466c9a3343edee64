import { mergeStackFile } from "../../scripts/lab/stack/workspace";
import { belongingsFiles, belongingsScript, type Belongings } from "../../scripts/lab/text/belongings";
import { DEB1_BELONGINGS, deb1Spec } from "../../scripts/lab/world/adopted";
import { RELAY_BELONGINGS } from "../../scripts/lab/world/mailHosts";

const textOf = (belongings: Belongings, path: string) =>
  belongingsFiles(belongings).find((file) => file.path === path)?.content ?? "";

describe("what a machine's owner has there", () => {
  it.each([
    ["deb1", DEB1_BELONGINGS, "172.17.0.0/16"],
    ["the relay", RELAY_BELONGINGS, "172.18.0.0/16"],
  ])(
    "on %s masquerades its own containers only, and lets in what it always let in",
    (_host, belongings, containers) => {
      const rules = textOf(belongings, "/etc/nftables.conf");
      expect(rules).toContain(`ip saddr ${containers} oifname != "br-docker" masquerade`);
      expect(rules).toContain("hook input priority filter; policy accept;\n\t\tcounter");
    },
  );

  it("keeps its routing rule beside networkd on deb1, and with networkd on the relay", () => {
    expect(textOf(DEB1_BELONGINGS, "/usr/local/sbin/owner-network")).toContain(
      "ip rule add priority 20000 from 172.17.0.0/16 lookup 100\n",
    );
    expect(textOf(DEB1_BELONGINGS, "/etc/systemd/networkd.conf.d/owner.conf")).toContain(
      "ManageForeignRoutingPolicyRules=no",
    );
    expect(textOf(RELAY_BELONGINGS, "/etc/systemd/network/20-br-docker.network")).toContain(
      "From=172.18.0.0/16\nTable=200\n",
    );
    expect(belongingsFiles(RELAY_BELONGINGS).map(({ path }) => path)).not.toContain(
      "/etc/systemd/networkd.conf.d/owner.conf",
    );
  });

  it("is shown without counters", () => {
    for (const line of belongingsScript(DEB1_BELONGINGS)
      .split("\n")
      .filter((one) => one.startsWith("{ nft")))
      expect(line).toMatch(/^\{ nft -s /);
  });
});

it("deb1 has a link of its own, off the cloud's ranges", () =>
  expect(deb1Spec().nic).toEqual({ kind: "link", owned: ["192.0.2.140/32", "2001:db8:d000:1::10/128"] }));

describe("the lab's own settings", () => {
  const keys = { "192.168.77.10": "ssh-ed25519 R", "192.0.2.140": "ssh-ed25519 D" };

  it("get a host key wherever a machine of the lab is named, and none that is there already", () => {
    const source = {
      config: {
        "chatmail-proxy:relay": { ssh: { host: "192.168.77.10" } },
        "chatmail-proxy:proxies": [
          { name: "deb1", host: { ssh: { host: "192.0.2.140" } } },
          { name: "x", ssh: { host: "192.0.2.140", hostKey: "mine" } },
          { name: "y", ssh: { host: "192.0.2.141" } },
        ],
      },
    };
    expect(mergeStackFile(source, {}, keys).config).toEqual({
      "chatmail-proxy:relay": { ssh: { host: "192.168.77.10", hostKey: "ssh-ed25519 R" } },
      "chatmail-proxy:proxies": [
        { name: "deb1", host: { ssh: { host: "192.0.2.140", hostKey: "ssh-ed25519 D" } } },
        { name: "x", ssh: { host: "192.0.2.140", hostKey: "mine" } },
        { name: "y", ssh: { host: "192.0.2.141" } },
      ],
    });
  });

  it("keep what pulumi encrypted", () => {
    const before = {
      encryptionsalt: "v1",
      config: { "hcloud:token": { secure: "x" }, "chatmail-proxy:mailDomain": "old" },
    };
    expect(mergeStackFile({ config: { "chatmail-proxy:mailDomain": "new" } }, before, keys)).toEqual({
      encryptionsalt: "v1",
      config: { "chatmail-proxy:mailDomain": "new", "hcloud:token": { secure: "x" } },
    });
  });
});
