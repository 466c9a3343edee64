// lab/lab.ts: the lab as its users hold it: the stack, the tests, the CLI. Start here.
import type { ChildProcess, StdioOptions } from "node:child_process";
import type { CommandResult } from "./command";
import { controlClient, statusIfUp, type ControlClient, type LabStatus } from "./control";
import { labDirs, type LabDirs } from "./dirs";
import {
  addressesOf,
  API_ENDPOINT,
  DEB1_LEG,
  DIRECT_DOMAIN,
  DYNAMIC_ZONE,
  MAIL_DOMAIN,
  MAIL_ZONE,
  RELAY_LEG,
  SERVICES,
  TSIG,
  VPS_LEG,
} from "./plan";
import { runIn, spawnIn, type RunOptions } from "./run";
import { bringUp, type Progress } from "./up";
import {
  caFile,
  deb1HostKeyFile,
  operatorKeyFile,
  publicKey,
  readSecret,
  relayHostKeyFile,
  tokenFile,
  tsigFile,
  tsigSecret,
  vpsHostKeyFile,
} from "./world/keys";

export interface SshTarget {
  readonly sshHost: string;
  /** "ssh-ed25519 AAAA…", to pin. */
  readonly hostKey: string;
}

export interface LabHandle {
  readonly dirs: LabDirs;
  readonly control: ControlClient;
  readonly hetzner: {
    /** Reachable from the lab's namespaces only. */
    readonly endpoint: string;
    readonly token: string;
    readonly zone: string;
  };
  /** From the operator, over the home's LAN. */
  readonly relay: SshTarget & { readonly mailDomain: string };
  /** A zone whose name server takes updates that are signed with this key (RFC 2136), over UDP and TCP. */
  readonly rfc2136: {
    readonly zone: string;
    readonly server: string;
    readonly port: number;
    readonly keyName: string;
    readonly algorithm: string;
    /** In base64. */
    readonly secret: string;
    /** All of the key, in a file that only root reads: knsupdate -k, kdig -k. */
    readonly keyFile: string;
  };
  /** The machine that is to be adopted; its owner's things on it are world/adopted.ts's. */
  readonly deb1: SshTarget & { readonly addresses: readonly string[] };
  /** The relay on the internet itself, with a mail domain of its own; `control.start("vps")` first. */
  readonly vps: SshTarget & { readonly mailDomain: string; readonly addresses: readonly string[] };
  /** File with the private key that may log in to relay, deb1 and vps as root. */
  readonly operatorKeyFile: string;
  /** PEM file of the CA that the mail servers' certificates come from. */
  readonly caFile: string;
  status(): Promise<LabStatus>;
  /** Runs a program on a host to its end; fails on an exit status that is not accepted (0 by default). */
  run(host: string, argv: readonly string[], options?: RunOptions): Promise<CommandResult>;
  spawn(
    host: string,
    argv: readonly string[],
    options?: { env?: Readonly<Record<string, string>>; stdio?: StdioOptions; cwd?: string },
  ): Promise<ChildProcess>;
}

/** Brings the lab's world up, or finds it up. */
export async function openLab(progress: Progress, dirs: LabDirs = labDirs()): Promise<LabHandle> {
  await bringUp(dirs, progress);
  return handle(dirs);
}

/** The lab that is up; fails if none is. */
export async function currentLab(dirs: LabDirs = labDirs()): Promise<LabHandle> {
  if ((await statusIfUp(dirs)) === undefined) throw new Error("no lab is up. Bring it up with: npm run lab");
  return handle(dirs);
}

function handle(dirs: LabDirs): LabHandle {
  const control = controlClient(dirs);
  return {
    dirs,
    control,
    hetzner: { endpoint: API_ENDPOINT, token: readSecret(tokenFile(dirs)), zone: MAIL_ZONE },
    relay: { mailDomain: MAIL_DOMAIN, sshHost: RELAY_LEG.ipv4, hostKey: publicKey(relayHostKeyFile(dirs)) },
    deb1: { sshHost: DEB1_LEG.ipv4, hostKey: publicKey(deb1HostKeyFile(dirs)), addresses: addressesOf(DEB1_LEG) },
    rfc2136: {
      zone: DYNAMIC_ZONE,
      server: SERVICES.dns.ipv4,
      port: 53,
      keyName: TSIG.name,
      algorithm: TSIG.algorithm,
      secret: tsigSecret(dirs),
      keyFile: tsigFile(dirs),
    },
    vps: {
      mailDomain: DIRECT_DOMAIN,
      sshHost: VPS_LEG.ipv4,
      hostKey: publicKey(vpsHostKeyFile(dirs)),
      addresses: addressesOf(VPS_LEG),
    },
    operatorKeyFile: operatorKeyFile(dirs),
    caFile: caFile(dirs),
    status: () => control.status(),
    run: (host, argv, options) => runIn(dirs, host, argv, options),
    spawn: (host, argv, options) => spawnIn(dirs, host, argv, options),
  };
}
