// Cloudflare's API (v4) on a loopback port, as far as it is used here and as the published reference has it: tokens,
// zones, records, paging, batches in one transaction, envelopes and error codes.
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export const TOKEN = "c".repeat(40);

interface Stored {
  id: string;
  name: string;
  type: string;
  content: string;
  ttl: number;
  proxied: boolean;
  comment: string | null;
}

interface Batch {
  deletes?: { id: string }[];
  patches?: unknown[];
  puts?: Stored[];
  posts?: Omit<Stored, "id">[];
}

const ZONE_ID = "023e105f4ecef8ad9ca31a8372d0c353";

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export class TestCloudflare {
  records: Stored[] = [];
  readonly batches: Batch[] = [];
  /** `METHOD path`, in order. */
  readonly calls: string[] = [];
  /** As the zone is listed: names with letters beyond ASCII in these. */
  zone = {
    id: ZONE_ID,
    name: "example.org",
    status: "active",
    name_servers: ["ns1.cloudflare.example", "ns2.cloudflare.example"],
  };
  /** Answers every call with this. */
  trouble: { status: number; body: string } | undefined;
  private next = 0;
  private readonly server: Server = createServer(
    (request, response) =>
      void this.serve(request).then(({ status, body }) =>
        response.writeHead(status, { "content-type": "application/json" }).end(body),
      ),
  );

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  get api(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/client/v4`;
  }

  hold(name: string, type: string, content: string, more: Partial<Stored> = {}): void {
    this.records.push({ id: `r${++this.next}`, name, type, content, ttl: 300, proxied: false, comment: null, ...more });
  }

  lines(name?: string): string[] {
    return this.records
      .filter((record) => name === undefined || record.name === name)
      .map(({ name, ttl, type, content, proxied }) => `${name} ${ttl} ${type} ${content}${proxied ? " proxied" : ""}`)
      .sort();
  }

  private async serve(request: IncomingMessage): Promise<{ status: number; body: string }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? "", "http://x");
    this.calls.push(`${request.method} ${url.pathname.replace("/client/v4", "")}`);
    if (this.trouble) return this.trouble;
    try {
      if (request.headers.authorization !== `Bearer ${TOKEN}`) throw new Refusal(403, 10000, "Authentication error");
      const answer = this.route(request.method ?? "", url, Buffer.concat(chunks).toString());
      return { status: 200, body: JSON.stringify({ success: true, errors: [], messages: [], ...answer }) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return {
        status: error.status,
        body: JSON.stringify({
          success: false,
          errors: [{ code: error.code, message: error.message }],
          messages: [],
          result: null,
        }),
      };
    }
  }

  private route(method: string, url: URL, body: string): object {
    const path = url.pathname.replace("/client/v4", "");
    if (method === "GET" && path === "/zones")
      return page(
        url,
        [this.zone].filter(({ name }) => name === url.searchParams.get("name")),
      );
    if (method === "GET" && path === `/zones/${ZONE_ID}/dns_records`) return page(url, this.records);
    if (method === "POST" && path === `/zones/${ZONE_ID}/dns_records/batch`)
      return { result: this.batch(JSON.parse(body) as Batch) };
    throw new Refusal(404, 7003, `Could not route to ${path}`);
  }

  private batch(batch: Batch): object {
    this.batches.push(batch);
    let records = [...this.records];
    const check = (record: Omit<Stored, "id">) => {
      if ((record.comment ?? "").length > 100) throw new Refusal(400, 9064, "Comment is too long.");
      if (record.ttl !== 1 && (record.ttl < 60 || record.ttl > 86400)) throw new Refusal(400, 9021, "Invalid TTL.");
      if (records.some((each) => each.name === record.name && each.type === "CNAME"))
        throw new Refusal(400, 81054, "A CNAME record with that host already exists.");
      if (
        records.some(
          (each) => each.name === record.name && each.type === record.type && each.content === record.content,
        )
      )
        throw new Refusal(400, 81058, "An identical record already exists.");
    };
    const without = (id: string) => {
      if (!records.some((each) => each.id === id)) throw new Refusal(404, 81044, "Record does not exist.");
      records = records.filter((each) => each.id !== id);
    };
    for (const { id } of batch.deletes ?? []) without(id);
    for (const record of batch.puts ?? []) {
      without(record.id);
      check(record);
      records.push({ ...record, comment: record.comment ?? null });
    }
    for (const record of batch.posts ?? []) {
      check(record);
      records.push({ ...record, id: `r${++this.next}`, comment: record.comment ?? null });
    }
    this.records = records;
    return { deletes: [], patches: [], puts: batch.puts ?? [], posts: batch.posts ?? [] };
  }
}

function page<T>(url: URL, all: readonly T[]): object {
  const [number, size] = [Number(url.searchParams.get("page") ?? 1), Number(url.searchParams.get("per_page") ?? 100)];
  const result = all.slice((number - 1) * size, number * size);
  return {
    result,
    result_info: {
      page: number,
      per_page: size,
      count: result.length,
      total_count: all.length,
      total_pages: Math.ceil(all.length / size),
    },
  };
}
