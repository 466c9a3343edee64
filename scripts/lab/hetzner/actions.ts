// scripts/lab/hetzner/actions.ts: reading actions: the global endpoints, and the four that each resource has.
import type { Cloud } from "./cloud";
import { ApiError, notFound } from "./errors";
import { listing } from "./listing";
import { idOf, type Call, type Reply, type Route } from "./router";
import type { StoredAction } from "./state";

export function presentAction(action: StoredAction) {
  const { id, command, status, progress, started, finished, resources, error } = action;
  return { id, command, status, progress, started, finished, resources, error };
}

/** An action that was just started, as the whole answer. */
export const actionReply = (action: StoredAction): Reply => ({ status: 201, body: { action: presentAction(action) } });

export function actionRoutes(cloud: Cloud): Route[] {
  return [
    { method: "GET", path: "/actions", handle: (call) => getMany(cloud, call) },
    { method: "GET", path: "/actions/:action", handle: (call) => getOne(cloud, call, () => true) },
  ];
}

/** The endpoints under a resource, such as /servers; `find` gives the id that the path's :id stands for, or throws. */
export function resourceActionRoutes(cloud: Cloud, path: string, type: string, find: (call: Call) => number): Route[] {
  const ofType = (action: StoredAction) => action.resources.some((ref) => ref.type === type);
  const ofOne = (call: Call) => {
    const id = find(call);
    return (action: StoredAction) => action.resources.some((ref) => ref.type === type && ref.id === id);
  };
  return [
    { method: "GET", path: `${path}/actions`, handle: (call) => list(cloud, call, ofType) },
    { method: "GET", path: `${path}/actions/:action`, handle: (call) => getOne(cloud, call, ofType) },
    { method: "GET", path: `${path}/:id/actions`, handle: (call) => list(cloud, call, ofOne(call)) },
    { method: "GET", path: `${path}/:id/actions/:action`, handle: (call) => getOne(cloud, call, ofOne(call)) },
  ];
}

function getMany(cloud: Cloud, call: Call): Reply {
  const ids = call.query.getAll("id").map(Number);
  if (ids.length === 0)
    throw new ApiError("deprecated_api_endpoint", "listing all actions was removed; name the wanted ones with id", {
      announcement:
        "https://docs.hetzner.cloud/changelog#2025-01-30-listing-arbitrary-actions-in-the-actions-list-endpoint-is-removed",
    });
  return list(cloud, call, (action) => ids.includes(action.id), Math.max(50, ids.length));
}

function list(cloud: Cloud, call: Call, wanted: (action: StoredAction) => boolean, maxPerPage?: number): Reply {
  const statuses = call.query.getAll("status");
  const actions = cloud.state.actions.filter(
    (action) => wanted(action) && (statuses.length === 0 || statuses.includes(action.status)),
  );
  return listing(call, "actions", actions.map(presentAction), {
    sort: ["id", "command", "status", "progress", "started", "finished"],
    maxPerPage,
  });
}

function getOne(cloud: Cloud, call: Call, wanted: (action: StoredAction) => boolean): Reply {
  const id = idOf(call, "action", "action");
  const action = cloud.state.actions.find((one) => one.id === id);
  if (!action || !wanted(action)) throw notFound("action", id);
  return { status: 200, body: { action: presentAction(action) } };
}
