// scripts/lab/hetzner/state.ts: all that the fake Hetzner Cloud remembers, as plain data, and how it is kept in a file.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import type { FirewallRule } from "./world";

export type Labels = Record<string, string>;

export interface ResourceRef {
  id: number;
  type: string;
}

export interface StoredAction {
  id: number;
  command: string;
  status: "running" | "success" | "error";
  progress: number;
  started: string;
  finished: string | null;
  error: { code: string; message: string } | null;
  resources: ResourceRef[];
  /** While it runs, the servers among its resources take no other change. */
  locks: boolean;
}

export interface StoredSshKey {
  id: number;
  name: string;
  publicKey: string;
  fingerprint: string;
  labels: Labels;
  created: string;
}

export interface StoredPrimaryIp {
  id: number;
  name: string;
  type: "ipv4" | "ipv6";
  /** An IPv4 address, or an IPv6 network of 64 bits. */
  ip: string;
  location: string;
  assigneeId: number | null;
  autoDelete: boolean;
  /** Reverse names by address. */
  dnsPtr: Record<string, string>;
  deleteProtection: boolean;
  labels: Labels;
  created: string;
}

export type FirewallTarget = { type: "server"; serverId: number } | { type: "label_selector"; selector: string };

export interface StoredFirewall {
  id: number;
  name: string;
  rules: FirewallRule[];
  appliedTo: FirewallTarget[];
  labels: Labels;
  created: string;
}

export type ServerStatus =
  "initializing" | "starting" | "running" | "stopping" | "off" | "rebuilding" | "migrating" | "unknown";

export interface StoredServer {
  id: number;
  name: string;
  status: ServerStatus;
  /** Whether the room has built its disk; a server created without a start has none before its first power-on. */
  built: boolean;
  serverType: string;
  imageId: number;
  location: string;
  userData: string;
  /** The keys as they were when the server was created. */
  sshKeys: string[];
  diskSize: number;
  backupWindow: string | null;
  protection: { delete: boolean; rebuild: boolean };
  labels: Labels;
  created: string;
}

export interface StoredRecord {
  value: string;
  comment: string;
}

export interface StoredRrset {
  name: string;
  type: string;
  ttl: number | null;
  records: StoredRecord[];
  changeProtection: boolean;
  labels: Labels;
  created: string;
}

export interface PrimaryNameserver {
  address: string;
  port: number;
  tsig_algorithm?: string;
  tsig_key?: string;
}

export interface StoredZone {
  id: number;
  name: string;
  mode: "primary" | "secondary";
  ttl: number;
  /** Of the SOA record, YYYYMMDDnn. */
  serial: number;
  primaryNameservers: PrimaryNameserver[];
  rrsets: StoredRrset[];
  deleteProtection: boolean;
  labels: Labels;
  created: string;
}

export interface State {
  version: 1;
  lastId: number;
  /** Where in each range the last address was taken, so that a freed one is not handed out again at once. */
  lastAddress: { ipv4: number; ipv6: number };
  actions: StoredAction[];
  sshKeys: StoredSshKey[];
  primaryIps: StoredPrimaryIp[];
  firewalls: StoredFirewall[];
  servers: StoredServer[];
  zones: StoredZone[];
}

export function emptyState(): State {
  return {
    version: 1,
    lastId: 10000,
    lastAddress: { ipv4: -1, ipv6: -1 },
    actions: [],
    sshKeys: [],
    primaryIps: [],
    firewalls: [],
    servers: [],
    zones: [],
  };
}

/** The state in the file; an empty one when there is no file. */
export function loadState(file: string | undefined): State {
  if (file === undefined || !existsSync(file)) return emptyState();
  const state = JSON.parse(readFileSync(file, "utf8")) as State;
  if (state.version !== 1)
    throw new Error(
      `${file}: version ${String(state.version)} of the fake cloud's state is unknown; this program writes version 1`,
    );
  return state;
}

/** Beside the target and renamed, so that a crash leaves the old state or the new one. 0600: user data holds host keys. */
export function saveState(file: string, state: State): void {
  const fresh = `${file}.new`;
  const handle = openSync(fresh, "w", 0o600);
  try {
    writeSync(handle, `${JSON.stringify(state, null, 1)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, file);
}
