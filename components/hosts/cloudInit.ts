// cloud-init's part in a server that we buy: a host key that we know before the first contact. All else comes over
// that pinned connection, since a change of user data would mean a new server. Pure.

export interface CloudInit {
  /** Host key pair; the private half in OpenSSH's own format. */
  readonly hostKey: { readonly privateKey: string; readonly publicKey: string };
}

/** The user data; holds a private key, so it is a secret. JSON, which is YAML as well. */
export function renderCloudInit({ hostKey }: CloudInit): string {
  const config = {
    // With keys given, cloud-init makes none of its own; those of the image are deleted.
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostKey.privateKey, ed25519_public: hostKey.publicKey },
    ssh_pwauth: false,
    disable_root: false,
  };
  return `#cloud-config\n${JSON.stringify(config, null, 2)}\n`;
}
