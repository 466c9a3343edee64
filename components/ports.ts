// Ports, and ranges of them. Pure.

/** Consecutive ports, both ends included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export const ascending = (ports: readonly number[]) => [...ports].sort((a, b) => a - b);

/** 3478 or 49152-65535. */
export const rangeText = ({ from, to }: PortRange, between = "-") =>
  from === to ? String(from) : `${from}${between}${to}`;
