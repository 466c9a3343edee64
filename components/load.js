// What `import "chatmail-proxy"` loads in another program: makes Node able to load this package's TypeScript, wherever it is
// installed, and leaves that of the program to whatever the program has for it. Plain JavaScript, since nothing could take its types off.
const { join, sep } = require("node:path");

const theirs = require.extensions[".ts"];
require("../scripts/register");
const ours = require.extensions[".ts"];
const root = join(__dirname, "..") + sep;
if (theirs && theirs !== ours)
  require.extensions[".ts"] = (module, path) => (path.startsWith(root) ? ours : theirs)(module, path);

const api = require("./index.ts");
// By name: programs that are ES modules see only names that are written here.
exports.ProxyRelay = api.ProxyRelay;
exports.Relay = api.Relay;
exports.cloudflareZone = api.cloudflareZone;
exports.freebsdServer = api.freebsdServer;
exports.hetznerServer = api.hetznerServer;
exports.hetznerZone = api.hetznerZone;
exports.linuxServer = api.linuxServer;
exports.manualZone = api.manualZone;
exports.rfc2136Zone = api.rfc2136Zone;
