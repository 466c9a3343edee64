// The program that a record set's command runs on the operator's machine: node … main.ts "put NAME TYPE VALUES". Only the
// first word counts, the others are for people's eyes (previews, errors); all else, secrets too, comes as JSON on stdin.
import { text } from "node:stream/consumers";
import { runOperation, type Operation } from "./run";

async function main(): Promise<void> {
  const verb = process.argv[2]?.split(" ")[0];
  const job: unknown = JSON.parse(await text(process.stdin));
  for (const note of await runOperation({ verb, job } as Operation)) process.stderr.write(`${note}\n`);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
