import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CASES } from "./cases";

const FILES = join(__dirname, "files");

describe("rendered files", () => {
  // UPDATE_GOLDEN=1 writes them anew; read the difference before you commit it.
  it.each(Object.keys(CASES))("%s is as it stands beside the test", (name) => {
    const file = join(FILES, name);
    if (process.env.UPDATE_GOLDEN) writeFileSync(file, CASES[name] as string);
    expect(existsSync(file) ? readFileSync(file, "utf8") : "(no such file)").toBe(CASES[name]);
  });

  it("leaves no golden file without a case", () => {
    expect(readdirSync(FILES).sort()).toEqual(Object.keys(CASES).sort());
  });

  it.each(Object.entries(CASES))("%s ends with one newline, and has no line with blanks at its end", (_name, text) => {
    expect(text).toMatch(/[^\n]\n$/);
    expect(text).not.toMatch(/[ \t]\n/);
  });
});
