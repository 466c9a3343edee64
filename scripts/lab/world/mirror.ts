// lab/world/mirror.ts: Debian's mirror as the lab's machines see it: files over HTTP. Knows nothing of packages.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join, normalize } from "node:path";

/** A file is looked for in each root in turn; a root that is not there holds none. */
export function serveMirror(roots: readonly string[], addresses: readonly string[], port = 80): Promise<Server[]> {
  return Promise.all(addresses.map((address) => listen(createMirror(roots), address, port)));
}

export function createMirror(roots: readonly string[]): Server {
  return createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end();
    void find(roots.map((root) => fileFor(root, request.url ?? "/"))).then((known) => {
      if (known === undefined) return response.writeHead(404).end();
      response.writeHead(200, { "content-length": known.size, "last-modified": known.mtime.toUTCString() });
      return request.method === "HEAD" ? response.end() : createReadStream(known.path).pipe(response);
    });
  });
}

async function find(paths: readonly string[]): Promise<{ path: string; size: number; mtime: Date } | undefined> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) return { path, size: found.size, mtime: found.mtime };
  }
  return undefined;
}

/** Always within the root: a path is made absolute before it is appended. */
export function fileFor(root: string, url: string): string {
  const path = new URL(url, "http://mirror").pathname;
  return join(root, normalize(`/${decodeSafely(path)}`));
}

function decodeSafely(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function listen(server: Server, address: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new Error(`package mirror on ${address} port ${port}: ${error.message}`)));
    server.listen(port, address, () => resolve(server));
  });
}
