// scripts/lab/hetzner/cloud.ts: what every resource's file is given: the state, the world, the settings, and the runner of actions.
import type { Faults } from "./faults";
import { Runner } from "./runner";
import type { State } from "./state";
import type { MachineRoom, NameServer } from "./world";

export interface CloudSettings {
  ipv4Range: string;
  ipv6Range: string;
  /** Name servers that each zone gets, with a dot at the end. */
  nameServers: string[];
  delegated: string[];
  limits: Limits;
  actionDelayMs: number;
}

/** How many of each there may be at once. */
export interface Limits {
  servers: number;
  primary_ips: number;
  firewalls: number;
  ssh_keys: number;
  zones: number;
}

export interface Cloud {
  readonly state: State;
  readonly room: MachineRoom;
  readonly names: NameServer;
  readonly settings: CloudSettings;
  readonly runner: Runner;
  /** Time as the API writes it. */
  now(): string;
  nextId(): number;
}

interface Parts {
  state: State;
  room: MachineRoom;
  names: NameServer;
  settings: CloudSettings;
  faults: Faults;
  onChange: () => void;
  onTrouble: (what: string, error: unknown) => void;
}

export function createCloud(parts: Parts): Cloud {
  const { state, room, names, settings } = parts;
  const now = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const nextId = () => (state.lastId += 1);
  const runner = new Runner({ ...parts, now, nextId, delayMs: settings.actionDelayMs });
  return { state, room, names, settings, runner, now, nextId };
}
