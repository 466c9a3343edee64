// A small program of ours that the command provider runs on the operator's machine.
import { realpathSync } from "node:fs";
import { join, relative, sep } from "node:path";
import * as command from "@pulumi/command";

/**
 * `path`: within this package. No shell, so that it is the same on Windows; relative paths, since the provider runs in the
 * project's directory, which is another one on another machine.
 */
export function inTheProject(path: string) {
  const here = packageHere();
  return {
    interpreter: ["node", "--require", `./${here}scripts/register.js`, `${here}${path}`],
    // What a person wants to see goes to stderr; stdout is not used.
    logging: command.local.Logging.Stderr,
    addPreviousOutputInEnv: false,
  };
}

/** This package as it is found from the project's directory: the project itself, or installed there. Ends in a slash, or is empty. */
function packageHere(): string {
  const isHere = (place: string) => realOf(join(place, "components")) === realpathSync(__dirname);
  const usual = ["", "node_modules/chatmail-proxy/"].find(isHere);
  return usual ?? `${relative(process.cwd(), join(__dirname, "..")).split(sep).join("/")}/`;
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
