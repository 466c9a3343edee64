// Starts what `npm run lab` and `npm test` name, on a fresh clone too: checks Node, installs the npm packages that
// package-lock.json names if they are not there, then runs the TypeScript file. Plain JavaScript, since nothing is
// installed when it starts.
const { execFileSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const root = join(__dirname, "..");
const [script, ...args] = process.argv.slice(2);

const major = Number(process.versions.node.split(".")[0]);
if (major < 20 || major > 24) {
  console.error(`This is Node ${process.versions.node}; Node 20 to 24 is what is supported.`);
  process.exit(1);
}

const lock = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");
const mark = join(root, "node_modules", ".installed-for");
if (!existsSync(mark) || readFileSync(mark, "utf8") !== lock) {
  console.error("npm ci: installing the packages of package-lock.json");
  const started = Date.now();
  execFileSync(
    process.platform === "win32" ? "npm.cmd" : "npm",
    ["ci", "--no-audit", "--no-fund", "--loglevel=error"],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"], shell: process.platform === "win32" },
  );
  writeFileSync(mark, lock);
  console.error(`npm ci: ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

process.argv = [process.argv[0], join(__dirname, script), ...args];
require("./register");
require(join(__dirname, script));
