// Takes a proxy away without losing mail: out of DNS first, then, when nobody can still know its address, away. Where it
// stands is in the stack file, so that a run that was cut off is simply run again.
import { readFileSync, realpathSync, renameSync, statSync, writeFileSync } from "node:fs";
import { longestTtl, untouchedSince, type Update } from "./history";
import { entryState, withDrained, without, type Drain } from "./stackFile";

export interface Removal {
  readonly name: string;
  /** Pulumi.<stack>.yaml */
  readonly file: string;
  /** pulumi up; its exit status. */
  readonly up: () => Promise<number>;
  /** The stack's last runs; undefined when they cannot be had: then the whole time is waited, by the file's own TTL. */
  readonly history?: () => Promise<readonly Update[] | undefined>;
  /** Whether SSH answers there. */
  readonly sshAnswers: (host: string, port: number) => Promise<boolean>;
  readonly say: (line: string) => void;
  /** Shows a line that the next one takes the place of. */
  readonly progress: (line: string) => void;
  readonly now: () => Date;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Throws an Error with a sentence for the operator; what was done by then stays done, and is not done again. */
export async function removeProxy({
  name,
  file,
  up,
  history,
  sshAnswers,
  say,
  progress,
  now,
  sleep,
}: Removal): Promise<void> {
  const { obstacle, drained, ttl: wanted, byScript } = entryState(readFileSync(file, "utf8"), name);
  if (obstacle) throw new Error(obstacle);

  const updates = (await history?.()) ?? [];
  // Caches hold the record as it was before this: with its TTL, not with one that was set since.
  const before = Math.max(wanted, drained?.ttl ?? 0, longestTtl(updates));
  // A mark of ours stays in the file when somebody publishes the proxy again, and drains it manually later.
  const ours = drained?.since && drained.checked && untouchedSince(updates, drained.checked) ? drained : undefined;
  const mark = (drain: Drain) => replace(file, withDrained(readFileSync(file, "utf8"), name, drain));

  say(
    drained
      ? `1. ${name} is drained in the settings already`
      : `1. taking ${name} out of DNS (publish: false); it goes on working`,
  );
  mark({ since: ours?.since, checked: ours?.checked, ttl: before });
  // In any case: an earlier run may have been cut off before it was through.
  if ((await up()) !== 0)
    throw new Error(
      `pulumi up failed. ${name} is marked as drained in ${file}, and nothing else is changed. Fix what the lines above say, then run this again: it goes on from here.`,
    );

  // Only a drain that went through counts; of one that somebody else made we know not since when: as if it were now.
  const since = ours?.since ?? now();
  const ttl = Math.max(before, entryState(readFileSync(file, "utf8"), name).ttl);
  mark({ since, checked: now(), ttl });
  const until = since.getTime() + (ttl + MARGIN) * 1000;
  say(`2. waiting until resolvers have forgotten its address (TTL ${ttl} s)`);
  for (let left = until - now().getTime(); left > 0; left = until - now().getTime()) {
    progress(`   ${Math.ceil(left / 1000)} s left; this may be interrupted, and goes on when it is run again`);
    await sleep(Math.min(left, 1000));
  }

  const { endpoint } = entryState(readFileSync(file, "utf8"), name);
  if (endpoint && !(await sshAnswers(endpoint.host, endpoint.port))) {
    throw new Error(
      `${name} is out of DNS, and resolvers have forgotten its address; but its SSH (${endpoint.host}, port ${endpoint.port}) does not answer, and what was set up there is to be undone. When it answers again, run this again. If that machine is permanently lost, add gone: true to its entry, and run this again.`,
    );
  }
  say(`3. removing ${name}`);
  replace(file, without(readFileSync(file, "utf8"), name));
  if ((await up()) !== 0)
    throw new Error(
      `pulumi up failed. ${name} is out of ${file}; fix what the lines above say, and run pulumi up again: it removes what is left.`,
    );
  say(
    `${name} is gone.${byScript ? " Its tunnel's end on the relay is still there: fetch the script and run it on the relay again (docs/relay.md, By a script)." : ""}`,
  );
}

/** Seconds more than the TTL: clocks and caches round. */
const MARGIN = 5;

/** In one step: a stack file cut in two would be a stack lost. */
function replace(link: string, text: string): void {
  const file = realpathSync(link);
  writeFileSync(`${file}.new`, text, { mode: statSync(file).mode & 0o777 });
  renameSync(`${file}.new`, file);
}
