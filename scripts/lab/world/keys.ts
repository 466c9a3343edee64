// lab/world/keys.ts: the secrets that a lab is made with, each a file of its own, 0600; made once, kept until destroy.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../command";
import { keyFile, type LabDirs } from "../dirs";
import { TSIG } from "../plan";
import type { GuestFile } from "../text/guest";

export interface Certificate {
  /** Leaf, then the CA. */
  readonly certificate: string;
  readonly key: string;
}

/** 64 characters, as the API's clients insist. */
export const tokenFile = (dirs: LabDirs): string => keyFile(dirs, "hetzner-token");
/** "algorithm:name:secret", as knsupdate and kdig take it with -k. */
export const tsigFile = (dirs: LabDirs): string => keyFile(dirs, "tsig");
export const tsigSecret = (dirs: LabDirs): string => readSecret(tsigFile(dirs)).split(":")[2] ?? "";
export const operatorKeyFile = (dirs: LabDirs): string => keyFile(dirs, "operator");
export const relayHostKeyFile = (dirs: LabDirs): string => keyFile(dirs, "relay-host");
export const deb1HostKeyFile = (dirs: LabDirs): string => keyFile(dirs, "deb1-host");
export const vpsHostKeyFile = (dirs: LabDirs): string => keyFile(dirs, "vps-host");
/** By which the other mail server signs its mail. PEM, RSA: opendkim's other kind is not everybody's. */
export const dkimKeyFile = (dirs: LabDirs): string => keyFile(dirs, "dkim.pem");
export const caFile = (dirs: LabDirs): string => keyFile(dirs, "ca.pem");

export async function ensureKeys(dirs: LabDirs): Promise<void> {
  mkdirSync(join(dirs.state, "keys"), { recursive: true, mode: 0o700 });
  if (!existsSync(tokenFile(dirs))) writeSecret(tokenFile(dirs), randomBytes(32).toString("hex"));
  if (!existsSync(tsigFile(dirs)))
    writeSecret(tsigFile(dirs), `${TSIG.algorithm}:${TSIG.name}:${randomBytes(32).toString("base64")}`);
  if (!existsSync(dkimKeyFile(dirs)))
    writeSecret(
      dkimKeyFile(dirs),
      generateKeyPairSync("rsa", { modulusLength: 2048 })
        .privateKey.export({ type: "pkcs8", format: "pem" })
        .toString(),
    );
  await sshKey(operatorKeyFile(dirs), "operator@lab");
  await sshKey(relayHostKeyFile(dirs), "relay@lab");
  await sshKey(deb1HostKeyFile(dirs), "deb1@lab");
  await sshKey(vpsHostKeyFile(dirs), "vps@lab");
  await certificateAuthority(dirs);
}

export const readSecret = (file: string): string => readFileSync(file, "utf8");

/** Type and key, without the comment: what a known_hosts line or `hostKey` wants. */
export const publicKey = (file: string): string =>
  readFileSync(`${file}.pub`, "utf8").trim().split(" ").slice(0, 2).join(" ");

/** A machine's own host key, and the operator's key that lets root in. */
export function sshFiles(hostKey: string, rootKey: string): GuestFile[] {
  return [
    { path: "/etc/ssh/ssh_host_ed25519_key", content: readSecret(hostKey), mode: 0o600 },
    { path: "/etc/ssh/ssh_host_ed25519_key.pub", content: readFileSync(`${hostKey}.pub`, "utf8") },
    { path: "/root/.ssh/authorized_keys", content: readFileSync(`${rootKey}.pub`, "utf8"), mode: 0o600 },
  ];
}

/** A server's certificate, signed by the lab's CA, which the client and the other mail server trust. */
export async function certificateFor(dirs: LabDirs, host: string): Promise<Certificate> {
  const key = keyFile(dirs, `${host}.key`);
  const chain = keyFile(dirs, `${host}.pem`);
  if (!existsSync(chain)) {
    const config = `[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=${host}\n[ext]\nsubjectAltName=DNS:${host}\nextendedKeyUsage=serverAuth\n`;
    await openssl(
      [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        key,
        "-out",
        `${key}.csr`,
        "-config",
        "/dev/stdin",
      ],
      config,
    );
    const leaf = await openssl(
      [
        "x509",
        "-req",
        "-in",
        `${key}.csr`,
        "-CA",
        caFile(dirs),
        "-CAkey",
        keyFile(dirs, "ca.key"),
        // A file with the next number (-CAcreateserial) is read half-written where several are signed at once.
        "-set_serial",
        `0x01${randomBytes(15).toString("hex")}`,
        "-days",
        "3650",
        "-extfile",
        "/dev/stdin",
        "-extensions",
        "ext",
      ],
      config,
    );
    writeFileSync(`${chain}.new`, leaf + readFileSync(caFile(dirs), "utf8"));
    renameSync(`${chain}.new`, chain);
  }
  return { certificate: readFileSync(chain, "utf8"), key: readFileSync(key, "utf8") };
}

async function certificateAuthority(dirs: LabDirs): Promise<void> {
  if (existsSync(caFile(dirs))) return;
  const config =
    "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n[dn]\nCN=chatmail-proxy lab CA\n[ext]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
  const key = keyFile(dirs, "ca.key");
  await openssl(
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "3650",
      "-keyout",
      key,
      "-out",
      `${caFile(dirs)}.new`,
      "-config",
      "/dev/stdin",
    ],
    config,
  );
  renameSync(`${caFile(dirs)}.new`, caFile(dirs));
}

async function sshKey(file: string, comment: string): Promise<void> {
  if (!existsSync(file)) await command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file]);
}

/** umask, since openssl writes its keys as the umask lets it; cat, since node's stdin is a socket, and /dev/stdin no file then. */
async function openssl(args: readonly string[], stdin: string): Promise<string> {
  return (await command(["sh", "-c", 'umask 077; cat | openssl "$@"', "openssl", ...args], { stdin })).stdout;
}

function writeSecret(file: string, content: string): void {
  writeFileSync(file, content, { mode: 0o600 });
}
