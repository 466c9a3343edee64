// A stack that an earlier version brought up goes over to this one by one `pulumi up`: state and hosts are the earlier
// version's own work, a bought server and a machine that was there before.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { proveMail } from "../../scripts/lab/mail";
import { failed, nothingLeft, succeeded, theLab, type TheLab } from "./theLab";
import { underTraffic } from "./traffic";
import { silence, unsilence } from "./wire";

jest.setTimeout(600_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab({ stack: false, proxies: ["hel1", "deb1"] });
  succeeded(await the.pulumi("destroy", "--yes", "--skip-preview"));
});
afterAll(() => the?.close());

const PROGRAM = ["index.ts", "components"];
const workspace = () => join(the.lab.dirs.state, "stack", "project");

/** The stack's project is an earlier version's program from now on. */
function useEarlier(version: string): void {
  const place = join(the.lab.dirs.state, `earlier-${version}`);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place);
  execFileSync("tar", ["-xJf", join(__dirname, "earlier", `${version}.tar.xz`), "-C", place]);
  symlinkSync(join(the.lab.dirs.project, "node_modules"), join(place, "node_modules"));
  useThis();
  for (const name of PROGRAM) symlinkSync(join(place, name), join(workspace(), name));
}

/** The next command links this version's program into the project again. */
function useThis(): void {
  for (const name of PROGRAM) rmSync(join(workspace(), name), { force: true });
}

/** What of a host would not be the same if something had been taken away and come again. */
const standing = ([host, tunnel]: readonly [string, string]) =>
  the.sh(
    host,
    `wg show ${tunnel} public-key; cat /var/lib/chatmail-proxy/sysctl.before /var/lib/chatmail-proxy/packages.added`,
    "any",
  );

it("goes over without a lost letter, a replaced server, or a set-up that is undone", async () => {
  useEarlier("0.1.0");
  succeeded(await the.up());
  expect(await the.sh("relay", "ls /var/lib/chatmail-proxy/documents", "any")).toBe("");
  const servers = await the.api<{ servers: { id: number }[] }>("GET", "/servers");
  const hosts = [
    ["hel1", "wg-relay"],
    ["deb1", "wg-relay"],
  ] as const;
  const before = await Promise.all(hosts.map((host) => standing(host)));
  useThis();

  let output = "";
  const report = await underTraffic(the.lab, async () => {
    output = succeeded(await the.up());
  });
  expect({ lost: report.lost, duplicates: report.duplicates }).toEqual({ lost: [], duplicates: [] });
  expect(report.sent.length).toBeGreaterThan(5);
  expect(output).not.toMatch(/hcloud:\S+ \S+ (?:created|replaced|deleted)/);
  expect((await the.api<{ servers: { id: number }[] }>("GET", "/servers")).servers.map(({ id }) => id)).toEqual(
    servers.servers.map(({ id }) => id),
  );
  expect(await Promise.all(hosts.map((host) => standing(host)))).toEqual(before);
  expect(await the.sh("relay", "ls /var/lib/chatmail-proxy/sets")).toMatch(
    /keys-deb1\nkeys-hel1\ntunnel-deb1\ntunnel-hel1/,
  );

  succeeded(await the.preview(undefined, ["--expect-no-changes"]));
  for (const host of ["hel1", "deb1"])
    for (const address of await the.addresses(host)) await proveMail(the.lab, address);
});

const OURS = ["/var/lib/chatmail-proxy", "/etc/chatmail-proxy", "/usr/local/lib/chatmail-proxy"];
const leftOn = async (host: string) =>
  (await the.sh(host, `ls -d ${OURS.join(" ")} 2>/dev/null`, "any")).split("\n").filter(Boolean);

it("goes though a machine of it is lost, once that is said, and leaves nothing on the others", async () => {
  await silence(the.lab, "deb1");
  try {
    expect(failed(await the.pulumi("destroy", "--yes", "--skip-preview"))).toMatch(
      /deb1 \(192\.0\.2\.140, port 22\) cannot be reached, and what was set up there is to be undone: [^]*CHATMAIL_PROXY_ABANDON=deb1 in front of the pulumi command/,
    );
    const output = succeeded(
      await the.pulumiWith({ CHATMAIL_PROXY_ABANDON: "deb1" }, "destroy", "--yes", "--skip-preview"),
    );
    expect(output).toContain("deb1 (192.0.2.140, port 22) is let go as CHATMAIL_PROXY_ABANDON says");
  } finally {
    await unsilence(the.lab, "deb1");
  }
  await nothingLeft(the);
  expect(await leftOn("relay")).toEqual([]);
  // It was not lost after all: what is there can be undone by a person.
  expect(await leftOn("deb1")).toHaveLength(3);
  await the.sh("deb1", "/usr/local/lib/chatmail-proxy/hostctl uninstall");
  expect(await leftOn("deb1")).toEqual([]);
});
