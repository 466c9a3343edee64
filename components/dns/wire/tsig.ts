// Signatures of DNS messages by a shared secret (TSIG, RFC 8945). Pure, apart from the clock that is handed in.
import { createHmac, timingSafeEqual } from "node:crypto";
import { CLASS, decodeName, encodeName, encodeRr, TYPE, type Answer, type Rr } from "./message";

export const TSIG_ALGORITHMS = ["hmac-sha256", "hmac-sha384", "hmac-sha512"] as const;
export type TsigAlgorithm = (typeof TSIG_ALGORITHMS)[number];

export interface TsigKey {
  readonly name: string;
  readonly algorithm: TsigAlgorithm;
  /** Base64. */
  readonly secret: string;
}

export const TSIG_ERROR = { BADSIG: 16, BADKEY: 17, BADTIME: 18, BADTRUNC: 22 } as const;

/** How far clocks may be apart, in seconds: the RFC's own advice. */
export const FUDGE = 300;

export interface Tsig {
  readonly keyName: string;
  readonly algorithm: string;
  /** Seconds since 1970. */
  readonly time: number;
  readonly fudge: number;
  readonly mac: Buffer;
  readonly originalId: number;
  readonly error: number;
  readonly other: Buffer;
}

/** The signed message and its MAC, against which the answer is signed. `request`: the MAC of what is answered. */
export function sign(message: Buffer, key: TsigKey, time: number, request?: Buffer): { bytes: Buffer; mac: Buffer } {
  const unsigned: Tsig = {
    keyName: key.name.toLowerCase(),
    algorithm: key.algorithm,
    time,
    fudge: FUDGE,
    mac: Buffer.alloc(0),
    originalId: message.readUInt16BE(0),
    error: 0,
    other: Buffer.alloc(0),
  };
  const mac = hmac(key, [...prior(request), message, variables(unsigned)]);
  const bytes = Buffer.concat([message, encodeRr(tsigRr({ ...unsigned, mac }))]);
  bytes.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return { bytes, mac };
}

/** The signature of a message, its last record; undefined when it has none. */
export function tsigOf(message: Pick<Answer, "additionals">): Tsig | undefined {
  const last = message.additionals.at(-1);
  if (last?.type !== TYPE.TSIG) return undefined;
  const { data } = last;
  const { name: algorithm, end } = decodeName(data, 0);
  const size = data.readUInt16BE(end + 8);
  const behind = end + 10 + size;
  const otherLength = data.readUInt16BE(behind + 4);
  return {
    keyName: last.name,
    algorithm,
    time: data.readUIntBE(end, 6),
    fudge: data.readUInt16BE(end + 6),
    mac: data.subarray(end + 10, behind),
    originalId: data.readUInt16BE(behind),
    error: data.readUInt16BE(behind + 2),
    other: data.subarray(behind + 6, behind + 6 + otherLength),
  };
}

/** A message as it was before it was signed. */
export function withoutTsig(bytes: Buffer, { lastAt }: Pick<Answer, "lastAt">, tsig: Tsig): Buffer {
  const unsigned = Buffer.from(bytes.subarray(0, lastAt));
  unsigned.writeUInt16BE(tsig.originalId, 0);
  unsigned.writeUInt16BE(bytes.readUInt16BE(10) - 1, 10);
  return unsigned;
}

/**
 * Whether the MAC is ours over these messages (several only in a zone transfer, where some come unsigned, and where
 * all but the first are signed with the times alone). Shortened MACs do not count.
 */
export function macFits(
  key: TsigKey,
  tsig: Tsig,
  messages: readonly Buffer[],
  before: Buffer | undefined,
  first = true,
): boolean {
  if (tsig.keyName !== key.name.toLowerCase() || tsig.algorithm !== key.algorithm) return false;
  const mac = hmac(key, [...prior(before), ...messages, first ? variables(tsig) : times(tsig)]);
  return mac.length === tsig.mac.length && timingSafeEqual(mac, tsig.mac);
}

const hmac = (key: TsigKey, parts: readonly Buffer[]) =>
  createHmac(key.algorithm.replace("hmac-", ""), Buffer.from(key.secret, "base64"))
    .update(Buffer.concat(parts))
    .digest();

function prior(mac: Buffer | undefined): Buffer[] {
  if (!mac) return [];
  return [word(mac.length), mac];
}

function variables(tsig: Tsig): Buffer {
  const ttl = Buffer.alloc(4);
  return Buffer.concat([
    encodeName(tsig.keyName),
    word(CLASS.ANY),
    ttl,
    encodeName(tsig.algorithm),
    times(tsig),
    word(tsig.error),
    word(tsig.other.length),
    tsig.other,
  ]);
}

function times({ time, fudge }: Tsig): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUIntBE(time, 0, 6);
  bytes.writeUInt16BE(fudge, 6);
  return bytes;
}

/** A signature as the record that carries it. */
export function tsigRr(tsig: Tsig): Rr {
  const data = Buffer.concat([
    encodeName(tsig.algorithm),
    times(tsig),
    word(tsig.mac.length),
    tsig.mac,
    word(tsig.originalId),
    word(tsig.error),
    word(tsig.other.length),
    tsig.other,
  ]);
  return { name: tsig.keyName, type: TYPE.TSIG, class: CLASS.ANY, ttl: 0, data };
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
