// scripts/lab/hetzner/api.ts: the fake Hetzner Cloud API, put together. Its users start here:
//
//   const cloud = createHetznerApi({ token, room, names, stateFile: "hetzner.json" });
//   createServer(cloud.listener).listen(8080, "192.0.2.10");
//   await cloud.resync(); // after a restart, for a world that forgot
//
// Clients then use the endpoint http://192.0.2.10:8080/v1.
import type { RequestListener } from "node:http";
import { absentRoutes } from "./absent";
import { actionRoutes, resourceActionRoutes } from "./actions";
import { checkRanges } from "./addresses";
import { createCloud, type Cloud, type Limits } from "./cloud";
import { Faults } from "./faults";
import { findFirewall, firewallRoutes } from "./firewalls";
import { imageRoutes } from "./images";
import { locationRoutes } from "./locations";
import type { LogEntry } from "./log";
import { tellFirewall, serverQueue } from "./machines";
import { findPrimaryIp, primaryIpRoutes } from "./primaryIps";
import { publishPtrsOf } from "./reverseNames";
import type { Route } from "./router";
import { rrsetRoutes } from "./rrsets";
import { abandonRunning } from "./runner";
import { createListener } from "./listener";
import { serverActionRoutes } from "./serverActions";
import { serverCreationRoutes } from "./serverCreation";
import { findServer, serverRoutes } from "./servers";
import { serverTypeRoutes } from "./serverTypes";
import { sshKeyRoutes } from "./sshKeys";
import { loadState, saveState, type State } from "./state";
import type { MachineRoom, NameServer } from "./world";
import { findZone, publishZone, zoneRoutes } from "./zones";

export type { AnswerFault, ActionFault } from "./faults";
export type { LogEntry } from "./log";
export type { State } from "./state";
export type {
  Addresses,
  FirewallRule,
  Machine,
  MachineRoom,
  NameServer,
  PowerWish,
  PublishedRecord,
  PublishedZone,
} from "./world";

export interface HetznerApiOptions {
  /** What clients send as `Authorization: Bearer …`; 64 characters, as the provider demands. */
  token: string;
  /** A second token that may only read; default none. */
  readOnlyToken?: string;
  room: MachineRoom;
  names: NameServer;
  /** Where the state is kept after each change and found again at the next start; default: nowhere. */
  stateFile?: string;
  /** How long each action is at least "running", in milliseconds; default 0. */
  actionDelayMs?: number;
  /** A CIDR block or FIRST-LAST; default 203.0.113.0/24. */
  ipv4Range?: string;
  /** A CIDR block of which each primary IP gets a /64; default 2001:db8:c000::/36. */
  ipv6Range?: string;
  /** The name servers of each zone, with a dot at the end; default those of the real API. */
  nameServers?: string[];
  /** Where the parents of all zones delegate them; by default to `nameServers`. */
  delegated?: string[];
  /** How many of each there may be; default 10 servers, 20 primary IPs, 50 firewalls, 100 SSH keys, 25 zones. */
  limits?: Partial<Limits>;
  /** Requests per hour; default 3600. */
  rateLimit?: number;
  /** Gets every request and its answer, secrets removed. */
  log?: (entry: LogEntry) => void;
  /** Gets what went wrong behind the API: a room that failed, a bug in a handler; default: nothing is done with it. */
  onTrouble?: (what: string, error: unknown) => void;
}

export interface HetznerApi {
  /** For http.createServer; the API is under /v1. */
  listener: RequestListener;
  /** Live; tests may look, and change what no request can. */
  state: State;
  faults: Faults;
  /** Resolves once no action and no work in the background is under way. */
  settled(): Promise<void>;
  /** No action goes on, as when the process ends: for who makes another in the same one. */
  stop(): void;
  /** Tells rooms and name servers all that they should know, for a world that lost it. Machines are not booted. */
  resync(): Promise<void>;
}

const defaultLimits: Limits = { servers: 10, primary_ips: 20, firewalls: 50, ssh_keys: 100, zones: 25 };
const defaultNameServers = ["hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de."];

export function createHetznerApi(options: HetznerApiOptions): HetznerApi {
  if (options.token.length !== 64) throw new Error(`token: has ${options.token.length} characters, must have 64`);
  const settings = {
    ipv4Range: options.ipv4Range ?? "203.0.113.0/24",
    ipv6Range: options.ipv6Range ?? "2001:db8:c000::/36",
    nameServers: options.nameServers ?? defaultNameServers,
    delegated: options.delegated ?? options.nameServers ?? defaultNameServers,
    limits: { ...defaultLimits, ...options.limits },
    actionDelayMs: options.actionDelayMs ?? 0,
  };
  checkRanges(settings.ipv4Range, settings.ipv6Range);
  const { room, names, stateFile } = options;
  const state = loadState(stateFile);
  const faults = new Faults();
  const onChange = () => {
    if (stateFile !== undefined) saveState(stateFile, state);
  };
  const onTrouble = options.onTrouble ?? (() => undefined);
  const cloud = createCloud({ state, room, names, settings, faults, onChange, onTrouble });
  abandonRunning(state, cloud.now());
  onChange();
  const { token, readOnlyToken, log } = options;
  const listener = createListener({
    token,
    readOnlyToken,
    rateLimit: options.rateLimit ?? 3600,
    routes: allRoutes(cloud),
    faults,
    onChange,
    log,
    onTrouble,
  });
  return {
    listener,
    state,
    faults,
    settled: () => cloud.runner.settled(),
    stop: () => cloud.runner.stop(),
    resync: () => resync(cloud),
  };
}

/** Those of actions come first: /servers/actions is no server. */
function allRoutes(cloud: Cloud): Route[] {
  return [
    ...actionRoutes(cloud),
    ...resourceActionRoutes(cloud, "/servers", "server", (call) => findServer(cloud, call).id),
    ...resourceActionRoutes(cloud, "/primary_ips", "primary_ip", (call) => findPrimaryIp(cloud, call).id),
    ...resourceActionRoutes(cloud, "/firewalls", "firewall", (call) => findFirewall(cloud, call).id),
    ...resourceActionRoutes(cloud, "/zones", "zone", (call) => findZone(cloud, call).id),
    ...sshKeyRoutes(cloud),
    ...primaryIpRoutes(cloud),
    ...firewallRoutes(cloud),
    ...serverRoutes(cloud),
    ...serverCreationRoutes(cloud),
    ...serverActionRoutes(cloud),
    ...zoneRoutes(cloud),
    ...rrsetRoutes(cloud),
    ...locationRoutes,
    ...serverTypeRoutes,
    ...imageRoutes,
    ...absentRoutes,
  ];
}

async function resync(cloud: Cloud): Promise<void> {
  const { runner, state } = cloud;
  for (const { name } of state.zones) runner.background(`zone:${name}`, `zone ${name}`, () => publishZone(cloud, name));
  publishPtrsOf(
    cloud,
    state.primaryIps.flatMap((ip) => Object.keys(ip.dnsPtr)),
  );
  for (const { id } of state.servers)
    runner.background(serverQueue(id), `firewall of server ${id}`, () => tellFirewall(cloud, id));
  await runner.settled();
}
