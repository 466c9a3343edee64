// What Hetzner's provider says when it cannot read, in words for the operator.
import { operatorError } from "../operatorError";

/** A read-only question to Hetzner Cloud through its provider. Throws a RunError in words for the operator. */
export const fromHetzner = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((error: unknown) => {
    throw operatorError(hetznerFault(error instanceof Error ? error.message : String(error)));
  });

/** `said`: the provider's error, several lines around one reason. Pure. */
export function hetznerFault(said: string): string {
  const lines = said.split("\n").map((line) => line.replace(/^[\s*]+/, "").trim());
  const reason = lines.filter((line) => line !== "").at(-1) ?? "";
  return /unauthorized|unable to authenticate|forbidden/i.test(reason)
    ? `hcloud:token: Hetzner Cloud does not accept it (${reason}). Make one in the console of the project that holds the servers (Security, API tokens, Read & Write), and set it: pulumi config set --secret hcloud:token`
    : `Hetzner Cloud cannot be asked from here (${reason}), and nothing is made before it can: see whether this machine reaches the internet, and https://status.hetzner.com, then run it again`;
}
