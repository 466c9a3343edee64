// A small authoritative name server on a loopback port: queries, transfers and updates of one zone over TCP, all signed,
// as RFC 2136 and 8945 have it. It also misbehaves in the ways that real ones do.
import { createHmac } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import {
  CLASS,
  decodeValue,
  encodeMessage,
  encodeName,
  encodeValue,
  OPCODE,
  parseMessage,
  TYPE,
  type Answer,
  type Message,
  type Rr,
  type ValueType,
} from "../../../components/dns/wire/message";
import {
  macFits,
  sign,
  tsigOf,
  tsigRr,
  TSIG_ERROR,
  withoutTsig,
  type Tsig,
  type TsigKey,
} from "../../../components/dns/wire/tsig";

export const KEY: TsigKey = {
  name: "chatmail-proxy",
  algorithm: "hmac-sha256",
  secret: Buffer.from("an unguessable secret of a test").toString("base64"),
};

export interface Whims {
  /** DNS error for every update or transfer. */
  readonly updates?: number;
  readonly transfers?: number;
  readonly unsigned?: boolean;
  readonly wrongSignature?: boolean;
  readonly notAuthoritative?: boolean;
  /** Seconds that its clock is ahead. */
  readonly clock?: number;
  readonly garbage?: boolean;
  /** Answers from a wildcard at the zone's apex: records as `TTL type value`. */
  readonly wildcard?: readonly string[];
  /** Updates of these names and types are left out without a word, as some policies do it. */
  readonly leavesOut?: RegExp;
  /** Updates of these names and types are refused. */
  readonly forbids?: RegExp;
  /** Compares the text of addresses, not their value. */
  readonly comparesText?: boolean;
  /** Hangs up in the middle of a transfer. */
  readonly breaksTransfers?: boolean;
  /** The mail domain lies in this zone of its own, to which the server refers, or which it serves itself. */
  readonly child?: { readonly zone: string; readonly served: boolean };
  /** The highest TTL that it takes. */
  readonly highestTtl?: number;
  /** Called before an update is looked at: somebody else was faster. */
  readonly before?: (server: TestNameServer) => void;
}

interface Stored {
  readonly name: string;
  readonly type: ValueType;
  readonly ttl: number;
  readonly value: string;
}

const RCODE = { NXRRSET: 8, YXRRSET: 7, NOTAUTH: 9, NOTZONE: 10 };

export class TestNameServer {
  records: Stored[] = [];
  whims: Whims = {};
  /** Updates that changed something. */
  updates = 0;
  /** Everything that came in, as bytes. */
  readonly received: Buffer[] = [];
  private readonly server: Server = createServer((socket) => this.serve(socket));

  constructor(readonly zone = "example.org") {}

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Puts records there as `name TTL type value` each. */
  hold(...lines: string[]): void {
    for (const line of lines) {
      const [name, ttl, type, ...value] = line.split(" ") as [string, string, ValueType];
      this.records.push({ name, ttl: Number(ttl), type, value: value.join(" ") });
    }
  }

  /** The records of a name, likewise. */
  lines(name?: string): string[] {
    return this.records
      .filter((record) => name === undefined || record.name === name)
      .map(({ name, ttl, type, value }) => `${name} ${ttl} ${type} ${value}`)
      .sort();
  }

  private serve(socket: Socket): void {
    let rest = Buffer.alloc(0);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      if (rest.length < 2 || rest.length < 2 + rest.readUInt16BE(0)) return;
      const bytes = rest.subarray(2, 2 + rest.readUInt16BE(0));
      this.received.push(bytes);
      const answers = this.whims.garbage ? [Buffer.from("HTTP/1.1 400")] : this.answer(bytes);
      if (this.whims.breaksTransfers && answers.length > 2) {
        answers.splice(1);
        setImmediate(() => socket.end());
      }
      for (const answer of answers) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        socket.write(Buffer.concat([length, answer]));
      }
    });
  }

  private answer(bytes: Buffer): Buffer[] {
    const question = parseMessage(bytes);
    const tsig = tsigOf(question);
    const now = Math.floor(Date.now() / 1000) + (this.whims.clock ?? 0);
    if (!tsig) return [reply(question, 5)];
    const wrong = (error: number, other = Buffer.alloc(0)) => [
      signedOff(reply(question, RCODE.NOTAUTH), { ...tsig, mac: Buffer.alloc(0), error, other }),
    ];
    if (tsig.keyName !== KEY.name || tsig.algorithm !== KEY.algorithm) return wrong(TSIG_ERROR.BADKEY);
    if (!macFits(KEY, tsig, [withoutTsig(bytes, question, tsig)], undefined)) return wrong(TSIG_ERROR.BADSIG);
    if (Math.abs(tsig.time - now) > tsig.fudge) {
      const clock = Buffer.alloc(6);
      clock.writeUIntBE(now, 0, 6);
      return wrong(TSIG_ERROR.BADTIME, clock);
    }
    const answers = question.opcode === OPCODE.UPDATE ? [reply(question, this.update(question))] : this.query(question);
    if (this.whims.unsigned) return answers;
    const key = this.whims.wrongSignature ? { ...KEY, secret: Buffer.alloc(20).toString("base64") } : KEY;
    // As a transfer of some size goes: the first and the last message are signed, the ones between are not.
    return answers.length === 1
      ? [sign(answers[0] as Buffer, key, now, tsig.mac).bytes]
      : signedTransfer(answers, key, now, tsig.mac);
  }

  private query(question: Answer): Buffer[] {
    const [{ name, type }] = question.questions as [Message["questions"][number]];
    if (name !== this.zone && !name.endsWith(`.${this.zone}`)) return [reply(question, 5)];
    const { child, wildcard = [] } = this.whims;
    const soaOf = (zone: string): Rr => ({
      name: zone,
      type: TYPE.SOA,
      class: CLASS.IN,
      ttl: 60,
      data: Buffer.concat([encodeName(`ns1.${zone}`), encodeName(`hostmaster.${zone}`), Buffer.alloc(20)]),
    });
    const soa = soaOf(this.zone);
    if (child && (name === child.zone || name.endsWith(`.${child.zone}`))) {
      if (child.served)
        return [
          reply(question, 0, type === TYPE.SOA && name === child.zone ? [soaOf(child.zone)] : [], true, [
            soaOf(child.zone),
          ]),
        ];
      return [
        reply(question, 0, [], false, [
          { name: child.zone, type: TYPE.NS, class: CLASS.IN, ttl: 60, data: encodeName("ns.example.net") },
        ]),
      ];
    }
    const rrs = this.records.map((record): Rr => ({
      name: record.name,
      type: TYPE[record.type],
      class: CLASS.IN,
      ttl: record.ttl,
      data: encodeValue(record.type, record.value),
    }));
    if (type === TYPE.AXFR)
      return this.whims.transfers
        ? [reply(question, this.whims.transfers)]
        : [soa, ...rrs, soa].map((rr) => reply(question, 0, [rr]));
    if (type === TYPE.NS && name === this.zone)
      return [reply(question, 0, [{ name, type, class: CLASS.IN, ttl: 60, data: encodeName(`ns1.${this.zone}`) }])];
    if (type === TYPE.SOA) return [reply(question, 0, name === this.zone ? [soa] : [], true, [soa])];
    const matches = (rr: Rr) => rr.type === type || rr.type === TYPE.CNAME;
    const synthesized = wildcard.map((line): Rr => {
      const [ttl, of = "A", value = ""] = line.split(" ") as [string, ValueType, string];
      return { name, type: TYPE[of], class: CLASS.IN, ttl: Number(ttl), data: encodeValue(of, value) };
    });
    const there = rrs.filter((rr) => rr.name === name || rr.name.endsWith(`.${name}`));
    const found = (there.length > 0 ? there.filter((rr) => rr.name === name) : synthesized).filter(matches);
    return [reply(question, there.length > 0 || wildcard.length > 0 ? 0 : 3, found, !this.whims.notAuthoritative)];
  }

  private update({ questions, answers: prerequisites, authorities: updates }: Answer): number {
    if (questions[0]?.name !== this.zone) return RCODE.NOTAUTH;
    if (this.whims.updates) return this.whims.updates;
    if (updates.length > 0) this.whims.before?.(this);
    if ([...prerequisites, ...updates].some(({ name }) => name !== this.zone && !name.endsWith(`.${this.zone}`)))
      return RCODE.NOTZONE;
    const typeOf = (rr: Rr) => Object.entries(TYPE).find(([, number]) => number === rr.type)?.[0] as ValueType;
    const { forbids, leavesOut, comparesText, highestTtl = Infinity } = this.whims;
    const spelled = (value: string) =>
      comparesText
        ? value
        : value.includes(":")
          ? (decodeValue({ type: TYPE.AAAA, data: encodeValue("AAAA", value) } as Rr) as string)
          : value;
    const there = (rr: Rr) =>
      rr.type === TYPE.SOA
        ? ["the zone's"]
        : this.records
            .filter(({ name, type }) => name === rr.name && type === typeOf(rr))
            .map(({ value }) => spelled(value));
    if (updates.some((rr) => forbids?.test(`${rr.name} ${typeOf(rr)}`))) return 5;
    if (prerequisites.some((rr) => rr.class === CLASS.NONE && there(rr).length > 0)) return RCODE.YXRRSET;
    if (prerequisites.some((rr) => rr.class === CLASS.ANY && there(rr).length === 0)) return RCODE.NXRRSET;
    const wanted = new Map<string, { rr: Rr; values: string[] }>();
    for (const rr of prerequisites.filter((each) => each.class === CLASS.IN)) {
      const set = wanted.get(`${rr.name} ${rr.type}`) ?? { rr, values: [] };
      set.values.push(decodeValue(rr) as string);
      wanted.set(`${rr.name} ${rr.type}`, set);
    }
    if ([...wanted.values()].some(({ rr, values }) => values.sort().join() !== there(rr).sort().join()))
      return RCODE.NXRRSET;
    for (const rr of updates.filter((each) => !leavesOut?.test(`${each.name} ${typeOf(each)}`))) {
      if (rr.class === CLASS.ANY)
        this.records = this.records.filter(({ name, type }) => name !== rr.name || type !== typeOf(rr));
      else
        this.records.push({
          name: rr.name,
          type: typeOf(rr),
          ttl: Math.min(rr.ttl, highestTtl),
          value: decodeValue(rr) as string,
        });
    }
    if (updates.length > 0) this.updates++;
    return 0;
  }
}

function reply(
  question: Answer,
  rcode: number,
  answers: readonly Rr[] = [],
  authoritative = true,
  authorities: readonly Rr[] = [],
): Buffer {
  const bytes = encodeMessage({
    id: question.id,
    opcode: question.opcode,
    questions: question.questions,
    answers,
    authorities,
    additionals: [],
  });
  bytes.writeUInt16BE(bytes.readUInt16BE(2) | 0x8000 | (authoritative ? 0x400 : 0) | rcode, 2);
  return bytes;
}

/** A refusal with a TSIG record, but without a MAC. */
function signedOff(bytes: Buffer, tsig: Tsig): Buffer {
  const whole = Buffer.concat([bytes, encodeRrOf(tsig)]);
  whole.writeUInt16BE(1, 10);
  return whole;
}

const encodeRrOf = (tsig: Tsig) => {
  const empty = encodeMessage({ id: 0, opcode: 0, questions: [], answers: [], authorities: [], additionals: [] });
  return encodeMessage({
    id: 0,
    opcode: 0,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [tsigRr(tsig)],
  }).subarray(empty.length);
};

function signedTransfer(answers: readonly Buffer[], key: TsigKey, now: number, request: Buffer): Buffer[] {
  const first = sign(answers[0] as Buffer, key, now, request);
  const between = answers.slice(1, -1);
  const last = answers.at(-1) as Buffer;
  return [first.bytes, ...between, signLater(last, [...between, last], key, now, first.mac)];
}

// RFC 8945, 5.3.1: later messages are signed over the MAC before, all messages since, and the times alone.
function signLater(last: Buffer, since: readonly Buffer[], key: TsigKey, time: number, before: Buffer): Buffer {
  const [length, times] = [Buffer.alloc(2), Buffer.alloc(8)];
  length.writeUInt16BE(before.length);
  times.writeUIntBE(time, 0, 6);
  times.writeUInt16BE(300, 6);
  const mac = createHmac("sha256", Buffer.from(key.secret, "base64"))
    .update(Buffer.concat([length, before, ...since, times]))
    .digest();
  const whole = Buffer.concat([
    last,
    encodeRrOf({
      keyName: key.name,
      algorithm: key.algorithm,
      time,
      fudge: 300,
      mac,
      originalId: last.readUInt16BE(0),
      error: 0,
      other: Buffer.alloc(0),
    }),
  ]);
  whole.writeUInt16BE(1, 10);
  return whole;
}
