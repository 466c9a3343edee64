// lab/text/network.ts: the lab's network as lines for `ip -batch`, one list per namespace. Pure; runs nothing.
import { ACCESS, CLOUD, HOME, HOME_LINE, INTERNET, LINK, SERVICES, type Leg } from "../plan";
import type { HomeState } from "./home";

/** The router of the lab's internet. Nobody's default route leads out of here: there is no way to the real network. */
export function internetLines(): string[] {
  return [
    "link set lo up",
    ...Object.values(SERVICES).flatMap(({ ipv4, ipv6 }) => [
      `address add ${ipv4}/32 dev lo`,
      `address add ${ipv6}/128 dev lo`,
    ]),
    ...bridge(ACCESS.bridge),
    `address add ${ACCESS.gateway4}/${ACCESS.length4} dev ${ACCESS.bridge}`,
    `address add ${ACCESS.gateway6}/${ACCESS.length6} dev ${ACCESS.bridge} nodad`,
    // An address that no server has answers at once instead of looping.
    `route add unreachable ${CLOUD.ipv4}`,
    `route add unreachable ${CLOUD.ipv6}`,
  ];
}

/** A leg on a bridge of another namespace; run in that namespace. */
export function bridgePort(
  bridgeName: string,
  port: string,
  to: { namespace: string; name: string; mac?: string },
): string[] {
  return [
    `link add name ${port} type veth peer name ${to.name}${to.mac ? ` address ${to.mac}` : ""} netns ${to.namespace}`,
    `link set ${port} master ${bridgeName} up`,
  ];
}

/** The host's side of a leg, for hosts that do not set up their own network. */
export function legLines(device: string, leg: Leg): string[] {
  return [
    "link set lo up",
    `link set ${device} up`,
    `address add ${leg.ipv4}/${leg.ipv4Length} dev ${device}`,
    ...(leg.ipv6 ? [`address add ${leg.ipv6}/${leg.ipv6Length} dev ${device} nodad`] : []),
    ...(leg.gateway4 ? [`route replace default via ${leg.gateway4} dev ${device}`] : []),
    ...(leg.gateway6 ? [`route replace default via ${leg.gateway6} dev ${device}`] : []),
  ];
}

/** The router's side of a machine's own link, as Hetzner has it. */
export function machineLinkLines(link: string, machineNamespace: string, mac: string): string[] {
  return [
    `link add name ${link} type veth peer name eth0 address ${mac} netns ${machineNamespace}`,
    // A known address in place of the random one, or IPv6 neighbours would be unlearnt by each reboot.
    `link set ${link} address ${LINK_GATEWAY_MAC} up`,
    `address add ${LINK.gateway4}/32 dev ${link}`,
    `address add ${LINK.gateway6}/64 dev ${link} nodad`,
  ];
}

/** Routes to what a machine owns: its IPv4 address, and its IPv6 network or single address. */
export function machineRouteLines(link: string, owned: readonly string[]): string[] {
  return owned.map((what) => `route replace ${what} dev ${link}`);
}

export function homeLines(): string[] {
  return [
    "link set lo up",
    "link set wan up",
    ...bridge(HOME_LINE.lanBridge),
    `address add ${HOME_LINE.lanGateway4}/${HOME_LINE.lanLength4} dev ${HOME_LINE.lanBridge}`,
  ];
}

/** What changes when the provider gives the line another address; the old one's connections end, as in life. */
export function homeAddressLines(state: HomeState): string[] {
  return [
    "address flush dev wan scope global",
    `address add ${state.address}/${ACCESS.length4} dev wan`,
    `route replace default via ${ACCESS.gateway4} dev wan`,
    ...(state.ipv6 ? homeIPv6On() : []),
  ];
}

const homeIPv6On = (): string[] => [
  `address replace ${HOME_LINE.wan6}/${ACCESS.length6} dev wan nodad`,
  `route replace default via ${ACCESS.gateway6} dev wan`,
  `address replace ${HOME_LINE.lanGateway6}/${HOME_LINE.lanLength6} dev ${HOME_LINE.lanBridge} nodad`,
];

/** Lines for the router of the internet and the home router; what is not there does not matter when switching off. */
export function homeIPv6Lines(on: boolean): { namespace: string; lines: string[] }[] {
  return on
    ? [
        { namespace: HOME, lines: homeIPv6On() },
        {
          namespace: INTERNET,
          lines: [`route replace ${HOME_LINE.lanPrefix6} via ${HOME_LINE.wan6} dev ${ACCESS.bridge}`],
        },
      ]
    : [
        {
          namespace: HOME,
          lines: [
            `-6 address flush dev wan scope global`,
            `-6 address flush dev ${HOME_LINE.lanBridge} scope global`,
            "-6 route flush default",
          ],
        },
        { namespace: INTERNET, lines: [`-6 route flush ${HOME_LINE.lanPrefix6}`] },
      ];
}

/** Locally administered, and the same for a machine over all its boots. */
export function macOf(seed: string): string {
  let hash = 0x811c9dc5;
  for (const char of seed) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  const hex = hash.toString(16).padStart(8, "0");
  return `02:63:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`;
}

const LINK_GATEWAY_MAC = "d2:74:7f:6e:37:e3";

const bridge = (name: string): string[] => [
  `link add name ${name} type bridge forward_delay 0 mcast_snooping 0`,
  `link set ${name} up`,
];
