// scripts/lab/hetzner/images.ts: the system images. Fixed facts, no state; snapshots and backups are not made here.
import { notFound } from "./errors";
import { listing } from "./listing";
import { idOf, type Call, type Route } from "./router";

type Architecture = "x86" | "arm";

export interface Image {
  id: number;
  name: string;
  architecture: Architecture;
}

const distributions: {
  name: string;
  flavor: string;
  version: string;
  description: string;
  size: number;
  created: string;
  ids: Record<Architecture, number>;
}[] = [
  {
    name: "debian-12",
    flavor: "debian",
    version: "12",
    description: "Debian 12",
    size: 5,
    created: "2023-06-13T06:00:02Z",
    ids: { x86: 114690387, arm: 114690389 },
  },
  {
    name: "debian-13",
    flavor: "debian",
    version: "13",
    description: "Debian 13",
    size: 5,
    created: "2025-08-12T06:00:02Z",
    ids: { x86: 310557660, arm: 310557665 },
  },
  {
    name: "ubuntu-22.04",
    flavor: "ubuntu",
    version: "22.04",
    description: "Ubuntu 22.04",
    size: 5,
    created: "2022-04-21T13:32:38Z",
    ids: { x86: 67794396, arm: 103908130 },
  },
  {
    name: "ubuntu-24.04",
    flavor: "ubuntu",
    version: "24.04",
    description: "Ubuntu 24.04",
    size: 5,
    created: "2024-04-25T13:26:27Z",
    ids: { x86: 161547269, arm: 161547270 },
  },
];

const images = distributions.flatMap(({ name, flavor, version, description, size, created, ids }) =>
  (["x86", "arm"] as const).map((architecture) => ({
    id: ids[architecture],
    type: "system",
    status: "available",
    name,
    description,
    image_size: null,
    disk_size: size,
    created,
    created_from: null,
    bound_to: null,
    os_flavor: flavor,
    os_version: version,
    rapid_deploy: true,
    protection: { delete: false },
    deprecated: null,
    deleted: null,
    labels: {},
    architecture,
  })),
);

/** By id, or by name for an architecture. */
export function findImage(idOrName: string, architecture: Architecture): Image | undefined {
  return (
    images.find((image) => String(image.id) === idOrName) ??
    images.find((image) => image.name === idOrName && image.architecture === architecture)
  );
}

export function imageById(id: number): (typeof images)[number] {
  const found = images.find((image) => image.id === id);
  if (!found) throw notFound("image", id);
  return found;
}

function listImages(call: Call) {
  const allows = (parameter: string, value: string) => {
    const wanted = call.query.getAll(parameter);
    return wanted.length === 0 || wanted.includes(value);
  };
  const found = call.query.has("bound_to") ? [] : images;
  const matching = found.filter(
    (image) =>
      allows("type", image.type) && allows("status", image.status) && allows("architecture", image.architecture),
  );
  return listing(call, "images", matching);
}

export const imageRoutes: Route[] = [
  { method: "GET", path: "/images", handle: listImages },
  {
    method: "GET",
    path: "/images/:id",
    handle: (call) => ({ status: 200, body: { image: imageById(idOf(call, "image")) } }),
  },
];
