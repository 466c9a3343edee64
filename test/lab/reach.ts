// How tests reach the lab's machines and its name server with the lab's keys.
import type { CommandResult } from "../../scripts/lab/command";
import type { LabHandle, SshTarget } from "../../scripts/lab/lab";

/** A shell line for the operator: a login as root that trusts the machine's known host key and no other. */
export const ssh = (lab: LabHandle, { sshHost, hostKey }: SshTarget, command: string, address = sshHost): string =>
  `file=$(mktemp); echo '${address} ${hostKey}' >"$file"; ssh -i ${lab.operatorKeyFile} -o ConnectTimeout=5 -o "UserKnownHostsFile=$file" -o StrictHostKeyChecking=yes root@${address} ${command}; status=$?; rm "$file"; exit $status`;

/** A dynamic update of the zone that takes them, as knsupdate reads it; signed with the zone's key unless told otherwise. */
export const update = (
  { run, rfc2136: { server, zone, keyFile } }: LabHandle,
  text: string,
  key = `-k ${keyFile}`,
): Promise<CommandResult> =>
  run("operator", ["sh", "-c", `knsupdate ${key}`], {
    stdin: `server ${server}\nzone ${zone}\n${text}\nsend\n`,
    accept: "any",
    timeout: 20_000,
  });
