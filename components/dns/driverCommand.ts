// The operations of driver/ as resources: a small program of ours that the command provider runs on the operator's machine.
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { inTheProject } from "../projectProgram";
import type { Access, OnDestroyJob, SetJob } from "./driver/job";
import { relayIn, type OnDestroy } from "./zone";

const common = inTheProject("components/dns/driver/main.ts");

/** A record set. What is wanted is in `create` too, so that a preview shows it; secrets are on stdin only. */
export function recordSetCommand(
  name: string,
  job: pulumi.Input<SetJob>,
  identity: { zone: string; name: string; type: string },
  opts: pulumi.CustomResourceOptions,
): command.local.Command {
  const what = `${identity.name} ${identity.type}`;
  return new command.local.Command(
    name,
    {
      ...common,
      create: pulumi.unsecret(
        pulumi.output(job).apply(({ ttl, values }) => `put ${what} ${values.join(" ")} TTL ${ttl}`),
      ),
      delete: `drop ${what}`,
      stdin: secretJson(job),
      // Another name is another set: the new one first, then the old one goes.
      triggers: [identity.zone, identity.name, identity.type],
    },
    opts,
  );
}

export interface OnDestroyArgs extends Pick<OnDestroyJob, "stack" | "name" | "ttl"> {
  readonly access: pulumi.Input<Access>;
  readonly zone: string;
  readonly unwanted: pulumi.Input<OnDestroyJob["unwanted"]>;
  readonly onDestroy: OnDestroy;
}

/**
 * What happens to the mail domain when the stack goes. It always exists, since a resource that left the program would run
 * its last `delete` during an `up`; where the sets are simply deleted it does nothing at all.
 */
export function onDestroyCommand(
  resourceName: string,
  { access, stack, zone, name, ttl, unwanted, onDestroy }: OnDestroyArgs,
  opts: pulumi.CustomResourceOptions,
): command.local.Command {
  const job = pulumi.all([access, unwanted]).apply(([known, types]): OnDestroyJob => ({
    access: known,
    stack,
    name,
    ttl,
    unwanted: types,
    ...relayIn(onDestroy),
  }));
  const hold = { ...common, create: `hold ${name}`, stdin: secretJson(job) };
  const operation = { delete: {}, keep: hold, relay: { ...hold, delete: `restore ${name}` } }[onDestroy.kind];
  return new command.local.Command(resourceName, { ...operation, triggers: [zone, name] }, opts);
}

const secretJson = (job: pulumi.Input<unknown>) => pulumi.secret(pulumi.jsonStringify(job));
