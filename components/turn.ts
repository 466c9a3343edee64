// chatmail's TURN server: how its users' calls fare behind proxies. Pure.
import type { PortRange } from "./ports";

/** UDP port on which it listens. Its media flows on others. */
const TURN_PORT = 3478;

const WAYS = `Two ways out: stop advertising it on the relay (calls then need a direct connection between the two sides), or run a TURN server that can be configured with its outside address (coturn: external-ip=PROXY'S-ADDRESS/RELAY'S-TUNNEL-ADDRESS, min-port, max-port), and name ${TURN_PORT} and that range under udpPorts. chatmail's own hands out the address that it listens on.`;

/** Where it listens on the relay, and its port is not forwarded. */
export const TURN_UNREACHED = `The relay runs a TURN server (UDP ${TURN_PORT}), which it advertises to its users, and which nobody reaches through the proxies: calls between users behind NAT fail. ${WAYS}`;

export const forwardsTurn = (udpPorts: readonly PortRange[]) =>
  udpPorts.some(({ from, to }) => from <= TURN_PORT && TURN_PORT <= to);

/** `listens`: whether it runs on the relay, as far as that is known. */
export function turnAdvice(udpPorts: readonly PortRange[], listens: boolean): string[] {
  const media = udpPorts.some(({ from, to }) => from >= 1024 && to > from);
  if (forwardsTurn(udpPorts))
    return media
      ? []
      : [
          `udpPorts forwards ${TURN_PORT} (TURN), but no range for its media, which flows on UDP 49152-65535 of the relay's own address: calls ring and stay silent. ${WAYS}`,
        ];
  return listens ? [TURN_UNREACHED] : [];
}
