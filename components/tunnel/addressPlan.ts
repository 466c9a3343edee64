// Who has which address, routing table and interface name in the tunnels. Pure.
//
// A proxy's place in the plan (its slot) comes from its name, never from its position in the list: adding or
// removing another proxy must not renumber a tunnel that carries mail. Two names may hash to one slot; that is
// found before anything is made, and `slot` in the settings settles it.
import { createHash } from "node:crypto";
import { addressAt, formatRange, type Range } from "../addresses";
import { INTERFACE_PREFIX } from "../settings/values";

/** One end's addresses inside a tunnel. */
export interface TunnelAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface TunnelPlan {
  readonly slot: number;
  readonly proxy: TunnelAddresses;
  /** The relay's address in this tunnel alone: replies carry it as their source, and so find the way back. */
  readonly relay: TunnelAddresses;
  /** Name of the relay's interface to this proxy. */
  readonly relayInterface: string;
  /** Number of the relay's routing table whose default route is this tunnel. */
  readonly routingTable: number;
}

export interface PlanRanges {
  readonly ipv4Range: Range;
  readonly ipv6Range: Range;
  /** Number of the first routing table. */
  readonly routingTables: number;
}

/** A slot spans four addresses of each family: none, the proxy's, the relay's, one spare. */
const ADDRESSES_PER_SLOT = 4n;

/** More slots than this would need larger routing table numbers for nothing. */
const MOST_SLOTS = 16384n;

/** How many tunnels the smaller of the two ranges holds. */
export function slotCount({ ipv4Range, ipv6Range }: PlanRanges): number {
  const counts = [ipv4Range.size / ADDRESSES_PER_SLOT, ipv6Range.size / ADDRESSES_PER_SLOT, MOST_SLOTS];
  return Number(counts.reduce((least, count) => (count < least ? count : least)));
}

export function slotOf(proxy: { name: string; slot?: number | undefined }, slots: number): number {
  return proxy.slot ?? createHash("sha256").update(proxy.name).digest().readUInt32BE(0) % slots;
}

export function planTunnel(proxy: { name: string; slot?: number | undefined }, ranges: PlanRanges): TunnelPlan {
  const slot = slotOf(proxy, slotCount(ranges));
  const at = (place: bigint): TunnelAddresses => ({
    ipv4: addressAt(ranges.ipv4Range, BigInt(slot) * ADDRESSES_PER_SLOT + place),
    ipv6: addressAt(ranges.ipv6Range, BigInt(slot) * ADDRESSES_PER_SLOT + place),
  });
  return {
    slot,
    proxy: at(1n),
    relay: at(2n),
    relayInterface: INTERFACE_PREFIX + proxy.name,
    routingTable: ranges.routingTables + slot,
  };
}

/** What is wrong with the plan of these proxies, as messages that follow a key of the settings. */
export function planFaults(
  proxies: readonly { name: string; slot?: number | undefined }[],
  ranges: PlanRanges,
): { index: number; text: string }[] {
  const slots = slotCount(ranges);
  const holder = new Map<number, string>();
  return proxies.flatMap((proxy, index) => {
    if (proxy.slot !== undefined && proxy.slot >= slots) {
      const small = `${formatRange(ranges.ipv4Range)} and ${formatRange(ranges.ipv6Range)} hold ${slots} tunnels`;
      return [{ index, text: `${proxy.slot} is too high: ${small}. Use a slot from 0 to ${slots - 1}.` }];
    }
    const slot = slotOf(proxy, slots);
    const other = holder.get(slot);
    holder.set(slot, other ?? proxy.name);
    if (other === undefined || other === proxy.name) return [];
    return [
      {
        index,
        text: `"${proxy.name}" and "${other}" would share slot ${slot}, that is, their tunnel addresses. Give one of them a free slot of its own (0 to ${slots - 1}).`,
      },
    ];
  });
}

/** Without tunnels a slot only spreads the times of restarts. */
export const REBOOT_SLOTS = 4096;
