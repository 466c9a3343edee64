// Name servers that people run, of Debian's packages, each in an image layer and a mount namespace of its own. They listen on
// loopback; what they write is gone with them.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DnsClient } from "../../components/dns/wire/client";
import { TYPE } from "../../components/dns/wire/message";
import type { TsigKey } from "../../components/dns/wire/tsig";
import { labDirs } from "../../scripts/lab/dirs";
import { ensureNameServers, nameServersImage } from "../../scripts/lab/images/build";
import { waitFor } from "../../scripts/lab/wait";

const key = (name: string): TsigKey => ({
  name,
  algorithm: "hmac-sha256",
  secret: Buffer.from(`the secret of the test's key ${name}`).toString("base64"),
});

/** full: all rights. closed: no transfers. weak: addresses only, no marks. unknown: the server has never heard of it. */
export const KEYS = { full: key("full"), closed: key("closed"), weak: key("weak"), unknown: key("unknown") };

/** Servers have all keys but the last. */
const KNOWN = [KEYS.full, KEYS.closed, KEYS.weak];

/** Where a zone of another server on loopback comes from. */
export interface Copied {
  readonly zone: string;
  readonly port: number;
}

export interface Software {
  /** Files in /srv, by name. `port`: where to listen, on 127.0.0.1. */
  files(port: number): Readonly<Record<string, string>>;
  /** POSIX sh, in /srv: the last line is the server, in the foreground. */
  readonly start: string;
  /** Files in /srv that are there once all is as it should be. */
  readonly signs?: readonly string[];
}

export class RealNameServer {
  private constructor(
    readonly port: number,
    private readonly dir: string,
    private readonly child: ChildProcess,
  ) {}

  /** Comes back when it answers for these zones. */
  static async start({ files, start, signs = [] }: Software, zones: readonly string[]): Promise<RealNameServer> {
    const port = await freePort();
    const dir = mkdtempSync(join(tmpdir(), "name-server-"));
    for (const [name, text] of Object.entries(files(port))) writeFileSync(join(dir, name), text);
    mkdirSync(join(dir, "root"));
    writeFileSync(join(dir, "start.sh"), `set -eu\ncd /srv\n${start}\n`);
    const script = [
      "set -eu",
      "mount -t tmpfs tmpfs root",
      "mkdir root/upper root/work root/all",
      `mount -t overlay overlay -o "lowerdir=${nameServersImage(labDirs()).join(":")},upperdir=root/upper,workdir=root/work" root/all`,
      "mount --bind . root/all/srv",
      "mount -t proc proc root/all/proc",
      "exec chroot root/all sh /srv/start.sh",
    ].join("\n");
    const log = openSync(join(dir, "log"), "a");
    // Whatever becomes of the test, the server ends with it, and its mounts with the server.
    const child = spawn(
      "setpriv",
      [
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        script,
      ],
      { cwd: dir, stdio: ["ignore", log, log] },
    );
    const server = new RealNameServer(port, dir, child);
    try {
      const ended = new Promise<never>((_, reject) =>
        child.once("exit", (code) => reject(new Error(`the name server ended with status ${code}`))),
      );
      const up = waitFor(
        `a name server at port ${port}`,
        30,
        async () => {
          for (const zone of zones)
            await new DnsClient({ server: "127.0.0.1", port, zone, key: KEYS.full }).query(zone, TYPE.SOA);
          return signs.every((sign) => existsSync(join(dir, sign)));
        },
        100,
      );
      await Promise.race([up, ended]);
    } catch (error) {
      const said = server.log();
      await server.stop();
      throw new Error(`${(error as Error).message}\n${said}`);
    }
    return server;
  }

  log(): string {
    return readFileSync(join(this.dir, "log"), "utf8").split("\n").slice(-12).join("\n");
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const gone = new Promise((resolve) => this.child.once("exit", resolve));
      this.child.kill("SIGKILL");
      await gone;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Builds what the servers run in, if it is missing. */
export const prepareNameServers = () => ensureNameServers(labDirs(), (line) => void process.stdout.write(`${line}\n`));

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const bindKeys = KNOWN.map(
  ({ name, algorithm, secret }) => `key "${name}" { algorithm ${algorithm}; secret "${secret}"; };`,
).join("\n");

export interface Zone {
  readonly name: string;
  /** Lines of a zone file behind SOA and NS. */
  readonly lines: readonly string[];
  /** In seconds: the highest TTL that the zone takes, where the server knows such a thing. */
  readonly highestTtl?: number;
}

const HEAD = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.53\n";

const zoneFiles = (zones: readonly Zone[]) =>
  Object.fromEntries(
    zones.map(({ name, lines }) => [
      `${name}.zone`,
      `$ORIGIN ${name}.\n${HEAD}${lines.map((line) => `${line}\n`).join("")}`,
    ]),
  );

export const bind = (zones: readonly Zone[], copied: readonly Copied[] = []): Software => ({
  files: (port) => ({
    ...zoneFiles(zones),
    "named.conf": `${bindKeys}
options {
  directory "/srv"; pid-file none; session-keyfile none;
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; notify no; dnssec-validation no; allow-transfer { none; };
};
controls { };
${zones
  .map(
    ({ name, highestTtl }) => `zone "${name}" {
  type primary; file "${name}.zone"; allow-transfer { key "full"; };
  ${highestTtl === undefined ? "" : `max-zone-ttl ${highestTtl};`}
  update-policy { grant full zonesub ANY; grant closed zonesub ANY; grant weak zonesub A AAAA; };
};`,
  )
  .join("\n")}
${copied.map(({ zone, port: from }) => `zone "${zone}" { type secondary; file "${zone}.copy"; primaries { 127.0.0.1 port ${from} key full; }; };`).join("\n")}`,
  }),
  start: "exec named -g -n 1 -c /srv/named.conf",
});

export const knot = (zones: readonly Zone[], frozen: readonly string[] = []): Software => ({
  files: (port) => ({
    ...zoneFiles(zones),
    "knot.conf": `server:
  rundir: /srv
  user: root:root
  listen: 127.0.0.1@${port}
database:
  storage: /srv
log:
  - target: stderr
    any: info
key:
${KNOWN.map(({ name, algorithm, secret }) => `  - id: ${name}\n    algorithm: ${algorithm}\n    secret: ${secret}`).join("\n")}
acl:
  - id: full
    key: full
    action: [update, transfer]
  - id: closed
    key: closed
    action: [update]
  - id: weak
    key: weak
    action: [update, query]
    update-type: [A, AAAA]
zone:
${zones.map(({ name }) => `  - domain: ${name}\n    file: /srv/${name}.zone\n    acl: [full, closed, weak]`).join("\n")}
`,
  }),
  // Nobody changes a frozen zone until it is thawed.
  start: `
${frozen.map((zone) => `(until knotc -b -s /srv/knot.sock zone-freeze ${zone}; do sleep 0.2; done; : >${zone}.frozen) &`).join("\n")}
exec knotd -c /srv/knot.conf`,
  signs: frozen.map((zone) => `${zone}.frozen`),
});

export interface PowerDnsOptions {
  /** A Lua script that says yes or no to each record of an update. */
  readonly policy?: string;
  /** Where it looks for what an ALIAS points at: a port on 127.0.0.1. */
  readonly resolver?: number;
  /** SQL, when all zones are in. */
  readonly sql?: string;
}

export const powerDns = (zones: readonly Zone[], { policy, resolver, sql = "" }: PowerDnsOptions = {}): Software => ({
  files: (port) => ({
    ...zoneFiles(zones),
    "after.sql": sql,
    ...(policy !== undefined && { "policy.lua": policy }),
    "pdns.conf": `launch=gsqlite3
gsqlite3-database=/srv/zones.sqlite
gsqlite3-pragma-synchronous=0
local-address=127.0.0.1
local-port=${port}
socket-dir=/srv
security-poll-suffix=
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
allow-axfr-ips=
dname-processing=yes
${policy === undefined ? "" : "lua-dnsupdate-policy-script=/srv/policy.lua\n"}${resolver === undefined ? "" : `resolver=127.0.0.1:${resolver}\nexpand-alias=yes\n`}`,
  }),
  start: `
util() { pdnsutil --config-dir=/srv "$@" >/dev/null; }
sqlite3 /srv/zones.sqlite </usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql
${KNOWN.map(({ name, algorithm, secret }) => `util import-tsig-key ${name} ${algorithm} '${secret}'`).join("\n")}
${zones
  .map(
    ({ name }) => `util load-zone ${name} /srv/${name}.zone
util set-meta ${name} TSIG-ALLOW-DNSUPDATE full closed
util set-meta ${name} TSIG-ALLOW-AXFR full`,
  )
  .join("\n")}
sqlite3 /srv/zones.sqlite </srv/after.sql
exec pdns_server --config-dir=/srv --daemon=no --guardian=no`,
});
