// Network namespaces of a test's own, and programs in them.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { waitFor } from "../../scripts/lab/wait";

export const inside = (namespace: string, argv: readonly string[], input = "") =>
  execFileSync("ip", ["netns", "exec", namespace, ...argv], { input, encoding: "utf8" });
export const ip = (namespace: string, words: string) =>
  execFileSync("ip", ["-n", namespace, ...words.split(" ")], { stdio: ["ignore", "pipe", "pipe"] });

const children: ChildProcess[] = [];

/** A Node program in a namespace: what it has said so far, and a word for it. */
export function program(namespace: string, source: string) {
  const child = spawn("ip", ["netns", "exec", namespace, process.execPath, "-e", source], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return {
    said: () => said,
    tell: (word: string) => child.stdin.write(word),
    waitFor: (text: string) => waitFor(`"${text}" after ${said}`, 15, () => said.includes(text) || undefined),
  };
}

export function endPrograms(): void {
  for (const child of children.splice(0)) child.kill("SIGKILL");
}

// Says what it is told to; tells what it hears, and how the connection ends.
const SPEAKER = `
socket.on("data", (data) => process.stdout.write(String(data)));
socket.on("error", (error) => process.stdout.write("[" + error.code + "]"));
process.stdin.on("data", (word) => socket.write(word));`;

export const SERVER = `require("net").createServer((socket) => {${SPEAKER}
socket.write("220 ready ");}).listen(25, "::", () => process.stdout.write("listening "));`;

export const client = (host: string, localAddress?: string) =>
  `const socket = require("net").connect(${JSON.stringify({ port: 25, host, localAddress })});${SPEAKER}`;
