// scripts/register.js: TypeScript runs without its types, again without taking them off again; and what Pulumi's SDK rarely needs
// is not loaded, and is there when it is used.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(__dirname, "../..");
let project: string;
const cache = () => join(project, "node_modules/.cache/chatmail-proxy/javascript.json");

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "register-"));
  mkdirSync(join(project, "scripts"));
  mkdirSync(join(project, "node_modules"));
  cpSync(join(ROOT, "scripts/register.js"), join(project, "scripts/register.js"));
  for (const name of ["sucrase", "@pulumi"])
    symlinkSync(join(ROOT, "node_modules", name), join(project, "node_modules", name));
  writeFileSync(join(project, "value.ts"), "const value: number = 1;\nexport default value;\n");
  writeFileSync(join(project, "main.ts"), 'import value from "./value";\nconsole.log(value as number);\n');
});
afterEach(() => rmSync(project, { recursive: true }));

const node = (...args: string[]) =>
  execFileSync(process.execPath, ["--require", "./scripts/register.js", ...args], { cwd: project, encoding: "utf8" });

it("runs TypeScript, and keeps what it was made to", () => {
  expect(node("main.ts")).toBe("1\n");
  const kept = JSON.parse(readFileSync(cache(), "utf8")) as Record<string, { code: string }>;
  expect(Object.keys(kept).map((path) => path.split("/").at(-1))).toEqual(["main.ts", "value.ts"]);
  // What is kept is what runs.
  const path = Object.keys(kept).find((each) => each.endsWith("value.ts")) as string;
  kept[path] = { ...kept[path], code: "exports.__esModule = true; exports.default = 2;" };
  writeFileSync(cache(), JSON.stringify(kept));
  expect(node("main.ts")).toBe("2\n");
});

it("takes the types off again where the file is another, and where what is kept was cut off", () => {
  node("main.ts");
  writeFileSync(join(project, "value.ts"), "export default 3 as number;\n");
  expect(node("main.ts")).toBe("3\n");
  writeFileSync(cache(), readFileSync(cache(), "utf8").slice(0, 40));
  expect(node("main.ts")).toBe("3\n");
});

it("does without a place to keep anything", () => {
  writeFileSync(join(project, "node_modules/.cache"), "");
  expect(node("main.ts")).toBe("1\n");
});

it("names the right line where something fails", () => {
  writeFileSync(
    join(project, "value.ts"),
    "interface A {\n  b: string;\n}\nconst a: A | undefined = undefined as A | undefined;\nexport default (a as A).b;\n",
  );
  const { stderr } = spawnSync(process.execPath, ["--require", "./scripts/register.js", "main.ts"], {
    cwd: project,
    encoding: "utf8",
  });
  expect(stderr).toMatch(/value\.ts:5/);
});

it("loads neither the TypeScript compiler nor npm's resolver with the SDK, until a function is to be serialized", () => {
  const said = node(
    "-e",
    `const loaded = () => ["typescript", "@npmcli/arborist"].map((name) => Object.keys(require.cache).filter((path) => path.includes("/" + name + "/")).length);
    const pulumi = require("@pulumi/pulumi");
    const before = loaded();
    pulumi.runtime.serializeFunction(() => 7).then(({ text }) => console.log(JSON.stringify([before, loaded()[0] > 0, /=> 7|return 7/.test(text)])));`,
  );
  expect(JSON.parse(said)).toEqual([[1, 1], true, true]);
});

it("looks no place in the SDK's promises up in source maps", () => {
  const map =
    'require(require.resolve("source-map-support/register", { paths: [require.resolve("@pulumi/pulumi")] }));';
  expect(node("-e", `${map} console.log(Error.prepareStackTrace?.name === "prepareStackTrace")`)).toBe("false\n");
  expect(
    execFileSync(
      process.execPath,
      ["-e", `${map} console.log(Error.prepareStackTrace?.name === "prepareStackTrace")`],
      {
        cwd: ROOT,
        encoding: "utf8",
      },
    ),
  ).toBe("true\n");
});
