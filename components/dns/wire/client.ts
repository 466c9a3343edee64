// A client of an authoritative name server: signed queries, zone transfers and updates, whose answers are checked.
import { randomInt } from "node:crypto";
import { exchange, NoAnswer, type NameServer } from "./exchange";
import { CLASS, encodeMessage, OPCODE, parseMessage, TYPE, type Answer, type Message, type Rr } from "./message";
import { noAnswerText, RCODE, rcodeText, tsigErrorText } from "./refusals";
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
  constructor(
    message: string,
    readonly rcode: number,
  ) {
    super(message);
  }
}

/** All methods throw an Error, or a Refusal, in words for the operator. */
export class DnsClient {
  constructor(private readonly options: ClientOptions) {}

  /** The records of this name and type, those among them that a wildcard gives. Throws when the server does not speak for the name. */
  async query(name: string, type: number): Promise<Rr[]> {
    const { server, zone } = this.options;
    const answer = await this.question(name, type);
    if (!answer.authoritative)
      throw new Error(
        `${server} does not speak for ${name}: check dns.server (the zone's primary name server) and dns.zone (${zone})`,
      );
    return answer.answers.filter((rr) => rr.name === name && rr.type === type);
  }

  /** The records that the zone has under this very name. */
  async records(name: string, type: number): Promise<Rr[]> {
    const rrs = await this.query(name, type);
    return rrs.length > 0 && (await this.exists(name, type)) ? rrs : [];
  }

  /** All records of the zone. A Refusal where the server does not hand them out. */
  async transfer(): Promise<Rr[]> {
    let soas = 0;
    const isLast = ({ answers }: Answer) => (soas += answers.filter(({ type }) => type === TYPE.SOA).length) >= 2;
    const questions = [{ name: this.options.zone, type: TYPE.AXFR, class: CLASS.IN }];
    return (await this.ask(request({ questions }), isLast)).flatMap(({ answers }) => answers);
  }

  /** All of it, or nothing. */
  async update({ prerequisites, updates }: Update): Promise<void> {
    await this.ask(
      request({
        opcode: OPCODE.UPDATE,
        questions: [{ name: this.options.zone, type: TYPE.SOA, class: CLASS.IN }],
        answers: prerequisites,
        authorities: updates,
      }),
      () => true,
    );
  }

  /**
   * Whether the zone has this very set. A query cannot tell: it is answered from a wildcard too (or, by some servers, from
   * an ALIAS or a DNAME). Prerequisites of updates never match one (RFC 2136, 3.2).
   */
  async exists(name: string, type: number): Promise<boolean> {
    try {
      await this.update({
        prerequisites: [{ name, type, class: CLASS.ANY, ttl: 0, data: Buffer.alloc(0) }],
        updates: [],
      });
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.rcode === RCODE.NXRRSET) return false;
      throw error;
    }
  }

  async question(name: string, type: number): Promise<Answer> {
    return (await this.ask(request({ questions: [{ name, type, class: CLASS.IN }] }), () => true))[0] as Answer;
  }

  /** The answer's messages until `isLast` says so of one, or one is a refusal: each is read and checked once, as it comes. */
  private async ask(message: Message, isLast: (answer: Answer) => boolean): Promise<Answer[]> {
    const { options } = this;
    const signed = sign(encodeMessage(message), options.key, now());
    const check = signatureCheck(options, message, signed.mac);
    const answers: Answer[] = [];
    try {
      await exchange(options, signed.bytes, (bytes) => {
        const answer = parsed(options, bytes);
        check.take(bytes, answer);
        answers.push(answer);
        return (answer.rcode !== RCODE.NOERROR || isLast(answer)) && (check.end(), true);
      });
    } catch (error) {
      throw error instanceof NoAnswer && message.opcode === OPCODE.UPDATE
        ? new NoAnswer(noAnswerText(error.message, options))
        : error;
    }
    const rcode = answers.at(-1)?.rcode ?? RCODE.NOERROR;
    if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN)
      throw new Refusal(rcodeText(rcode, options, message.opcode === OPCODE.UPDATE), rcode);
    return answers;
  }
}

const now = () => Math.floor(Date.now() / 1000);

const request = (part: Partial<Message>): Message => ({
  id: randomInt(65536),
  opcode: OPCODE.QUERY,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
  ...part,
});

function parsed({ server, port }: NameServer, bytes: Buffer): Answer {
  try {
    return parseMessage(bytes);
  } catch {
    throw new Error(
      `${server} port ${port} answered something that is no DNS message: is that port the name server's?`,
    );
  }
}

/** RFC 8945, 5.3: the first and the last message are signed, in between some; each signature covers all since the last. */
function signatureCheck(options: ClientOptions, request: Message, requestMac: Buffer) {
  const { server, key } = options;
  let before = requestMac;
  let unsigned: Buffer[] = [];
  let first = true;
  return {
    take(raw: Buffer, answer: Answer): void {
      const tsig = tsigOf(answer);
      if (answer.id !== request.id) throw new Error(`${server} answered another question than ours`);
      if (tsig && tsig.error !== 0) throw new Refusal(tsigErrorText(tsig, options, now()), answer.rcode);
      if (tsig) {
        if (!macFits(key, tsig, [...unsigned, withoutTsig(raw, answer, tsig)], before, first))
          throw new Error(
            `the answer of ${server} bears a wrong signature: somebody in between changed it, or another server answers there`,
          );
        if (Math.abs(tsig.time - now()) > tsig.fudge)
          throw new Error(tsigErrorText({ ...tsig, error: TSIG_ERROR.BADTIME }, options, now()));
        before = tsig.mac;
        unsigned = [];
      } else {
        // Some servers do not sign a refusal. It is taken for what it says: all it can do is to make us stop.
        const refused = answer.rcode !== RCODE.NOERROR && answer.rcode !== RCODE.NXDOMAIN;
        if (refused)
          throw new Refusal(
            rcodeText(answer.rcode, options, request.opcode === OPCODE.UPDATE, "unsigned"),
            answer.rcode,
          );
        unsigned.push(raw);
      }
      first = false;
    },
    end(): void {
      if (unsigned.length > 0)
        throw new Error(
          `the answer of ${server} is not signed, though our question was: is dns.server the zone's own name server, and not a resolver?`,
        );
    },
  };
}
