// lab/controlServer.ts: the daemon's ear: HTTP and JSON on a unix socket that only root can open.
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { z } from "zod";
import type { ApiAnswer, ApiRequest, Faults } from "./world/api";

export interface ControlHandlers {
  status(): unknown;
  reboot(host: string): Promise<void>;
  start(host: string): Promise<void>;
  power(host: string, wish: "on" | "off" | "shutdown"): Promise<void>;
  silence(host: string, silenced: boolean): Promise<void>;
  setHome(wish: { address?: string; ipv6?: boolean }): Promise<void>;
  api(request: ApiRequest): Promise<ApiAnswer>;
  makeTrouble(faults: Faults): void;
  stop(): Promise<void>;
}

const power = z.strictObject({ wish: z.enum(["on", "off", "shutdown"]) });
const silence = z.strictObject({ silenced: z.boolean() });
const home = z.strictObject({ address: z.string().optional(), ipv6: z.boolean().optional() });
const apiRequest = z.strictObject({
  method: z.enum(["GET", "POST", "PUT", "DELETE"]),
  path: z.string().startsWith("/"),
  body: z.unknown().optional(),
});

export function listenForControl(socket: string, handlers: ControlHandlers): Promise<Server> {
  rmSync(socket, { force: true });
  const server = createServer((request, response) => void answer(handlers, request, response));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, () => {
      chmodSync(socket, 0o600);
      resolve(server);
    });
  });
}

async function answer(handlers: ControlHandlers, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const result = (await carryOut(handlers, request)) ?? {};
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  } catch (error) {
    response
      .writeHead(400, { "content-type": "application/json" })
      .end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
  }
}

async function carryOut(handlers: ControlHandlers, request: IncomingMessage): Promise<unknown> {
  const path = request.url ?? "/";
  if (request.method === "GET" && path === "/status") return handlers.status();
  const body: unknown = JSON.parse((await text(request)) || "{}");
  if (path === "/home") return handlers.setHome(home.parse(body));
  if (path === "/api") return handlers.api(apiRequest.parse(body));
  if (path === "/trouble") return handlers.makeTrouble(body as Faults);
  if (path === "/stop") return handlers.stop();
  const [, host, verb] = /^\/hosts\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  const name = decodeURIComponent(host ?? "");
  switch (verb) {
    case "reboot":
      return handlers.reboot(name);
    case "start":
      return handlers.start(name);
    case "power":
      return handlers.power(name, power.parse(body).wish);
    case "silence":
      return handlers.silence(name, silence.parse(body).silenced);
    default:
      throw new Error(`no such request: ${request.method ?? ""} ${path}`);
  }
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
