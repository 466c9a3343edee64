// What the driver reads from stdin, and what it needs of a DNS provider. Only types.
import type { Mark } from "../marks";
import type { RecordType } from "../recordSets";
import type { TsigKey } from "../wire/tsig";

/** How to reach the zone. Holds secrets. */
export type Access =
  | {
      readonly provider: "rfc2136";
      readonly zone: string;
      readonly server: string;
      readonly port: number;
      readonly key: TsigKey;
    }
  | {
      readonly provider: "cloudflare" | "hetzner";
      readonly zone: string;
      readonly api: string;
      readonly token: string;
    };

/** put: the set holds exactly this. drop: the set goes, if it still holds this. */
export interface SetJob {
  readonly access: Access;
  readonly stack: string;
  /** Fully qualified, without a final dot. */
  readonly name: string;
  readonly type: RecordType;
  /** In seconds. */
  readonly ttl: number;
  /** Addresses in their usual spelling. */
  readonly values: readonly string[];
  /** What the set was found to hold instead of what we put there: a reason to put it back. */
  readonly changedByHand?: readonly string[];
}

/** hold: sets that are not wanted now go. restore: the relay's own addresses come in place of ours. */
export interface OnDestroyJob {
  readonly access: Access;
  readonly stack: string;
  readonly name: string;
  readonly ttl: number;
  /** Families that hold no proxy's address at present. */
  readonly unwanted: readonly RecordType[];
  /** The relay's own public addresses; none where the sets are only kept. */
  readonly relay: Readonly<Record<RecordType, readonly string[]>>;
}

/** A record set as it is now; without values when there is none, or only its mark. */
export interface PresentSet {
  readonly type: RecordType | "CNAME";
  readonly ttl: number | undefined;
  readonly values: readonly string[];
  readonly mark: Mark | undefined;
}

export interface Change {
  readonly name: string;
  readonly type: RecordType;
  /** What the set holds from now on: nothing deletes it. Undefined leaves it alone. */
  readonly set: { readonly values: readonly string[]; readonly ttl: number } | undefined;
  /** The mark that it has from now on; undefined removes it. */
  readonly mark: string | undefined;
  /** What was there when the change was decided. */
  readonly seen: PresentSet;
}

export interface Backend {
  /** The A, AAAA and CNAME sets of a name: those that exist, or have a mark. */
  read(name: string): Promise<PresentSet[]>;
  /**
   * Makes the changes in one go, as far as the provider can, and gives notes for the operator. Throws a ConflictError when something
   * else is there by now.
   */
  apply(changes: readonly Change[]): Promise<readonly string[] | void>;
}

/** Somebody changed the set between our reading and our change. */
export class ConflictError extends Error {}
