// `npm run status` as an operator runs it: on a stack that is well, with a proxy that is dead, and with nothing that works.
import { stackStatus, type StackStatus } from "../../scripts/status/schema";
import { theLab, type TheLab } from "./theLab";
import { silence, unsilence } from "./wire";

jest.setTimeout(300_000);

let the: TheLab;

beforeAll(async () => {
  the = await theLab({ proxies: ["hel1", "deb1"] });
});
afterAll(() => the?.close());

async function look(): Promise<{ readonly exit: number; readonly status: StackStatus; readonly seconds: number }> {
  const began = Date.now();
  const { status: exit, output } = await the.npmRun("status", "--json");
  const status = stackStatus.parse(JSON.parse(output.slice(output.indexOf("{"))));
  return { exit, status, seconds: (Date.now() - began) / 1000 };
}
const faultsIn = ({ proxies, relay, zone, certificate }: StackStatus) =>
  [...proxies, relay, zone, certificate].flatMap((part) => part.faults);

it("finds nothing wrong on a stack that is well, and sees every part of it", async () => {
  const { exit, status } = await look();
  expect({ exit, state: status.state, faults: faultsIn(status) }).toEqual({ exit: 0, state: "well", faults: [] });
  for (const { addresses, tunnel, host } of status.proxies) {
    expect(addresses.map(({ works, published }) => [works, published])).toEqual(addresses.map(() => [true, true]));
    expect(
      addresses.flatMap(({ ports }) => ports).every(({ answer, ms }) => answer === "answered" && ms !== null),
    ).toBe(true);
    expect(tunnel?.state).toBe("up");
    expect(tunnel?.handshakeAge).toBeLessThan(180);
    expect(tunnel?.received).toBeGreaterThan(0);
    expect(tunnel?.ports.filter(({ open, ms }) => open && ms !== null).length).toBeGreaterThanOrEqual(7);
    expect(host).toMatchObject({ reachable: true, drift: [] });
    expect(host?.tracked?.most).toBeGreaterThanOrEqual(65536);
  }
  expect(status.zone.authoritative.length).toBeGreaterThan(0);
  expect(status.certificate.ports.map(({ port, names }) => [port, names])).toEqual(
    [443, 465, 993].map((port) => [port, expect.arrayContaining(["chat.example.org"]) as unknown]),
  );
});

it("shows a person the same, and none of the secrets that it reads", async () => {
  const { status, output } = await the.npmRun("status");
  expect(status).toBe(0);
  for (const line of ["hel1", "deb1", "relay", "zone", "certificate"])
    expect(output).toMatch(new RegExp(`^${line} +well `, "m"));
  expect(output).not.toMatch(/PRIVATE KEY|What is wrong/);
  expect(output).not.toContain(the.lab.hetzner.token);
});

it("sees what was changed by hand", async () => {
  await the.sh(
    "hel1",
    "systemctl stop chatmail-proxy-heal.timer chatmail-proxy-heal.service; nft delete table inet chatmail_proxy",
  );
  try {
    const { exit, status } = await look();
    expect(exit).toBe(1);
    expect(faultsIn(status)).toContainEqual(
      expect.stringMatching(/^hel1: not as it was brought in \(.*the table inet chatmail_proxy is not loaded/),
    );
  } finally {
    await the.sh("hel1", "systemctl start chatmail-proxy-heal.service chatmail-proxy-heal.timer");
  }
});

it("says which proxy is dead, and when none is left that no mail gets through, in less than 10 s", async () => {
  await silence(the.lab, "deb1");
  try {
    const one = await look();
    expect([one.exit, one.status.state]).toEqual([1, "degraded"]);
    expect(one.status.proxies.map(({ name, state }) => [name, state])).toEqual([
      ["hel1", "well"],
      ["deb1", "down"],
    ]);
    expect(one.status.proxies[1]?.faults[0]).toMatch(/neither the relay's ports nor the proxy's own SSH answer/);
    await silence(the.lab, "hel1");
    const none = await look();
    expect([none.exit, none.status.state]).toEqual([2, "down"]);
    expect([one.seconds < 10, none.seconds < 10, one.seconds, none.seconds].slice(0, 2)).toEqual([true, true]);
  } finally {
    await unsilence(the.lab, "deb1");
    await unsilence(the.lab, "hel1");
  }
});

it("says in words what keeps it from looking", async () => {
  const { status, output } = await the.npmRun("status", "--stack", "nowhere");
  expect([status, output]).toEqual([3, expect.stringContaining("no stack named 'nowhere' found")]);
});
