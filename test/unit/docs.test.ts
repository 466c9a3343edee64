// README.md and docs/: what they name is there, what they say of the settings is what the program reads, and their links
// lead somewhere.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { formatRange, type Range } from "../../components/addresses";
import { checkSettings } from "../../components/settings/check";
import { PROVIDERS } from "../../components/hosts/providers";
import { DNS_PROVIDERS } from "../../components/settings/dnsSchema";
import { USAGE } from "../../scripts/lab/cli";
import { readPins } from "../../scripts/toolchain/versions";
import { HOST_KEY } from "./aStack";

const ROOT = join(__dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const pages = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = ""]) => found);
const outsideOfCode = (text: string) => text.replace(/^ *```[^]*?^ *```$/gm, "");

const ssh = { host: "192.168.1.10", hostKey: HOST_KEY };
const entries: Record<string, Record<string, unknown>> = {
  hetzner: { name: "p", host: "hetzner", location: "hel1" },
  linux: { name: "p", host: "linux", ssh: { hostKey: HOST_KEY }, ipv4: "198.51.100.130" },
  freebsd: { name: "p", host: "freebsd", ssh: { hostKey: HOST_KEY }, ipv4: "198.51.100.130" },
};
const zones: Record<string, Record<string, unknown>> = {
  rfc2136: { server: "192.0.2.53", tsig: { name: "chatmail-proxy" } },
};
const shapes = PROVIDERS.flatMap(({ name }) =>
  DNS_PROVIDERS.map((provider) => ({
    mailDomain: "chat.example.org",
    relay: { ssh },
    proxies: [entries[name]],
    tunnel: {},
    dns: { zone: "example.org", provider, ...zones[provider] },
  })),
);

/** The keys that the program says it knows, when it meets a wrong one there; below a key that is an object, those of it. */
function keysOf(shape: Record<string, unknown>, path: readonly string[] = []): string[] {
  const result = checkSettings(withWrong(shape, path));
  const faults = "faults" in result ? result.faults : [];
  const keys = faults.flatMap(
    ({ text }) => /unknown key "wrong"\. Known here: ([^.]+)\./.exec(text)?.[1]?.split(", ") ?? [],
  );
  return keys.flatMap((key) => {
    const below = [...path, ...(key === "proxies" ? [key, "0"] : [key])];
    return OBJECTS.includes(below.join(".")) ? keysOf(shape, below) : [below.join(".").replace(".0.", "[].")];
  });
}

const OBJECTS = ["relay", "relay.ssh", "proxies.0", "proxies.0.ssh", "tunnel", "dns", "dns.tsig"];

function withWrong(shape: object, path: readonly string[]): Record<string, unknown> {
  const copy = structuredClone(shape) as Record<string, unknown>;
  const place = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], copy);
  (place as Record<string, unknown>).wrong = 1;
  return copy;
}

const wanted = new Set(shapes.flatMap((shape) => keysOf(shape)));

describe("docs/settings.md", () => {
  const rows = matches(read("docs/settings.md"), /^\| (`.*)$/gm).map((line) => line.split(" | "));
  const described = rows.flatMap(([keys = "", defaultText = ""]) =>
    matches(keys, /`([^`]+)`/g).map((key) => ({ key, defaultText })),
  );

  it("has a row for every key of the settings, and none for others", () => {
    expect(wanted.size).toBeGreaterThan(45);
    // The token is the Hetzner provider's own; tunnel has a row for the word that it may be.
    const known = [...wanted, "hcloud:token", "tunnel"].sort();
    expect(described.map(({ key }) => key).sort()).toEqual(known);
  });

  it("says the defaults that hold", () => {
    const defaults = new Map(described.map(({ key, defaultText }) => [key, /^`([^`]+)`/.exec(defaultText)?.[1]]));
    const wrong = shapes.flatMap((shape) => {
      const result = checkSettings(shape);
      if ("faults" in result) throw new Error(JSON.stringify(result.faults));
      const given = new Map(leaves(shape));
      return leaves(result.settings).filter(
        // What the row of `closed` says is checked below.
        ([key, value]) => !given.has(key) && key !== "proxies[].closed" && defaults.get(key) !== spelled(value),
      );
    });
    expect(wrong).toEqual([]);
    expect(defaults.get("dns.provider")).toBe("hetzner");
    const ofKind = (host: string) => {
      const result = checkSettings({ ...shapes[0], proxies: [entries[host]] });
      return "settings" in result ? (result.settings.proxies[0] as { closed?: boolean }).closed : undefined;
    };
    expect(described.find(({ key }) => key === "proxies[].closed")?.defaultText).toBe(
      `\`${ofKind("linux")}\` (\`freebsd\`: \`${ofKind("freebsd")}\`)`,
    );
  });
});

/** What is not an object, by its key in the settings; what nobody gave is left out. */
function leaves(value: object, where = ""): [string, unknown][] {
  return Object.entries(value).flatMap(([key, below]: [string, unknown]): [string, unknown][] => {
    const path = `${where}${key}`;
    if (path === "proxies") return leaves((below as object[])[0] ?? {}, "proxies[].");
    const isObject = below !== null && typeof below === "object" && !Array.isArray(below) && !("prefix" in below);
    if (isObject && Object.keys(below).length > 0) return leaves(below, `${path}.`);
    return below === undefined ? [] : [[path, below]];
  });
}

function spelled(value: unknown): string {
  if (value !== null && typeof value === "object" && "prefix" in value) return formatRange(value as Range);
  if (Array.isArray(value)) return `[${value.join(", ")}]`;
  return typeof value === "string" ? value : JSON.stringify(value);
}

describe("what the pages name", () => {
  const all = pages.map(read).join("\n");

  it("asks for a command line that is as new as npm's package", () => {
    const { minimumCli } = readPins(read("package.json"));
    expect(read("README.md")).toContain(`${minimumCli.split(".").slice(0, 2).join(".")} or newer`);
  });

  it("has npm's commands and the lab's verbs", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const commands = matches(all, /npm run ([\w:]+)/g);
    expect(commands.filter((name) => !(name in scripts))).toEqual([]);
    const verbs = matches(all, /npm run lab -- (\w+)/g);
    expect(verbs.length).toBeGreaterThan(5);
    expect(verbs.filter((verb) => !new RegExp(`^  ${verb}\\b`, "m").test(USAGE))).toEqual([]);
  });

  it("has settings that exist", () => {
    const parents = [...wanted].flatMap((key) => [key, key.replace(/\.\w+$/, ""), key.split(".")[0] ?? ""]);
    const named = matches(all, /`((?:relay|dns|tunnel)\.[\w.]+)`/g);
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter((key) => !parents.includes(key))).toEqual([]);
    expect(matches(all, /chatmail-proxy:(\w+):/g).filter((key) => !parents.includes(key))).toEqual([]);
  });

  it("has files and folders of this repository that are there", () => {
    const named = matches(all, /`((?:components|test|scripts|docs|findings)\/[\w./-]*\w(?:\/|\b))`/g);
    expect(named.length).toBeGreaterThan(40);
    expect([...new Set(named)].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it("has tests of the guide that are there", () => {
    const files = matches(read("docs/guide.md"), /\b((?:lab|unit)\/\w+)/g).filter((path) => path !== "unit/pf");
    expect(files.length).toBeGreaterThan(25);
    expect([...new Set(files)].filter((path) => !existsSync(join(ROOT, `test/${path}.test.ts`)))).toEqual([]);
  });
});

describe.each(pages)("%s", (page) => {
  const text = outsideOfCode(read(page));
  /** As GitHub makes an anchor of a heading. */
  const anchors = (path: string) =>
    matches(outsideOfCode(read(path)), /^#+ (.+)$/gm).map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replace(/ /g, "-"),
    );

  it("has links that lead somewhere", () => {
    const links = matches(text, /\]\((?!https?:)([^)]+)\)/g);
    const lost = links.filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : normalize(join(dirname(page), path));
      return !existsSync(join(ROOT, target)) || (anchor !== undefined && !anchors(target).includes(anchor));
    });
    expect(lost).toEqual([]);
  });

  it("is linked from the README, and leads back to it", () => {
    if (page === "README.md") return;
    expect(read("README.md")).toContain(`(${page})`);
    expect(text).toContain("(../README.md)");
  });

  it("has lines that can be read in a terminal, but for tables", () => {
    const wide = text.split("\n").filter((line) => line.length > 130 && !line.startsWith("|"));
    expect(wide).toEqual([]);
  });
});

it("keeps the README under 250 lines, and docs/architecture.md at 120", () => {
  const lines = (path: string) => read(path).trimEnd().split("\n").length;
  expect(lines("README.md")).toBeLessThan(250);
  expect(lines("docs/architecture.md")).toBeLessThanOrEqual(120);
});
