// A client of an authoritative name server: signed queries, zone transfers and updates, whose answers are checked.
import { randomInt } from "node:crypto";
import { exchange, type NameServer } from "./exchange";
import { CLASS, encodeMessage, OPCODE, parseMessage, TYPE, type Answer, type Message, type Rr } from "./message";
import { rcodeText, tsigErrorText } from "./refusals";
import { macFits, sign, tsigOf, TSIG_ERROR, withoutTsig, type TsigKey } from "./tsig";

export interface ClientOptions extends NameServer {
  readonly zone: string;
  readonly key: TsigKey;
}

export interface Update {
  readonly prerequisites: readonly Rr[];
  readonly updates: readonly Rr[];
}

/** A server's answer other than success, with what the operator can do about it. */
export class Refusal extends Error {
  constructor(message: string, readonly rcode: number) {
    super(message);
  }
}

const RCODE = { NOERROR: 0, NXDOMAIN: 3 };

export type DnsClient = ReturnType<typeof dnsClient>;

/** All functions throw an Error, or a Refusal, in words for the operator. */
export function dnsClient(options: ClientOptions) {
  const { zone, key } = options;
  const now = () => Math.floor(Date.now() / 1000);
  const request = (part: Partial<Message>): Message => ({ id: randomInt(65536), opcode: OPCODE.QUERY, questions: [], answers: [], authorities: [], additionals: [], ...part });

  function read(bytes: Buffer): Answer {
    try {
      return parseMessage(bytes);
    } catch {
      throw new Error(`${options.server} port ${options.port} answered something that is no DNS message: is that port the name server's?`);
    }
  }

  async function ask(message: Message, complete: (answers: readonly Answer[]) => boolean): Promise<Answer[]> {
    const signed = sign(encodeMessage(message), key, now());
    const done = (all: readonly Buffer[]) => {
      const answers = all.map(read);
      return (answers.at(-1)?.rcode ?? 0) !== RCODE.NOERROR || complete(answers);
    };
    const bytes = await exchange(options, signed.bytes, done);
    const answers = bytes.map(read);
    check(bytes, answers, message, signed.mac);
    return answers;
  }

  // RFC 8945, 5.3: the first and the last message are signed, in between some; each signature covers all since the last.
  function check(bytes: readonly Buffer[], answers: readonly Answer[], message: Message, requestMac: Buffer): void {
    let before = requestMac;
    let unsigned: Buffer[] = [];
    answers.forEach((answer, i) => {
      const raw = bytes[i] as Buffer;
      const tsig = tsigOf(answer);
      if (answer.id !== message.id) throw new Error(`${options.server} answered another question than ours`);
      if (tsig && tsig.error !== 0) throw new Refusal(tsigErrorText(tsig, options, now()), answer.rcode);
      if (!tsig) {
        // Some servers do not sign a refusal. It is taken for what it says: all it can do is to make us stop.
        if (answer.rcode !== RCODE.NOERROR && answer.rcode !== RCODE.NXDOMAIN) throw new Refusal(rcodeText(answer.rcode, options, message.opcode === OPCODE.UPDATE), answer.rcode);
        unsigned.push(raw);
        return;
      }
      if (!macFits(key, tsig, [...unsigned, withoutTsig(raw, answer, tsig)], before, i === 0)) throw new Error(`the answer of ${options.server} bears a wrong signature: somebody in between changed it, or another server answers there`);
      if (Math.abs(tsig.time - now()) > tsig.fudge) throw new Error(tsigErrorText({ ...tsig, error: TSIG_ERROR.BADTIME }, options, now()));
      before = tsig.mac;
      unsigned = [];
    });
    if (unsigned.length > 0) throw new Error(`the answer of ${options.server} is not signed, though our question was: is dns.server the zone's own name server, and not a resolver?`);
    const rcode = answers.at(-1)?.rcode ?? RCODE.NOERROR;
    if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN) throw new Refusal(rcodeText(rcode, options, message.opcode === OPCODE.UPDATE), rcode);
  }

  return {
    /** The records of this name and type. Throws when the server does not speak for the name. */
    async query(name: string, type: number): Promise<Rr[]> {
      const [answer] = (await ask(request({ questions: [{ name, type, class: CLASS.IN }] }), () => true)) as [Answer];
      if (!answer.authoritative) throw new Error(`${options.server} does not speak for ${name}: check dns.server (the zone's primary name server) and dns.zone (${zone})`);
      return answer.answers.filter((rr) => rr.name === name && rr.type === type);
    },

    /** All records of the zone; a Refusal where the server does not hand them out. */
    async transfer(): Promise<Rr[]> {
      const isSoa = ({ type }: Rr) => type === TYPE.SOA;
      const twice = (answers: readonly Answer[]) => answers.flatMap(({ answers: rrs }) => rrs.filter(isSoa)).length >= 2;
      return (await ask(request({ questions: [{ name: zone, type: TYPE.AXFR, class: CLASS.IN }] }), twice)).flatMap(({ answers: rrs }) => rrs);
    },

    /** All of it, or nothing. */
    async update({ prerequisites, updates }: Update): Promise<void> {
      await ask(request({ opcode: OPCODE.UPDATE, questions: [{ name: zone, type: TYPE.SOA, class: CLASS.IN }], answers: prerequisites, authorities: updates }), () => true);
    },
  };
}
