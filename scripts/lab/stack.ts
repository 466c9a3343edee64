// lab/stack.ts: the Pulumi stack on the lab, for the CLI: up with proof and report, destroy, any pulumi command.
import { join } from "node:path";
import type { LabHandle } from "./lab";
import { proveMail } from "./mail";
import { hasStack, openStack } from "./stack/runner";
import { STACK } from "./stack/workspace";
import type { Report, StackOptions } from "./stackContract";
import type { Progress } from "./up";

export async function stackUp(
  lab: LabHandle,
  { config = join(lab.dirs.project, `Pulumi.${STACK}.yaml`), progress }: StackOptions,
): Promise<Report> {
  const stack = await openStack(lab, progress, config);
  await progress.step("pulumi up", async () => {
    const { status } = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    if (status !== 0) throw new Error("the stack did not come up whole; the lines above say why");
  });
  const proofs = await progress.step("mail", () => proveMail(lab));
  const hosts = (await lab.status()).hosts.filter(
    ({ kind, state }) => ["relay", "proxy", "adopted"].includes(kind) && state === "running",
  );
  const { toolchain } = stack;
  return {
    lines: [
      "",
      `engine: pulumi ${toolchain.pulumiVersion} (${toolchain.pulumiOrigin}); plugins: ${toolchain.plugins.map(({ name, version, origin, standIn }) => `${name} ${version} (${origin}${standIn ? ", a stand-in" : ""})`).join(", ")}`,
      ...hosts.map(({ name, addresses }) => `${name}: ${addresses.join(", ")}`),
      ...proofs.map(({ what, ms }) => `proved: ${what} (${(ms / 1000).toFixed(1)} s)`),
      "",
      "Look around:",
      "  npm run lab -- status",
      "  npm run lab -- exec relay -- wg show",
      `  npm run lab -- exec ${hosts.find(({ kind }) => kind === "proxy")?.name ?? "relay"} -- nft list ruleset`,
      "  npm run lab -- pulumi stack output readme",
      "Take it down: npm run lab -- destroy",
    ],
  };
}

/** pulumi destroy; the world is still there. */
export async function stackDestroy(lab: LabHandle, progress: Progress): Promise<void> {
  if (!hasStack(lab)) return;
  const { status } = await (await openStack(lab, progress)).pulumi(["destroy", "--yes", "--skip-preview"]);
  if (status !== 0) throw new Error("pulumi destroy failed; the lines above say why");
}

/** Any command on the stack, as its operator would run it in the project's folder; its exit status. */
export async function stackCommand(lab: LabHandle, argv: readonly string[]): Promise<number> {
  const quiet: Progress = { say: () => undefined, step: (_name, work) => work() };
  const { status } = await (await openStack(lab, quiet)).command(argv);
  return status;
}
