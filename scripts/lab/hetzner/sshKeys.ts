// scripts/lab/hetzner/sshKeys.ts: SSH keys. Deleting one changes nothing on the servers that were made with it.
import { createHash } from "node:crypto";
import type { Cloud } from "./cloud";
import { limitExceeded, notFound, notUnique } from "./errors";
import { listing } from "./listing";
import { formOf, idOf, type Call, type Reply, type Route } from "./router";
import type { StoredSshKey } from "./state";

const present = (key: StoredSshKey) => ({
  id: key.id,
  name: key.name,
  fingerprint: key.fingerprint,
  public_key: key.publicKey,
  labels: key.labels,
  created: key.created,
});

/** MD5 of the key's bytes, in pairs; undefined when the text is no public key. */
export function fingerprintOf(publicKey: string): string | undefined {
  const [, kind = "", base64 = ""] =
    /^(ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?: .*)?$/.exec(
      publicKey.trim(),
    ) ?? [];
  const bytes = Buffer.from(base64, "base64");
  if (bytes.length < 4 || bytes.subarray(4, 4 + bytes.readUInt32BE(0)).toString("latin1") !== kind) return undefined;
  return createHash("md5").update(bytes).digest("hex").match(/../g)?.join(":");
}

function find(cloud: Cloud, call: Call): StoredSshKey {
  const id = idOf(call, "SSH key");
  const key = cloud.state.sshKeys.find((one) => one.id === id);
  if (!key) throw notFound("SSH key", id);
  return key;
}

/** A key by id or name, as a server's creation names it. */
export function findSshKey(cloud: Cloud, idOrName: string): StoredSshKey | undefined {
  return (
    cloud.state.sshKeys.find((key) => String(key.id) === idOrName) ??
    cloud.state.sshKeys.find((key) => key.name === idOrName)
  );
}

function refuseTakenName(cloud: Cloud, name: string, besides?: number): void {
  if (cloud.state.sshKeys.some((key) => key.name === name && key.id !== besides))
    throw notUnique("SSH key with the same name already exists", "name");
}

function create(cloud: Cloud, call: Call): Reply {
  const form = formOf(call);
  const name = form.string("name", { max: 250 });
  const publicKey = form.string("public_key").trim();
  const labels = form.labels() ?? {};
  const fingerprint = fingerprintOf(publicKey);
  if (publicKey !== "" && fingerprint === undefined) form.complain("public_key", "is not a valid SSH public key");
  form.done();
  refuseTakenName(cloud, name);
  if (cloud.state.sshKeys.some((key) => key.fingerprint === fingerprint))
    throw notUnique("SSH key with the same fingerprint already exists", "public_key");
  if (cloud.state.sshKeys.length >= cloud.settings.limits.ssh_keys) throw limitExceeded("ssh_key_limit");
  const key: StoredSshKey = {
    id: cloud.nextId(),
    name,
    publicKey,
    fingerprint: fingerprint ?? "",
    labels,
    created: cloud.now(),
  };
  cloud.state.sshKeys.push(key);
  return { status: 201, body: { ssh_key: present(key) } };
}

function update(cloud: Cloud, call: Call): Reply {
  const key = find(cloud, call);
  const form = formOf(call);
  const name = form.optionalString("name", { max: 250 });
  const labels = form.labels();
  form.done();
  if (name !== undefined) refuseTakenName(cloud, name, key.id);
  key.name = name ?? key.name;
  key.labels = labels ?? key.labels;
  return { status: 200, body: { ssh_key: present(key) } };
}

function remove(cloud: Cloud, call: Call): Reply {
  const key = find(cloud, call);
  cloud.state.sshKeys.splice(cloud.state.sshKeys.indexOf(key), 1);
  return { status: 204 };
}

function list(cloud: Cloud, call: Call): Reply {
  const fingerprint = call.query.get("fingerprint");
  const keys = cloud.state.sshKeys.filter((key) => !fingerprint || key.fingerprint === fingerprint);
  return listing(call, "ssh_keys", keys.map(present), { sort: ["id", "name"] });
}

export function sshKeyRoutes(cloud: Cloud): Route[] {
  return [
    { method: "GET", path: "/ssh_keys", handle: (call) => list(cloud, call) },
    { method: "POST", path: "/ssh_keys", handle: (call) => create(cloud, call) },
    {
      method: "GET",
      path: "/ssh_keys/:id",
      handle: (call) => ({ status: 200, body: { ssh_key: present(find(cloud, call)) } }),
    },
    { method: "PUT", path: "/ssh_keys/:id", handle: (call) => update(cloud, call) },
    { method: "DELETE", path: "/ssh_keys/:id", handle: (call) => remove(cloud, call) },
  ];
}
