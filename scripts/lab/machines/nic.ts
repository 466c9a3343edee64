// lab/machines/nic.ts: a machine's network namespace and its eth0: made for each boot, gone after it.
import { HOME, HOME_LINE, INTERNET, linkName, namespaceOf } from "../plan";
import { createNamespace, deleteNamespace, ip } from "../netns";
import { bridgePort, machineLinkLines, machineRouteLines, macOf } from "../text/network";

export type Nic =
  /** A port of the home LAN. */
  | { readonly kind: "lan" }
  /** A link of its own to the internet's router, and what is routed to it. */
  | { readonly kind: "link"; readonly owned: readonly string[] };

export async function plugIn(machineId: string, nic: Nic): Promise<void> {
  await unplug(machineId, nic);
  const namespace = namespaceOf(machineId);
  await createNamespace(namespace);
  const link = linkName(machineId);
  switch (nic.kind) {
    case "lan":
      return ip(HOME, bridgePort(HOME_LINE.lanBridge, link, { namespace, name: "eth0", mac: macOf(machineId) }));
    case "link":
      return ip(INTERNET, [
        ...machineLinkLines(link, namespace, macOf(machineId)),
        ...machineRouteLines(link, nic.owned),
      ]);
    default:
      return unreachable(nic);
  }
}

/** The router's end goes by its own name first: a namespace that somebody still uses keeps its links alive. */
export async function unplug(machineId: string, nic: Nic): Promise<void> {
  await ip(nic.kind === "lan" ? HOME : INTERNET, [`link delete ${linkName(machineId)}`], { force: true });
  await deleteNamespace(namespaceOf(machineId));
}

function unreachable(value: never): never {
  throw new Error(`no such kind of interface: ${JSON.stringify(value)}`);
}
