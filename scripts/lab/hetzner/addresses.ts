// scripts/lab/hetzner/addresses.ts: hands out addresses from the configured ranges, and the arithmetic for it.
import { isIPv4, isIPv6 } from "node:net";
import { ApiError } from "./errors";
import type { State } from "./state";

/** The canonical form of RFC 5952; undefined when the text is no address. */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** A CIDR block in canonical form; undefined when it is none or has host bits set. */
export function canonicalBlock(text: string): string | undefined {
  const [, address = "", bits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const canonical = canonicalAddress(address);
  if (canonical === undefined) return undefined;
  const width = isIPv4(address) ? 32 : 128;
  const length = Number(bits);
  if (length > width) return undefined;
  const hostBits = (1n << BigInt(width - length)) - 1n;
  return (toNumber(canonical) & hostBits) === 0n ? `${canonical}/${length}` : undefined;
}

export function blockContains(block: string, address: string): boolean {
  const [network = "", bits = "0"] = block.split("/");
  if (isIPv4(network) !== isIPv4(address) || canonicalAddress(address) === undefined) return false;
  const shift = BigInt((isIPv4(network) ? 32 : 128) - Number(bits));
  return toNumber(network) >> shift === toNumber(address) >> shift;
}

/** The next free address: an IPv4 address, or a network of 64 bits. */
export function takeAddress(state: State, type: "ipv4" | "ipv6", range: string): string {
  const { first, count } = type === "ipv4" ? ipv4Span(range) : ipv6Span(range);
  const taken = new Set(state.primaryIps.map((primaryIp) => primaryIp.ip));
  for (let step = 1; step <= count; step += 1) {
    const index = (state.lastAddress[type] + step) % count;
    const ip =
      type === "ipv4" ? fromNumber(first + BigInt(index), 4) : `${fromNumber(first + (BigInt(index) << 64n), 6)}/64`;
    if (taken.has(ip)) continue;
    state.lastAddress[type] = index;
    return ip;
  }
  throw new ApiError("resource_unavailable", `no ${type} address is available`);
}

/** "203.0.113.0/24" without its first and last address, or "203.0.113.10-203.0.113.99" as it stands. */
function ipv4Span(range: string): { first: bigint; count: number } {
  const [from = "", to = ""] = range.split("-");
  if (isIPv4(from) && isIPv4(to) && toNumber(to) >= toNumber(from))
    return { first: toNumber(from), count: Number(toNumber(to) - toNumber(from)) + 1 };
  const block = canonicalBlock(range);
  const length = Number(range.split("/")[1]);
  if (block === undefined || !isIPv4(range.split("/")[0] ?? "") || length > 30)
    throw new Error(`ipv4Range: "${range}" is neither a CIDR block up to /30 nor FIRST-LAST`);
  return { first: toNumber(block.split("/")[0] ?? "") + 1n, count: 2 ** (32 - length) - 2 };
}

/** All networks of 64 bits in the block but the first, whose address reads like the block itself. */
function ipv6Span(range: string): { first: bigint; count: number } {
  const block = canonicalBlock(range);
  const length = Number(range.split("/")[1]);
  if (block === undefined || !block.includes(":") || length > 63 || length < 16)
    throw new Error(`ipv6Range: "${range}" is no IPv6 CIDR block from /16 to /63`);
  return { first: toNumber(block.split("/")[0] ?? "") + (1n << 64n), count: Math.min(2 ** (64 - length), 2 ** 32) - 1 };
}

/** Throws when a range cannot be used, so that a wrong one shows at start and not at the first server. */
export function checkRanges(ipv4Range: string, ipv6Range: string): void {
  ipv4Span(ipv4Range);
  ipv6Span(ipv6Range);
}

function toNumber(address: string): bigint {
  if (isIPv4(address)) return address.split(".").reduce((sum, part) => (sum << 8n) + BigInt(part), 0n);
  const [head = "", tail] = (canonicalAddress(address) ?? "::").split("::");
  const words = (text: string) => text.split(":").filter((word) => word !== "");
  const missing = tail === undefined ? 0 : 8 - words(head).length - words(tail).length;
  const all = [...words(head), ...Array.from({ length: missing }, () => "0"), ...words(tail ?? "")];
  return all.reduce((sum, word) => (sum << 16n) + BigInt(`0x${word}`), 0n);
}

function fromNumber(value: bigint, family: 4 | 6): string {
  const [count, bits, base, glue] = family === 4 ? ([4, 8n, 10, "."] as const) : ([8, 16n, 16, ":"] as const);
  const words: string[] = [];
  for (let index = 0; index < count; index += 1)
    words.unshift(((value >> (BigInt(index) * bits)) & ((1n << bits) - 1n)).toString(base));
  return canonicalAddress(words.join(glue)) ?? "";
}
