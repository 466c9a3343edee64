// FreeBSD 14 and 15 under a proxy: pf, wg of the base system, rc.d. Nothing is installed.
import { renderPf } from "../filter/pf";
import type { Wan } from "../filter/sysctl";
import { hostctlProgram } from "../remote/hostctl";
import { FREEBSD_ETC, FREEBSD_INTERFACE, freebsdEndSet, freebsdKeysSet } from "../tunnel/freebsd";
import type { Platform } from "./platform";

const HEAD = "# Written by chatmail-proxy; changes made by hand are lost at the next `pulumi up`.";

export const freebsd: Platform = {
  program: () => hostctlProgram("freebsd"),
  packages: [],
  upgradePackages: [],
  tunnelInterface: FREEBSD_INTERFACE,
  filterSet: (filter, wan) => ({
    files: [
      {
        path: `${FREEBSD_ETC}/proxy.pf`,
        mode: "0644",
        content: renderPf({ ...filter, wan: wan.map(({ name }) => name) }),
      },
      { path: `${FREEBSD_ETC}/proxy.sysctl`, mode: "0644", content: renderFreebsdSysctl(wan) },
      { path: `${FREEBSD_ETC}/proxy.rc`, mode: "0644", content: renderRc(wan) },
    ],
    units: ["pf"],
  }),
  tunnelSet: freebsdEndSet,
  tunnelKeysSet: freebsdKeysSet,
  upgradesSet: updatesSet,
};

/** Lines for /etc/sysctl.conf.local. */
export function renderFreebsdSysctl(wan: readonly Wan[]): string {
  return [
    HEAD,
    // The order counts: a kernel that forwards takes the next router advertisement for one that withdraws the default
    // route, unless this says otherwise by then.
    ...(learning(wan).length > 0 ? ["net.inet6.ip6.rfc6204w3=1"] : []),
    "net.inet.ip.forwarding=1",
    "net.inet6.ip6.forwarding=1",
    "",
  ].join("\n");
}

/** Lines for sysrc: at boot rc.d/routing and rc.d/netoptions set the same kernel settings again, from these. */
export function renderRc(wan: readonly Wan[]): string {
  const learns = learning(wan);
  return [
    HEAD,
    "gateway_enable=YES",
    "ipv6_gateway_enable=YES",
    // It has room for one. Of several, the sysctl line above serves all, from the end of the boot on.
    ...(learns.length === 1 ? [`ipv6_cpe_wanif=${learns[0]?.name}`] : []),
    // By ipv6_gateway_enable the boot no longer asks routers itself; their next advertisement of their own may be minutes away.
    ...(learns.length > 0 ? ["rtsold_enable=YES"] : []),
    "",
  ].join("\n");
}

const learning = (wan: readonly Wan[]) => wan.filter(({ acceptRa }) => acceptRa > 0);

/**
 * FreeBSD has nothing that installs updates by itself. This fetches them every day and mails root what there is
 * (freebsd-update's own cron mode, up to an hour after `time`); installing them and restarting is the operator's.
 */
function updatesSet(time: string) {
  const [hour, minute] = time.split(":").map(Number);
  return {
    files: [
      {
        path: "/etc/cron.d/chatmail-proxy",
        mode: "0644",
        content: [HEAD, `${minute} ${hour} * * * root /usr/sbin/freebsd-update cron`, ""].join("\n"),
      },
    ],
  };
}
