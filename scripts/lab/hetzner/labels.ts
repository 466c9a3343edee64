// scripts/lab/hetzner/labels.ts: which labels are allowed, and the label selector language.
import { invalidField } from "./errors";
import type { Labels } from "./state";

const namePart = /^[a-z0-9A-Z]([a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?$/;
const prefixPart = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** What is wrong with a label; undefined: nothing. */
export function labelComplaint(key: string, value: unknown): string | undefined {
  const slash = key.indexOf("/");
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  if (!namePart.test(key.slice(slash + 1))) return `label key '${key}' is invalid`;
  if (prefix !== undefined && (prefix.length > 253 || !prefixPart.test(prefix)))
    return `label key '${key}' has an invalid prefix`;
  if (prefix === "hetzner.cloud") return `label key '${key}' has a reserved prefix`;
  if (typeof value !== "string") return `label value of '${key}' is not a string`;
  if (value !== "" && !namePart.test(value)) return `label value '${value}' of '${key}' is invalid`;
  return undefined;
}

type Test = (labels: Labels) => boolean;

/** `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, joined by commas: all must hold. */
export function parseSelector(selector: string, field = "label_selector"): Test {
  // A comma inside parentheses belongs to a set, not between two expressions.
  const parts = selector.split(/,(?![^(]*\))/).map((part) => part.trim());
  const tests = parts.map((part) => parseExpression(part));
  if (tests.some((test) => test === undefined)) throw invalidField(field, `label selector '${selector}' is invalid`);
  return (labels) => tests.every((test) => test?.(labels) ?? false);
}

function parseExpression(text: string): Test | undefined {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(text);
  if (set) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    if (labelComplaint(key, "") || values.some((value) => labelComplaint("k", value))) return undefined;
    return operator === "in"
      ? (labels) => values.includes(labels[key] ?? " ")
      : (labels) => !values.includes(labels[key] ?? " ");
  }
  const comparison = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(text);
  if (comparison) {
    const [, key = "", operator, value = ""] = comparison;
    if (labelComplaint(key, value)) return undefined;
    return operator === "!=" ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const absent = text.startsWith("!");
  const key = absent ? text.slice(1) : text;
  if (labelComplaint(key, "")) return undefined;
  return absent ? (labels) => labels[key] === undefined : (labels) => labels[key] !== undefined;
}
