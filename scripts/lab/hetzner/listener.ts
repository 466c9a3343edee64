// scripts/lab/hetzner/listener.ts: HTTP around the model: token, rate limit, JSON, injected faults, the log of requests. Knows no resource.
import { randomBytes } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { ApiError } from "./errors";
import type { Faults } from "./faults";
import { isObject } from "./form";
import { redact, type LogEntry } from "./log";
import { createRouter, type Reply, type Route } from "./router";

const prefix = "/v1";
const maxBody = 1024 * 1024;

export interface ListenerParts {
  token: string;
  readOnlyToken?: string;
  /** Requests per hour; they come back one by one over the hour. */
  rateLimit: number;
  routes: Route[];
  faults: Faults;
  /** After each request that may have changed something. */
  onChange: () => void;
  log?: (entry: LogEntry) => void;
  onTrouble: (what: string, error: unknown) => void;
}

export function createListener(parts: ListenerParts): RequestListener {
  const route = createRouter(parts.routes);
  const budget = createBudget(parts.rateLimit);

  async function answer(request: IncomingMessage): Promise<{ reply: Reply; requestBody: unknown }> {
    const text = await readBody(request);
    const { method, path, query, base } = locate(request);
    await new Promise((resolve) => setTimeout(resolve, parts.faults.currentLatency));
    const body = parseBody(text);
    const handle = (): Reply => {
      if (!budget.take() || parts.faults.takeRateLimit())
        throw new ApiError("rate_limit_exceeded", "limit of requests reached");
      refuseToken(parts, request.headers.authorization, method);
      const fault = parts.faults.takeAnswer(method, path);
      if (fault) throw fault;
      const { route: found, params } = route(method, path);
      if (body instanceof ApiError) throw body;
      return found.handle({ method, path, base, params, query, body });
    };
    const reply = asReply(handle, parts.onTrouble);
    if (method !== "GET" && reply.status < 400) parts.onChange();
    return { reply, requestBody: body instanceof ApiError ? text : body };
  }

  return (request, response) => {
    const started = Date.now();
    answer(request)
      .then(({ reply, requestBody }) => {
        send(response, reply, budget.headers());
        const { method, path, query } = locate(request);
        parts.log?.({
          at: new Date(started).toISOString(),
          method,
          path,
          query: query.toString(),
          status: reply.status,
          milliseconds: Date.now() - started,
          request: redact(requestBody),
          response: redact(reply.body ?? null),
        });
      })
      .catch((error: unknown) => {
        parts.onTrouble("request", error);
        response.destroy();
      });
  };
}

/** Handlers run to their end without a pause, so that no request ever sees another one half done. */
function asReply(handle: () => Reply, onTrouble: ListenerParts["onTrouble"]): Reply {
  try {
    return handle();
  } catch (error) {
    const known = error instanceof ApiError ? error : new ApiError("server_error", "internal server error");
    if (known !== error) onTrouble("handler", error);
    return { status: known.status, body: known.toBody() };
  }
}

function refuseToken(parts: ListenerParts, authorization: string | undefined, method: string): void {
  const [, given] = /^Bearer (\S+)$/.exec(authorization ?? "") ?? [];
  if (given === parts.token) return;
  if (given === undefined || given !== parts.readOnlyToken)
    throw new ApiError("unauthorized", "unable to authenticate");
  if (method !== "GET") throw new ApiError("token_readonly", "token is only allowed to perform GET requests");
}

function locate(request: IncomingMessage) {
  const base = `http://${request.headers.host ?? "localhost"}${prefix}`;
  const url = new URL(request.url ?? "/", "http://localhost");
  const path = url.pathname.startsWith(`${prefix}/`) ? url.pathname.slice(prefix.length) : "/";
  return {
    method: request.method ?? "GET",
    path: path === "/" ? path : path.replace(/\/$/, ""),
    query: url.searchParams,
    base,
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > maxBody) throw new Error(`request body over ${maxBody} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Without a body it is an empty object: many actions need none. */
function parseBody(text: string): Record<string, unknown> | ApiError {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : new ApiError("json_error", "JSON object expected");
  } catch {
    return new ApiError("json_error", "invalid JSON");
  }
}

function send(response: ServerResponse, reply: Reply, limits: Record<string, string>): void {
  const headers = { "X-Correlation-ID": randomBytes(8).toString("hex"), ...limits, ...reply.headers };
  if (reply.body === undefined) {
    response.writeHead(reply.status, headers).end();
    return;
  }
  const text = JSON.stringify(reply.body);
  response
    .writeHead(reply.status, {
      ...headers,
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(text),
    })
    .end(text);
}

/** `limit` requests at once, after that as many as come back with time. */
function createBudget(limit: number) {
  let left = limit;
  let at = Date.now();
  const perMillisecond = limit / 3_600_000;
  const refill = () => {
    left = Math.min(limit, left + (Date.now() - at) * perMillisecond);
    at = Date.now();
  };
  return {
    take(): boolean {
      refill();
      if (left < 1) return false;
      left -= 1;
      return true;
    },
    headers(): Record<string, string> {
      const reset = Math.ceil((Date.now() + (limit - left) / perMillisecond) / 1000);
      return {
        "RateLimit-Limit": String(limit),
        "RateLimit-Remaining": String(Math.floor(left)),
        "RateLimit-Reset": String(reset),
      };
    },
  };
}
