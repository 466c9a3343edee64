// Warnings about a host on which nothing differs from what was brought in. Pure.
import type { HostStatus } from "./status";

/** Seconds by which a clock may be wrong; certificates and logs suffer beyond it. */
const CLOCK_TOLERANCE = 120;
/** Bytes on our state's file system below which little is left, and the part of it. */
const LITTLE = 200e6;
const LITTLE_PART = 0.05;
const DAY_SECONDS = 24 * 3600;

/** Messages without a full stop. `now`: this machine's clock. */
export const remarks = (status: HostStatus, now: Date): string[] => [...troubles(status, now), ...events(status)];

/** Of those what mail suffers from, now or soon. */
export function troubles({ clock, disk }: HostStatus, now: Date): string[] {
  const wrong = clockOffset(clock, now);
  return [
    ...(Math.abs(wrong) > CLOCK_TOLERANCE
      ? [
          `its clock is ${Math.abs(wrong)} s ${wrong > 0 ? "fast" : "slow"} (or this machine's is wrong): does it get its time from the network (timedatectl)?`,
        ]
      : []),
    ...(disk.free < LITTLE && disk.free < LITTLE_PART * disk.of
      ? [`its disk is almost full (${Math.round(disk.free / 1e6)} MB left): set-ups fail, and logs are lost`]
      : []),
  ];
}

/** Seconds by which a host's clock is ahead of this machine's. */
export const clockOffset = (clock: number, now: Date): number => Math.round(clock - now.getTime() / 1000);

/** Of those what waits to be done there, or has happened. */
export function events({ reboot, clock, healed, lastHealed }: HostStatus): string[] {
  const [, time = "", what = ""] = /^\d+ (\S+) (.*)$/.exec(lastHealed) ?? [];
  // By its own clock, both of them.
  const since = clock - Date.parse(time) / 1000;
  return [
    ...(reboot === "" ? [] : [`it should be rebooted: ${reboot}`]),
    ...(since < DAY_SECONDS
      ? [
          `it put something back by itself at ${time} (${what}), the ${ordinal(healed)} time so far: something else on it changes what this program has set up`,
        ]
      : []),
  ];
}

const ordinal = (count: number): string => {
  const last = count % 100;
  const ending = last >= 11 && last <= 13 ? "th" : (["th", "st", "nd", "rd"][count % 10] ?? "th");
  return `${count}${ending}`;
};
