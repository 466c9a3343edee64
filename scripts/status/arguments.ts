// The command line of `npm run status`. Pure.
import { parseArgs } from "node:util";

export const USAGE = `usage: npm run status [-- OPTIONS]
  --stack STACK   another stack than the one that is selected
  --json          for programs (docs/status.md)
  --watch         again every 30 s, until it is interrupted
Exit status: 0 all is well; 1 something is not as it should be; 2 no mail gets through; 3 it could not be found out.`;

export interface Arguments {
  /** Undefined: the one that is selected. */
  readonly stack: string | undefined;
  readonly json: boolean;
  readonly watch: boolean;
}

/** Throws an Error with the usage. */
export function readArguments(args: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { stack: { type: "string" }, json: { type: "boolean" }, watch: { type: "boolean" } },
    });
    if (values.json && values.watch) throw new Error("--json is for one look; call it again for the next");
    return { stack: values.stack, json: values.json ?? false, watch: values.watch ?? false };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}
