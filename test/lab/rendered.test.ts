// The texts that we render, read by the programs that they are for, in the versions that the hosts have.
import { CASES } from "../golden/cases";
import { document, setLines } from "../../components/remote/document";
import { hostctlProgram } from "../../components/remote/hostctl";
import { succeeded, theLab, type TheLab } from "./theLab";

jest.setTimeout(200_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab();
});
afterAll(() => the?.close());

const cases = (ending: string) => Object.entries(CASES).filter(([name]) => name.endsWith(ending));
const feed = (script: string, stdin: string) => the.lab.run("hel1", ["bash", "-c", script], { stdin, timeout: 30_000 });

it.each(cases(".nft"))("nft takes %s", async (_name, text) => {
  await feed("nft -c -f -", text);
});

it.each(cases(".nft"))("nft loads %s, twice over, and finds it as written", async (_name, text) => {
  const { stdout } = await feed(
    'cat >/tmp/rules; unshare --net bash -c "nft -f /tmp/rules && nft -f /tmp/rules && nft list ruleset"',
    text,
  );
  for (const chain of text.match(/chain \w+/g) ?? []) expect(stdout).toContain(chain);
});

it.each(cases(".wg"))("wg-quick strips %s, and wg takes the rest for an interface", async (_name, text) => {
  const script = `set -e; mkdir -p /tmp/wg; cat >/tmp/wg/golden.conf; chmod 600 /tmp/wg/golden.conf
wg-quick strip /tmp/wg/golden.conf >/tmp/wg/stripped
unshare --net bash -c 'wireguard-go -f wgtest >/dev/null 2>&1 & for i in $(seq 50); do [ -S /run/wireguard/wgtest.sock ] && break; sleep 0.1; done; wg setconf wgtest /tmp/wg/stripped && wg showconf wgtest; status=$?; kill %1; exit $status'`;
  const { stdout } = await feed(script, text);
  expect(stdout).toContain(/PublicKey = (\S+)/.exec(text)?.[1]);
});

it.each(cases(".cloud-config"))("cloud-init's schema knows all of %s", async (_name, text) => {
  const { stdout, stderr } = await feed("cat >/tmp/user-data; cloud-init schema --config-file /tmp/user-data", text);
  expect(stdout + stderr).toContain("Valid schema");
});

it.each(cases(".apt"))("apt reads %s", async (_name, text) => {
  const { stdout } = await feed("cat >/tmp/apt.conf; apt-config -c /tmp/apt.conf dump", text);
  expect(stdout).toContain('Unattended-Upgrade::Automatic-Reboot "true";');
});

it.each(cases(".sysctl"))("sysctl knows every key of %s", async (name, text) => {
  // Interfaces of the golden case that this host has not are left out; what stays must be set without a word.
  const known = text
    .split("\n")
    .filter((line) => !/eth0\.100|ens4/.test(line))
    .join("\n");
  const { stderr } = await feed(`cat >/tmp/${name}; sysctl -q -p /tmp/${name}`, known);
  expect(stderr).toBe("");
});

it("systemd finds no fault with our units", async () => {
  await the.sh(
    "hel1",
    "systemd-analyze verify --man=no /etc/systemd/system/chatmail-proxy-*.service /etc/systemd/system/chatmail-proxy-*.timer /etc/systemd/system/multi-user.target.wants/wg-quick@wg-relay.service",
  );
});

describe("hostctl", () => {
  it("is taken by dash and bash alike", async () => {
    await feed("dash -n", hostctlProgram());
    await feed("bash --posix -n", hostctlProgram());
  });

  const hostctl = (words: string, stdin: string) =>
    the.lab.run("hel1", ["sh", "-c", `/usr/local/lib/chatmail-proxy/hostctl ${words}`], {
      stdin,
      accept: "any",
      timeout: 30_000,
    });

  const apply = async (stdin: string) =>
    JSON.parse((await hostctl("apply config 2026-01-01T00:00:00Z", stdin)).stdout) as { ok: boolean; reason?: string };
  const filter = (content: string) =>
    document(
      "config",
      setLines(
        "filter",
        { files: [{ path: "/etc/chatmail-proxy/proxy.nft", mode: "0644", content }] },
        { guarded: 60 },
      ),
    ).text;

  it("changes nothing when a document arrives cut off", async () => {
    const before = await the.sh("hel1", "nft -s list ruleset; cat /etc/chatmail-proxy/proxy.nft");
    const whole = filter("table inet chatmail_proxy\n");
    expect(await apply(whole.slice(0, whole.lastIndexOf("end document")))).toEqual({
      ok: false,
      reason: expect.stringContaining("cut off") as string,
      failed: {},
    });
    expect(await the.sh("hel1", "nft -s list ruleset; cat /etc/chatmail-proxy/proxy.nft")).toBe(before);
  });

  it("refuses rules that nft refuses, and leaves the old ones in force", async () => {
    const before = await the.sh("hel1", "nft -s list ruleset");
    expect(await apply(filter("table inet chatmail_proxy { chain x { nonsense } }\n"))).toMatchObject({
      ok: false,
      reason: expect.stringContaining(
        "nft refuses the new /etc/chatmail-proxy/proxy.nft; the old rules are still in force",
      ) as string,
    });
    expect(await the.sh("hel1", "nft -s list ruleset")).toBe(before);
    expect(await the.sh("hel1", "systemctl is-active chatmail-proxy-revert-filter.timer", "any")).toBe("inactive");
  });

  it("does not confirm what it does not hold", async () => {
    const { stdout } = await hostctl("confirm config 2026-01-01T00:00:01Z", "");
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      reason: expect.stringContaining("another configuration than the one to be confirmed") as string,
    });
    succeeded(await the.up());
  });

  it("keeps two runs apart", async () => {
    const { stdout } = await feed(
      "for i in 1 2 3 4; do printf 'file 0644 /tmp/together\\n|%s\\nend %s\\n' $i $i | /usr/local/lib/chatmail-proxy/hostctl install together >/dev/null 2>&1 || echo failed; done & for i in 5 6 7 8; do printf 'file 0644 /tmp/together\\n|%s\\nend %s\\n' $i $i | /usr/local/lib/chatmail-proxy/hostctl install together >/dev/null 2>&1 || echo failed; done; wait; cat /tmp/together; /usr/local/lib/chatmail-proxy/hostctl remove together; ls /tmp/together",
      "",
    ).catch((error: { result: { stdout: string } }) => error.result);
    expect(stdout).toMatch(/^[48]\n$/);
  });
});
