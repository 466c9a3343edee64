// lab/world/adopted.ts: deb1, a machine at another provider that somebody has run for years, and that is to be a proxy too.
import type { LabDirs } from "../dirs";
import type { MachineSpec } from "../machines/machine";
import { addressesOf, DEB1_LEG, LINK, ownedBy } from "../plan";
import { belongingsFiles, type Belongings } from "../text/belongings";
import { hostsFile, NETWORK_FILE, networkdConfig, resolvConf, type GuestFile } from "../text/guest";
import { deb1HostKeyFile, operatorKeyFile, sshFiles } from "./keys";

export const DEB1_BELONGINGS: Belongings = {
  bridge4: "172.17.0.1",
  table: 100,
  by: "script",
  gateway4: LINK.gateway4,
  gateway6: LINK.gateway6,
  port: 8080,
};

export const DEB1_PORTS: readonly number[] = [22, 8080];

export const deb1Spec = (): MachineSpec => ({
  id: "deb1",
  name: "deb1",
  kind: "adopted",
  image: "adopted",
  addresses: addressesOf(DEB1_LEG),
  nic: { kind: "link", owned: ownedBy(DEB1_LEG) },
});

export function deb1Files(dirs: LabDirs): GuestFile[] {
  return [
    ...sshFiles(deb1HostKeyFile(dirs), operatorKeyFile(dirs)),
    { path: NETWORK_FILE, content: networkdConfig(DEB1_LEG) },
    { path: "/etc/resolv.conf", content: resolvConf() },
    { path: "/etc/hostname", content: "deb1\n" },
    { path: "/etc/hosts", content: hostsFile(["deb1"]) },
    ...belongingsFiles(DEB1_BELONGINGS),
  ];
}
