// The lab's own machines besides the relay at home, what their owners have on them, and the zone with signed updates.
// Leaves the lab up, and needs no stack.
import { statSync } from "node:fs";
import { openLab, type LabHandle } from "../../scripts/lab/lab";
import { proveMail } from "../../scripts/lab/mail";
import { SHOP_PAGE } from "../../scripts/lab/text/belongings";
import { waitFor } from "../../scripts/lab/wait";
import { belongings } from "./belongings";
import { ssh, update } from "./reach";
import { quiet } from "./theLab";
import { capture, silence, unsilence } from "./wire";

jest.setTimeout(300_000);

let lab: LabHandle;

beforeAll(async () => {
  lab = await openLab(quiet);
});

const sh = async (host: string, script: string, accept: "any" | undefined = undefined): Promise<string> =>
  (await lab.run(host, ["sh", "-c", script], { timeout: 120_000, ...(accept ? { accept } : {}) })).stdout.trim();

describe("a machine at another provider", () => {
  it("lets the operator log in over both families, with the pinned key", async () => {
    for (const address of lab.deb1.addresses)
      expect(await sh("operator", ssh(lab, lab.deb1, "cat /etc/debian_version", address))).toMatch(/^13/);
  });

  it("is reached by client and relay, and has a name", async () => {
    for (const host of ["client", "relay"])
      expect(await sh(host, "curl -sS -m 5 -4 http://deb1.example.net:8080/")).toBe(SHOP_PAGE.trim());
    expect(await sh("client", "curl -sS -m 5 -6 http://deb1.example.net:8080/")).toBe(SHOP_PAGE.trim());
    expect(await sh("client", "getent hosts 2001:db8:d000:1::10")).toContain("deb1.example.net");
  });

  it("installs packages from the mirror", async () => {
    await sh(
      "deb1",
      "apt-get -q update && apt-get -q -y install wireguard-tools && apt-get -q -y purge wireguard-tools",
    );
  });

  it("falls silent on demand, and every packet is seen on its own side", async () => {
    const caught = await capture(lab, "deb1", "eth0", "tcp port 8080");
    const get = () =>
      lab.run("client", ["curl", "-sS", "-m", "2", "-o", "/dev/null", `http://${lab.deb1.sshHost}:8080/`], {
        accept: "any",
      });
    expect((await get()).status).toBe(0);
    const seen = (await caught.stop()).length;
    expect(seen).toBeGreaterThan(5);
    await silence(lab, "deb1");
    const nothing = await capture(lab, "deb1", "eth0", "tcp port 8080");
    expect((await get()).status).toBe(28);
    expect(await nothing.stop()).toEqual([]);
    await unsilence(lab, "deb1");
    expect((await get()).status).toBe(0);
  });
});

describe.each(["deb1", "relay"] as const)("what the owner of %s has there", (host) => {
  it("is whole: rules, bridge, routing rule, sysctls, service", async () => {
    const text = await belongings(lab, host);
    expect(text).not.toMatch(/failed|No such|cannot/);
    for (const part of [
      /table inet owner/,
      /masquerade/,
      /inet 172\.1[78]\.0\.1\/16/,
      /from 172\.1[78]\.0\.0\/16 lookup/,
      /ip_forward = 1/,
    ])
      expect(text).toMatch(part);
  });

  it("is the same after a reboot, and shows what is missing", async () => {
    const before = await belongings(lab, host);
    await lab.control.reboot(host);
    await waitFor("the owner's things", 30, async () => (await belongings(lab, host)) === before);
    await sh(host, "nft delete table ip docker");
    expect(await belongings(lab, host)).not.toBe(before);
    await sh(host, "systemctl restart nftables systemd-networkd; sleep 2");
    expect(await belongings(lab, host)).toBe(before);
  });
});

describe("the zone with signed updates", () => {
  it("takes an update with the key, and serves it at once", async () => {
    expect(
      (await update(lab, "add chat.example.com. 60 A 203.0.113.7\nadd chat.example.com. 60 AAAA 2001:db8:c000::7"))
        .status,
    ).toBe(0);
    expect(await sh("client", "getent ahosts chat.example.com")).toMatch(/203\.0\.113\.7 /);
    expect(await sh("relay", "getent ahostsv6 chat.example.com")).toContain("2001:db8:c000::7");
  });

  it("refuses an update without a key, and with a wrong one", async () => {
    for (const key of ["", `-y hmac-sha256:${lab.rfc2136.keyName}:${Buffer.alloc(32).toString("base64")}`])
      expect((await update(lab, "add no.example.com. 60 A 203.0.113.8", key)).status).not.toBe(0);
    expect((await lab.run("client", ["getent", "hosts", "no.example.com"], { accept: "any" })).status).toBe(2);
  });

  it("hands out the whole zone to whoever has the key", async () => {
    const transfer = (key: string) => sh("operator", `kdig @${lab.rfc2136.server} ${key} example.com AXFR`, "any");
    expect(await transfer(`-k ${lab.rfc2136.keyFile}`)).toMatch(/chat\.example\.com\.\s+60\s+IN\s+A\s+203/);
    expect(await transfer("")).not.toContain("203.0.113.7");
  });

  it("keeps its key from everybody but root", () => expect(statSync(lab.rfc2136.keyFile).mode & 0o777).toBe(0o600));
});

describe("the relay on the internet itself", () => {
  afterAll(() => lab.control.power("vps", "off"));

  it("says how to have it while it is off", async () => {
    await lab.control.power("vps", "off");
    await expect(sh("vps", "true")).rejects.toThrow("npm run lab -- start vps");
  });

  it("starts within a minute, with mail of its own domain, in and out", async () => {
    await lab.control.start("vps");
    expect((await proveMail(lab, undefined, lab.vps.mailDomain)).length).toBe(5);
    for (const address of lab.vps.addresses)
      expect(await sh("client", `getent hosts ${address}`)).toContain(lab.vps.mailDomain);
  });

  it("lets the operator log in, with the pinned key", async () =>
    expect(await sh("operator", ssh(lab, lab.vps, "hostname"))).toBe(lab.vps.mailDomain));
});
