// Pulumi.prod.yaml, the example to change: it is read as it stands, and every line of it that a # holds back works when
// the # is taken away. And what Pulumi.yaml says of the command line.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkSettings } from "../../components/settings/check";
import { readPins } from "../../scripts/toolchain/versions";

const LINES = readFileSync(join(__dirname, "../../Pulumi.prod.yaml"), "utf8").split("\n");

function faults(text: string): string[] {
  const { config } = parse(text) as { config: Record<string, unknown> };
  const raw = Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.replace("chatmail-proxy:", ""), value]),
  );
  const checked = checkSettings(raw);
  return "faults" in checked ? checked.faults.map(({ key, text: what }) => `${key} ${what}`) : [];
}

/** Lines with one commented setting, the keys below a commented one with it. */
const SETTINGS = LINES.flatMap((line, i) => {
  const [, indent = "", key] = /^( *)# ?( *- |)[\w:-]+:( |$)/.exec(line) ?? [];
  if (key === undefined || line.startsWith("#")) return [];
  const below = LINES.slice(i + 1).findIndex((next) => !next.startsWith(`${indent}#   `));
  return [{ name: line.trim(), from: i, to: i + 1 + below }];
});

const uncommented = (from: number, to: number) =>
  LINES.map((line, i) =>
    i < from || i >= to ? line : line.replace(/^( *)# (?!#)/, "$1").replace(/^( *)# /, "$1"),
  ).join("\n");

it("is valid as it stands", () => expect(faults(LINES.join("\n"))).toEqual([]));

it.each(SETTINGS)("is valid with $name", ({ from, to }) => {
  // What asks for another setting is none of the YAML's.
  const found = faults(uncommented(from, to)).filter(
    (text) => !/^(relay has no public|dns has an unknown key|egress|proxies\[0\].ssh.hostKey)/.test(text),
  );
  expect(found).toEqual([]);
});

it("has lines to uncomment", () => expect(SETTINGS.length).toBeGreaterThan(30));

it("asks for a command line that is as new as npm's package", () => {
  const read = (name: string) => readFileSync(join(__dirname, "../..", name), "utf8");
  const { minimumCli } = readPins(read("package.json"));
  expect((parse(read("Pulumi.yaml")) as { requiredPulumiVersion: string }).requiredPulumiVersion).toBe(
    `>=${minimumCli}`,
  );
});
