// The SSH key with which this program logs in to the servers that it bought: one for the stack, since Hetzner Cloud
// refuses the same key a second time.
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { sshKeyPair } from "../tunnel/keys";

export interface ManagementKey {
  readonly atHetzner: hcloud.SshKey;
  /** In OpenSSH's own format; secret. */
  readonly privateKey: pulumi.Output<string>;
}

export function managementKey(name: string, labels: Record<string, string>): ManagementKey {
  // Without the stack's name, which may change: another comment would mean another key, and that other servers.
  const comment = "chatmail-proxy";
  const seed = new random.RandomPassword(name, { length: 64, special: false });
  const pair = seed.result.apply((text) => sshKeyPair(text, "ssh management key", comment));
  return {
    atHetzner: new hcloud.SshKey(name, { name: `chatmail-proxy-${pulumi.getStack()}`, publicKey: pulumi.unsecret(pair.publicKey), labels }),
    privateKey: pulumi.secret(pair.privateKey),
  };
}
