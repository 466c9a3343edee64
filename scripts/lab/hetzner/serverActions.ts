// scripts/lab/hetzner/serverActions.ts: what can be done to a server: power, rebuild, another type, protection,
// backups, console, reverse names.
import { randomBytes } from "node:crypto";
import { actionReply, presentAction } from "./actions";
import type { Cloud } from "./cloud";
import { ApiError, invalidField, protectedResource, unsupported } from "./errors";
import { findImage, imageById } from "./images";
import { machineOf, serverQueue, tellFirewall } from "./machines";
import { changeDnsPtr } from "./reverseNames";
import { formOf, type Call, type Reply, type Route } from "./router";
import { readUserData, startServer } from "./serverCreation";
import { findServer } from "./servers";
import { findServerType, isUnavailable } from "./serverTypes";
import type { ActionSpec } from "./runner";
import type { StoredAction, StoredServer } from "./state";

type Handler = (cloud: Cloud, call: Call, server: StoredServer) => Reply;

/** Starts an action on the server, in the server's queue. */
function start(cloud: Cloud, server: StoredServer, spec: Omit<ActionSpec, "resources" | "queue">): StoredAction {
  return cloud.runner.start({ ...spec, resources: [{ id: server.id, type: "server" }], queue: serverQueue(server.id) });
}

const poweroff: Handler = (cloud, _call, server) =>
  actionReply(
    start(cloud, server, {
      command: "stop_server",
      locks: true,
      work: async () => {
        if (server.status !== "off" && server.built) await cloud.room.power(server.id, "off");
      },
      done: () => (server.status = "off"),
    }),
  );

/** The action only says that the wish was passed on; the server is off whenever its system has gone down. */
const shutdown: Handler = (cloud, _call, server) => {
  const action = start(cloud, server, { command: "shutdown_server", work: () => Promise.resolve() });
  cloud.runner.background(serverQueue(server.id), `shutdown of server ${server.id}`, async () => {
    if (server.status !== "running") return;
    await cloud.room.power(server.id, "shutdown");
    server.status = "off";
  });
  return actionReply(action);
};

const restart =
  (command: string): Handler =>
  (cloud, _call, server) =>
    actionReply(
      start(cloud, server, {
        command,
        locks: true,
        work: async () => {
          if (server.status === "running") await cloud.room.power(server.id, "reboot");
        },
      }),
    );

const rebuild: Handler = (cloud, call, server) => {
  if (server.protection.rebuild) throw protectedResource("server");
  const form = formOf(call);
  const wanted = form.idOrName("image");
  const userData = readUserData(form);
  form.done();
  const image = findImage(wanted, imageById(server.imageId).architecture);
  if (!image || image.architecture !== imageById(server.imageId).architecture)
    throw invalidField("image", `image '${wanted}' does not exist for this server`);
  server.imageId = image.id;
  server.userData = userData ?? server.userData;
  const action = start(cloud, server, {
    command: "rebuild_server",
    locks: true,
    work: async () => {
      server.status = "rebuilding";
      server.built = false;
      await cloud.room.erase(server.id);
      await tellFirewall(cloud, server.id);
      await cloud.room.boot(machineOf(cloud.state, server));
      server.built = true;
    },
    done: () => (server.status = "running"),
    failed: () => (server.status = "off"),
  });
  const rootPassword = server.sshKeys.length > 0 ? null : randomBytes(10).toString("hex");
  return { status: 201, body: { action: presentAction(action), root_password: rootPassword } };
};

const changeType: Handler = (cloud, call, server) => {
  const form = formOf(call);
  const wanted = form.idOrName("server_type");
  if (!form.has("upgrade_disk")) form.complain("upgrade_disk", "Missing data for required field.");
  const upgradeDisk = form.boolean("upgrade_disk", false);
  form.done();
  const type = findServerType(wanted);
  const before = findServerType(server.serverType);
  if (!type) throw invalidField("server_type", `server type '${wanted}' does not exist`);
  const fits =
    type.architecture === before?.architecture &&
    type.disk >= server.diskSize &&
    type.locations.includes(server.location);
  if (!fits || isUnavailable(type))
    throw new ApiError("invalid_server_type", `server type ${type.name} does not fit this server`);
  if (server.status !== "off") throw new ApiError("server_not_stopped", "the server needs to be powered off");
  const action = start(cloud, server, {
    command: "change_server_type",
    locks: true,
    work: async () => {
      server.status = "migrating";
      if (server.built) await cloud.room.power(server.id, "on");
    },
    done: () => {
      server.serverType = type.name;
      server.diskSize = upgradeDisk ? type.disk : server.diskSize;
      server.status = server.built ? "running" : "off";
    },
    failed: () => (server.status = "off"),
  });
  return actionReply(action);
};

const changeProtection: Handler = (cloud, call, server) => {
  const form = formOf(call);
  const wanted = {
    delete: form.boolean("delete", server.protection.delete),
    rebuild: form.boolean("rebuild", server.protection.rebuild),
  };
  if (wanted.delete !== wanted.rebuild) form.complain("rebuild", "must have the same value as delete");
  form.done();
  server.protection = wanted;
  return actionReply(start(cloud, server, { command: "change_protection" }));
};

const setBackups =
  (command: string, window: string | null): Handler =>
  (cloud, _call, server) => {
    server.backupWindow = window;
    return actionReply(start(cloud, server, { command }));
  };

const requestConsole: Handler = (cloud, _call, server) => {
  const action = start(cloud, server, { command: "request_console" });
  const password = randomBytes(12).toString("hex");
  return {
    status: 201,
    body: {
      action: presentAction(action),
      wss_url: `wss://console.invalid/?server_id=${server.id}&token=${randomBytes(8).toString("hex")}`,
      password,
    },
  };
};

const changePtr: Handler = (cloud, call, server) => {
  const mine = cloud.state.primaryIps.filter((ip) => ip.assigneeId === server.id);
  return changeDnsPtr(cloud, call, mine, { id: server.id, type: "server" });
};

/** Those which change the machine itself wait for nothing: a locked server refuses them. */
const lockedOut: Record<string, Handler> = {
  poweron: (cloud, _call, server) => actionReply(startServer(cloud, server)),
  poweroff,
  shutdown,
  reboot: restart("reboot_server"),
  reset: restart("reset_server"),
  rebuild,
  change_type: changeType,
};

const always: Record<string, Handler> = {
  change_protection: changeProtection,
  enable_backup: setBackups("enable_backup", "22-02"),
  disable_backup: setBackups("disable_backup", null),
  request_console: requestConsole,
  change_dns_ptr: changePtr,
};

const notHere = [
  "add_to_placement_group",
  "attach_iso",
  "attach_to_network",
  "change_alias_ips",
  "create_image",
  "detach_from_network",
  "detach_iso",
  "disable_rescue",
  "enable_rescue",
  "remove_from_placement_group",
  "reset_password",
];

export function serverActionRoutes(cloud: Cloud): Route[] {
  const route = (name: string, handle: Handler): Route => ({
    method: "POST",
    path: `/servers/:id/actions/${name}`,
    handle: (call) => handle(cloud, call, findServer(cloud, call)),
  });
  const guarded =
    (handle: Handler): Handler =>
    (_cloud, call, server) => {
      cloud.runner.refuseLocked(server.id);
      return handle(cloud, call, server);
    };
  const refuse =
    (name: string): Handler =>
    () => {
      throw unsupported(`server action ${name}`);
    };
  return [
    ...Object.entries(lockedOut).map(([name, handle]) => route(name, guarded(handle))),
    ...Object.entries(always).map(([name, handle]) => route(name, handle)),
    ...notHere.map((name) => route(name, refuse(name))),
  ];
}
