import fc from "fast-check";
import { updateOf } from "../../../components/dns/driver/rfc2136";
import {
  CLASS,
  decodeName,
  decodeValue,
  encodeMessage,
  encodeName,
  encodeValue,
  OPCODE,
  parseMessage,
  TYPE,
} from "../../../components/dns/wire/message";
import { macFits, sign, tsigOf, withoutTsig, type TsigKey } from "../../../components/dns/wire/tsig";
import { DELETION, SECRET, SIGNED_AT, TRANSFER, UPDATE } from "./recorded";

const KEY: TsigKey = { name: "chatmail-key", algorithm: "hmac-sha256", secret: SECRET };
const KEY512: TsigKey = { name: "key512", algorithm: "hmac-sha512", secret: SECRET };
const bytesOf = (hex: string) => Buffer.from(hex, "hex");

/** A recorded message with its signature apart. */
function taken(hex: string) {
  const bytes = bytesOf(hex);
  const message = parseMessage(bytes);
  const tsig = tsigOf(message);
  if (!tsig) throw new Error("not signed");
  return { message, tsig, unsigned: withoutTsig(bytes, message, tsig) };
}

describe("signatures", () => {
  it.each([
    ["an update", KEY, UPDATE],
    ["a deletion with SHA-512", KEY512, DELETION],
    ["a transfer", KEY, TRANSFER],
  ])("of %s fit as BIND and Knot made them, the answer's over the request's", (_what, key, { request, answer }) => {
    const [asked, answered] = [taken(request), taken(answer)];
    expect(macFits(key, asked.tsig, [asked.unsigned], undefined)).toBe(true);
    expect(macFits(key, answered.tsig, [answered.unsigned], asked.tsig.mac)).toBe(true);
    // For another request it is no answer.
    expect(macFits(key, answered.tsig, [answered.unsigned], answered.tsig.mac)).toBe(false);
    expect(asked.tsig.time).toBe(SIGNED_AT);
  });

  it("of ours are those of BIND's over the same message", () => {
    for (const [key, { request }] of [
      [KEY, UPDATE],
      [KEY512, DELETION],
      [KEY, TRANSFER],
    ] as const) {
      const { unsigned } = taken(request);
      expect(sign(unsigned, key, SIGNED_AT).bytes.toString("hex")).toBe(request);
    }
  });

  it("do not fit with one bit changed anywhere, another secret, name or algorithm", () => {
    const { tsig, unsigned } = taken(UPDATE.request);
    for (let i = 0; i < unsigned.length; i++) {
      const changed = Buffer.from(unsigned);
      changed[i] = (changed[i] as number) ^ 1;
      expect(macFits(KEY, tsig, [changed], undefined)).toBe(false);
    }
    expect(macFits({ ...KEY, secret: Buffer.alloc(32).toString("base64") }, tsig, [unsigned], undefined)).toBe(false);
    expect(macFits({ ...KEY, name: "other" }, tsig, [unsigned], undefined)).toBe(false);
    expect(macFits({ ...KEY, algorithm: "hmac-sha512" }, tsig, [unsigned], undefined)).toBe(false);
    expect(macFits(KEY, { ...tsig, mac: tsig.mac.subarray(0, 16) }, [unsigned], undefined)).toBe(false);
  });
});

describe("messages", () => {
  it("of an update mean what nsupdate means by the same", () => {
    const { message } = taken(UPDATE.request);
    const update = updateOf([
      {
        name: "chat.example.org",
        type: "A",
        set: { values: ["203.0.113.5"], ttl: 300 },
        mark: "stack=prod set=0123456789abcdef",
        seen: { type: "A", ttl: 60, values: ["198.51.100.20"], mark: undefined },
      },
    ]);
    // nsupdate asks for the CNAME first, and deletes no mark before it sets one.
    const byType = <T extends { type: number }>(rrs: readonly T[]) => [...rrs].sort((a, b) => a.type - b.type);
    expect(byType(update.prerequisites)).toEqual(byType(message.answers));
    expect(update.updates.filter((rr) => !(rr.type === TYPE.TXT && rr.class === CLASS.ANY))).toEqual(
      message.authorities,
    );
    expect(message.opcode).toBe(OPCODE.UPDATE);
  });

  it("of a transfer are read, pointers and all", () => {
    const { message } = taken(TRANSFER.answer);
    const read = message.answers.flatMap((rr) =>
      decodeValue(rr) === undefined ? [] : [`${rr.name} ${decodeValue(rr)}`],
    );
    expect(read).toEqual([
      "alias.example.org chat.example.org",
      "chat.example.org 203.0.113.5",
      "chat.example.org v=spf1 a ~all",
      "_a._chatmail-proxy.chat.example.org stack=prod set=0123456789abcdef",
      "mta-sts.chat.example.org 198.51.100.20",
      "ns1.example.org 127.0.0.1",
    ]);
    expect(message).toMatchObject({ rcode: 0, authoritative: false });
  });

  it("come back as they were written", () => {
    const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
    const name = fc.array(label, { maxLength: 5 }).map((labels) => labels.join("."));
    const rr = fc.record({
      name,
      type: fc.constantFrom(1, 16, 28, 46),
      class: fc.constantFrom(1, 254, 255),
      ttl: fc.nat(86400),
      data: fc.uint8Array({ maxLength: 300 }).map((data) => Buffer.from(data)),
    });
    const question = fc.record({ name, type: fc.constantFrom(1, 6), class: fc.constant(1) });
    const sections = fc.record({
      id: fc.nat(65535),
      opcode: fc.constantFrom(0, 5),
      questions: fc.array(question),
      answers: fc.array(rr),
      authorities: fc.array(rr),
      additionals: fc.array(rr),
    });
    fc.assert(fc.property(sections, (message) => expect(parseMessage(encodeMessage(message))).toMatchObject(message)));
  });

  it("that are cut off, or no messages at all, are refused rather than read as something", () => {
    const whole = bytesOf(TRANSFER.answer);
    for (let length = 0; length < whole.length; length++)
      expect(() => parseMessage(whole.subarray(0, length))).toThrow(
        expect.objectContaining({ name: "RangeError" }) as Error,
      );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          parseMessage(Buffer.from(noise));
        } catch (error) {
          expect((error as Error).name).toBe("RangeError");
        }
      }),
    );
  });
});

describe("names", () => {
  it("that point at themselves or forward end in an error, not in a loop", () => {
    expect(() => decodeName(Buffer.from("c000", "hex"), 0)).toThrow("points forward");
    expect(() => decodeName(Buffer.from("0161c002c000", "hex"), 2)).toThrow("points forward");
  });

  it("with odd letters keep them", () => {
    const odd = Buffer.from([3, 0x61, 0x2e, 0xff, 0]);
    expect(encodeName(decodeName(odd, 0).name)).toEqual(odd);
  });

  it("with empty or long labels are refused", () => {
    expect(() => encodeName("a..b")).toThrow(RangeError);
    expect(() => encodeName("a".repeat(64))).toThrow(RangeError);
  });
});

describe("values", () => {
  it.each([
    ["A", "203.0.113.5"],
    ["AAAA", "2001:db8::1"],
    ["CNAME", "chat.example.org"],
    ["TXT", "v=spf1 a ~all"],
    ["TXT", `v=DKIM1; p=${"x".repeat(600)}`],
    ["TXT", ""],
  ] as const)("of type %s come back (%#)", (type, value) => {
    expect(decodeValue({ name: "", type: TYPE[type], class: CLASS.IN, ttl: 0, data: encodeValue(type, value) })).toBe(
      value,
    );
  });
});
