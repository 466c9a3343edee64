// The SSH key with which this program logs in to the servers that it bought: one for the stack, since providers refuse the
// same key a second time. Each provider registers it at its own.
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { sshKeyPair } from "../tunnel/keys";

export interface ManagementKey {
  /** In one line, as in authorized_keys. */
  readonly publicKey: pulumi.Output<string>;
  /** In OpenSSH's own format; secret. */
  readonly privateKey: pulumi.Output<string>;
  /** For its registration at a provider: the resource's name, the name there, labels. */
  readonly name: string;
  readonly nameThere: string;
  readonly labels: Record<string, string>;
}

/** `prefix`: in front of its names, where a stack has several. */
export function managementKey(
  prefix: string,
  labels: Record<string, string> & { readonly stack: string },
): ManagementKey {
  const name = `${prefix}management-key`;
  // Without the stack's name, which may change: another comment would mean another key, and that other servers.
  const comment = "chatmail-proxy";
  const seed = new random.RandomPassword(name, { length: 64, special: false });
  const pair = seed.result.apply((text) => sshKeyPair(text, "ssh management key", comment));
  return {
    publicKey: pulumi.unsecret(pair.publicKey),
    privateKey: pulumi.secret(pair.privateKey),
    name,
    nameThere: `chatmail-proxy-${prefix}${labels.stack}`,
    labels,
  };
}
