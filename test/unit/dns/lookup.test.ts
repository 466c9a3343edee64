import { createSocket, type Socket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { lookupAt } from "../../../components/dns/lookup";
import {
  CLASS,
  encodeMessage,
  encodeValue,
  parseMessage,
  TYPE,
  type ValueType,
} from "../../../components/dns/wire/message";

const RECORDS: readonly (readonly [string, ValueType, string])[] = [
  ["chat.example.org", "A", "203.0.113.1"],
  ["chat.example.org", "A", "203.0.113.2"],
  ["chat.example.org", "AAAA", "2001:db8::1"],
  ["chat.example.org", "TXT", `v=spf1 ${"ip4:198.51.100.20 ".repeat(20)}~all`],
];

let socket: Socket;
let resolver: Resolver;
beforeAll(async () => {
  socket = createSocket("udp4", (bytes, from) => socket.send(answer(bytes), from.port, from.address));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
});
afterAll(() => socket.close());

function answer(bytes: Buffer): Buffer {
  const { id, questions } = parseMessage(bytes);
  const { name, type } = questions[0] as { name: string; type: number };
  const answers = RECORDS.filter((record) => record[0] === name && TYPE[record[1]] === type).map(([, kind, value]) => ({
    name,
    type,
    class: CLASS.IN,
    ttl: 5,
    data: encodeValue(kind, value),
  }));
  const reply = encodeMessage({ id, opcode: 0, questions, answers, authorities: [], additionals: [] });
  const rcode = name.startsWith("broken.") ? 2 : RECORDS.some((record) => record[0] === name) ? 0 : 3;
  reply.writeUInt16BE(0x8400 | rcode, 2);
  return reply;
}

describe("a look-up", () => {
  it("gives all values, texts in one piece", async () => {
    expect(await lookupAt(resolver, "chat.example.org", "A")).toEqual(["203.0.113.1", "203.0.113.2"]);
    expect(await lookupAt(resolver, "chat.example.org", "AAAA")).toEqual(["2001:db8::1"]);
    expect(await lookupAt(resolver, "chat.example.org", "TXT")).toEqual([RECORDS[3]?.[2]]);
  });

  it("gives nothing where nothing is", async () =>
    expect(await lookupAt(resolver, "www.chat.example.org", "A")).toEqual([]));

  it("does not take a server's trouble for nothing", async () => {
    await expect(lookupAt(resolver, "broken.example.org", "A")).rejects.toThrow(
      "dns: broken.example.org A could not be looked up (ESERVFAIL): is your own network up, and do the zone's name servers answer?",
    );
  });
});
