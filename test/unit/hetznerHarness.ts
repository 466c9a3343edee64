// test/unit/hetznerHarness.ts: the fake Hetzner Cloud on a free loopback port, with a room and name servers that only
// write down what they are told.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  createHetznerApi,
  type HetznerApi,
  type HetznerApiOptions,
  type LogEntry,
  type MachineRoom,
  type NameServer,
  type PublishedZone,
} from "../../scripts/lab/hetzner/api";
import { openApiComplaints } from "./hetznerOpenApi";
import { shapeComplaints } from "./hetznerShapes";

export const token = "t".repeat(64);
export const readOnlyToken = "r".repeat(64);

// Throw-away public keys; nobody has their private halves any more.
export const aPublicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB operator";
export const anotherPublicKey =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC other";

type Objects =
  | "action"
  | "details"
  | "error"
  | "firewall"
  | "image"
  | "ipv4"
  | "ipv6"
  | "meta"
  | "pagination"
  | "pricing"
  | "primary_ip"
  | "public_net"
  | "rrset"
  | "server"
  | "server_type"
  | "ssh_key"
  | "zone";
type Lists =
  | "actions"
  | "applied_to"
  | "applied_to_resources"
  | "datacenters"
  | "dns_ptr"
  | "fields"
  | "firewalls"
  | "images"
  | "locations"
  | "next_actions"
  | "prices"
  | "primary_ips"
  | "primary_nameservers"
  | "records"
  | "rrsets"
  | "rules"
  | "server_types"
  | "servers"
  | "ssh_keys"
  | "volumes"
  | "zones";
type Texts =
  | "code"
  | "command"
  | "currency"
  | "fingerprint"
  | "ip"
  | "message"
  | "name"
  | "network_zone"
  | "root_password"
  | "status"
  | "unavailable_after"
  | "wss_url"
  | "zonefile";

/** Anything that the API answers: all fields that tests look at, whether an answer has them or not. */
export type Json = { [field in Objects]: Json } & { [field in Lists]: Json[] } & { [field in Texts]: string } & {
  id: number;
  ttl: number | null;
  per_page: number;
  assignee_id: number | null;
  backup_window: string | null;
  datacenter?: unknown;
  deprecation: Json;
  location: string | Json;
};

export interface Answer {
  status: number;
  body: Json;
  headers: Headers;
}

/** A room that notes each call as a short line. The next call of a name can be made to fail, or to wait. */
export class NotingRoom implements MachineRoom, NameServer {
  readonly calls: string[] = [];
  readonly zones = new Map<string, PublishedZone>();
  readonly ptrs = new Map<string, string>();
  private readonly next = new Map<string, Promise<void>>();

  failNext(call: string, message: string): void {
    const failure = Promise.reject(new Error(message));
    failure.catch(() => undefined);
    this.next.set(call, failure);
  }

  /** The next such call ends only when the returned function is called. */
  holdNext(call: string): () => void {
    let release = () => {};
    this.next.set(call, new Promise((resolve) => (release = resolve)));
    return () => release();
  }

  boot: MachineRoom["boot"] = (machine) =>
    this.note(
      "boot",
      `${machine.name} ${machine.image} ${machine.location} ${machine.ipv4 ?? "-"} ${machine.ipv6Network ?? "-"} keys=${machine.sshKeys.length}`,
    );
  power: MachineRoom["power"] = (_id, wish) => this.note("power", wish);
  setAddresses: MachineRoom["setAddresses"] = (_id, { ipv4, ipv6Network }) =>
    this.note("setAddresses", `${ipv4 ?? "-"} ${ipv6Network ?? "-"}`);
  setFirewall: MachineRoom["setFirewall"] = (_id, rules) =>
    this.note(
      "setFirewall",
      rules === null ? "none" : rules.map((rule) => `${rule.direction}:${rule.protocol}:${rule.port ?? "-"}`).join(","),
    );
  erase: MachineRoom["erase"] = () => this.note("erase", "");

  publish: NameServer["publish"] = (zone) => {
    this.zones.set(zone.name, zone);
    return this.note("publish", zone.name);
  };
  withdraw: NameServer["withdraw"] = (zoneName) => {
    this.zones.delete(zoneName);
    return this.note("withdraw", zoneName);
  };
  setPtr: NameServer["setPtr"] = (address, name) => {
    if (name === null) this.ptrs.delete(address);
    else this.ptrs.set(address, name);
    return this.note("setPtr", `${address} ${name ?? "-"}`);
  };

  /** Only the calls for machines. */
  machineCalls(): string[] {
    return this.calls.filter((call) => !/^(publish|withdraw|setPtr)/.test(call));
  }

  private note(call: string, what: string): Promise<void> {
    this.calls.push(`${call} ${what}`.trim());
    const outcome = this.next.get(call) ?? Promise.resolve();
    this.next.delete(call);
    return outcome;
  }
}

export interface Harness {
  api: HetznerApi;
  room: NotingRoom;
  log: LogEntry[];
  trouble: string[];
  endpoint: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** As `call`, but waits until all actions have ended, and throws on an error answer. */
  done(method: string, path: string, body?: unknown): Promise<Json>;
  stop(): Promise<void>;
}

// A failed test may leave its cloud running, and a listening server keeps jest from ending.
const started: Harness[] = [];
afterAll(() => Promise.all(started.map((harness) => harness.stop())));

export async function startHarness(options: Partial<HetznerApiOptions> = {}): Promise<Harness> {
  const room = new NotingRoom();
  const log: LogEntry[] = [];
  const trouble: string[] = [];
  const api = createHetznerApi({
    token,
    readOnlyToken,
    room,
    names: room,
    log: (entry) => log.push(entry),
    onTrouble: (what, error) => trouble.push(`${what}: ${error instanceof Error ? error.message : String(error)}`),
    ...options,
  });
  const server = createServer(api.listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;

  const call: Harness["call"] = async (method, path, body, headers) => {
    const response = await fetch(`${endpoint}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...headers },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: (text === "" ? {} : JSON.parse(text)) as Json, headers: response.headers };
  };
  const done: Harness["done"] = async (method, path, body) => {
    const answer = await call(method, path, body);
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    await api.settled();
    return answer.body;
  };
  const harness: Harness = { api, room, log, trouble, endpoint, call, done, stop: () => (api.stop(), close(server)) };
  started.push(harness);
  return harness;
}

/** Every answer that was given has the form which the published reference gives it. */
export function expectPublishedForms(harness: Harness): void {
  const complaints = harness.log.flatMap((entry) => [...shapeComplaints(entry), ...openApiComplaints(entry)]);
  // One wrong field shows in every entry of every list; once is enough, and a diff of thousands takes minutes.
  expect([...new Set(complaints.map((complaint) => complaint.replace(/\[\d+\]/g, "[]")))].slice(0, 20)).toEqual([]);
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

export const aPrimaryIp = (more: object = {}) => ({
  name: "hel1-v4",
  type: "ipv4",
  location: "hel1",
  auto_delete: false,
  ...more,
});

export const aServer = (more: object = {}) => ({
  name: "hel1",
  server_type: "cx23",
  image: "debian-13",
  location: "hel1",
  ...more,
});

export const aRule = (more: object = {}) => ({
  direction: "in",
  protocol: "tcp",
  port: "25",
  source_ips: ["0.0.0.0/0", "::/0"],
  ...more,
});
