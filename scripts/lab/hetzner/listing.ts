// scripts/lab/hetzner/listing.ts: filters, sorting and pages, the same for every list of the API.
import { invalidField } from "./errors";
import { parseSelector } from "./labels";
import type { Call, Reply } from "./router";
import type { Labels } from "./state";

interface Listable {
  id?: unknown;
  name?: unknown;
  labels?: Labels;
}

export interface ListingOptions {
  /** Fields that `sort` may name. */
  sort?: string[];
  /** Highest page size; default 50. */
  maxPerPage?: number;
  /** More keys beside the list, such as a recommendation. */
  extra?: Record<string, unknown>;
}

const defaultPerPage = 25;

/** The answer to a list request over entries that are already in the API's form. */
export function listing<T extends Listable>(call: Call, key: string, all: T[], options: ListingOptions = {}): Reply {
  const sorted = sortEntries(call, filterEntries(call, all), options.sort ?? ["id", "name", "created"]);
  const page = positive(call, "page", 1);
  const perPage = Math.min(positive(call, "per_page", defaultPerPage), options.maxPerPage ?? 50);
  const lastPage = Math.max(1, Math.ceil(sorted.length / perPage));
  const pagination = {
    page,
    per_page: perPage,
    previous_page: page > 1 ? page - 1 : null,
    next_page: page < lastPage ? page + 1 : null,
    last_page: lastPage,
    total_entries: sorted.length,
  };
  const links = Object.entries({ prev: pagination.previous_page, next: pagination.next_page, last: lastPage })
    .filter(([, target]) => target !== null)
    .map(([relation, target]) => `<${pageUrl(call, target as number, perPage)}>; rel="${relation}"`);
  return {
    status: 200,
    headers: { Link: links.join(", ") },
    body: { [key]: sorted.slice((page - 1) * perPage, page * perPage), ...options.extra, meta: { pagination } },
  };
}

function filterEntries<T extends Listable>(call: Call, all: T[]): T[] {
  const name = call.query.get("name");
  const selector = call.query.get("label_selector");
  const matches = selector ? parseSelector(selector) : () => true;
  return all.filter((entry) => (!name || entry.name === name) && matches(entry.labels ?? {}));
}

function sortEntries<T extends Listable>(call: Call, entries: T[], allowed: string[]): T[] {
  const keys = call.query.getAll("sort").map((text) => {
    const [field = "", direction = "asc"] = text.split(":");
    if (!allowed.includes(field) || !["asc", "desc"].includes(direction))
      throw invalidField("sort", `'${text}' is not one of: ${allowed.join(", ")}, each with :asc or :desc`);
    return { field, sign: direction === "desc" ? -1 : 1 };
  });
  return [...entries].sort((a, b) => {
    for (const { field, sign } of keys) {
      const order = compare((a as Record<string, unknown>)[field], (b as Record<string, unknown>)[field]);
      if (order !== 0) return sign * order;
    }
    return 0;
  });
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [left, right] = [a, b].map((value) => (typeof value === "string" ? value : "")) as [string, string];
  return left < right ? -1 : left > right ? 1 : 0;
}

function positive(call: Call, name: string, fallback: number): number {
  const text = call.query.get(name);
  if (text === null || text === "") return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw invalidField(name, "must be a positive integer");
  return value;
}

function pageUrl(call: Call, page: number, perPage: number): string {
  const query = new URLSearchParams(call.query);
  query.set("page", String(page));
  query.set("per_page", String(perPage));
  return `${call.base}${call.path}?${query.toString()}`;
}
