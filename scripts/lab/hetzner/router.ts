// scripts/lab/hetzner/router.ts: finds the handler for a method and a path. Knows no resource.
import { ApiError } from "./errors";
import { Form } from "./form";

export interface Call {
  method: string;
  /** Without the API's /v1. */
  path: string;
  /** Scheme, host and /v1, for links. */
  base: string;
  params: Record<string, string>;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

export interface Reply {
  status: number;
  body?: Record<string, unknown>;
  headers?: Record<string, string>;
}

export interface Route {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Such as /servers/:id/actions/poweron; a route with a plain word comes before one with a parameter there. */
  path: string;
  handle: (call: Call) => Reply;
}

export const formOf = (call: Call) => new Form(call.body);

/** The parameter `id` as a number; an id that is none is an id that does not exist. */
export function idOf(call: Call, kind: string, param = "id"): number {
  const text = call.params[param] ?? "";
  if (!/^\d{1,16}$/.test(text)) throw new ApiError("not_found", `${kind} with ID or name '${text}' not found`);
  return Number(text);
}

export function createRouter(
  routes: Route[],
): (method: string, path: string) => { route: Route; params: Record<string, string> } {
  const table = routes.map((route) => ({ route, parts: route.path.split("/") }));
  return (method, path) => {
    const parts = path.split("/").map(decode);
    const hits = table.flatMap(({ route, parts: pattern }) => {
      const params = match(pattern, parts);
      return params ? [{ route, params }] : [];
    });
    const hit = hits.find(({ route }) => route.method === method);
    if (hit) return hit;
    if (hits.length > 0) throw new ApiError("method_not_allowed", `method ${method} is not allowed here`);
    throw new ApiError("not_found", "path not found");
  };
}

function match(pattern: string[], parts: string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, word] of pattern.entries()) {
    const part = parts[index] ?? "";
    if (word.startsWith(":") && part !== "") params[word.slice(1)] = part;
    else if (word !== part) return undefined;
  }
  return params;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ApiError("not_found", "path not found");
  }
}
