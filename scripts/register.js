// Loaded before any TypeScript of ours (Pulumi.yaml, nodeargs): takes types off as files are loaded, and puts off what Pulumi's
// SDK loads and only few programs need. Every `pulumi up` starts with it, so it is quick. Plain JavaScript, since nothing could
// take its types off.
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const Module = require("node:module");
const { dirname, join } = require("node:path");

// From Node 22 on: what was compiled once is kept on disk.
Module.enableCompileCache?.();
takeTypesOff(join(__dirname, "../node_modules/.cache/chatmail-proxy/javascript.json"));
for (const name of ["typescript", "@npmcli/arborist"]) replace(name, putOff);
// The SDK takes a stack for each of its promises, and looks every line of it up in its source maps: a tenth of a run's time.
replace("source-map-support/register", () => ({}));

/**
 * Files that end in .ts become JavaScript; checking types is npm test's part. Kept in `file`, by path and digest, since that takes
 * longer than all else of loading them. Sucrase keeps line numbers, so that the places in errors are right.
 */
function takeTypesOff(file) {
  const version = require("sucrase/package.json").version;
  let kept = {};
  try {
    kept = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // Not there yet, or cut off: it is made again.
  }
  let changed = false;
  require.extensions[".ts"] = (module, path) => {
    const source = readFileSync(path, "utf8");
    const digest = createHash("sha256").update(version).update(source).digest("base64");
    if (kept[path]?.digest !== digest) {
      const { code } = require("sucrase").transform(source, { transforms: ["imports", "typescript"], filePath: path });
      kept[path] = { digest, code };
      changed = true;
    }
    module._compile(kept[path].code, path);
  };
  process.on("exit", () => {
    if (!changed) return;
    try {
      mkdirSync(dirname(file), { recursive: true });
      // Whole or not at all: others may read it at this moment.
      const next = `${file}.${process.pid}`;
      writeFileSync(next, JSON.stringify(kept));
      renameSync(next, file);
    } catch {
      // Where it cannot be written, each run takes the types off again.
    }
  });
}

/** Puts something in the place of a module that the SDK loads. Where the SDK has it no more, nothing happens. */
function replace(name, exportsOf) {
  let path;
  try {
    path = require.resolve(name, { paths: [dirname(require.resolve("@pulumi/pulumi/package.json"))] });
  } catch {
    return;
  }
  if (require.cache[path]) return;
  const substitute = new Module(path, null);
  substitute.filename = path;
  substitute.loaded = true;
  substitute.exports = exportsOf(path);
  require.cache[path] = substitute;
}

/**
 * Loaded when something of it is used for the first time. The TypeScript compiler and npm's resolver are there for programs that
 * send functions to the cloud; they take a third of the time in which the SDK is loaded, and 50 MB.
 */
function putOff(path) {
  let loaded;
  const load = () => {
    if (!loaded) {
      delete require.cache[path];
      loaded = require(path);
    }
    return loaded;
  };
  return new Proxy(
    {},
    {
      // Compiled imports ask for it, and copy all members of a module without it, which would load that.
      get: (_target, key) => (key === "__esModule" ? true : load()[key]),
      has: (_target, key) => key in load(),
    },
  );
}
