// lab/text/knot.ts: knot's configuration. Pure; starts nothing.
import { SERVICES } from "../plan";
import { origin } from "./zones";

/** Paths are those within knot's own root, where the lab's directory is mounted. */
export const KNOT = { dir: "/lab", conf: "/lab/knot.conf", socket: "/lab/run/knot.sock" } as const;

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

template:
  # The files are the truth: they are read whole on every reload and never written.
  - id: default
    storage: "${KNOT.dir}/zones"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none

zone:
${[...zones]
  .sort()
  .map((zone) => `  - domain: "${origin(zone)}"\n    file: "${zoneFile(zone)}"\n`)
  .join("")}`;
}
