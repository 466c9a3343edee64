// test/unit/hetznerShapes.ts: checks recorded traffic against the facts in hetznerFacts.ts.
import type { LogEntry } from "../../scripts/lab/hetzner/api";
import { action, many, optional, replies, shapes, type Shape } from "./hetznerFacts";

/** The endpoint that a path belongs to, in the words of the table above. */
export function endpointOf(method: string, path: string): string {
  const words = path
    .replace(/^\/zones\/(?!actions\b)[^/]+/, "/zones/z")
    .replace(/\/rrsets\/[^/]+\/[A-Z]+/, "/rrsets/r")
    .replace(/\/\d+/g, "/n");
  return `${method} ${words}`;
}

function expectedReply(endpoint: string): [number, Shape | null] | undefined {
  const known = replies[endpoint];
  if (known) return known;
  if (/^GET \/\w+(\/[nz])?\/actions$/.test(endpoint)) return [200, many("actions", "action")];
  if (/^GET \/\w+(\/[nz])?\/actions\/n$/.test(endpoint)) return [200, action];
  if (/^POST .*\/actions\/\w+$/.test(endpoint)) return [201, action];
  return undefined;
}

/** What is wrong with an answer; nothing: an empty list. */
export function shapeComplaints(entry: LogEntry): string[] {
  const endpoint = endpointOf(entry.method, entry.path);
  const at = `${endpoint} -> ${entry.status}`;
  if (entry.status >= 400) return complaints({ error: "@problem" }, entry.response, at);
  const expected = expectedReply(endpoint);
  // Kinds of resources that the fake never has answer with empty lists only.
  if (!expected)
    return (entry.response as { meta?: unknown } | null)?.meta && entry.method === "GET"
      ? []
      : [`${at}: endpoint is unknown`];
  const [status, shape] = expected;
  const wrongStatus = entry.status === status ? [] : [`${at}: expected status ${status}`];
  return [...wrongStatus, ...(shape === null ? [] : complaints(shape, entry.response, at))];
}

function complaints(shape: Shape, value: unknown, at: string, name = ""): string[] {
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${at}: is no list`];
    return value.flatMap((item, index) => complaints(shape[0], item, `${at}[${index}]`));
  }
  if (typeof shape === "object") return objectComplaints(shape, value, at, name);
  if (shape.endsWith("?")) return value === null ? [] : complaints(shape.slice(0, -1), value, at);
  if (shape.startsWith("@")) return complaints(shapes[shape.slice(1)] ?? "any", value, at, shape.slice(1));
  return isOfKind(shape, value) ? [] : [`${at}: ${JSON.stringify(value)} is not ${shape}`];
}

function objectComplaints(shape: { [field: string]: Shape }, value: unknown, at: string, name: string): string[] {
  if (typeof value !== "object" || value === null) return [`${at}: is no object`];
  const given = value as Record<string, unknown>;
  const missing = Object.keys(shape).filter((field) => given[field] === undefined);
  const present = Object.keys(given).flatMap((field) => {
    const inner = shape[field] ?? optional[`${name}.${field}`];
    return inner === undefined ? [`${at}.${field}: is unknown`] : complaints(inner, given[field], `${at}.${field}`);
  });
  return [...missing.map((field) => `${at}.${field}: is missing`), ...present];
}

function isOfKind(kind: string, value: unknown): boolean {
  if (kind.startsWith("=")) return typeof value === "string" && kind.slice(1).split("|").includes(value);
  switch (kind) {
    case "any":
      return true;
    case "id":
      return Number.isInteger(value) && (value as number) > 0;
    case "int":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "text":
      return typeof value === "string";
    case "flag":
      return typeof value === "boolean";
    case "time":
      return typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value);
    case "labels":
      return (
        typeof value === "object" && value !== null && Object.values(value).every((label) => typeof label === "string")
      );
    case "price":
      return (
        typeof value === "object" &&
        value !== null &&
        ["net", "gross"].every((key) => /^\d+\.\d+$/.test(String((value as Record<string, unknown>)[key])))
      );
    default:
      throw new Error(`unknown kind ${kind}`);
  }
}
