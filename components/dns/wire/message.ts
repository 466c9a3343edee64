// DNS messages as bytes (RFC 1035, 2136). Pure. The npm libraries for it know neither class NONE nor records without
// data, of which updates consist, nor where in the bytes a record begins, which a signature's check must know.
import * as ipaddr from "ipaddr.js";

// ALIAS is PowerDNS' own, of the range for private use.
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  TXT: 16,
  AAAA: 28,
  DNAME: 39,
  TSIG: 250,
  AXFR: 252,
  ALIAS: 65401,
} as const;
export const CLASS = { IN: 1, NONE: 254, ANY: 255 } as const;
export const OPCODE = { QUERY: 0, UPDATE: 5 } as const;

/** Types whose values we can write and read. */
export type ValueType = "A" | "AAAA" | "CNAME" | "TXT";

export interface Question {
  /** In lower case, without a final dot; "" is the root. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface Rr extends Question {
  /** In seconds. */
  readonly ttl: number;
  readonly data: Buffer;
}

/** In an update: zone, prerequisites, updates, additional data. */
export interface Message {
  readonly id: number;
  readonly opcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly Rr[];
  readonly authorities: readonly Rr[];
  readonly additionals: readonly Rr[];
}

export interface Answer extends Message {
  readonly authoritative: boolean;
  readonly rcode: number;
  /** Where the last record begins in the bytes: a signature is always the last. */
  readonly lastAt: number;
}

const HEADER = 12;

/** How many names the data begins with. */
const NAMES_FIRST: Readonly<Record<number, number>> = { [TYPE.CNAME]: 1, [TYPE.NS]: 1, [TYPE.SOA]: 2 };

export function encodeMessage({ id, opcode, questions, answers, authorities, additionals }: Message): Buffer {
  const header = Buffer.alloc(HEADER);
  [id, opcode << 11, questions.length, answers.length, authorities.length, additionals.length].forEach((word, i) =>
    header.writeUInt16BE(word, 2 * i),
  );
  return Buffer.concat([
    header,
    ...questions.map((question) => Buffer.concat([encodeName(question.name), words(question.type, question.class)])),
    ...[...answers, ...authorities, ...additionals].map(encodeRr),
  ]);
}

export function encodeRr({ name, type, class: klass, ttl, data }: Rr): Buffer {
  const seconds = Buffer.alloc(4);
  seconds.writeUInt32BE(ttl);
  return Buffer.concat([encodeName(name), words(type, klass), seconds, words(data.length), data]);
}

/** Throws a RangeError when the bytes are no whole message. */
export function parseMessage(bytes: Buffer): Answer {
  const counts = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at)) as [number, number, number, number];
  const flags = bytes.readUInt16BE(2);
  let at = HEADER;
  let lastAt = HEADER;
  const questions = times(counts[0], () => {
    const { name, end } = decodeName(bytes, at);
    at = end + 4;
    return { name, type: bytes.readUInt16BE(end), class: bytes.readUInt16BE(end + 2) };
  });
  const section = (count: number) =>
    times(count, (): Rr => {
      lastAt = at;
      const { name, end } = decodeName(bytes, at);
      const [type, klass, ttl, length] = [
        bytes.readUInt16BE(end),
        bytes.readUInt16BE(end + 2),
        bytes.readUInt32BE(end + 4),
        bytes.readUInt16BE(end + 8),
      ];
      at = end + 10 + length;
      if (at > bytes.length) throw new RangeError("a record reaches over the message's end");
      // Names in data may point back into the message, outside of which they would mean nothing.
      const names = length > 0 ? (NAMES_FIRST[type] ?? 0) : 0;
      let rest = end + 10;
      const spelled = times(names, () => {
        const part = decodeName(bytes, rest);
        rest = part.end;
        return encodeName(part.name);
      });
      const data = names > 0 ? Buffer.concat([...spelled, bytes.subarray(rest, at)]) : bytes.subarray(rest, at);
      return { name, type, class: klass, ttl, data };
    });
  const [answers, authorities, additionals] = [section(counts[1]), section(counts[2]), section(counts[3])];
  return {
    id: bytes.readUInt16BE(0),
    opcode: (flags >> 11) & 15,
    authoritative: (flags & 0x400) !== 0,
    rcode: flags & 15,
    questions,
    answers,
    authorities,
    additionals,
    lastAt,
  };
}

export function encodeName(name: string): Buffer {
  const labels = name === "" ? [] : name.toLowerCase().split(".");
  const parts = labels.map((label) => {
    const text = Buffer.from(
      label.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number(code))),
      "latin1",
    );
    if (text.length === 0 || text.length > 63)
      throw new RangeError(`${JSON.stringify(name)} has a label of ${text.length} bytes`);
    return Buffer.concat([Buffer.from([text.length]), text]);
  });
  return Buffer.concat([...parts, Buffer.from([0])]);
}

/** Follows pointers, backwards only. `end`: the first byte behind the name. */
export function decodeName(bytes: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  let limit = start;
  let end: number | undefined;
  for (;;) {
    const length = bytes.readUInt8(at);
    if (length === 0) return { name: labels.join("."), end: end ?? at + 1 };
    if (length >= 0xc0) {
      const target = bytes.readUInt16BE(at) & 0x3fff;
      if (target >= limit) throw new RangeError("a name points forward");
      end ??= at + 2;
      at = limit = target;
    } else {
      if (length > 63 || at + 1 + length > bytes.length) throw new RangeError("a label reaches too far");
      const label = bytes.toString("latin1", at + 1, at + 1 + length);
      labels.push(
        label.toLowerCase().replace(/[^!-~]|[.\\]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, "0")}`),
      );
      at += 1 + length;
    }
  }
}

/** A value of a record as the bytes of its data. */
export function encodeValue(type: ValueType, value: string): Buffer {
  if (type === "A" || type === "AAAA") return Buffer.from(ipaddr.parse(value).toByteArray());
  if (type === "CNAME") return encodeName(value);
  const text = Buffer.from(value);
  const parts = times(Math.max(1, Math.ceil(text.length / 255)), (i) => text.subarray(255 * i, 255 * (i + 1)));
  return Buffer.concat(parts.map((part) => Buffer.concat([Buffer.from([part.length]), part])));
}

/** The value of a record: an address as usual, a name, a text in one piece. Undefined for other types. */
export function decodeValue({ type, data }: Rr): string | undefined {
  if (type === TYPE.A || type === TYPE.AAAA) {
    const address = ipaddr.fromByteArray([...data]);
    return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
  }
  if (type === TYPE.CNAME) return decodeName(data, 0).name;
  if (type !== TYPE.TXT) return undefined;
  const parts: Buffer[] = [];
  for (let at = 0; at < data.length; at += 1 + data.readUInt8(at))
    parts.push(data.subarray(at + 1, at + 1 + data.readUInt8(at)));
  return Buffer.concat(parts).toString();
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => bytes.writeUInt16BE(value, 2 * i));
  return bytes;
}

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
