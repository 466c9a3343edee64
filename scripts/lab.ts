// scripts/lab.ts: `npm run lab`: a small internet on this machine, with a relay, a cloud and the stack on them.
import { runCli, USAGE, UsageError } from "./lab/cli";

runCli(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof UsageError) process.stderr.write(`\n${USAGE}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
