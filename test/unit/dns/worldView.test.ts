// What the world answers for a zone, asked of real sockets on loopback.
import { createSocket, type Socket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { isAsked, type OwnZone } from "../../../components/dns/delegation";
import { hetznerDelegation } from "../../../components/dns/hetznerDelegation";
import { cutAmong, lookAt, type Open } from "../../../components/dns/worldView";
import {
  CLASS,
  encodeMessage,
  encodeName,
  encodeValue,
  parseMessage,
  TYPE,
} from "../../../components/dns/wire/message";
import { startHarness, token } from "../hetznerHarness";

/** What a server says: `NAME TYPE` to values, or to a DNS error. Anything else is NXDOMAIN, unless `otherwise` says so. */
interface Says {
  readonly answers: Readonly<Record<string, readonly string[] | number>>;
  readonly otherwise?: number | "silence";
}

const sockets: Socket[] = [];
afterEach(() => sockets.splice(0).forEach((socket) => socket.close()));

async function speaker({ answers, otherwise = 3 }: Says): Promise<string> {
  const socket = createSocket("udp4", (bytes, from) => {
    const { id, questions } = parseMessage(bytes);
    const { name, type } = questions[0] as { name: string; type: number };
    const found = answers[`${name} ${Object.entries(TYPE).find(([, number]) => number === type)?.[0]}`] ?? otherwise;
    if (found === "silence") return;
    const data = (value: string) =>
      type === TYPE.A
        ? encodeValue("A", value)
        : Buffer.concat([...value.split(" ").map(encodeName), Buffer.alloc(type === TYPE.SOA ? 20 : 0)]);
    const rrs =
      typeof found === "number"
        ? []
        : found.map((value) => ({ name, type, class: CLASS.IN, ttl: 5, data: data(value) }));
    const reply = encodeMessage({ id, opcode: 0, questions, answers: rrs, authorities: [], additionals: [] });
    reply.writeUInt16BE(0x8580 | (typeof found === "number" ? found : 0), 2);
    socket.send(reply, from.port, from.address);
  });
  sockets.push(socket);
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return `127.0.0.1:${socket.address().port}`;
}

/** The system's resolver is the first; others by the address that it gives for them. */
async function world(system: Says, others: Readonly<Record<string, Says>> = {}): Promise<Open> {
  const places = new Map<string, string>();
  for (const [address, says] of Object.entries(others)) places.set(address, await speaker(says));
  const first = await speaker(system);
  return (servers) => {
    const resolver = new Resolver({ timeout: 200, tries: 1 });
    resolver.setServers(servers ? servers.map((server) => places.get(server) ?? "127.0.0.1:1") : [first]);
    return resolver;
  };
}

const ZONE = "example.org";
const SERVED = {
  "example.org NS": ["ns1.example.net", "ns2.example.net"],
  "ns1.example.net A": ["192.0.2.1"],
  "ns2.example.net A": ["192.0.2.2"],
};

describe("a zone, as the world sees it", () => {
  it("is served by name servers, which are asked themselves, as far as they are heard", async () => {
    const open = await world(
      { answers: SERVED },
      {
        "192.0.2.1": { answers: { "example.org SOA": ["hidden.example.org hostmaster.example.org"] } },
        "192.0.2.2": { answers: {}, otherwise: "silence" },
      },
    );
    expect(await lookAt(open, ZONE)).toEqual({
      kind: "served",
      nameServers: ["ns1.example.net", "ns2.example.net"],
      soas: [{ primary: "hidden.example.org", hostmaster: "hostmaster.example.org" }],
    });
  });

  it.each<[string, Record<string, Says>, object]>([
    [
      "is not answered for, though the zone above is",
      { "192.0.2.9": { answers: { "org SOA": ["a.org.example hostmaster.org.example"] } } },
      { kind: "unanswered", above: "org", nameServers: SERVED["example.org NS"] },
    ],
    [
      "is served for all that is known, where no name server at all is heard",
      {},
      { kind: "served", nameServers: SERVED["example.org NS"], soas: [] },
    ],
  ])("%s", async (_what, others, expected) => {
    const system = { answers: { ...SERVED, "org NS": ["a.org.example"], "a.org.example A": ["192.0.2.9"] } };
    expect(
      await lookAt(
        await world(system, {
          "192.0.2.1": { answers: {}, otherwise: 5 },
          "192.0.2.2": { answers: {}, otherwise: "silence" },
          ...others,
        }),
        ZONE,
      ),
    ).toEqual(expected);
  });

  it.each<[string, Says, object | undefined]>([
    ["is delegated to nobody", { answers: { "org NS": ["a.org.example"] } }, { kind: "undelegated", above: "org" }],
    [
      "has servers that do not answer",
      { answers: { "org NS": ["a.org.example"], "example.org NS": 2 } },
      { kind: "unanswered", above: "org" },
    ],
    ["is not known in a network of its own", { answers: {} }, undefined],
    ["is not known to a resolver that refuses", { answers: {}, otherwise: 5 }, undefined],
    ["is not known to a resolver in trouble", { answers: {}, otherwise: 2 }, undefined],
    ["is not known where nothing answers", { answers: {}, otherwise: "silence" }, undefined],
  ])("%s", async (_what, says, expected) => expect(await lookAt(await world(says), ZONE)).toEqual(expected));

  it("ends where another zone begins, but not behind a CNAME", async () => {
    const names = ["a.chat.example.org", "chat.example.org"];
    const cut = async (answers: Says["answers"]) => cutAmong((await world({ answers }))(), names);
    const delegated = {
      "chat.example.org NS": ["ns1.example.net", "ns2.example.net"],
      "ns1.example.net A": ["192.168.1.1"],
      "ns2.example.net A": ["192.0.2.1"],
    };
    expect(await cut(delegated)).toBe("chat.example.org");
    expect(await cut({ ...delegated, "chat.example.org CNAME": ["home.example.net"] })).toBeUndefined();
    expect(await cut({})).toBeUndefined();
  });

  it.each<[string, Says["answers"]]>([
    ["private addresses", { "ns1.example.net A": ["192.168.1.1"] }],
    ["addresses on the machine itself", { "ns1.example.net A": ["127.0.0.1"] }],
    ["names that lead nowhere", {}],
  ])("does not end where a zone of one's own network begins, whose name servers have %s", async (_what, answers) => {
    const open = await world({ answers: { "chat.example.org NS": ["ns1.example.net"], ...answers } });
    expect(await cutAmong(open(), ["chat.example.org"])).toBeUndefined();
  });

  it("is not known where the resolver has only one's own network's", async () => {
    const open = await world(
      { answers: { "example.org NS": ["dc1.example.org"], "dc1.example.org A": ["192.168.1.1"] } },
      { "192.168.1.1": { answers: { "example.org SOA": ["dc1.example.org admin.example.org"] } } },
    );
    expect(await lookAt(open, ZONE)).toBeUndefined();
  });
});

describe("whether the world asks a zone", () => {
  const own: OwnZone = {
    nameServers: ["NS1.example.org."],
    soa: { primary: "ns1.example.org", hostmaster: "hostmaster.example.org" },
  };
  const served = (nameServers: string[], ...soas: [string, string][]) => ({
    kind: "served" as const,
    nameServers,
    soas: soas.map(([primary, hostmaster]) => ({ primary, hostmaster })),
  });

  it.each([
    ["the delegation names one of its servers", own, served(["ns9.example.net", "ns1.example.org"]), true],
    [
      "others serve it with the same primary",
      own,
      served(["ns9.example.net"], ["ns1.example.org", "x.example.net"]),
      true,
    ],
    [
      "others serve it with the same hostmaster",
      own,
      served(["ns9.example.net"], ["ns9.example.net", "hostmaster.example.org"]),
      true,
    ],
    ["others serve another one", own, served(["ns9.example.net"], ["ns9.example.net", "x.example.net"]), false],
    ["others are not heard", own, served(["ns9.example.net"]), undefined],
    [
      "the zone names no servers itself",
      { ...own, nameServers: [] },
      served(["ns9.example.net"], ["ns9.example.net", "x.example.net"]),
      undefined,
    ],
    ["nobody serves it", own, { kind: "undelegated" as const, above: "org" }, false],
    ["nothing is seen", own, undefined, undefined],
  ])("is told where %s", (_what, zone, view, expected) => expect(isAsked(zone, view)).toBe(expected));
});

describe("what Hetzner's API says of a delegation", () => {
  it.each([
    [undefined, "valid"],
    [["ns1.example.net."], "invalid"],
    [[], "unregistered"],
  ])("is read from it (delegated to %j: %s)", async (delegated, status) => {
    const cloud = await startHarness({ nameServers: ["ns1.hetzner.example."], ...(delegated && { delegated }) });
    try {
      await cloud.done("POST", "/zones", { name: ZONE, mode: "primary" });
      expect(await hetznerDelegation(cloud.endpoint, token, ZONE)).toEqual({
        assigned: ["ns1.hetzner.example."],
        delegated: delegated ?? ["ns1.hetzner.example."],
        status,
        checked: expect.stringMatching(/^20/) as string,
      });
      expect(await hetznerDelegation(cloud.endpoint, token, "example.com")).toBeUndefined();
    } finally {
      await cloud.stop();
    }
    expect(await hetznerDelegation(cloud.endpoint, token, ZONE)).toBeUndefined();
  });
});
