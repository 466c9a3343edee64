// The operator's SSH agent: whether there is one, and whether it answers.
import { connect } from "node:net";
import type { Complaint } from "./check";

/** The command that takes a key from its file; PowerShell knows no "<". */
export const setFromFile = (key: string, platform: string = process.platform): string =>
  platform === "win32" ? `Get-Content -Raw ~/.ssh/id_ed25519 | pulumi config set --secret ${key}` : `pulumi config set --secret ${key} < ~/.ssh/id_ed25519`;

/** none: SSH_AUTH_SOCK is not set. silent: it is, and nobody answers there. */
export type Agent = { readonly kind: "none" | "answers" } | { readonly kind: "silent"; readonly path: string };

export async function findAgent(path: string | undefined = process.env.SSH_AUTH_SOCK): Promise<Agent> {
  if (!path) return { kind: "none" };
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (agent: Agent) => {
      socket.destroy();
      resolve(agent);
    };
    socket.setTimeout(3000, () => done({ kind: "silent", path }));
    socket.on("error", () => done({ kind: "silent", path }));
    socket.on("connect", () => done({ kind: "answers" }));
  });
}

/** `needed`: keys by which machines are to be reached, with what is set for each. */
export function checkAgent(agent: Agent, needed: readonly { readonly key: string; readonly given: boolean; readonly what: string }[], platform: string = process.platform): Complaint[] {
  if (agent.kind === "silent") {
    // The command provider asks the agent whenever the variable is set, and fails if it cannot, even with a key.
    return [{ key: "SSH_AUTH_SOCK", text: `${JSON.stringify(agent.path)} is no SSH agent that answers, and no connection would be made, with a key neither. Start the agent anew, or: unset SSH_AUTH_SOCK` }];
  }
  return needed.filter(({ given }) => agent.kind === "none" && !given).map(({ key, what }) => {
    // Windows' agent is a named pipe, which the command provider does not look for.
    const agentToo = platform === "win32" ? "" : ", or start an agent (ssh-add)";
    return { key, text: `is missing, and there is no SSH agent either. Set a key that may log in to ${what} (${setFromFile(key, platform)})${agentToo}.` };
  });
}
