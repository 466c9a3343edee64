// `npm run status`: what works now, and what does not. Changes nothing. The parts are in status/.
import { answersFromHere } from "../components/dns/answers";
import { reverseFromHere } from "../components/dns/reverse";
import { certificateFromHere } from "../components/health/certificates";
import { probe } from "../components/health/probe";
import { findAgent } from "../components/settings/agent";
import { readArguments } from "./status/arguments";
import { askOnce, gather, type StatusWorld } from "./status/gather";
import type { StackStatus } from "./status/schema";
import { spinner } from "./status/spinner";
import { pulumiIn, readStack } from "./status/stack";
import { EXIT, stateOf } from "./status/state";
import { inColour, plain, statusText } from "./status/text";

const WORLD: StatusWorld = {
  ask: askOnce,
  // Who asks for a picture of now waits for nobody.
  probe: (target) => probe(target, { attempt: 3500, total: 0 }),
  answers: answersFromHere,
  reverse: reverseFromHere,
  certificate: certificateFromHere,
  now: () => new Date(),
};

/** Seconds between two looks of --watch. */
const PAUSE = 30;

/** The exit status where nothing could be found out. */
const NOT_KNOWN = 3;

async function main(args: readonly string[]): Promise<void> {
  const { stack, json, watch } = readArguments(args);
  const directory = process.cwd();
  for (;;) {
    const known = await waiting("reading the stack", async () =>
      readStack(directory, stack, pulumiIn(directory), await findAgent()),
    );
    const status = await waiting("looking", async () => stateOf(known, await gather(known, WORLD)));
    if (watch) process.stdout.write(process.stdout.isTTY ? "\u001b[2J\u001b[H" : "");
    process.stdout.write(json ? `${JSON.stringify(status, undefined, 2)}\n` : text(status));
    process.exitCode = EXIT[status.state];
    if (!watch) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE * 1000));
  }
}

const text = (status: StackStatus): string => statusText(status, process.stdout.isTTY ? inColour : plain);

async function waiting<T>(what: string, work: () => Promise<T>): Promise<T> {
  const stop = spinner(process.stderr, what);
  try {
    return await work();
  } finally {
    stop();
  }
}

// Until it is found out: an early end is no success.
process.exitCode = NOT_KNOWN;
main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = NOT_KNOWN;
});
