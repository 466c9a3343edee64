// What hosts keep of a run: read from the commands that it had run there, as hostctl reads them.
import type { HostStatus } from "../../components/hosts/status";
import { framed } from "../../components/remote/frame";
import { parseApplied } from "../../components/remote/applied";
import type { Registered, Run, State } from "./engine";

export type Hosts = Readonly<Record<string, Pick<HostStatus, "sets" | "documents">>>;

const COMMAND = "command:remote:Command";
const PROGRAM_END = "\n# end\n";

/** A document as it stands in a command's stdin. */
export interface Brought {
  readonly name: string;
  readonly generation: string;
  readonly digest: string;
  /** Sets by name, with what stands in them; "keep" where it stays as it is. */
  readonly sets: Readonly<
    Record<string, { readonly digest: string; readonly guarded: boolean; readonly text: string } | "keep">
  >;
  /** What stands before the first set. */
  readonly head: readonly string[];
  /** hostctl comes before it. */
  readonly withProgram: boolean;
  readonly text: string;
}

/** The document that a command is to bring in. */
export function broughtBy(resource: Pick<Registered, "name" | "inputs">): Brought {
  const stdin = String(resource.inputs.stdin);
  const program = stdin.indexOf(PROGRAM_END);
  const start = program < 0 ? 0 : program + PROGRAM_END.length;
  if (!stdin.startsWith("document ", start)) throw new Error(`${resource.name} brings no document`);
  const text = stdin.slice(start);
  const generation = /hostctl(?:\.new)? apply \S+ (\S+) \)/.exec(String(resource.inputs.create))?.[1] ?? "";
  const lines = text.trimEnd().split("\n");
  const sets: Record<string, Exclude<Brought["sets"][string], "keep"> | "keep"> = {};
  const head: string[] = [];
  let open: { name: string; guarded: boolean; lines: string[] } | undefined;
  for (const line of lines.slice(1, -1)) {
    const [word, name = "", guarded] = line.split(" ");
    if (open) {
      open.lines.push(line);
      if (word !== "end") continue;
      sets[open.name] = { digest: name, guarded: open.guarded, text: `${open.lines.join("\n")}\n` };
      open = undefined;
    } else if (word === "set") open = { name, guarded: guarded === "guarded", lines: [] };
    else if (word === "keep") sets[name] = "keep";
    else head.push(line);
  }
  return {
    name: lines[0]?.replace(/^document /, "") ?? "",
    generation,
    digest: lines.at(-1)?.replace(/^end document /, "") ?? "",
    sets,
    head,
    withProgram: start > 0,
    text,
  };
}

/** What stands in a set that a run brings in by one of its commands. */
export function setIn(run: Run, command: string, set: string): string {
  const { sets } = broughtBy(run.one(COMMAND, command));
  const found = sets[set];
  if (found === undefined || found === "keep")
    throw new Error(`${command} does not bring in ${set}; it has: ${Object.entries(sets).map(String).join("; ")}`);
  return found.text;
}

/** `before`: the run before, whose commands are not run again where nothing of them changes. */
export function hostsAfter(run: Run, before: { readonly state: State; readonly hosts: Hosts } | undefined): Hosts {
  const hosts: Record<string, { sets: HostStatus["sets"]; documents: HostStatus["documents"] }> = structuredClone(
    before?.hosts ?? {},
  );
  const ran = run.registered.filter(
    ({ type, name }) => type === COMMAND && run.changed.includes(name) && created(run, name) !== undefined,
  );
  const verbOf = ({ inputs }: Registered) => /hostctl(?:\.new)? (apply|confirm) /.exec(String(inputs.create))?.[1];
  // Whatever the order in which they were registered: what confirms comes after what it confirms.
  for (const command of [...ran].sort((a, b) => Number(verbOf(a) === "confirm") - Number(verbOf(b) === "confirm"))) {
    const address = String((command.inputs.connection as { host: string }).host);
    const host = (hosts[address] ??= { sets: {}, documents: {} });
    const said = run.state.get(`${COMMAND} ${command.name}`)?.outputs.stdout;
    const answer = parseApplied(framed(String(said), ""));
    if (verbOf(command) === "apply") bring(host, broughtBy(command), answer);
    else confirm(host, answer);
  }
  return hosts;
}

const created = (run: Run, name: string) => run.state.get(`${COMMAND} ${name}`)?.inputs.create;

type Host = { sets: HostStatus["sets"]; documents: HostStatus["documents"] };

function bring(host: Host, { name, generation, digest, sets }: Brought, answer: ReturnType<typeof parseApplied>): void {
  delete host.documents[name];
  if (!answer.ok && answer.reason !== "") return;
  for (const [set, wanted] of Object.entries(sets)) {
    if (wanted === "keep" || (!answer.ok && answer.failed[set] !== undefined)) continue;
    host.sets[set] = { state: wanted.guarded ? "armed" : "confirmed", digest: wanted.digest, drift: [] };
  }
  const armed = Object.values(sets).some((set) => set !== "keep" && set.guarded);
  if (answer.ok) host.documents[name] = { digest, generation, state: armed ? "armed" : "applied" };
}

function confirm(host: Host, answer: ReturnType<typeof parseApplied>): void {
  for (const set of Object.values(host.sets))
    if (set.state === "armed") set.state = answer.ok ? "confirmed" : "reverted";
  if (!answer.ok) delete host.documents.config;
  else if (host.documents.config) host.documents.config.state = "confirmed";
}
