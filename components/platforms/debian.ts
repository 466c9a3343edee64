// Debian and its kin under a proxy: nftables, wg-quick, systemd.
import { renderProxyFilter } from "../filter/nftables";
import { renderSysctl } from "../filter/sysctl";
import { unattendedUpgradesSet } from "./unattendedUpgrades";
import { hostctlProgram } from "../remote/hostctl";
import { keysSet, proxyEndSet, PROXY_INTERFACE } from "../tunnel/wireguard";
import type { Platform } from "./platform";

export const debian: Platform = {
  program: () => hostctlProgram("linux"),
  packages: ["wireguard-tools", "nftables", "iproute2", "procps"],
  upgradePackages: ["unattended-upgrades"],
  tunnelInterface: PROXY_INTERFACE,
  filterSet: (filter, wan) => ({
    files: [
      {
        path: "/etc/chatmail-proxy/proxy.nft",
        mode: "0644",
        content: renderProxyFilter({ ...filter, wan: wan.map(({ name }) => name) }),
      },
      // The last name wins, at boot: behind the owner's 99-hardening.conf, local.conf and the like, which may forbid forwarding.
      { path: "/etc/sysctl.d/zz-chatmail-proxy.conf", mode: "0644", content: renderSysctl(wan) },
    ],
    units: ["chatmail-proxy-filter.service", "chatmail-proxy-heal.timer"],
  }),
  tunnelSet: proxyEndSet,
  tunnelKeysSet: (keys) => keysSet(PROXY_INTERFACE, keys),
  upgradesSet: unattendedUpgradesSet,
};
