// Keys from seeds: WireGuard pairs, preshared keys and SSH host keys. Pure; knows no Pulumi.
//
// A seed is the text of a random.RandomPassword (64 letters and digits, some 381 bits). Deriving keys from it
// keeps every private key out of resource IDs and lets one small resource stand for a whole pair.
import { createPrivateKey, createPublicKey, hkdfSync } from "node:crypto";

/** A WireGuard key pair, both halves in WireGuard's own base64 (32 bytes). */
export interface WireGuardKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** An Ed25519 SSH key pair: `privateKey` in OpenSSH's own format, `publicKey` as a line of authorized_keys. */
export interface SshKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** 32 bytes from HKDF-SHA-256 (RFC 5869); `purpose` is the info string, distinct for every key of a stack. */
export function deriveKey(seed: string, purpose: string): Buffer {
  if (seed.length < 32) {
    throw new Error(`the seed for "${purpose}" has ${seed.length} characters; at least 32 are needed`);
  }
  return Buffer.from(hkdfSync("sha256", seed, "chatmail-proxy/1", purpose, 32));
}

export function wireGuardKeyPair(seed: string, purpose: string): WireGuardKeyPair {
  const scalar = clamp(deriveKey(seed, purpose));
  return { privateKey: scalar.toString("base64"), publicKey: x25519PublicKey(scalar).toString("base64") };
}

export function presharedKey(seed: string, purpose: string): string {
  return deriveKey(seed, purpose).toString("base64");
}

export function sshKeyPair(seed: string, purpose: string, comment: string): SshKeyPair {
  const secret = deriveKey(seed, purpose);
  const publicKey = rawPublicKey(ED25519_PKCS8, secret);
  return {
    privateKey: opensshPrivateKey(secret, publicKey, comment),
    publicKey: `ssh-ed25519 ${opensshPublicBlob(publicKey).toString("base64")} ${comment}`,
  };
}

/**
 * A private key of the operator's in a form that ssh2 reads, which knows no PKCS#8 ("BEGIN PRIVATE KEY", as openssl writes it,
 * and the command provider reads). Any other text stays as it is.
 */
export function withoutPkcs8(text: string): string {
  if (!/^-----BEGIN PRIVATE KEY-----\r?\n/.test(text)) return text;
  const key = createPrivateKey(text);
  if (key.asymmetricKeyType === "rsa") return key.export({ format: "pem", type: "pkcs1" }).toString();
  if (key.asymmetricKeyType === "ec") return key.export({ format: "pem", type: "sec1" }).toString();
  if (key.asymmetricKeyType !== "ed25519") return text;
  const secret = key.export({ format: "der", type: "pkcs8" }).subarray(-32);
  return opensshPrivateKey(secret, rawPublicKey(ED25519_PKCS8, secret), "");
}

/** The public point of an X25519 scalar (RFC 7748), 32 bytes each. */
export function x25519PublicKey(scalar: Buffer): Buffer {
  return rawPublicKey(X25519_PKCS8, scalar);
}

// PKCS#8 headers (RFC 8410) in front of the 32 raw bytes; node:crypto takes raw keys in no other way on Node 20.
const X25519_PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

function rawPublicKey(header: Buffer, secret: Buffer): Buffer {
  const key = createPrivateKey({ key: Buffer.concat([header, secret]), format: "der", type: "pkcs8" });
  return createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
}

// RFC 7748, section 5. WireGuard clamps too, but `wg pubkey` and other tools then print what we store.
function clamp(bytes: Buffer): Buffer {
  const scalar = Buffer.from(bytes);
  scalar[0] = (scalar[0] as number) & 248;
  scalar[31] = ((scalar[31] as number) & 127) | 64;
  return scalar;
}

const KEY_TYPE = "ssh-ed25519";

function opensshPublicBlob(publicKey: Buffer): Buffer {
  return Buffer.concat([sshString(KEY_TYPE), sshString(publicKey)]);
}

// OpenSSH's PROTOCOL.key. PKCS#8 would be shorter, but OpenSSH 9.2 (Debian 12) refuses it for Ed25519.
function opensshPrivateKey(secret: Buffer, publicKey: Buffer, comment: string): string {
  const check = uint32(0x63686174); // any value, twice: it only tells a right decryption from a wrong one
  const unpadded = Buffer.concat([
    check,
    check,
    sshString(KEY_TYPE),
    sshString(publicKey),
    sshString(Buffer.concat([secret, publicKey])),
    sshString(comment),
  ]);
  const blob = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    uint32(1),
    sshString(opensshPublicBlob(publicKey)),
    sshString(pad(unpadded, 8)),
  ]);
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n");
}

function pad(data: Buffer, blockSize: number): Buffer {
  const missing = (blockSize - (data.length % blockSize)) % blockSize;
  return Buffer.concat([data, Buffer.from(Array.from({ length: missing }, (_, i) => i + 1))]);
}

function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
