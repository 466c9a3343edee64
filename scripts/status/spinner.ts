// A sign of life on a terminal while something is waited for; nothing where nobody watches.

const SIGNS = ["|", "/", "-", "\\"];

/** Returns what ends it, and leaves an empty line where it was. */
export function spinner(stream: NodeJS.WriteStream, what: string): () => void {
  if (!stream.isTTY) return () => undefined;
  let turn = 0;
  const timer = setInterval(() => stream.write(`\r${SIGNS[turn++ % SIGNS.length]} ${what} `), 120);
  return () => {
    clearInterval(timer);
    stream.write(`\r${" ".repeat(what.length + 4)}\r`);
  };
}
