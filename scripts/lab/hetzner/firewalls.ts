// scripts/lab/hetzner/firewalls.ts: firewalls: their rules, and the servers and label selectors they are applied to.
import { presentAction } from "./actions";
import type { Cloud } from "./cloud";
import { ApiError, limitExceeded, notFound, notUnique } from "./errors";
import { presentRule, readRules } from "./firewallRules";
import type { Form } from "./form";
import { parseSelector } from "./labels";
import { listing } from "./listing";
import { addressesOf, firewallsOf, serverQueue, targetCovers, tellFirewall } from "./machines";
import { formOf, idOf, type Call, type Reply, type Route } from "./router";
import type { FirewallTarget, StoredAction, StoredFirewall, StoredServer } from "./state";

const maxFirewallsPerServer = 5;

function present(cloud: Cloud, firewall: StoredFirewall) {
  return {
    id: firewall.id,
    name: firewall.name,
    labels: firewall.labels,
    created: firewall.created,
    rules: firewall.rules.map(presentRule),
    applied_to: firewall.appliedTo.map((target) =>
      target.type === "server"
        ? { type: "server", server: { id: target.serverId } }
        : {
            type: "label_selector",
            label_selector: { selector: target.selector },
            applied_to_resources: cloud.state.servers
              .filter((server) => targetCovers(target, server))
              .map(({ id }) => ({ type: "server", server: { id } })),
          },
    ),
  };
}

export function findFirewall(cloud: Cloud, call: Call): StoredFirewall {
  const id = idOf(call, "firewall");
  const firewall = cloud.state.firewalls.find((one) => one.id === id);
  if (!firewall) throw notFound("firewall", id);
  return firewall;
}

function refuseTakenName(cloud: Cloud, name: string, besides?: number): void {
  if (cloud.state.firewalls.some((firewall) => firewall.name === name && firewall.id !== besides))
    throw notUnique("firewall name is already used", "name");
}

function readTarget(entry: Form): FirewallTarget {
  const type = entry.oneOf("type", ["server", "label_selector"]);
  if (!entry.has(type)) entry.complain(type, `is required for type ${type}`);
  if (type === "server") return { type, serverId: entry.inner("server", (server) => server.integer("id")) ?? 0 };
  return { type, selector: entry.inner("label_selector", (label) => label.string("selector")) ?? "" };
}

const sameTarget = (a: FirewallTarget) => (b: FirewallTarget) => JSON.stringify(a) === JSON.stringify(b);

/** Checks everything first, then applies; one action for each server that is covered now. */
function applyTo(
  cloud: Cloud,
  firewall: StoredFirewall,
  targets: FirewallTarget[],
  missing: (id: number) => ApiError,
): StoredAction[] {
  for (const [index, target] of targets.entries()) {
    if (targets.slice(0, index).some(sameTarget(target)))
      throw new ApiError("server_already_added", "resource was added more than once");
    if (firewall.appliedTo.some(sameTarget(target)))
      throw new ApiError("firewall_already_applied", "firewall was already applied on resource");
    if (target.type === "label_selector") parseSelector(target.selector, "selector");
    else refuseServer(cloud, firewall, target.serverId, missing);
  }
  const before = coveredBy(cloud, firewall);
  firewall.appliedTo.push(...targets);
  return coveredBy(cloud, firewall)
    .filter((server) => !before.includes(server))
    .map((server) => firewallAction(cloud, "apply_firewall", firewall, server.id));
}

function refuseServer(cloud: Cloud, firewall: StoredFirewall, id: number, missing: (id: number) => ApiError): void {
  const server = cloud.state.servers.find((one) => one.id === id);
  if (!server) throw missing(id);
  const { ipv4, ipv6Network } = addressesOf(cloud.state, id);
  if (ipv4 === null && ipv6Network === null)
    throw new ApiError("private_net_only_server", "server has no public interface");
  const others = firewallsOf(cloud.state, server).filter((one) => one !== firewall);
  if (others.length >= maxFirewallsPerServer) throw limitExceeded("firewalls_per_server_limit");
}

const coveredBy = (cloud: Cloud, firewall: StoredFirewall): StoredServer[] =>
  cloud.state.servers.filter((server) => firewall.appliedTo.some((target) => targetCovers(target, server)));

function firewallAction(cloud: Cloud, command: string, firewall: StoredFirewall, serverId: number): StoredAction {
  const resources = [
    { id: serverId, type: "server" },
    { id: firewall.id, type: "firewall" },
  ];
  return cloud.runner.start({
    command,
    resources,
    queue: serverQueue(serverId),
    work: () => tellFirewall(cloud, serverId),
  });
}

/** A new server's firewalls, before its first boot; unknown ids refuse the server. */
export function checkFirewallIds(cloud: Cloud, ids: number[]): StoredFirewall[] {
  return ids.map((id) => {
    const firewall = cloud.state.firewalls.find((one) => one.id === id);
    if (!firewall) throw notFound("firewall", id);
    return firewall;
  });
}

/** A deleted server is on no firewall's list any more. */
export function detachFirewalls(cloud: Cloud, serverId: number): void {
  for (const firewall of cloud.state.firewalls)
    firewall.appliedTo = firewall.appliedTo.filter(
      (target) => target.type !== "server" || target.serverId !== serverId,
    );
}

function create(cloud: Cloud, call: Call): Reply {
  const form = formOf(call);
  const name = form.string("name", { max: 128 });
  const labels = form.labels() ?? {};
  const rules = readRules(form);
  const targets = form.forms("apply_to", readTarget);
  form.done();
  refuseTakenName(cloud, name);
  if (cloud.state.firewalls.length >= cloud.settings.limits.firewalls) throw limitExceeded("firewall_limit");
  const firewall: StoredFirewall = { id: cloud.nextId(), name, rules, appliedTo: [], labels, created: cloud.now() };
  const missing = (id: number) => new ApiError("firewall_resource_not_found", `server ${id} not found`);
  const actions = applyTo(cloud, firewall, targets, missing);
  cloud.state.firewalls.push(firewall);
  return { status: 201, body: { firewall: present(cloud, firewall), actions: actions.map(presentAction) } };
}

function update(cloud: Cloud, call: Call): Reply {
  const firewall = findFirewall(cloud, call);
  const form = formOf(call);
  const name = form.optionalString("name", { max: 128 });
  const labels = form.labels();
  form.done();
  if (name !== undefined) refuseTakenName(cloud, name, firewall.id);
  firewall.name = name ?? firewall.name;
  firewall.labels = labels ?? firewall.labels;
  return { status: 200, body: { firewall: present(cloud, firewall) } };
}

function remove(cloud: Cloud, call: Call): Reply {
  const firewall = findFirewall(cloud, call);
  if (firewall.appliedTo.length > 0)
    throw new ApiError("resource_in_use", `firewall with ID '${firewall.id}' is still in use`);
  cloud.state.firewalls.splice(cloud.state.firewalls.indexOf(firewall), 1);
  return { status: 204 };
}

function setRules(cloud: Cloud, call: Call): Reply {
  const firewall = findFirewall(cloud, call);
  const form = formOf(call);
  if (!form.has("rules")) form.complain("rules", "Missing data for required field.");
  const rules = readRules(form);
  form.done();
  firewall.rules = rules;
  const set = cloud.runner.start({ command: "set_firewall_rules", resources: [{ id: firewall.id, type: "firewall" }] });
  const applied = coveredBy(cloud, firewall).map((server) =>
    firewallAction(cloud, "apply_firewall", firewall, server.id),
  );
  return { status: 201, body: { actions: [set, ...applied].map(presentAction) } };
}

function applyToResources(cloud: Cloud, call: Call): Reply {
  const firewall = findFirewall(cloud, call);
  const form = formOf(call);
  if (!form.has("apply_to")) form.complain("apply_to", "Missing data for required field.");
  const targets = form.forms("apply_to", readTarget);
  form.done();
  const missing = (id: number) => new ApiError("firewall_resource_not_found", `server ${id} not found`, null, 404);
  const actions = applyTo(cloud, firewall, targets, missing);
  return { status: 201, body: { actions: actions.map(presentAction) } };
}

function removeFromResources(cloud: Cloud, call: Call): Reply {
  const firewall = findFirewall(cloud, call);
  const form = formOf(call);
  if (!form.has("remove_from")) form.complain("remove_from", "Missing data for required field.");
  const targets = form.forms("remove_from", readTarget);
  form.done();
  for (const target of targets) refuseRemoval(cloud, firewall, target);
  const before = coveredBy(cloud, firewall);
  firewall.appliedTo = firewall.appliedTo.filter((applied) => !targets.some(sameTarget(applied)));
  const after = coveredBy(cloud, firewall);
  const actions = before
    .filter((server) => !after.includes(server))
    .map((server) => firewallAction(cloud, "remove_firewall", firewall, server.id));
  return { status: 201, body: { actions: actions.map(presentAction) } };
}

/** A server that the firewall is not on is no error (since August 2025), one that does not exist is. */
function refuseRemoval(cloud: Cloud, firewall: StoredFirewall, target: FirewallTarget): void {
  if (firewall.appliedTo.some(sameTarget(target))) return;
  const server = target.type === "server" ? cloud.state.servers.find((one) => one.id === target.serverId) : undefined;
  if (!server) throw new ApiError("firewall_resource_not_found", "the resource was not found", null, 404);
  if (coveredBy(cloud, firewall).includes(server))
    throw new ApiError("firewall_managed_by_label_selector", "firewall is applied via a label selector");
}

export function firewallRoutes(cloud: Cloud): Route[] {
  const path = "/firewalls/:id";
  const list = (call: Call) =>
    listing(
      call,
      "firewalls",
      cloud.state.firewalls.map((firewall) => present(cloud, firewall)),
    );
  return [
    { method: "GET", path: "/firewalls", handle: list },
    { method: "POST", path: "/firewalls", handle: (call) => create(cloud, call) },
    {
      method: "GET",
      path,
      handle: (call) => ({ status: 200, body: { firewall: present(cloud, findFirewall(cloud, call)) } }),
    },
    { method: "PUT", path, handle: (call) => update(cloud, call) },
    { method: "DELETE", path, handle: (call) => remove(cloud, call) },
    { method: "POST", path: `${path}/actions/set_rules`, handle: (call) => setRules(cloud, call) },
    { method: "POST", path: `${path}/actions/apply_to_resources`, handle: (call) => applyToResources(cloud, call) },
    {
      method: "POST",
      path: `${path}/actions/remove_from_resources`,
      handle: (call) => removeFromResources(cloud, call),
    },
  ];
}
