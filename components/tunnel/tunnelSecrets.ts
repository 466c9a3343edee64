// The keys of one tunnel as resources: a seed each for both ends and for the preshared key.
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { presharedKey, wireGuardKeyPair } from "./keys";
import type { TunnelKeys } from "./wireguard";

/** What each end needs: its own secrets, and the other's public key. */
export interface TunnelSecrets {
  readonly proxyKeys: pulumi.Output<TunnelKeys>;
  readonly relayKeys: pulumi.Output<TunnelKeys>;
  readonly proxyPublicKey: pulumi.Output<string>;
  readonly relayPublicKey: pulumi.Output<string>;
}

/** `generation` is a keeper: another value makes all keys of the tunnel again. */
export function tunnelSecrets(name: string, generation: number, opts: pulumi.CustomResourceOptions): TunnelSecrets {
  // RandomPassword, never RandomBytes or RandomId: those put the secret into the resource's ID, in plain text.
  const seed = (purpose: string) =>
    new random.RandomPassword(
      `${name}-${purpose}`,
      { length: 64, special: false, keepers: { generation: String(generation) } },
      opts,
    ).result;
  const proxy = seed("proxy-key").apply((text) => wireGuardKeyPair(text, "wireguard proxy"));
  const relay = seed("relay-key").apply((text) => wireGuardKeyPair(text, "wireguard relay"));
  const psk = seed("preshared-key").apply((text) => presharedKey(text, "wireguard preshared"));
  const keys = (pair: typeof proxy) =>
    pulumi.secret(pulumi.all([pair, psk]).apply(([{ privateKey }, presharedKey]) => ({ privateKey, presharedKey })));
  return {
    proxyKeys: keys(proxy),
    relayKeys: keys(relay),
    proxyPublicKey: pulumi.unsecret(proxy.publicKey),
    relayPublicKey: pulumi.unsecret(relay.publicKey),
  };
}
