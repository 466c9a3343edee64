// What of the plan is taken on the relay already: networks, routing tables, interface names. Pure.
import { networkOf, overlap, within, type Range } from "../addresses";
import { NO_CLIENTS } from "../filter/relay";
import type { RelayFacts } from "../remote/facts";
import type { SettingFault } from "../settings/fault";
import type { TunnelPlan } from "./addressPlan";

/** `stack`: this stack, as its tunnels are marked on the relay. */
export function relayConflicts(plans: readonly TunnelPlan[], facts: RelayFacts, stack: string): SettingFault[] {
  const mine = new Set(
    facts.ours.filter((tunnel) => tunnel.stack === undefined || tunnel.stack === stack).map(({ device }) => device),
  );
  const ours = new Set([...mine, ...plans.map(({ relayInterface }) => relayInterface)]);
  const others = facts.addresses
    .concat(facts.routes.filter(({ cidr }) => isOneNetwork(cidr)))
    .filter(({ device }) => !ours.has(device));
  return [
    ...(facts.ipv6Off === undefined
      ? []
      : [
          {
            key: "relay",
            text: `has IPv6 switched off (${facts.ipv6Off}). The tunnel carries IPv6 to it even where the home line has none: set that to 0, now and where it is set at boot (/etc/sysctl.conf, /etc/sysctl.d, or the kernel's command line).`,
          },
        ]),
    ...plans.flatMap((plan) => [
      ...addressConflicts(plan, others),
      ...tableConflicts(plan, facts, ours),
      ...nameConflicts(plan, facts, mine),
      ...trustConflicts(plan, facts),
    ]),
  ];
}

/**
 * A wide route (10.0.0.0/8 to a VPN, say) is no conflict: ours are narrower and win, and hardly any of its addresses is in use.
 * A network that the relay itself has an address in is one, of any size, and so is a route to a single network.
 */
function isOneNetwork(cidr: string): boolean {
  const network = networkOf(cidr);
  return network !== undefined && network.prefix >= (network.family === 4 ? 24 : 64);
}

function addressConflicts(plan: TunnelPlan, others: readonly { device: string; cidr: string }[]): SettingFault[] {
  const tunnel = [plan.relay.ipv4, plan.relay.ipv6, plan.proxy.ipv4, plan.proxy.ipv6].map(
    (address) => networkOf(address) as Range,
  );
  const seen = new Set<string>();
  return others.flatMap(({ device, cidr }) => {
    const network = networkOf(cidr);
    if (!network || isEverything(network) || !tunnel.some((address) => overlap(address, network)) || seen.has(cidr))
      return [];
    seen.add(cidr);
    const key = network.family === 4 ? "tunnel.ipv4Range" : "tunnel.ipv6Range";
    const mine = network.family === 4 ? plan.relay.ipv4 : plan.relay.ipv6;
    return [
      {
        key,
        text: `the relay already uses ${cidr} on ${device}, and ${mine} for ${plan.relayInterface} lies in it. Choose a range that is free there.`,
      },
    ];
  });
}

function tableConflicts(plan: TunnelPlan, facts: RelayFacts, ours: ReadonlySet<string>): SettingFault[] {
  const table = String(plan.routingTable);
  // Our own tunnel is there already, and its rules with it.
  if (facts.ours.some(({ device }) => device === plan.relayInterface && ours.has(device))) return [];
  const user = facts.tables.find((used) => used.table === table && !ours.has(used.device));
  const rule = facts.rules.find(
    (line) => line.endsWith(`lookup ${table}`) && !line.includes(plan.relay.ipv4) && !line.includes(plan.relay.ipv6),
  );
  if (!user && !rule) return [];
  const by = user ? `routes on ${user.device}` : `the rule "${rule}"`;
  return [
    {
      key: "tunnel.routingTables",
      text: `the relay's routing table ${table}, meant for ${plan.relayInterface}, is in use already (${by}). Choose a first table whose successors are free.`,
    },
  ];
}

// A default route; or half of one, by which VPNs outrank it.
const isEverything = ({ prefix }: Range) => prefix <= 1;

function nameConflicts(plan: TunnelPlan, facts: RelayFacts, mine: ReadonlySet<string>): SettingFault[] {
  const other = facts.ours.find(({ device }) => device === plan.relayInterface && !mine.has(device));
  if (other)
    return [
      {
        key: "proxies",
        text: `the relay already has a tunnel ${plan.relayInterface} of the stack ${other.stack}. Give this proxy another name, or remove it there first.`,
      },
    ];
  const taken = facts.addresses.some(({ device }) => device === plan.relayInterface) && !mine.has(plan.relayInterface);
  return taken
    ? [
        {
          key: "proxies",
          text: `the relay already has an interface ${plan.relayInterface} that is not ours. Give this proxy another name.`,
        },
      ]
    : [];
}

/** The network of postfix's mynetworks that an address lies in, as it stands there. */
export function trustedNetwork(facts: RelayFacts, address: string): string | undefined {
  const here = networkOf(address);
  return here && trusted(facts).find(({ network }) => overlap(network, here))?.entry;
}

/**
 * Those of them, as they stand there, in which others on the internet are too: the relay drops what comes out of a tunnel
 * under private addresses alone. Its own addresses nobody else can have a conversation under.
 */
export function trustedClients(facts: RelayFacts): string[] {
  const safe = [...NO_CLIENTS, ...facts.addresses.map(({ cidr }) => cidr.split("/")[0] ?? "")].flatMap(
    (text) => networkOf(text) ?? [],
  );
  return trusted(facts)
    .filter(({ network }) => !safe.some((range) => within(network, range)))
    .map(({ entry }) => entry);
}

/** mynetworks, without what is no network (tables, files, exceptions). */
const trusted = (facts: RelayFacts) =>
  (facts.postfix.mynetworks ?? "").split(/[\s,]+/).flatMap((entry) => {
    const network = networkOf(entry.replace(/[[\]]/g, ""));
    return network ? [{ entry, network }] : [];
  });

function trustConflicts(plan: TunnelPlan, facts: RelayFacts): SettingFault[] {
  return [plan.proxy.ipv4, plan.proxy.ipv6].flatMap((address) => {
    const network = trustedNetwork(facts, address);
    return network
      ? [
          {
            key: "relay",
            text: `postfix trusts ${network} (mynetworks), and with it ${address}, the tunnel's other end: a captured proxy could send through your relay. Take that network out of mynetworks, or choose another tunnel.ipv4Range or ipv6Range.`,
          },
        ]
      : [];
  });
}
