// lab/stack/engine.ts: runs the program under the real engine where the vendor's language host is not to be had: Pulumi's
// Automation API serves the program from this process. Started in the operator's namespace by runner.ts.
//
//   engine.ts up|preview WORKSPACE PROGRAM [--diff] [--expect-no-changes] [--continue-on-error]
import { createRequire } from "node:module";
import { LocalWorkspace, type PulumiFn } from "@pulumi/pulumi/automation";
import { STACK } from "./workspace";

async function main([verb, workDir, file = "", ...flags]: string[]): Promise<void> {
  // require, not import(): only the former takes the types off.
  const program = createRequire(__filename)(file) as PulumiFn;
  const stack = await LocalWorkspace.createOrSelectStack({ stackName: process.env.PULUMI_STACK ?? STACK, projectName: "chatmail-proxy", program: () => program() }, { workDir });
  const options = {
    color: process.stdout.isTTY ? ("always" as const) : ("never" as const),
    diff: flags.includes("--diff"),
    continueOnError: flags.includes("--continue-on-error"),
    expectNoChanges: flags.includes("--expect-no-changes"),
    onOutput: (text: string) => process.stdout.write(text),
    // What pulumi says before it runs the program: a lock, a passphrase.
    onError: (text: string) => process.stderr.write(text),
  };
  await (verb === "preview" ? stack.preview(options) : stack.up(options));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  // The engine has said it all on stdout already; what it did not say is a fault of ours.
  const text = error instanceof Error ? error.message : String(error);
  if (!/^code: /m.test(text)) process.stderr.write(`${text}\n`);
  process.exit(1);
});
