// scripts/lab/hetzner/absent.ts: kinds of resources that the fake cloud never has: their lists are empty, nothing is
// found, nothing can be made.
import { notFound, unsupported } from "./errors";
import { listing } from "./listing";
import type { Route } from "./router";

const kinds = [
  "certificates",
  "floating_ips",
  "isos",
  "load_balancer_types",
  "load_balancers",
  "networks",
  "placement_groups",
  "volumes",
];

export const absentRoutes: Route[] = kinds.flatMap((kind) => [
  { method: "GET", path: `/${kind}`, handle: (call) => listing(call, kind, []) },
  {
    method: "POST",
    path: `/${kind}`,
    handle: () => {
      throw unsupported(kind);
    },
  },
  {
    method: "GET",
    path: `/${kind}/:id`,
    handle: (call) => {
      throw notFound(kind, call.params["id"] ?? "");
    },
  },
]);
