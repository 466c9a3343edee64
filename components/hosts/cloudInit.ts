// cloud-init's part in a server that we buy: a host key that we know before the first contact. All else comes over
// that pinned connection, since a change of user data would mean a new server. Pure.

export interface CloudInit {
  /** Host key pair; the private half in OpenSSH's own format. */
  readonly hostKey: { readonly privateKey: string; readonly publicKey: string };
  /** TCP port of the server's SSH. */
  readonly sshPort: number;
}

export const STANDARD_SSH_PORT = 22;

// Images that start sshd by a socket (Ubuntu's) would keep the old port: there, the service itself is to listen.
const movedSsh = (port: number) => ({
  write_files: [
    { path: "/etc/ssh/sshd_config.d/10-chatmail-proxy.conf", permissions: "0644", content: `Port ${port}\n` },
  ],
  runcmd: [
    [
      "sh",
      "-c",
      "systemctl disable --now ssh.socket 2>/dev/null; systemctl enable ssh.service; systemctl restart ssh.service",
    ],
  ],
});

/** The user data; holds a private key, so it is a secret. JSON, which is YAML as well. */
export function renderCloudInit({ hostKey, sshPort }: CloudInit): string {
  const config = {
    // With keys given, cloud-init makes none of its own; those of the image are deleted.
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostKey.privateKey, ed25519_public: hostKey.publicKey },
    ssh_pwauth: false,
    disable_root: false,
    ...(sshPort === STANDARD_SSH_PORT ? {} : movedSsh(sshPort)),
  };
  return `#cloud-config\n${JSON.stringify(config, null, 2)}\n`;
}
