// scripts/lab/hetzner/form.ts: reads the fields of a request body and gathers all complaints into one invalid_input error.
import { invalidInput, type FieldComplaint } from "./errors";
import { labelComplaint } from "./labels";
import type { Labels } from "./state";

type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Each reader returns the field, or what its type has for "nothing" after a complaint; so call done() before the values
 * are used. A field that is null counts as not given, as for the real API.
 */
export class Form {
  private readonly complaints: FieldComplaint[] = [];

  constructor(
    private readonly body: Json,
    private readonly prefix = "",
  ) {}

  has(name: string): boolean {
    return this.body[name] !== undefined && this.body[name] !== null;
  }

  complain(name: string, message: string): void {
    const full = `${this.prefix}${name}`.replace(/\.$/, "");
    const known = this.complaints.find((complaint) => complaint.name === full);
    if (known) known.messages.push(message);
    else this.complaints.push({ name: full, messages: [message] });
  }

  done(): void {
    if (this.complaints.length > 0) throw invalidInput(this.complaints);
  }

  string(name: string, limits: { max?: number; pattern?: RegExp; hint?: string } = {}): string {
    const value = this.body[name];
    if (!this.has(name)) this.complain(name, "Missing data for required field.");
    else if (typeof value !== "string") this.complain(name, "Not a valid string.");
    else if (value === "") this.complain(name, "must not be empty");
    else if (limits.max !== undefined && value.length > limits.max)
      this.complain(name, `must be at most ${limits.max} characters long`);
    else if (limits.pattern && !limits.pattern.test(value)) this.complain(name, limits.hint ?? "has an invalid format");
    else return value;
    return "";
  }

  /** Empty counts as not given. */
  optionalString(name: string, limits: { max?: number; pattern?: RegExp; hint?: string } = {}): string | undefined {
    return this.has(name) && this.body[name] !== "" ? this.string(name, limits) : undefined;
  }

  /** A string that may be empty. */
  text(name: string, max: number): string {
    const value = this.body[name];
    if (typeof value === "string" && value.length <= max) return value;
    this.complain(name, `must be a string of at most ${max} characters`);
    return "";
  }

  oneOf<T extends string>(name: string, allowed: readonly [T, ...T[]]): T {
    const value = this.string(name);
    const found = allowed.find((one) => one === value);
    if (found === undefined && value !== "") this.complain(name, `must be one of: ${allowed.join(", ")}`);
    return found ?? allowed[0];
  }

  integer(name: string, range: { min?: number; max?: number } = {}): number {
    const value = this.body[name];
    if (!this.has(name)) this.complain(name, "Missing data for required field.");
    else if (typeof value !== "number" || !Number.isInteger(value)) this.complain(name, "Not a valid integer.");
    else if ((range.min !== undefined && value < range.min) || (range.max !== undefined && value > range.max))
      this.complain(name, `must be between ${range.min ?? "-"} and ${range.max ?? "-"}`);
    else return value;
    return 0;
  }

  optionalInteger(name: string, range: { min?: number; max?: number } = {}): number | undefined {
    return this.has(name) ? this.integer(name, range) : undefined;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.body[name];
    if (!this.has(name)) return fallback;
    if (typeof value === "boolean") return value;
    this.complain(name, "Not a valid boolean.");
    return fallback;
  }

  /** Ids come as numbers and, from some clients, as digits in a string. */
  idOrName(name: string): string {
    const value = this.body[name];
    if (typeof value === "number" && Number.isInteger(value)) return String(value);
    return this.string(name);
  }

  optionalIdOrName(name: string): string | undefined {
    return this.has(name) ? this.idOrName(name) : undefined;
  }

  labels(): Labels | undefined {
    if (!this.has("labels")) return undefined;
    const value = this.body["labels"];
    const labels: Labels = {};
    if (!isObject(value)) {
      this.complain("labels", "Not a valid mapping.");
      return labels;
    }
    for (const [key, text] of Object.entries(value)) {
      const complaint = labelComplaint(key, text);
      if (complaint) this.complain("labels", complaint);
      else labels[key] = text as string;
    }
    return labels;
  }

  list(name: string): unknown[] {
    const value = this.body[name];
    if (!this.has(name)) return [];
    if (Array.isArray(value)) return value as unknown[];
    this.complain(name, "Not a valid list.");
    return [];
  }

  /** A list of objects, each read by a form of its own whose complaints carry the entry's index. */
  forms<T>(name: string, read: (entry: Form) => T): T[] {
    return this.list(name).map((entry, index) => {
      const inner = new Form(isObject(entry) ? entry : {}, `${this.prefix}${name}.${index}.`);
      if (!isObject(entry)) inner.complain("", "Not a valid object.");
      const result = read(inner);
      this.complaints.push(...inner.complaints);
      return result;
    });
  }

  /** An object inside the body; undefined when it is not given. */
  inner<T>(name: string, read: (entry: Form) => T): T | undefined {
    if (!this.has(name)) return undefined;
    const value = this.body[name];
    const inner = new Form(isObject(value) ? value : {}, `${this.prefix}${name}.`);
    if (!isObject(value)) inner.complain("", "Not a valid object.");
    const result = read(inner);
    this.complaints.push(...inner.complaints);
    return result;
  }
}
