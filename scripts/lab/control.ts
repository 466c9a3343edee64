// lab/control.ts: asks the daemon, over its socket: what it looks like, and to change something. Starts nothing.
import { request } from "node:http";
import { controlSocket, type LabDirs } from "./dirs";
import type { HostKind } from "./plan";
import type { HomeState } from "./text/home";
import type { ApiAnswer, ApiRequest, Faults } from "./world/api";

export interface HostStatus {
  readonly name: string;
  readonly kind: HostKind;
  readonly namespace: string;
  readonly addresses: readonly string[];
  readonly state: "running" | "off" | "starting" | "stopping";
  /** The guest's init as this machine sees it; machines only. */
  readonly initPid?: number;
  readonly bootedAt?: string;
  /** How the machine's last run ended. */
  readonly lastEnd?: string;
  readonly silenced?: boolean;
  /** Off until somebody starts it. */
  readonly onDemand?: boolean;
}

export interface StepStatus {
  readonly name: string;
  /** Absent while it is under way. */
  readonly ms?: number;
  readonly error?: string;
}

export interface LabStatus {
  readonly pid: number;
  /** The clone that the lab belongs to. */
  readonly project: string;
  /** Of the code that the daemon runs; another one means that it should be restarted. */
  readonly version: string;
  readonly ready: boolean;
  readonly steps: readonly StepStatus[];
  readonly hosts: readonly HostStatus[];
  readonly home: HomeState;
  /** Directory of the daemon's, the services' and the machines' console logs. */
  readonly logs: string;
  readonly api: { readonly endpoint: string; readonly running: boolean };
}

export type PowerWish = "on" | "off" | "shutdown";

/** The daemon's word for no. */
export class ControlError extends Error {}

export interface ControlClient {
  status(): Promise<LabStatus>;
  /** Resolves when init runs again. */
  reboot(host: string): Promise<void>;
  /** On, and waits until it does its work. */
  start(host: string): Promise<void>;
  power(host: string, wish: PowerWish): Promise<void>;
  /** Packets to and from the host are lost from now on, or no longer. */
  silence(host: string, silenced: boolean): Promise<void>;
  setHome(wish: Partial<HomeState>): Promise<void>;
  /** A request to the fake Hetzner API with the account's token. */
  api(request: ApiRequest): Promise<ApiAnswer>;
  /** Trouble at the fake Hetzner API. */
  makeTrouble(faults: Faults): Promise<void>;
  /** Machines off, daemon gone; disks stay. */
  stop(): Promise<void>;
}

export function controlClient(dirs: LabDirs): ControlClient {
  const socket = controlSocket(dirs);
  const host = (name: string, verb: string) => `/hosts/${encodeURIComponent(name)}/${verb}`;
  const post = async (path: string, body: unknown = {}) => void (await ask(socket, "POST", path, body));
  return {
    status: () => ask(socket, "GET", "/status") as Promise<LabStatus>,
    reboot: (name) => post(host(name, "reboot")),
    start: async (name) => void (await ask(socket, "POST", host(name, "start"), {}, PATIENCE_MS + BUILD_MS)),
    power: (name, wish) => post(host(name, "power"), { wish }),
    silence: (name, silenced) => post(host(name, "silence"), { silenced }),
    setHome: (wish) => post("/home", wish),
    api: (request) => ask(socket, "POST", "/api", request) as Promise<ApiAnswer>,
    makeTrouble: (faults) => post("/trouble", faults),
    stop: () => post("/stop"),
  };
}

/** Undefined when nobody answers: no lab is up. */
export async function statusIfUp(dirs: LabDirs): Promise<LabStatus | undefined> {
  try {
    return await controlClient(dirs).status();
  } catch (error) {
    if (error instanceof ControlError) throw error;
    if ((error as NodeJS.ErrnoException).code === "EACCES")
      throw new Error(`${controlSocket(dirs)} is root's. Run this as root.`, { cause: error });
    return undefined;
  }
}

/** A gentle power off may take its minute, and a boot its own. */
const PATIENCE_MS = 150_000;
/** A machine of a release that nobody wanted yet has its image built first: on a slow line and a slow disk. */
export const BUILD_MS = 900_000;

function ask(
  socketPath: string,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
  timeout = PATIENCE_MS,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request(
      { socketPath, method, path, timeout, headers: { "content-type": "application/json" } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const answer = JSON.parse(Buffer.concat(chunks).toString()) as { error?: string };
          if (response.statusCode === 200) resolve(answer);
          else reject(new ControlError(answer.error ?? `status ${response.statusCode}`));
        });
      },
    );
    call.on("timeout", () => call.destroy(new Error(`the lab's daemon does not answer on ${socketPath}`)));
    call.on("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
