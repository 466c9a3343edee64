// Reads the part of pf.conf(5) that a small router needs; anything else is an error, so that no rule is passed over in
// silence. Lists stay lists here: pfctl would expand them into rules of their own, in the same place.
export type Kind = "pass" | "block" | "match" | "nat" | "rdr" | "anchor" | "nat-anchor" | "rdr-anchor";

/** any, an address or network, or the addresses of an interface: em0, (em0), (em0:0), (self). */
export interface HostSpec {
  readonly not: boolean;
  readonly of: "any" | "net" | "interface";
  readonly value: string;
}

export interface Rule {
  readonly kind: Kind;
  /** The line as it was written. */
  readonly text: string;
  /** `no nat`, `no rdr`. */
  no: boolean;
  direction?: "in" | "out";
  quick: boolean;
  on?: { not: boolean; names: string[] };
  af?: 4 | 6;
  protos: string[];
  from: HostSpec[];
  to: HostSpec[];
  fromPorts: [number, number][];
  toPorts: [number, number][];
  /** "any", or [set, out of]. */
  flags?: "any" | [string, string];
  icmpTypes: string[];
  state: boolean;
  /** `keep state (sloppy)`: a state that checks no TCP window. */
  sloppy: boolean;
  tag?: string;
  tagged?: string;
  /** nat, rdr: where to. */
  target?: string;
  /** rdr pass, nat pass. */
  passes: boolean;
  maxMss?: number;
  /** Name of the anchor that is evaluated here. */
  anchor?: string;
}

export interface RuleSet {
  readonly skip: string[];
  readonly ifBound: boolean;
  /** In the order of the file. */
  readonly rules: Rule[];
}

const NAMED_PORTS: Record<string, number> = { ssh: 22, smtp: 25, domain: 53, www: 80, auth: 113 };
const PROTOS: Record<string, string> = { "ipv6-icmp": "icmp6" };
const KINDS: readonly string[] = ["pass", "block", "match", "nat", "rdr", "anchor", "nat-anchor", "rdr-anchor"];
/** pfctl's order of statements; it refuses a file that goes back. */
const ORDER: Record<string, number> = {
  set: 1,
  scrub: 2,
  nat: 4,
  rdr: 4,
  "nat-anchor": 4,
  "rdr-anchor": 4,
  pass: 5,
  block: 5,
  match: 5,
  anchor: 5,
};

export function parsePf(text: string): RuleSet {
  const macros: Record<string, string> = {};
  const set = { skip: [] as string[], ifBound: false, rules: [] as Rule[] };
  let reached = 0;
  for (const raw of text.replace(/\\\n/g, " ").split("\n")) {
    const line = raw.replace(/#.*/, "").trim();
    if (line === "") continue;
    const macro = /^(\w+)\s*=\s*"(.*)"$/.exec(line);
    if (macro) {
      macros[macro[1] as string] = macro[2] as string;
      continue;
    }
    const expanded = line.replace(/\$(\w+)/g, (_all, name: string) => macros[name] ?? fail(line, `no macro ${name}`));
    const tokens = new Tokens(expanded);
    const first = tokens.peek() === "no" ? tokens.second() : tokens.peek();
    if (first === "load") continue; // what an anchor holds is given to the evaluator apart
    const order = ORDER[first] ?? fail(line, "not a statement of ours");
    if (order < reached)
      fail(line, "Rules must be in order: options, ethernet, normalization, queueing, translation, filtering");
    reached = order;
    if (first === "set") option(expanded, set);
    else if (KINDS.includes(first)) set.rules.push(rule(tokens, line));
    else if (first !== "scrub") fail(line, "not a statement of ours");
  }
  return set;
}

function option(line: string, set: { skip: string[]; ifBound: boolean }): void {
  const skip = /^set skip on (.*)$/.exec(line);
  if (skip) set.skip.push(...(skip[1] as string).replace(/[{},]/g, " ").trim().split(/\s+/));
  if (line === "set state-policy if-bound") set.ifBound = true;
}

function rule(tokens: Tokens, text: string): Rule {
  const no = tokens.take("no");
  const kind = tokens.next() as Kind;
  const made: Rule = {
    kind,
    text,
    no,
    quick: false,
    protos: [],
    from: [ANY],
    to: [ANY],
    fromPorts: [],
    toPorts: [],
    icmpTypes: [],
    state: kind === "pass",
    sloppy: false,
    passes: false,
  };
  if (kind.endsWith("anchor")) made.anchor = tokens.next().replace(/"/g, "");
  while (!tokens.done) clause(tokens.next(), tokens, made);
  return made;
}

const ANY: HostSpec = { not: false, of: "any", value: "" };

// One clause each, in any order: pfctl is stricter, but no rule means something else for it.
function clause(word: string, tokens: Tokens, made: Rule): void {
  switch (word) {
    case "in":
    case "out":
      made.direction = word;
      break;
    case "quick":
      made.quick = true;
      break;
    case "log":
    case "drop":
    case "return":
    case "allow-opts":
    case "all":
      break;
    case "pass":
      made.passes = true;
      break;
    case "on":
      made.on = { not: tokens.take("!"), names: tokens.list() };
      break;
    case "inet":
      made.af = 4;
      break;
    case "inet6":
      made.af = 6;
      break;
    case "proto":
      made.protos = tokens.list().map((name) => PROTOS[name] ?? name);
      break;
    case "from":
      made.from = tokens.hosts();
      made.fromPorts = ports(tokens);
      break;
    case "to":
      made.to = tokens.hosts();
      made.toPorts = ports(tokens);
      break;
    case "port":
      fail(made.text, "a port without from or to");
      break;
    case "flags":
      made.flags = flags(tokens.next());
      break;
    case "icmp-type":
    case "icmp6-type":
      made.icmpTypes = tokens.list();
      break;
    case "keep":
    case "modulate":
      tokens.expect("state");
      made.state = true;
      made.sloppy = /\bsloppy\b/.test(tokens.group());
      break;
    case "no":
      tokens.expect("state");
      made.state = false;
      break;
    case "tag":
      made.tag = tokens.next();
      break;
    case "tagged":
      made.tagged = tokens.next();
      break;
    case "scrub":
      made.maxMss = Number(/max-mss (\d+)/.exec(tokens.group())?.[1]);
      break;
    case "->":
      made.target = tokens.peek() === "(" ? tokens.group().trim() : tokens.next();
      break;
    default:
      fail(made.text, `what is ${word}?`);
  }
}

const flags = (word: string): Rule["flags"] => {
  if (word === "any") return "any";
  const [set = "", of = ""] = word.split("/");
  return [set, of];
};

function ports(tokens: Tokens): [number, number][] {
  if (!tokens.take("port")) return [];
  return tokens.list().map((text) => {
    const [from = "", to = from] = text.split(":").map((part) => String(NAMED_PORTS[part] ?? part));
    return [Number(from), Number(to)];
  });
}

function hostSpec(text: string, not: boolean): HostSpec {
  if (text === "any" || text === "all") return { ...ANY, not };
  return /^[\d.]+(\/\d+)?$|:.*:/.test(text) ? { not, of: "net", value: text } : { not, of: "interface", value: text };
}

class Tokens {
  private readonly words: string[];
  private at = 0;
  constructor(private readonly line: string) {
    this.words = line.match(/"[^"]*"|->|[{}(),!]|[^\s{}(),!]+/g) ?? [];
  }
  get done() {
    return this.at >= this.words.length;
  }
  peek() {
    return this.words[this.at] ?? "";
  }
  second() {
    return this.words[this.at + 1] ?? "";
  }
  next() {
    return this.words[this.at++] ?? fail(this.line, "ends too early");
  }
  take(word: string) {
    const there = this.peek() === word;
    if (there) this.at++;
    return there;
  }
  expect(word: string) {
    if (!this.take(word)) fail(this.line, `${word} expected`);
  }
  /** x, or { x, y }. */
  list(): string[] {
    if (!this.take("{")) return [this.next()];
    const items: string[] = [];
    while (!this.take("}")) if (!this.take(",")) items.push(this.next());
    return items;
  }
  /** What stands in parentheses, if anything does. */
  group(): string {
    if (!this.take("(")) return "";
    const items: string[] = [];
    while (!this.take(")")) items.push(this.next());
    return items.join(" ");
  }
  hosts(): HostSpec[] {
    const braced = this.take("{");
    const found: HostSpec[] = [];
    do {
      const not = this.take("!");
      found.push(hostSpec(this.peek() === "(" ? this.group() : this.next(), not));
      this.take(",");
    } while (braced && !this.take("}"));
    return found;
  }
}

function fail(line: string, why: string): never {
  throw new Error(`pf: ${why}: ${line}`);
}
