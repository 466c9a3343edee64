// The engine's own commands on a stack that is up, as people type them beside `up` and `destroy`.
import { proveMail } from "../../scripts/lab/mail";
import { failed, succeeded, theLab, type Config, type TheLab } from "./theLab";
import { silence, unsilence } from "./wire";

jest.setTimeout(300_000);

let the: TheLab;

const PROXIES = ["hel1", "ash1", "deb1"];

beforeAll(async () => {
  the = await theLab({ stack: false, proxies: PROXIES });
  succeeded(await the.pulumi("destroy", "--yes", "--skip-preview"));
});
afterAll(() => the?.close());

const UNCHANGED = /Resources:\n {4}\d+ unchanged\n/;

async function urnOf(name: string): Promise<string> {
  const text = succeeded(await the.pulumi("stack", "--show-urns"));
  const urn = new RegExp(`URN: (\\S+::${name})\\n`).exec(text)?.[1];
  if (urn === undefined) throw new Error(`no URN of ${name} in:\n${text}`);
  return urn;
}

const rules = (host: string) => the.sh(host, "nft -s list table inet chatmail_proxy");

/** Seconds since 1970 of every login that a host's sshd has let in since then. */
async function logins(host: string, since: number): Promise<number[]> {
  const log = await the.sh(
    host,
    `journalctl --no-pager -o short-unix -t sshd -t sshd-session --since @${Math.floor(since)} | grep 'Accepted publickey'`,
    "any",
  );
  return log.split("\n").flatMap((line) => (line === "" ? [] : [Number(line.split(" ")[0])]));
}

it("the first up of three proxies, preview and all, logs in 20 times at most, and to no host more than five times in 30 s", async () => {
  // Settings come with a preview; the `up` has one of its own, as people run it.
  await the.preview();
  const since = Date.now() / 1000;
  succeeded(await the.pulumi("up", "--yes"));
  const byHost = await Promise.all(
    [...PROXIES, "relay"].map(async (host) => [host, await logins(host, since)] as const),
  );
  const most = byHost.map(([host, times]) => [
    host,
    Math.max(0, ...times.map((time) => times.filter((other) => other >= time && other < time + 30).length)),
  ]);
  for (const [host, count] of most) expect([host, Number(count) <= 5]).toEqual([host, true]);
  const all = byHost.flatMap(([, times]) => times);
  expect(all.length).toBeGreaterThan(8);
  expect(all.length).toBeLessThanOrEqual(20);
});

it("up --target brings in one proxy's part alone", async () => {
  for (const host of ["hel1", "ash1"])
    await the.sh(
      host,
      "systemctl -q stop chatmail-proxy-heal.timer chatmail-proxy-heal.service; nft insert rule inet chatmail_proxy forward ip daddr 192.0.2.99 drop",
    );
  const output = succeeded(await the.up(undefined, { flags: ["--target", "**::hel1*"] }));
  expect(output).not.toMatch(/ash1-\S+ updated/);
  expect(await rules("hel1")).not.toContain("192.0.2.99");
  expect(await rules("ash1")).toContain("192.0.2.99");
  succeeded(await the.up());
  expect(await rules("ash1")).not.toContain("192.0.2.99");
});

it("a proxy that dies when it has been looked at ends its own part only: the others are written, and it is no longer published", async () => {
  // When hostctl has told its status, nothing comes in any more.
  await the.sh(
    "ash1",
    `cat >/run/dies <<'END'
until pgrep -f 'sh -s statu[s]' >/dev/null; do sleep 0.02; done
while pgrep -f 'sh -s statu[s]' >/dev/null; do sleep 0.02; done
nft 'table inet dead { chain input { type filter hook input priority -400; policy drop; }; chain forward { type filter hook forward priority -400; policy drop; }; }'
END
systemd-run --collect sh /run/dies`,
  );
  const ports = (config: Config) => void (config["chatmail-proxy:ports"] = [25, 443, 465, 993]);
  const address = (await the.addresses("ash1"))[0] as string;
  try {
    const output = failed(await the.up(ports));
    expect(await the.sh("ash1", "nft list tables", "any")).toContain("inet dead");
    expect(output).toContain(
      "ash1: its set-up failed at ash1-config: it has stopped answering since this run looked at it",
    );
    expect(output).toMatch(/hel1-confirm updated/);
    expect(output).toMatch(/deb1-confirm updated/);
    expect(output).not.toMatch(/ash1-\S+ .*failed|error: .*dial/);
    const records = await the.api<{ rrsets: { name: string; type: string; records: { value: string }[] }[] }>(
      "GET",
      "/zones/example.org/rrsets?per_page=50",
    );
    const published = records.rrsets.find(({ name, type }) => name === "chat" && type === "A");
    expect(published?.records.map(({ value }) => value)).not.toContain(address);
    expect(published?.records).toHaveLength(2);
  } finally {
    await the.sh("ash1", "nft delete table inet dead", "any");
  }
  succeeded(await the.up(ports));
  expect(await rules("ash1")).not.toContain("587");
  succeeded(await the.up());
});

it("refresh changes nothing where nothing was changed", async () => {
  expect(succeeded(await the.pulumi("refresh", "--yes", "--skip-preview"))).toMatch(UNCHANGED);
  succeeded(await the.preview(undefined, ["--expect-no-changes"]));
});

it("up --replace makes a new server under a proxy, at its old addresses, in one run", async () => {
  const before = await the.addresses("hel1");
  expect(before).toHaveLength(2);
  const output = succeeded(await the.up(undefined, { flags: ["--replace", await urnOf("hel1-server")] }));
  expect(output).toMatch(/hel1-server replaced/);
  expect(await the.addresses("hel1")).toEqual(before);
  for (const address of before) await proveMail(the.lab, address);
  expect(succeeded(await the.up())).toMatch(UNCHANGED);
});

it("up --replace does the same for a server that is dead, since another takes its place", async () => {
  await silence(the.lab, "hel1");
  try {
    const output = succeeded(await the.up(undefined, { flags: ["--replace", await urnOf("hel1-server")] }));
    expect(output).toMatch(/hel1-server replaced/);
  } finally {
    await unsilence(the.lab, "hel1").catch(() => undefined);
  }
  for (const address of await the.addresses("hel1")) await proveMail(the.lab, address);
  expect(succeeded(await the.up())).toMatch(UNCHANGED);
});
