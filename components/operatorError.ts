// An error meant for the operator: its words are all there is to say.
import * as pulumi from "@pulumi/pulumi";

/**
 * Without a stack: it would tell the operator nothing, and to colour one that runs through the SDK takes Node 20 some 15 s
 * and 3 GB (its search for the end of "node_modules/@pulumi/stack.ts" never ends).
 */
export function operatorError(message: string): Error {
  const error = new pulumi.RunError(message);
  delete error.stack;
  return error;
}
