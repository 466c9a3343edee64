// hostctl: the one program of ours on every host, put together from its parts. Knows no Pulumi.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inFrame } from "./frame";

/** Where hostctl lives on a host. */
export const HOSTCTL = "/usr/local/lib/chatmail-proxy/hostctl";

/** Operating systems that hostctl exists for. */
export type System = "linux" | "freebsd";

const SHARED = ["common", "json", "attempt", "owner", "sets", "through", "endpoint", "adminKeys", "status"];
const PARTS: Record<System, readonly string[]> = {
  linux: [
    ...SHARED,
    ...[
      "system",
      "kernel",
      "ready",
      "heal",
      "nftables",
      "packages",
      "tunnel",
      "wans",
      "proxy",
      "rulesets",
      "natRules",
      "translations",
      "firewalls",
      "facts",
      "outbound",
      "limits",
      "drift",
      "setup",
      "verbs",
    ].map((part) => `linux/${part}`),
    "main",
  ],
  freebsd: [
    ...SHARED,
    ...["system", "shared", "learning", "pf", "pfRules", "tunnel", "facts", "guard", "drift", "setup", "verbs"].map(
      (part) => `freebsd/${part}`,
    ),
    "main",
  ],
};

/** The whole program, POSIX sh. */
export function hostctlProgram(system: System = "linux"): string {
  const parts = PARTS[system].map((part) => readFileSync(join(__dirname, "host", `${part}.sh`), "utf8"));
  return [
    "#!/bin/sh",
    "# Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.",
    ...parts,
    PROGRAM_END,
  ].join("\n");
}

/**
 * Seconds after which a verb is ended on the host. The provider waits for a running command without end; the slowest
 * verb waits for a new server's cloud-init and apt.
 */
const TIME_LIMIT = 1800;

/** Who the commands on a host run as: root itself, or a user with sudo that asks nothing. */
export type Become = "root" | "sudo";

/** `user`: who logs in. */
export const becomeOf = (user: string): Become => (user === "root" ? "root" : "sudo");

/** The command that runs a verb of hostctl. Arguments are words of ours: names, numbers, addresses; never secrets. */
export const hostctl = (become: Become, ...words: Words): string => asRoot(become, verb(words));

const verb = (words: Words) => `timeout ${TIME_LIMIT} ${HOSTCTL} ${plain(words)}`;

/**
 * The same, for a verb whose failure is told on stdout and does not end the run. `again`: another value than last time
 * makes another command, which is run though nothing else has changed.
 */
export const attemptHostctl = (become: Become, again: string | undefined, ...words: Words): string =>
  // A machine that was installed anew, or set back to an earlier day, is set up again by the next run.
  asRoot(
    become,
    `[ -x ${HOSTCTL} ] || { echo "failed chatmail-proxy is not on this machine any more"; exit 0; }; ${HOSTCTL} ${attempt(TIME_LIMIT, again, words)}`,
  );

type Words = readonly (string | number)[];

const attempt = (limit: number, again: string | undefined, words: Words) =>
  plain(["attempt", limit, again ?? "-", ...words]);

function plain(words: Words): string {
  const odd = words.find((word) => !/^[\w./:@=-]+$/.test(String(word)));
  if (odd !== undefined) throw new Error(`not a plain command line: ${JSON.stringify(odd)} in it would need quotes`);
  return words.join(" ");
}

/** Last line of the program, by which the host knows that it has all of it. */
const PROGRAM_END = "# end\n";

/**
 * The command that installs hostctl from stdin and sets up its units; see attemptHostctl. `owner`: the host is that proxy from
 * then on (PROJECT/STACK/NAME), which may do without a tunnel; a relay is nobody's.
 */
export const attemptInstall = (
  become: Become,
  again: string | undefined,
  owner?: string,
  way: "tunnel" | "direct" = "tunnel",
): string =>
  // No limit: FreeBSD's timeout would wait for the guard that this starts.
  asRoot(
    become,
    `{ ${BRING}; } || { echo "failed hostctl could not be written to ${dir(HOSTCTL)}; is the disk full?"; exit 0; }; ${HOSTCTL}.new ${attempt(0, again, ["setup", ...(owner === undefined ? [] : [owner]), ...(way === "direct" ? [way] : [])])}`,
  );

/** The command that runs a verb of the program on stdin, and leaves nothing on the host. */
export const runWithoutInstalling = (become: Become, ...words: Words) =>
  asRoot(become, `timeout ${TIME_LIMIT} sh -s ${plain(words)}`);

/** The command that asks a host what there is on it (hosts/status.ts), for SECONDS at the most. */
export const askStatus = (become: Become, seconds: number) =>
  asRoot(become, `if [ -x ${HOSTCTL} ]; then timeout ${seconds} ${HOSTCTL} status; else echo ${NOTHING_THERE}; fi`);

/** What a host says on which nothing of ours is installed. */
export const NOTHING_THERE = "missing";

/** The command that runs a verb for leaving; a host on which hostctl is gone already has nothing to leave. */
export function hostctlIfThere(become: Become, ...words: string[]): string {
  return asRoot(become, `[ ! -x ${HOSTCTL} ] || ${verb(words)}`);
}

const dir = (path: string) => path.slice(0, path.lastIndexOf("/"));

/**
 * Makes hostctl's directory, and what is missing above it (a fresh FreeBSD has no /usr/local/lib), for others to use too. What was
 * made is noted there, so that leaving takes it away again.
 */
export const MAKE_PLACE = `( umask 022; made=; for d in ${above(dir(HOSTCTL)).join(" ")}; do [ -d $d ] || { mkdir $d && made="$made $d"; }; done && chmod 755 ${dir(HOSTCTL)} && { [ -z "$made" ] || echo $made >>${dir(HOSTCTL)}/made; } )`;

/** A directory and those above it, the outermost first; /usr is always there. */
function above(path: string): string[] {
  return path === "/usr" ? [] : [...above(dir(path)), path];
}

// Beside the one that is there: only when it has found that the host is the right one does it take its place.
const BRING = `${MAKE_PLACE} && umask 077 && cat >${HOSTCTL}.new && { tail -n 1 ${HOSTCTL}.new | grep -qx "# end" || { echo "chatmail-proxy: hostctl arrived cut off; nothing was changed" >&2; false; }; } && chmod 755 ${HOSTCTL}.new`;

/** The command of a step that is held back. */
export const HOLD = `sh -c '${inFrame("echo held")}'`;

const asRoot = (become: Become, script: string) => `${become === "sudo" ? "sudo -n " : ""}sh -c '${inFrame(script)}'`;
