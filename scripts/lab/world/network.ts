// lab/world/network.ts: the namespaces that have no machine in them: internet, client, operator. The home is home.ts.
import { ACCESS, CLIENT, CLIENT_LEG, INTERNET, OPERATOR, OPERATOR_LEG, type Leg } from "../plan";
import { createNamespace, ip, setSysctls } from "../netns";
import { HOME_LINE } from "../plan";
import { bridgePort, internetLines, legLines } from "../text/network";

/** The internet's router; made before the daemon, which lives in it. */
export async function buildInternet(): Promise<void> {
  await createNamespace(INTERNET);
  await setSysctls(INTERNET, [
    ["ipv4/conf/all/forwarding", "1"],
    ["ipv6/conf/all/forwarding", "1"],
    // A router of the internet answers every unreachable, not one per second.
    ["ipv4/icmp_ratelimit", "0"],
  ]);
  await ip(INTERNET, internetLines());
}

export async function buildClient(): Promise<void> {
  await namespaceHost(CLIENT, "to-client", CLIENT_LEG);
}

/** Its second leg, into the home's LAN, is plugged in when the home is built. */
export async function buildOperator(): Promise<void> {
  await namespaceHost(OPERATOR, "to-uplink", OPERATOR_LEG);
}

export async function operatorIntoLan(): Promise<void> {
  await ip(OPERATOR, [`address add ${HOME_LINE.operator4}/${HOME_LINE.lanLength4} dev eth1`, "link set eth1 up"]);
}

async function namespaceHost(namespace: string, port: string, leg: Leg): Promise<void> {
  await createNamespace(namespace);
  // Its addresses are given; what a router advertises would come on top.
  await setSysctls(namespace, [
    ["ipv6/conf/all/accept_ra", "0"],
    ["ipv6/conf/default/accept_ra", "0"],
  ]);
  await ip(INTERNET, bridgePort(ACCESS.bridge, port, { namespace, name: "eth0" }));
  await ip(namespace, legLines("eth0", leg));
}
