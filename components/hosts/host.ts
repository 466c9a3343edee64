// What a proxy needs of the machine under it, whoever owns that, and what the program knows of a provider of
// hosts. The rest of the program knows no more of it: a new provider is one file beside this one, and a line in providers.ts.
import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import type { AllowedPorts } from "../filter/cloudFirewall";
import type { Platform } from "../platforms/platform";
import type { Become } from "../remote/hostctl";
import type { SshConnection } from "../remote/hostDocument";
import type { AnyProxy } from "../settings/anyProxy";
import type { SettingFault } from "../settings/fault";
import type { Token } from "../settings/token";
import type { ManagementKey } from "./managementKey";

export interface Host extends pulumi.Resource {
  readonly platform: Platform;
  /** Public addresses at which the proxy is reached: of both families, or of one. */
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  readonly ssh: SshConnection;
  readonly become: Become;
  /** Changes when the machine is another one, on which nothing of ours is installed yet. */
  readonly machine: pulumi.Output<string>;
  /** How often to try until the machine first answers. */
  readonly firstContactAttempts: number;
  /** Interfaces towards the internet, where they are given; else they are found. */
  readonly wan: readonly string[] | undefined;
  /** The machine was there before the proxy, and stays when the proxy goes: what we did there is undone. Else it is deleted as a whole. */
  readonly adopted: boolean;
  /** The machine is permanently lost: nothing is run on it any more, not even when the proxy goes. */
  readonly gone: boolean;
  /** Every port that is not listed is closed. */
  readonly closed: boolean;
  /** When the machine may restart for its own security updates (HH:MM); undefined where those are not ours to arrange. */
  readonly rebootTime: string | undefined;
}

/** Arguments of every provider. */
export interface HostArgs<Settings> {
  readonly settings: Settings;
  /** The proxy's own DNS name. */
  readonly dnsName: string;
  /** What its addresses' reverse DNS should say. */
  readonly reverseName: string;
  /** The stack's key for the servers that it buys; made when it is asked for. */
  readonly key: () => ManagementKey;
  /** The operator's own key for existing machines; without one the SSH agent is asked. */
  readonly operatorKey: pulumi.Output<string> | undefined;
  /** Ports that the cloud firewall lets in. */
  readonly allowedPorts: AllowedPorts;
  /** Nothing changes on the host in this run, so the firewall in front of it must not either. */
  readonly frozen: boolean;
  readonly rebootTime: string;
  readonly labels: Record<string, string>;
}

/**
 * Where hosts come from. `Entry`: the settings of a proxy on such a host; `Machine`: what is remembered of it from
 * one run to the next, in the stack's output `lastRun`, so that an older one must stay readable.
 */
export interface HostProvider<
  Entry extends AnyProxy = AnyProxy,
  Machine extends { readonly host: string } = { readonly host: string },
> {
  /** Its name: an entry's `host`. */
  readonly name: Entry["host"];
  readonly schema: SchemaOf<Entry>;
  /** The provider's API token; undefined where no servers are bought. */
  readonly token: Token | undefined;
  /** The first contact takes the operator's own key. */
  readonly operatorKey: boolean;
  /** Reverse DNS of its addresses is ours to set. */
  readonly reverseDns: boolean;
  readonly snapshotSchema: SchemaOf<Machine>;

  // Methods, not properties that hold functions: only so do providers with different entries fit into one table.

  properties(entry: Entry): HostProperties;
  /** Where SSH is on the hosts that exist, by proxy; one that is yet to be bought is left out. `labels` mark the stack. */
  findEndpoints(entries: readonly Entry[], labels: Record<string, string>): Promise<ReadonlyMap<string, SshEndpoint>>;
  open(name: string, args: HostArgs<Entry>, opts: pulumi.ComponentResourceOptions): Host;
  snapshot(entry: Entry): Machine;
  /** Undefined for a machine that is deleted with its proxy. */
  identity(machine: Machine): Identity | undefined;
  /** Faults of changes that a proxy cannot follow while it exists, by key of its entry. */
  immutableChanges(name: string, was: Machine, is: Machine): SettingFault[];
}

/** A schema that can be part of a discriminated union. */
export type SchemaOf<Output> = z.ZodType<Output> & z.core.$ZodTypeDiscriminable;

/** What is known of a host from the settings alone. */
export interface HostProperties {
  /** TCP port of its SSH. */
  readonly sshPort: number;
  readonly platform: Platform;
  /** Interfaces towards the internet, where they are given; else they are found. */
  readonly wan?: readonly string[] | undefined;
  /** Where its SSH is, where a setting says so. */
  readonly sshHost?: string | undefined;
  /** The autonomous system that it is in, where that is known. */
  readonly autonomousSystem: number | undefined;
  /** True: every port that is not listed is closed. False: only our own traffic is filtered, and `adminNetworks` has no effect. */
  readonly closed: boolean;
  /** When it may restart for its own security updates (HH:MM), by default `byDefault`; undefined where those are not ours to arrange. */
  rebootTime(byDefault: string): string | undefined;
  /** What the machine is known by: entries with one in common are one machine. */
  readonly identifiers: readonly string[];
  /** What is wrong with the entry as a whole. */
  readonly faults: readonly string[];
}

export interface SshEndpoint {
  /** Which machine it is: what Host.machine says of it. */
  readonly machine: string;
  readonly host: string;
  /** An answer at any of them will do. */
  readonly ports: readonly number[];
  readonly user: string;
  /** As pinned in the settings; undefined where we made it: then it is in the stack's outputs. */
  readonly hostKey: string | undefined;
}

/** Identifies a machine that stays when its proxy goes, independent of the proxy's name. */
export interface Identity {
  readonly id: string;
  /** It was given up: nothing of ours is removed there any more. */
  readonly gone: boolean;
}

/** How to move the proxy `name` to another place. */
export const addThenRemove = (name: string) =>
  `A proxy cannot move while it lives: change this back, add a proxy with a new name beside it, and then: npm run remove -- ${name}`;
