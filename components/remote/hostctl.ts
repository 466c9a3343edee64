// hostctl: the one program of ours on every host, put together from its parts. Knows no Pulumi.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inFrame } from "./frame";

/** Where hostctl lives on a host. */
export const HOSTCTL = "/usr/local/lib/chatmail-proxy/hostctl";

/** Operating systems that hostctl exists for. */
export type System = "linux" | "freebsd";

const SHARED = ["common", "json", "owner", "sets", "document", "through", "endpoint", "adminKeys", "status"];
const PARTS: Record<System, readonly string[]> = {
  linux: [
    ...SHARED,
    ...[
      "system",
      "kernel",
      "ready",
      "wireguard",
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

/** Who the commands on a host run as: root itself, or a user with sudo that asks nothing. */
export type Become = "root" | "sudo";

/** `user`: who logs in. */
export const becomeOf = (user: string): Become => (user === "root" ? "root" : "sudo");

type Words = readonly string[];

function plain(words: Words): string {
  const odd = words.find((word) => !/^[\w./:@=-]+$/.test(word));
  if (odd !== undefined) throw new Error(`not a plain command line: ${JSON.stringify(odd)} in it would need quotes`);
  return words.join(" ");
}

/** Last line of the program, by which the host knows that it has all of it. */
const PROGRAM_END = "# end\n";

/**
 * The command that takes hostctl from the first lines of stdin, and lets it bring in the document in the rest. It always
 * succeeds; what failed is in the answer (applied.ts).
 */
export const bring = (become: Become, document: string, generation: string): string =>
  asRoot(
    become,
    `{ ${PROGRAM_FROM_STDIN}; } || { ${answerFailed(`hostctl did not arrive completely, or could not be written to ${dir(HOSTCTL)}; is the disk full?`)}; exit 0; }; ${HOSTCTL}.new ${plain(["apply", document, generation])}`,
  );

/** The command that brings in the document on stdin, by the hostctl that is there. */
export const apply = (become: Become, document: string, generation: string): string =>
  asRoot(become, ifThere(plain(["apply", document, generation])));

/** The command that confirms, over its own connection, what `apply` has armed, and answers the request on stdin. */
export const confirm = (become: Become, document: string, generation: string): string =>
  asRoot(become, ifThere(plain(["confirm", document, generation])));

// A machine that was installed again, or reset to an earlier day, is set up again by the next run.
const ifThere = (words: string) =>
  `[ -x ${HOSTCTL} ] || { ${answerFailed("chatmail-proxy is not on this machine any more")}; exit 0; }; ${HOSTCTL} ${words}`;

/** Shell that prints why there is no answer (applied.ts); `reason` has no quotes in it. */
const answerFailed = (reason: string) => `echo "failed ${reason}"`;

/**
 * The command that asks a host what there is on it (hosts/status.ts), for SECONDS at the most. The program is on stdin, so
 * that it leaves nothing there, and asks the same of a host with nothing of ours, or with an older version. `request`: lines.
 */
export function askStatus(become: Become, seconds: number, request: Words): string {
  const lines = request.map((line) => plain(line.split(" ")));
  return asRoot(become, `timeout ${seconds} sh -s status "${lines.join(";")}"`);
}

/** The command that runs a verb for leaving; a host on which hostctl is gone already has nothing to leave. */
export const hostctlIfThere = (become: Become, ...words: string[]): string =>
  asRoot(become, `[ ! -x ${HOSTCTL} ] || timeout ${LEAVING_LIMIT} ${HOSTCTL} ${plain(words)}`);

/** Seconds. The provider waits for a running command without end. */
const LEAVING_LIMIT = 1800;

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

// Line by line, since all else would read on into the document, which holds keys. Beside the one that is there: only when it
// has found that the host is the right one does it take its place.
const PROGRAM_FROM_STDIN = `${MAKE_PLACE} && umask 077 && while IFS= read -r line; do printf "%s\\n" "$line" || break; [ "$line" != "# end" ] || break; done >${HOSTCTL}.new && tail -n 1 ${HOSTCTL}.new | grep -qx "# end" && chmod 755 ${HOSTCTL}.new`;

const asRoot = (become: Become, script: string) => `${become === "sudo" ? "sudo -n " : ""}sh -c '${inFrame(script)}'`;
