// lab/progress.ts: steps and how long they took, on the terminal; stderr, so that stdout stays data.
import type { Progress } from "./up";

export function terminalProgress(write: (text: string) => void = (text) => void process.stderr.write(text)): Progress {
  const say = (line: string) => write(`${line}\n`);
  return {
    say,
    async step(name, work) {
      const started = Date.now();
      try {
        const result = await work();
        const seconds = (Date.now() - started) / 1000;
        // What was there already is not worth a line.
        if (seconds >= 0.3) say(`${name}: ${seconds.toFixed(1)} s`);
        return result;
      } catch (error) {
        throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    },
  };
}
