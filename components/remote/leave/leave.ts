// Takes back what was set up on a host, over SSH from the operator's machine. A host that is dead permanently holds nobody up:
// the operator's word for it is enough.
import type { SshAnswer, SshLogin } from "../../hosts/ssh";
import { framed } from "../frame";

/** What is to be done, as it comes on stdin. Holds secrets. */
export interface LeaveJob {
  /** The proxy's name, or "relay". */
  readonly name: string;
  readonly login: Omit<SshLogin, "agent">;
  readonly command: string;
}

/** The environment variable that names hosts of which nothing is expected any more: names with commas between them. */
export const ABANDON = "CHATMAIL_PROXY_ABANDON";

/** Does it, and returns a note for the operator, if there is one. Throws an Error in words for the operator, which hold no secret. */
export async function leave(
  { name, login, command }: LeaveJob,
  abandoned: string | undefined,
  run: (login: Omit<SshLogin, "agent">, command: string) => Promise<SshAnswer>,
): Promise<string | undefined> {
  const answer = await run(login, command);
  const where = `${name} (${login.host}, port ${login.port})`;
  const said = answer.reachable ? framed(answer.stdout, command).trim() : "";
  // A login shell that ends the session says that all went well, and nothing was run.
  const lost = /^failed (.*)/.exec(said)?.[1];
  if (answer.reachable && answer.status === 0 && lost === undefined) return said || undefined;
  const reason = answer.reachable
    ? (answer.stderr.trim().split("\n").at(-1) ?? "").replace(/^chatmail-proxy: /, "") ||
      (lost ?? "it ended without a word")
    : answer.reason;
  if ((abandoned ?? "").split(",").some((each) => each.trim() === name))
    return `${where} is let go as ${ABANDON} says, and what was set up there stays there: ${reason}.`;
  const verb = answer.reachable ? "could not be cleared" : "cannot be reached";
  throw new Error(
    `${where} ${verb}, and what was set up there is to be undone: ${reason}. When that is fixed, run this again. If that machine is lost permanently, let go of it: put ${ABANDON}=${name} in front of the pulumi command (several names with commas between them).`,
  );
}
