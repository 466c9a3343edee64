// `npm run remove -- NAME`: takes a proxy away gracefully. The logic is in remove/.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { sshAnswersFromHere } from "../components/health/sshAnswers";
import { readArguments, USAGE } from "./remove/arguments";
import { readHistory } from "./remove/history";
import { removeProxy } from "./remove/remove";

const root = join(__dirname, "..");

async function main(args: readonly string[]): Promise<void> {
  const { name, stack: given, yes } = readArguments(args);
  const stack = given ?? selectedStack();
  // A stack of Pulumi's cloud may be named with its organization.
  const file = join(root, `Pulumi.${stack.split("/").at(-1)}.yaml`);
  if (!existsSync(file)) throw new Error(`${file} is not there; is ${stack} the stack's name?`);
  if (
    !yes &&
    !(await agreed(`Take the proxy ${name} of the stack ${stack} out of DNS, wait, and remove it permanently?`))
  )
    return;

  await removeProxy({
    name,
    file,
    up: () =>
      Promise.resolve(
        spawnSync("pulumi", ["up", "--yes", "--skip-preview", "--stack", stack], { cwd: root, stdio: "inherit" })
          .status ?? 1,
      ),
    history: () => Promise.resolve(historyOf(stack)),
    sshAnswers: sshAnswersFromHere,
    say: (line) => void process.stdout.write(`${line}\n`),
    progress: (line) => void (process.stdout.isTTY ? process.stdout.write(`\r${line}  `) : undefined),
    now: () => new Date(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
}

function selectedStack(): string {
  const { status, stdout, error } = spawnSync("pulumi", ["stack", "--show-name"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["inherit", "pipe", "inherit"],
  });
  if (error) throw new Error(`pulumi cannot be started: ${error.message}. Is it installed, and on PATH?`);
  if (status !== 0) throw new Error("no stack is selected; name it with --stack");
  return stdout.trim();
}

function historyOf(stack: string): ReturnType<typeof readHistory> {
  const { status, stdout } = spawnSync(
    "pulumi",
    ["stack", "history", "--json", "--page-size", "20", "--stack", stack],
    { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
  return status === 0 ? readHistory(stdout) : undefined;
}

async function agreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new Error(`nobody is there to answer; if you are sure: ${USAGE.replace("[--yes]", "--yes")}`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
