// What the last complete run of `pulumi up` left: read from the stack's own output `lastRun`.
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { RELAY } from "./componentTypes";
import { providerOf } from "./hosts/providerOf";
import { PROVIDERS } from "./hosts/providers";
import type { Settings } from "./settings";
import { keyWithoutComment } from "./settings/values";

type MachineSchema = (typeof PROVIDERS)[number]["snapshotSchema"];

const machine = z.discriminatedUnion(
  "host",
  PROVIDERS.map(({ snapshotSchema }) => snapshotSchema) as [MachineSchema, ...MachineSchema[]],
);

const lastRun = z.object({
  mailDomain: z.string(),
  zone: z.object({ provider: z.string(), name: z.string(), onDestroy: z.string() }),
  relay: z.object({ setup: z.enum(["ssh", "script", "none"]), hostKey: z.string().optional(), gone: z.boolean() }),
  proxies: z.record(z.string(), machine),
  /** Proxies whose set-up failed, or has yet to begin since they could not be reached. */
  failed: z.array(z.string()).catch([]),
  /** Hosts have documents; the single steps of earlier versions are gone from the stack. */
  documents: z.boolean().default(false),
  script: z
    .object({
      /** Of the script for the relay, where there is one; and since when it is this one (ISO 8601). */
      digest: z.string(),
      since: z.string(),
      /** By proxy: a digest of what both ends of its tunnel must agree on. */
      tunnels: z.record(z.string(), z.string()).default({}),
      /** Proxies through which the relay's own mail leaves. */
      egress: z.array(z.string()).default([]),
    })
    .optional(),
});
export type LastRun = z.output<typeof lastRun>;

const outputs = z.object({
  /** Which relay's, in a program that has several. */
  relay: z.string().catch(RELAY),
  lastRun,
  published: z.array(z.string()),
  proxies: z.record(
    z.string(),
    z.object({ ipv4: z.string().optional(), ipv6: z.string().optional(), sshHostKey: z.string().optional() }),
  ),
});

/** The last run's snapshot, with addresses and host keys. */
export type Before = LastRun & {
  readonly published: readonly string[];
  readonly addresses: Readonly<Record<string, readonly string[]>>;
  /** Public SSH host keys by proxy, where they are known. */
  readonly hostKeys: Readonly<Record<string, string>>;
};

export type ScriptState = NonNullable<LastRun["script"]>;

/** The part of `LastRun` that follows from the settings alone. */
export type Snapshot = Omit<LastRun, "failed" | "script" | "documents">;

export type Wanted = Pick<Settings, "mailDomain" | "dns" | "relay" | "proxies" | "tunnel">;

/** The snapshot after a run with these settings. Pure. */
export function snapshotOf({ mailDomain, dns, relay, proxies, tunnel }: Wanted): Snapshot {
  return {
    mailDomain,
    zone: { provider: dns.provider, name: dns.zone, onDestroy: dns.provider === "manual" ? "keep" : dns.onDestroy },
    relay: {
      setup: tunnel === "none" ? "none" : relay.setup,
      ...(relay.ssh && { hostKey: keyWithoutComment(relay.ssh.hostKey) }),
      gone: relay.gone,
    },
    proxies: Object.fromEntries(proxies.map((proxy) => [proxy.name, providerOf(proxy).snapshot(proxy)])),
  };
}

/**
 * The snapshot after a run with faults: the engine deletes nothing then, so removed entries still exist and must stay in
 * the snapshot. Pure.
 */
export function snapshotAfterFailure(before: LastRun | undefined, now: Snapshot): Snapshot {
  if (!before) return now;
  const letGo = before.relay.setup !== "ssh" || before.relay.gone || now.relay.setup === "ssh";
  return { ...now, relay: letGo ? now.relay : before.relay, proxies: { ...before.proxies, ...now.proxies } };
}

/**
 * Undefined in a new stack, and where the last run was made by a version without that output. They are the stack's own
 * outputs, or, in another program, one of those, under any name.
 */
export async function readLastRun(relay: string): Promise<Before | undefined> {
  const name = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  const answer = (await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name })) as { outputs?: unknown };
  return lastRunIn((answer.outputs ?? {}) as Record<string, unknown>, relay);
}

/** The same in outputs that are there already. Pure. */
export function lastRunIn(all: Readonly<Record<string, unknown>>, relay: string): Before | undefined {
  const data = [all, ...Object.values(all)]
    .flatMap((each) => outputs.safeParse(each).data ?? [])
    .find((each) => each.relay === relay);
  return (
    data && {
      ...data.lastRun,
      published: data.published,
      addresses: Object.fromEntries(
        Object.entries(data.proxies).map(([proxy, { ipv4, ipv6 }]) => [
          proxy,
          [ipv4, ipv6].flatMap((address) => address ?? []),
        ]),
      ),
      hostKeys: Object.fromEntries(
        Object.entries(data.proxies).flatMap(([proxy, { sshHostKey }]) =>
          sshHostKey === undefined ? [] : [[proxy, sshHostKey]],
        ),
      ),
    }
  );
}
