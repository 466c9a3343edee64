// Command lines that run a TypeScript file of this clone in a Node of its own.

/** Node, able to load TypeScript. */
export const nodeTs = (file: string, ...args: readonly string[]): string[] => [
  process.execPath,
  "--require",
  require.resolve("./register"),
  file,
  ...args,
];
