// The command line of `npm run remove`. Pure.

export const USAGE = "Usage: npm run remove -- NAME [--stack STACK] [--yes]";

export interface Arguments {
  readonly name: string;
  /** Undefined: the one that is selected. */
  readonly stack: string | undefined;
  /** Nobody is asked. */
  readonly yes: boolean;
}

/** Throws the usage. */
export function readArguments(args: readonly string[]): Arguments {
  const flag = args.indexOf("--stack");
  const stack = flag < 0 ? undefined : args[flag + 1];
  const [name, ...more] = args.filter((arg, i) => arg !== "--yes" && (flag < 0 || (i !== flag && i !== flag + 1)));
  if (name === undefined || name.startsWith("-") || more.length > 0 || (flag >= 0 && stack === undefined))
    throw new Error(USAGE);
  return { name, stack, yes: args.includes("--yes") };
}
