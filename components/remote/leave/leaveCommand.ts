// What is to be undone on a host when a resource goes, as a resource: it does nothing until then.
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { DocumentHost } from "../hostDocument";
import { inTheProject } from "../../projectProgram";

export interface LeaveArgs {
  /** The proxy's name, or "relay". */
  readonly name: string;
  readonly host: Pick<DocumentHost, "ssh" | "machine" | "unreachable">;
  /** Command line that is run there. */
  readonly command: string;
}

export function leaveCommand(
  resource: string,
  { name, host, command: line }: LeaveArgs,
  opts: pulumi.CustomResourceOptions,
): command.local.Command {
  const { ssh, machine, unreachable } = host;
  const job = pulumi.jsonStringify({
    name,
    login: {
      host: ssh.host,
      port: ssh.port,
      user: ssh.user,
      hostKey: ssh.hostKey,
      privateKey: ssh.privateKey,
    },
    command: line,
  });
  return new command.local.Command(
    resource,
    {
      ...inTheProject("components/remote/leave/main.ts"),
      delete: `leave ${name}`,
      stdin: pulumi.secret(job),
      ...(machine === undefined ? {} : { triggers: [machine] }),
    },
    // A replacement happens when the machine is another one, which may well answer at the same address.
    { ...opts, deleteBeforeReplace: true, ...(unreachable === "permanently" ? { retainOnDelete: true } : {}) },
  );
}
