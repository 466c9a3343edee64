// scripts/lab/hetzner/serverTypes.ts: server types with their locations, deprecations and prices, and the price list.
// Fixed facts, no state.
import { notFound } from "./errors";
import { listing } from "./listing";
import { idOf, type Route } from "./router";

const europe = ["fsn1", "nbg1", "hel1"];
const overseas = ["ash", "hil", "sin"];
const everywhere = [...europe, ...overseas];

interface Deprecation {
  announced: string;
  unavailable_after: string;
}

export interface ServerType {
  id: number;
  name: string;
  category: string;
  cores: number;
  memory: number;
  disk: number;
  cpuType: "shared" | "dedicated";
  architecture: "x86" | "arm";
  locations: string[];
  /** Euro per month without VAT, in Europe. The figures are of the right size, no price list. */
  monthly: number;
  deprecation?: Deprecation;
}

const costOptimised = { category: "Cost-Optimized", cpuType: "shared" } as const;
const regular = { category: "Regular Performance", cpuType: "shared" } as const;
const general = {
  category: "General Purpose",
  cpuType: "dedicated",
  architecture: "x86",
  locations: everywhere,
} as const;

export const serverTypes: ServerType[] = [
  {
    id: 114,
    name: "cx23",
    ...costOptimised,
    architecture: "x86",
    locations: europe,
    cores: 2,
    memory: 4,
    disk: 40,
    monthly: 5.49,
  },
  {
    id: 115,
    name: "cx33",
    ...costOptimised,
    architecture: "x86",
    locations: europe,
    cores: 4,
    memory: 8,
    disk: 80,
    monthly: 8.49,
  },
  {
    id: 116,
    name: "cx43",
    ...costOptimised,
    architecture: "x86",
    locations: europe,
    cores: 8,
    memory: 16,
    disk: 160,
    monthly: 15.99,
  },
  {
    id: 117,
    name: "cx53",
    ...costOptimised,
    architecture: "x86",
    locations: europe,
    cores: 16,
    memory: 32,
    disk: 320,
    monthly: 29.49,
  },
  {
    id: 45,
    name: "cax11",
    ...costOptimised,
    architecture: "arm",
    locations: europe,
    cores: 2,
    memory: 4,
    disk: 40,
    monthly: 5.99,
  },
  {
    id: 93,
    name: "cax21",
    ...costOptimised,
    architecture: "arm",
    locations: europe,
    cores: 4,
    memory: 8,
    disk: 80,
    monthly: 9.99,
  },
  {
    id: 108,
    name: "cpx12",
    ...regular,
    architecture: "x86",
    locations: [...europe, "sin"],
    cores: 1,
    memory: 2,
    disk: 40,
    monthly: 10.99,
  },
  {
    id: 109,
    name: "cpx22",
    ...regular,
    architecture: "x86",
    locations: [...europe, "sin"],
    cores: 2,
    memory: 4,
    disk: 80,
    monthly: 19.49,
  },
  {
    id: 110,
    name: "cpx32",
    ...regular,
    architecture: "x86",
    locations: [...europe, "sin"],
    cores: 4,
    memory: 8,
    disk: 160,
    monthly: 35.49,
  },
  {
    id: 22,
    name: "cpx11",
    ...regular,
    architecture: "x86",
    locations: ["ash", "hil"],
    cores: 2,
    memory: 2,
    disk: 40,
    monthly: 6.99,
  },
  {
    id: 23,
    name: "cpx21",
    ...regular,
    architecture: "x86",
    locations: ["ash", "hil"],
    cores: 3,
    memory: 4,
    disk: 80,
    monthly: 13.99,
  },
  {
    id: 24,
    name: "cpx31",
    ...regular,
    architecture: "x86",
    locations: ["ash", "hil"],
    cores: 4,
    memory: 8,
    disk: 160,
    monthly: 24.99,
  },
  { id: 96, name: "ccx13", ...general, cores: 2, memory: 8, disk: 80, monthly: 42.99 },
  { id: 97, name: "ccx23", ...general, cores: 4, memory: 16, disk: 160, monthly: 84.99 },
  // One that is announced to go and one that has gone, for the warnings and refusals of the clients.
  {
    id: 105,
    name: "cx32",
    ...costOptimised,
    architecture: "x86",
    locations: europe,
    cores: 4,
    memory: 8,
    disk: 80,
    monthly: 6.8,
    deprecation: { announced: "2025-10-16T06:00:00Z", unavailable_after: "2099-12-31T23:59:59Z" },
  },
  {
    id: 104,
    name: "cx22",
    ...costOptimised,
    architecture: "x86",
    locations: europe,
    cores: 2,
    memory: 4,
    disk: 40,
    monthly: 3.79,
    deprecation: { announced: "2025-10-16T06:00:00Z", unavailable_after: "2025-12-31T23:59:59Z" },
  },
];

const vat = 1.19;
const money = (net: number) => ({ net: net.toFixed(10), gross: `${(net * vat).toFixed(10)}000000` });
const terabyte = 1024 ** 4;
const locationIds: Record<string, number> = { fsn1: 1, nbg1: 2, hel1: 3, ash: 4, hil: 5, sin: 6 };

function pricesOf(type: ServerType) {
  return type.locations.map((location) => {
    const far = overseas.includes(location);
    const monthly = far ? type.monthly * 1.2 : type.monthly;
    return {
      location,
      price_hourly: money(monthly / 730),
      price_monthly: money(monthly),
      included_traffic: (far ? 1 : 20) * terabyte,
      price_per_tb_traffic: money(far ? 7.4 : 1),
    };
  });
}

export const isUnavailable = (type: ServerType) =>
  type.deprecation !== undefined && Date.parse(type.deprecation.unavailable_after) < Date.now();

export function presentServerType(type: ServerType) {
  return {
    id: type.id,
    name: type.name,
    description: type.name.toUpperCase(),
    category: type.category,
    cores: type.cores,
    memory: type.memory,
    disk: type.disk,
    deprecated: type.deprecation !== undefined,
    deprecation: type.deprecation ?? null,
    prices: pricesOf(type),
    storage_type: "local",
    cpu_type: type.cpuType,
    architecture: type.architecture,
    included_traffic: 0,
    locations: type.locations.map((name) => ({
      id: locationIds[name] ?? 0,
      name,
      deprecation: type.deprecation ?? null,
      recommended: type.deprecation === undefined,
      available: !isUnavailable(type),
    })),
  };
}

export function findServerType(idOrName: string): ServerType | undefined {
  return serverTypes.find((type) => type.name === idOrName || String(type.id) === idOrName);
}

/** Free traffic in bytes of a server of this type there. */
export const includedTraffic = (location: string) => (overseas.includes(location) ? 1 : 20) * terabyte;

const perMonth = (monthly: number) => everywhere.map((location) => ({ location, price_monthly: money(monthly) }));

const pricing = {
  currency: "EUR",
  vat_rate: "19.000000",
  image: { price_per_gb_month: money(0.011) },
  floating_ip: { price_monthly: money(3) },
  floating_ips: [
    { type: "ipv4", prices: perMonth(3) },
    { type: "ipv6", prices: perMonth(1) },
  ],
  primary_ips: (["ipv4", "ipv6"] as const).map((type) => ({
    type,
    prices: everywhere.map((location) => ({
      location,
      price_hourly: money(type === "ipv4" ? 0.0008 : 0),
      price_monthly: money(type === "ipv4" ? 0.5 : 0),
    })),
  })),
  server_backup: { percentage: "20.0000000000" },
  server_types: serverTypes.map((type) => ({ id: type.id, name: type.name, prices: pricesOf(type) })),
  load_balancer_types: [],
  traffic: { price_per_tb: money(0) },
  volume: { price_per_gb_month: money(0.044) },
};

export const serverTypeRoutes: Route[] = [
  {
    method: "GET",
    path: "/server_types",
    handle: (call) => listing(call, "server_types", serverTypes.map(presentServerType), { sort: ["id", "name"] }),
  },
  {
    method: "GET",
    path: "/server_types/:id",
    handle: (call) => {
      const id = idOf(call, "server type");
      const found = serverTypes.find((type) => type.id === id);
      if (!found) throw notFound("server type", id);
      return { status: 200, body: { server_type: presentServerType(found) } };
    },
  },
  { method: "GET", path: "/pricing", handle: () => ({ status: 200, body: { pricing } }) },
];
