// test/unit/hetznerOpenApi.ts: checks recorded traffic against an OpenAPI description of the Hetzner Cloud API, where
// HCLOUD_OPENAPI names its file.
import { existsSync, readFileSync } from "node:fs";
import type { LogEntry } from "../../scripts/lab/hetzner/api";

interface Schema {
  $ref?: string;
  type?: string;
  nullable?: boolean;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  additionalProperties?: Schema | boolean;
  pattern?: string;
  minimum?: number;
  maximum?: number;
}

interface Content {
  content?: Record<string, { schema: Schema }>;
}

interface Description {
  paths: Record<
    string,
    Record<
      string,
      { requestBody?: Content; responses: Record<string, Content>; parameters?: { name: string; in: string }[] }
    >
  >;
  components: { schemas: Record<string, Schema> };
}

/** Where the description lags behind the API, with the changelog's date, or says less than its own prose or the clients. */
const knownGaps = [
  // 2026-07-01: removed from servers and primary IPs.
  /\.datacenter: is missing$/,
  // 2026-08-01: a primary IP that is assigned to nothing says so.
  /\.assignee_type: "unassigned" is not one of/,
  // 2026-04-27: optional when a primary IP is made.
  /^POST \/primary_ips request\.assignee_type: is missing$/,
  // "ID or name": hcloud-go sends ids as numbers.
  /^POST \/servers.* request\.(server_type|image|ssh_keys\[\d+\]): \d+ is no string$/,
  // The provider resets a reverse name by null.
  /^POST \/primary_ips\/\{id\}\/actions\/change_dns_ptr request\.dns_ptr: is null$/,
];

let description: Description | undefined;

function load(): Description | undefined {
  const file = process.env["HCLOUD_OPENAPI"];
  if (file === undefined) return undefined;
  if (!existsSync(file)) throw new Error(`HCLOUD_OPENAPI: ${file} does not exist`);
  description ??= JSON.parse(readFileSync(file, "utf8")) as Description;
  return description;
}

/** What in a request or its answer is not as described; an empty list when there is no description. */
export function openApiComplaints(entry: LogEntry): string[] {
  const api = load();
  if (!api) return [];
  const template = Object.keys(api.paths).find(
    (path) => fits(path, entry.path) && api.paths[path]?.[entry.method.toLowerCase()],
  );
  const operation = template === undefined ? undefined : api.paths[template]?.[entry.method.toLowerCase()];
  if (!template || !operation) return entry.status >= 400 ? [] : [`${entry.method} ${entry.path}: is not described`];
  const at = `${entry.method} ${template}`;
  const reply = operation.responses[String(entry.status)] ?? operation.responses[entry.status >= 500 ? "5xx" : "4xx"];
  const answerSchema = schemaOf(reply);
  const answers =
    entry.status < 300 && !operation.responses[String(entry.status)]
      ? [`${at}: status ${entry.status} is not described`]
      : [];
  const requestSchema = schemaOf(operation.requestBody);
  return [
    ...answers,
    ...(answerSchema && entry.response !== null
      ? complaints(api, answerSchema, entry.response, `${at} ${entry.status}`)
      : []),
    // A request that was refused may be as wrong as it likes.
    ...(requestSchema && entry.status < 300 ? complaints(api, requestSchema, entry.request, `${at} request`) : []),
  ].filter((complaint) => !knownGaps.some((gap) => gap.test(complaint)));
}

const schemaOf = (content: Content | undefined) => Object.values(content?.content ?? {})[0]?.schema;

function fits(template: string, path: string): boolean {
  const [pattern, parts] = [template.split("/"), path.split("/")];
  return (
    pattern.length === parts.length &&
    pattern.every(
      (word, index) =>
        word === parts[index] || (word.startsWith("{") && (!word.endsWith("id}") || /^\d+$/.test(parts[index] ?? ""))),
    )
  );
}

function complaints(api: Description, schema: Schema, value: unknown, at: string): string[] {
  if (schema.$ref) return complaints(api, api.components.schemas[schema.$ref.split("/").at(-1) ?? ""] ?? {}, value, at);
  if (value === null || value === undefined) return schema.nullable || value === undefined ? [] : [`${at}: is null`];
  const every = (schema.allOf ?? []).flatMap((part) => complaints(api, part, value, at));
  const options = schema.oneOf ?? schema.anyOf;
  const some =
    options && !options.some((part) => complaints(api, part, value, at).length === 0)
      ? [`${at}: fits none of the alternatives`]
      : [];
  const word =
    schema.enum && !schema.enum.includes(value)
      ? [`${at}: ${JSON.stringify(value)} is not one of ${schema.enum.join(", ")}`]
      : [];
  const kind =
    schema.type && !isOfType(schema.type, value) ? [`${at}: ${JSON.stringify(value)} is no ${schema.type}`] : [];
  const text =
    typeof value === "string" && schema.pattern && !new RegExp(schema.pattern).test(value)
      ? [`${at}: does not match ${schema.pattern}`]
      : [];
  const range =
    typeof value === "number" && (value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity))
      ? [`${at}: ${value} is out of range`]
      : [];
  return [...every, ...some, ...word, ...kind, ...text, ...range, ...insideComplaints(api, schema, value, at)];
}

function insideComplaints(api: Description, schema: Schema, value: unknown, at: string): string[] {
  if (Array.isArray(value))
    return schema.items
      ? value.flatMap((item, index) => complaints(api, schema.items ?? {}, item, `${at}[${index}]`))
      : [];
  if (typeof value !== "object" || value === null) return [];
  const object = value as Record<string, unknown>;
  const missing = (schema.required ?? [])
    .filter((name) => object[name] === undefined)
    .map((name) => `${at}.${name}: is missing`);
  const inner = Object.entries(object).flatMap(([name, field]) =>
    complaints(api, schema.properties?.[name] ?? extra(schema), field, `${at}.${name}`),
  );
  return [...missing, ...inner];
}

const extra = (schema: Schema): Schema =>
  typeof schema.additionalProperties === "object" ? schema.additionalProperties : { nullable: true };

function isOfType(type: string, value: unknown): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && !Array.isArray(value);
  return typeof value === type;
}
