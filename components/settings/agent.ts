// The operator's SSH agent: whether there is one, and whether it answers.
import { connect } from "node:net";
import type { SettingFault } from "./fault";

/** The command that takes a key from its file; PowerShell knows no "<". */
export const setFromFile = (key: string, platform: string = process.platform): string =>
  platform === "win32"
    ? `Get-Content -Raw ~/.ssh/id_ed25519 | pulumi config set --secret ${key}`
    : `pulumi config set --secret ${key} < ~/.ssh/id_ed25519`;

/** none: SSH_AUTH_SOCK is not set. silent: it is, and no agent answers there. `keys`: how many it holds. */
export type Agent =
  | { readonly kind: "none" }
  | { readonly kind: "answers"; readonly keys: number }
  | { readonly kind: "silent"; readonly path: string };

/** How many keys a server lets be tried in one connection: sshd's MaxAuthTries is 6, and the first try is the one without a key. */
const MOST_KEYS = 5;

// draft-ietf-sshm-ssh-agent: a length, a type, and what belongs to it.
const REQUEST_IDENTITIES = Buffer.from([0, 0, 0, 1, 11]);
const IDENTITIES_ANSWER = 12;
const HEAD = 9;

export async function findAgent(path: string | undefined = process.env.SSH_AUTH_SOCK): Promise<Agent> {
  if (!path) return { kind: "none" };
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (agent: Agent) => {
      socket.destroy();
      resolve(agent);
    };
    let answer = Buffer.alloc(0);
    socket.setTimeout(3000, () => done({ kind: "silent", path }));
    socket.on("error", () => done({ kind: "silent", path }));
    socket.on("close", () => done({ kind: "silent", path }));
    socket.on("connect", () => socket.write(REQUEST_IDENTITIES));
    socket.on("data", (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= 5 && answer[4] !== IDENTITIES_ANSWER) done({ kind: "silent", path });
      else if (answer.length >= HEAD) done({ kind: "answers", keys: answer.readUInt32BE(5) });
    });
  });
}

/** `needed`: keys by which machines are to be reached, with what is set for each. */
export function checkAgent(
  agent: Agent,
  needed: readonly { readonly key: string; readonly given: boolean; readonly what: string }[],
  platform: string = process.platform,
): SettingFault[] {
  if (agent.kind === "silent") {
    // The command provider asks the agent whenever the variable is set, and fails if it cannot, even with a key.
    return [
      {
        key: "SSH_AUTH_SOCK",
        text: `${JSON.stringify(agent.path)} is set, but no SSH agent answers there. While it is set, every SSH connection fails, even with a key. Restart the agent, or run: unset SSH_AUTH_SOCK`,
      },
    ];
  }
  // Windows' agent is a named pipe, which the command provider does not look for.
  const agentToo = (how: string) => (platform === "win32" ? "" : `, or ${how}`);
  return needed
    .filter(({ given }) => !given)
    .flatMap(({ key, what }) => {
      const setKey = `Set a key that may log in to ${what} (${setFromFile(key, platform)})`;
      if (agent.kind === "none")
        return [
          {
            key,
            text: `is missing, and there is no SSH agent either. ${setKey}${agentToo("start an agent (ssh-add)")}.`,
          },
        ];
      if (agent.keys === 0)
        return [
          {
            key,
            text: `is missing, and your SSH agent holds no keys. ${setKey}${agentToo("give the agent one: ssh-add")}.`,
          },
        ];
      if (agent.keys <= MOST_KEYS) return [];
      return [
        {
          key,
          text: `is missing, and your SSH agent holds ${agent.keys} keys: it offers one after the other, and servers hang up after ${MOST_KEYS} (sshd: MaxAuthTries). ${setKey}${agentToo("leave only the keys that are needed in the agent (ssh-add -d)")}.`,
        },
      ];
    });
}
