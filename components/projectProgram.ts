// A small program of ours that the command provider runs on the operator's machine.
import * as command from "@pulumi/command";

/**
 * `path`: within the project. No shell, so that it is the same on Windows; relative paths, since the provider runs in the
 * project's directory, which is another one on another machine.
 */
export const inTheProject = (path: string) => ({
  interpreter: ["node", "--require", "./scripts/register.js", path],
  // What a person wants to see goes to stderr; stdout is not used.
  logging: command.local.Logging.Stderr,
  addPreviousOutputInEnv: false,
});
