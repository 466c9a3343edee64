// scripts/lab/hetzner/log.ts: what the log of requests holds, and what it must not hold. Tokens never get here: headers are not logged.
import { isObject } from "./form";

export interface LogEntry {
  /** When the request came. */
  at: string;
  method: string;
  /** Without /v1. */
  path: string;
  query: string;
  status: number;
  milliseconds: number;
  request: unknown;
  response: unknown;
}

const secrets = ["user_data", "root_password", "password", "tsig_key", "wss_url"];

/** A copy in which each secret is replaced by its length. */
export function redact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redact);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      secrets.includes(key) && typeof inner === "string" ? `[${inner.length} characters]` : redact(inner),
    ]),
  );
}
