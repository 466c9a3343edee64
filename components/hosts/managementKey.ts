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
  const comment = `chatmail-proxy-${pulumi.getStack()}`;
  const seed = new random.RandomPassword(name, { length: 64, special: false });
  const pair = seed.result.apply((text) => sshKeyPair(text, "ssh management key", comment));
  return {
    atHetzner: new hcloud.SshKey(name, { name: comment, publicKey: pulumi.unsecret(pair.publicKey), labels }),
    privateKey: pulumi.secret(pair.privateKey),
  };
}
