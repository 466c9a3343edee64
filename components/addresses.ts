// IP addresses and ranges as plain values: parse, print, count, compare. Pure.
import * as ipaddr from "ipaddr.js";

/** 4 or 6. */
export type Family = 4 | 6;

/** A range in CIDR form whose host bits are zero; `first` and `size` count addresses. */
export interface Range {
  readonly family: Family;
  readonly first: bigint;
  readonly prefix: number;
  readonly size: bigint;
}

const BITS: Record<Family, number> = { 4: 32, 6: 128 };

/** The address in its usual spelling (RFC 5952 for IPv6), or undefined when `text` is none. No zone, no prefix. */
export function canonicalAddress(text: string): string | undefined {
  const family = familyOf(text);
  return family && format(family, value(text));
}

/** The family of an address, or undefined when `text` is none. IPv4 only with four decimal parts. */
export function familyOf(text: string): Family | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return 4;
  return ipaddr.IPv6.isValid(text) && !text.includes("%") ? 6 : undefined;
}

/** Whether the address means something only inside a network, a machine or a link. */
export function isPrivate(address: string): boolean {
  return [
    "private",
    "loopback",
    "linkLocal",
    "uniqueLocal",
    "carrierGradeNat",
    "unspecified",
    "broadcast",
    "multicast",
  ].includes(ipaddr.parse(address).range());
}

/** Reads `address/prefix`; undefined when it is none or has host bits set. */
export function parseRange(text: string): Range | undefined {
  const [address, length, ...rest] = text.split("/");
  const family = familyOf(address ?? "");
  if (!family || rest.length > 0 || !/^\d{1,3}$/.test(length ?? "")) return undefined;
  const prefix = Number(length);
  if (prefix > BITS[family]) return undefined;
  const size = 1n << BigInt(BITS[family] - prefix);
  const first = value(address as string);
  return first % size === 0n ? { family, first, prefix, size } : undefined;
}

export function formatRange(range: Range): string {
  return `${format(range.family, range.first)}/${range.prefix}`;
}

/** The address `offset` places after the range's first. */
export function addressAt(range: Range, offset: bigint | number): string {
  const place = BigInt(offset);
  if (place < 0n || place >= range.size) throw new RangeError(`${formatRange(range)} has no address number ${place}`);
  return format(range.family, range.first + place);
}

export function overlap(a: Range, b: Range): boolean {
  return a.family === b.family && a.first < b.first + b.size && b.first < a.first + a.size;
}

/** Whether all of `inner` lies in `outer`. */
export function within(inner: Range, outer: Range): boolean {
  return (
    inner.family === outer.family && outer.first <= inner.first && inner.first + inner.size <= outer.first + outer.size
  );
}

function value(address: string): bigint {
  return ipaddr
    .parse(address)
    .toByteArray()
    .reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function format(family: Family, value: bigint): string {
  const bytes = Array.from({ length: BITS[family] / 8 }, (_, i) =>
    Number((value >> BigInt(BITS[family] - 8 * (i + 1))) & 255n),
  );
  const address = ipaddr.fromByteArray(bytes);
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}

/** The network that an address with or without a prefix lies in. */
export function networkOf(cidr: string): Range | undefined {
  const [address = "", prefix] = cidr.split("/");
  const family = familyOf(address);
  if (!family) return undefined;
  const whole = parseRange(`${address}/${family === 4 ? 32 : 128}`) as Range;
  if (prefix === undefined) return whole;
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 4 ? 32 : 128)) return undefined;
  const bits = BigInt((family === 4 ? 32 : 128) - Number(prefix));
  return { family, first: (whole.first >> bits) << bits, prefix: Number(prefix), size: 1n << bits };
}
