// Runs on the operator's machine when a resource goes (leaveCommand.ts): reads a LeaveJob from stdin. Its path is in the states of
// stacks: it stays where it is.
import { readFileSync } from "node:fs";
import { runRetrying } from "../../hosts/ssh";
import { ABANDON, leave, type LeaveJob } from "./leave";

/** Milliseconds: taking away packages takes its time. */
const TIMEOUT = 1_800_000;
const LOGIN_TIMEOUT = 30_000;
/** Many that leave at once may meet a limit on new connections. */
const RETRY_FOR = 60_000;

leave(JSON.parse(readFileSync(0, "utf8")) as LeaveJob, process.env[ABANDON], (login, command) =>
  runRetrying(
    { ...login, agent: process.env.SSH_AUTH_SOCK },
    { command, timeout: TIMEOUT, loginTimeout: LOGIN_TIMEOUT },
    RETRY_FOR,
  ),
)
  .then((note) => void (note !== undefined && process.stderr.write(`${note}\n`)))
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
