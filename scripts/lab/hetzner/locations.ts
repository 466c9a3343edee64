// scripts/lab/hetzner/locations.ts: the locations and, for older clients, the datacenters. Fixed facts, no state.
import { notFound } from "./errors";
import { listing } from "./listing";
import { idOf, type Route } from "./router";
import { serverTypes } from "./serverTypes";

export interface Location {
  id: number;
  name: string;
  description: string;
  country: string;
  city: string;
  latitude: number;
  longitude: number;
  network_zone: string;
}

export const locations: Location[] = [
  {
    id: 1,
    name: "fsn1",
    description: "Falkenstein DC Park 1",
    country: "DE",
    city: "Falkenstein",
    latitude: 50.47612,
    longitude: 12.370071,
    network_zone: "eu-central",
  },
  {
    id: 2,
    name: "nbg1",
    description: "Nuremberg DC Park 1",
    country: "DE",
    city: "Nuremberg",
    latitude: 49.452102,
    longitude: 11.076665,
    network_zone: "eu-central",
  },
  {
    id: 3,
    name: "hel1",
    description: "Helsinki DC Park 1",
    country: "FI",
    city: "Helsinki",
    latitude: 60.169855,
    longitude: 24.938379,
    network_zone: "eu-central",
  },
  {
    id: 4,
    name: "ash",
    description: "Ashburn, VA",
    country: "US",
    city: "Ashburn, VA",
    latitude: 39.045821,
    longitude: -77.487073,
    network_zone: "us-east",
  },
  {
    id: 5,
    name: "hil",
    description: "Hillsboro, OR",
    country: "US",
    city: "Hillsboro, OR",
    latitude: 45.54222,
    longitude: -122.951924,
    network_zone: "us-west",
  },
  {
    id: 6,
    name: "sin",
    description: "Singapore",
    country: "SG",
    city: "Singapore",
    latitude: 1.283333,
    longitude: 103.833333,
    network_zone: "ap-southeast",
  },
];

const datacenterNames = [
  { id: 2, name: "nbg1-dc3", description: "Nuremberg 1 virtual DC 3", location: "nbg1" },
  { id: 3, name: "hel1-dc2", description: "Helsinki 1 virtual DC 2", location: "hel1" },
  { id: 4, name: "fsn1-dc14", description: "Falkenstein 1 virtual DC 14", location: "fsn1" },
  { id: 5, name: "ash-dc1", description: "Ashburn virtual DC 1", location: "ash" },
  { id: 6, name: "hil-dc1", description: "Hillsboro virtual DC 1", location: "hil" },
  { id: 7, name: "sin-dc1", description: "Singapore virtual DC 1", location: "sin" },
];

export function findLocation(idOrName: string): Location | undefined {
  return locations.find((location) => location.name === idOrName || String(location.id) === idOrName);
}

/** A location that is known to exist, by name. */
export function location(name: string): Location {
  const found = findLocation(name);
  if (!found) throw new Error(`no location ${name}`);
  return found;
}

// The reference has removed `datacenter` from servers and primary IPs (July 2026), but still describes this list.
const datacenters = datacenterNames.map((datacenter) => {
  const here = serverTypes.filter((type) => type.locations.includes(datacenter.location)).map((type) => type.id);
  return {
    ...datacenter,
    location: location(datacenter.location),
    server_types: { supported: here, available: here, available_for_migration: here },
  };
});

const sort = ["id", "name"];

export const locationRoutes: Route[] = [
  { method: "GET", path: "/locations", handle: (call) => listing(call, "locations", locations, { sort }) },
  {
    method: "GET",
    path: "/locations/:id",
    handle: (call) => {
      const id = idOf(call, "location");
      const found = locations.find((one) => one.id === id);
      if (!found) throw notFound("location", id);
      return { status: 200, body: { location: found } };
    },
  },
  {
    method: "GET",
    path: "/datacenters",
    handle: (call) => listing(call, "datacenters", datacenters, { sort, extra: { recommendation: 4 } }),
  },
  {
    method: "GET",
    path: "/datacenters/:id",
    handle: (call) => {
      const id = idOf(call, "datacenter");
      const found = datacenters.find((one) => one.id === id);
      if (!found) throw notFound("datacenter", id);
      return { status: 200, body: { datacenter: found } };
    },
  },
];
