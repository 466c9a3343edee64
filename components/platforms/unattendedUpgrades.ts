// Security updates by themselves on the servers that we buy, with a reboot when one is needed. Pure.
import type { HostSet } from "../remote/bundle";

/** A minute of the night, different for each proxy, so that they do not all restart at once. */
export function rebootTime(slot: number): string {
  const minute = (slot * 37) % 240;
  return `${String(2 + Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

export function unattendedUpgradesSet(time: string): HostSet {
  const content = [
    "// Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.",
    'APT::Periodic::Update-Package-Lists "1";',
    'APT::Periodic::Unattended-Upgrade "1";',
    'Unattended-Upgrade::Automatic-Reboot "true";',
    `Unattended-Upgrade::Automatic-Reboot-Time "${time}";`,
    "",
  ].join("\n");
  return { files: [{ path: "/etc/apt/apt.conf.d/52chatmail-proxy", mode: "0644", content }] };
}
