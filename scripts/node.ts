// Command lines that run a TypeScript file of this clone in a Node of its own.

/** Node, able to load TypeScript: the types are taken off as a file is loaded; checking them is `npm test`'s part. */
export const nodeTs = (file: string, ...args: readonly string[]): string[] => [
  process.execPath,
  "--require",
  require.resolve("sucrase/register/ts"),
  file,
  ...args,
];
