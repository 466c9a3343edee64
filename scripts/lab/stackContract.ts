// lab/stackContract.ts: what the CLI wants of stack.ts, which runs the Pulumi stack on the lab. Without it the CLI brings
// up the world alone.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { LabHandle } from "./lab";
import type { Progress } from "./up";

export interface Report {
  /** What was built and proved, for people. */
  readonly lines: readonly string[];
}

export interface StackOptions {
  /** A stack config in place of Pulumi.lab.yaml. */
  readonly config?: string;
  readonly progress: Progress;
}

export interface StackModule {
  stackUp(lab: LabHandle, options: StackOptions): Promise<Report>;
  /** pulumi destroy; the world is still there. */
  stackDestroy(lab: LabHandle, progress: Progress): Promise<void>;
  /** Any command on the stack, as its operator would run it in the project's folder; its exit status. */
  stackCommand(lab: LabHandle, argv: readonly string[]): Promise<number>;
}

/** Loaded only when it is wanted: it brings Pulumi's whole SDK along. require, since what takes the types off does not hook import(). */
export function stackModule(): StackModule | undefined {
  const file = join(__dirname, "stack.ts");
  return existsSync(file) ? (createRequire(__filename)(file) as StackModule) : undefined;
}
