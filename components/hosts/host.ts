// What a proxy needs of the machine under it, whoever that machine belongs to. The rest of the program looks no further.
import type * as pulumi from "@pulumi/pulumi";
import type { OpenPorts } from "../filter/cloudFirewall";
import type { Platform } from "../platforms/platform";
import type { Become } from "../remote/hostctl";
import type { Reach } from "../remote/hostCommand";
import type { ManagementKey } from "./managementKey";

export interface Host extends pulumi.Resource {
  readonly platform: Platform;
  /** Public addresses at which the proxy is reached: of both families, or of one. */
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  readonly reach: Reach;
  readonly become: Become;
  /** Changes when the machine is another one, on which nothing of ours is installed yet. */
  readonly machine: pulumi.Output<string>;
  /** How often to try until the machine first answers. */
  readonly firstContactAttempts: number;
  /** Interfaces towards the internet, where they are given; else they are found. */
  readonly wan: readonly string[] | undefined;
  /** The machine stays when the proxy goes: what we did there is undone. Else it goes as a whole. */
  readonly stays: boolean;
  /** The machine is dead for good: it is asked nothing any more, not even when the proxy goes. */
  readonly gone: boolean;
  /** What nobody named is closed there. */
  readonly closed: boolean;
  /** When the machine may restart for its own security updates (HH:MM); undefined where those are not ours to arrange. */
  readonly rebootTime: string | undefined;
}

/** What every kind of host is told. */
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
  /** What is open on it. */
  readonly open: OpenPorts;
  readonly rebootTime: string;
  readonly labels: Record<string, string>;
}
