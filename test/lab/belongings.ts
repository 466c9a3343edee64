// What the owners of deb1 and of the relay have there besides us, as text: the same before, while and after we are there.
import type { LabHandle } from "../../scripts/lab/lab";
import { belongingsScript } from "../../scripts/lab/text/belongings";
import { DEB1_BELONGINGS } from "../../scripts/lab/world/adopted";
import { RELAY_BELONGINGS } from "../../scripts/lab/world/mailHosts";

export async function belongings(lab: LabHandle, host: "deb1" | "relay"): Promise<string> {
  const script = belongingsScript(host === "deb1" ? DEB1_BELONGINGS : RELAY_BELONGINGS);
  return (await lab.run(host, ["sh", "-s"], { stdin: script, timeout: 30_000 })).stdout;
}

/** chatmail's own configuration on the relay, as text: every file's place, owner, mode and digest. */
export async function mailConfiguration(lab: LabHandle): Promise<string> {
  const script =
    "find /etc/postfix /etc/dovecot /etc/nginx /etc/opendkim* /etc/default/opendkim -printf '%M %u:%g %p %l\\n' -type f -exec sha256sum {} \\; | sort -k 3";
  return (await lab.run("relay", ["sh", "-c", script], { timeout: 30_000 })).stdout;
}
