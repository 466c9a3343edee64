// What the program needs of a DNS provider. Each provider has one adapter; openZone.ts chooses.
import type * as pulumi from "@pulumi/pulumi";
import type { ExistingSet, RecordType } from "./recordSets";

export interface RecordSetSpec {
  /** Fully qualified, without a final dot; lies in the zone. */
  readonly name: string;
  readonly type: RecordType;
  readonly values: pulumi.Input<string>[];
  /** The set is the mail domain's: what happens to it on destroy is `onDestroy`'s. */
  readonly isMailDomain?: boolean;
}

/** What happens to the mail domain's sets when the stack is destroyed; with `relay` they hold the relay's own addresses then. */
export type OnDestroy =
  | { readonly kind: "delete" | "keep" }
  | { readonly kind: "relay"; readonly addresses: Readonly<Record<RecordType, readonly string[]>> };

export interface OnDestroySpec {
  /** The mail domain. */
  readonly name: string;
  /** Families for which the stack wants no record set now. */
  readonly unwanted: pulumi.Input<RecordType[]>;
}

export interface DnsZone {
  /** What was in the zone when it was opened. */
  readonly existing: readonly ExistingSet[];
  /** The set holds exactly these values from now on; a set that others made is adopted. */
  recordSet(resourceName: string, spec: RecordSetSpec, opts: pulumi.CustomResourceOptions): pulumi.Resource;
  /**
   * Sees to it that after `pulumi destroy` the mail domain has the addresses that the operator wants there. Must depend
   * on the mail domain's sets: it then acts before they go.
   */
  onDestroy(resourceName: string, spec: OnDestroySpec, opts: pulumi.CustomResourceOptions): void;
  /** Only where the operator changes the zone manually. */
  readonly manual?: {
    /** What is answered for the mail domain, by records of its own, by a wildcard or behind a CNAME: where clients go. */
    readonly answered: readonly ExistingSet[];
    /** The record sets as lines of a zone file. */
    readonly lines: pulumi.Output<string>;
    /** What has to change in the zone: messages. */
    advice(): Promise<string[]>;
  };
}

/** Hetzner's label that marks our record sets. */
export const MANAGED_BY = "managed-by";

/** The part of an `OnDestroyJob` that is about the relay. */
export const relayIn = (onDestroy: OnDestroy) => ({
  relay: onDestroy.kind === "relay" ? onDestroy.addresses : { A: [], AAAA: [] },
});
