// lab/world/api.ts: the fake Hetzner Cloud API on its address, over HTTP and HTTPS, with the zone that its customer has.
import { appendFileSync } from "node:fs";
import { createServer as createHttp, type Server } from "node:http";
import { createServer as createHttps } from "node:https";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { logFile, type LabDirs } from "../dirs";
import { createHetznerApi, type AnswerFault, type ActionFault, type HetznerApi } from "../hetzner/api";
import type { MachineRoom, NameServer } from "../hetzner/world";
import {
  addressesOf,
  API_ENDPOINT,
  CLOUD,
  DIRECT_DOMAIN,
  HETZNER_NAME_SERVERS,
  MAIL_DOMAIN,
  MAIL_ZONE,
  SERVICES,
  VPS_LEG,
} from "../plan";
import { certificateFor, readSecret, tokenFile } from "./keys";

/** Trouble to make, as lab/hetzner/faults.ts has it. */
export interface Faults {
  readonly answer?: AnswerFault;
  readonly failAction?: ActionFault;
  readonly rateLimit?: number;
  readonly latency?: number;
  readonly clear?: boolean;
}

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below /v1, such as "/zones". */
  readonly path: string;
  readonly body?: unknown;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export class LabApi {
  private readonly api: HetznerApi;

  constructor(
    private readonly dirs: LabDirs,
    room: MachineRoom,
    names: NameServer,
    say: (line: string) => void,
  ) {
    this.api = createHetznerApi({
      token: readSecret(tokenFile(dirs)),
      room,
      names,
      stateFile: join(dirs.state, "hetzner.json"),
      ipv4Range: CLOUD.ipv4,
      ipv6Range: CLOUD.ipv6,
      nameServers: HETZNER_NAME_SERVERS.map((name) => `${name}.`),
      // The real limits would stop a day of tests, and a fleet of 16 proxies, and not a mistake.
      rateLimit: 100_000,
      limits: { servers: 40, primary_ips: 80 },
      log: (entry) => appendFileSync(logFile(dirs, "api"), `${JSON.stringify(entry)}\n`),
      onTrouble: (what, error) =>
        say(`Hetzner API: ${what}: ${error instanceof Error ? error.message : String(error)}`),
    });
  }

  async start(): Promise<void> {
    const [host] = SERVICES.api.names;
    const { certificate, key } = await certificateFor(this.dirs, host);
    for (const address of [SERVICES.api.ipv4, SERVICES.api.ipv6]) {
      await listen(createHttp(this.api.listener), address, 80);
      await listen(createHttps({ cert: certificate, key }, this.api.listener), address, 443);
    }
    await this.api.resync();
    await this.ensureZone();
  }

  /** As the account's owner: with the token, over the network. */
  async request({ method, path, body }: ApiRequest): Promise<ApiAnswer> {
    const answer = await fetch(`${API_ENDPOINT.replace(SERVICES.api.names[0], SERVICES.api.ipv4)}${path}`, {
      method,
      headers: { authorization: `Bearer ${readSecret(tokenFile(this.dirs))}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
  }

  makeTrouble(faults: Faults): void {
    if (faults.clear) this.api.faults.clear();
    if (faults.answer) this.api.faults.answer(faults.answer);
    if (faults.failAction) this.api.faults.failAction(faults.failAction);
    if (faults.rateLimit !== undefined) this.api.faults.rateLimit(faults.rateLimit);
    if (faults.latency !== undefined) this.api.faults.latency(faults.latency);
  }

  /** The zone stands in the account before the program's first run, as it does for everybody who runs a relay. */
  private async ensureZone(): Promise<void> {
    if ((await this.request({ method: "GET", path: `/zones/${MAIL_ZONE}` })).status === 200) return;
    // The relay at home has no address to publish; the one on the internet has its own.
    const rrsets = [...mailRecords(MAIL_DOMAIN), ...mailRecords(DIRECT_DOMAIN, addressesOf(VPS_LEG))];
    const made = await this.request({
      method: "POST",
      path: "/zones",
      body: { name: MAIL_ZONE, mode: "primary", ttl: ZONE_TTL, rrsets },
    });
    if (made.status >= 300)
      throw new Error(`zone ${MAIL_ZONE}: the fake Hetzner API answers ${made.status}: ${JSON.stringify(made.body)}`);
  }
}

function mailRecords(
  domain: string,
  addresses: readonly string[] = [],
): { name: string; type: string; records: { value: string }[] }[] {
  const set = (type: string, value: string) => ({
    name: domain.slice(0, -MAIL_ZONE.length - 1),
    type,
    records: [{ value }],
  });
  return [
    ...addresses.map((address) => set(isIPv6(address) ? "AAAA" : "A", address)),
    set("MX", `10 ${domain}.`),
    set("TXT", '"v=spf1 a ~all"'),
  ];
}

/** The shortest that the real API takes for a whole zone. */
const ZONE_TTL = 60;

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new Error(`Hetzner API on ${address} port ${port}: ${error.message}`)));
    server.listen(port, address, () => resolve());
  });
}
