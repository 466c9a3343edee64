// The plain value behind an output, for the few decisions that must fall before a resource is registered.
import type * as pulumi from "@pulumi/pulumi";

/**
 * Waits for an output. Undefined where its value is not known before the update (a preview of something new). The
 * SDK gives no public way to ask whether an output is known; without asking, a preview would wait for ever.
 */
export async function outputValue<T>(output: pulumi.Output<T>): Promise<T | undefined> {
  const inner = output as unknown as { promise(): Promise<T>; readonly isKnown: Promise<boolean> };
  const value = await inner.promise();
  return (await inner.isKnown) ? value : undefined;
}
