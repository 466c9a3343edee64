// lab/text/knot.ts: knot's configuration. Pure; starts nothing.
import { DYNAMIC_ZONE, SERVICES, TSIG } from "../plan";
import { origin } from "./zones";

/** Paths are those within knot's own root, where the lab's directory is mounted. */
export const KNOT = {
  dir: "/lab",
  conf: "/lab/knot.conf",
  socket: "/lab/run/knot.sock",
  tsig: "/lab/tsig.conf",
  dynamic: "/lab/dynamic",
} as const;

export const zoneFile = (zone: string): string => `${zone === "." ? "root" : zone}.zone`;

export function renderKnotConf(zones: readonly string[]): string {
  return `server:
    rundir: "${KNOT.dir}/run"
    listen: [ "${SERVICES.dns.ipv4}@53", "${SERVICES.dns.ipv6}@53" ]
    # Nobody hides the server's identity here, and udp-workers default to one per core: two are plenty.
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1

control:
    listen: "${KNOT.socket}"

log:
  - target: stderr
    any: info

database:
    storage: "${KNOT.dir}/db"

# In a file of its own, since it is secret and this one is not.
include: "${KNOT.tsig}"

acl:
  - id: signed
    key: "${TSIG.name}"
    action: [ update, transfer ]

template:
  # The files are the truth: they are read whole on every reload and never written.
  - id: default
    storage: "${KNOT.dir}/zones"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
  # Here the updates are the truth: knot writes each into the file at once.
  - id: dynamic
    storage: "${KNOT.dynamic}"
    zonefile-sync: 0
    acl: signed

zone:
  - domain: "${origin(DYNAMIC_ZONE)}"
    template: dynamic
    file: "${zoneFile(DYNAMIC_ZONE)}"
${[...zones]
  .sort()
  .map((zone) => `  - domain: "${origin(zone)}"\n    file: "${zoneFile(zone)}"\n`)
  .join("")}`;
}

export const renderTsigConf = (secret: string): string => `key:
  - id: "${TSIG.name}"
    algorithm: ${TSIG.algorithm}
    secret: "${secret}"
`;
