// lab/plan.ts: every name and address of the lab's world, as data. Knows no process, no file, no command.
//
//              cpl-internet 192.0.2.0/24: DNS .53, Hetzner API .10, Debian mirror .80
//    mx .25, deb1 .140, vps .150 --+----+--------------------- servers 203.0.113.x/32, each on a link of its own
//                   | access 198.51.100.0/24
//      client .10 --+-- operator .30 --+-- home router .20
//                                |            | 192.168.77.1, NAT
//                                +-- .20 -----+---- relay .10

/** Prefix of every namespace and machine of the lab: by it they are told from everybody else's. */
export const PREFIX = "cpl-";

export const namespaceOf = (host: string): string => `${PREFIX}${host}`;

/** One host's leg in one network. */
export interface Leg {
  readonly ipv4: string;
  /** Prefix length of the IPv4 network on the link. */
  readonly ipv4Length: number;
  readonly gateway4?: string;
  readonly ipv6?: string;
  readonly ipv6Length?: number;
  readonly gateway6?: string;
}

export const INTERNET = namespaceOf("internet");
export const HOME = namespaceOf("home");
export const CLIENT = namespaceOf("client");
export const OPERATOR = namespaceOf("operator");

export const SERVICES = {
  api: { names: ["api.hetzner.cloud"], ipv4: "192.0.2.10", ipv6: "2001:db8:1::10" },
  dns: { names: ["ns1.example.net"], ipv4: "192.0.2.53", ipv6: "2001:db8:1::53" },
  mirror: { names: ["deb.debian.org", "security.debian.org"], ipv4: "192.0.2.80", ipv6: "2001:db8:1::80" },
} as const;

/** What Hetzner's zones are delegated to; here they are all the one name server. */
export const HETZNER_NAME_SERVERS = [
  "hydrogen.ns.hetzner.com",
  "oxygen.ns.hetzner.com",
  "helium.ns.hetzner.de",
] as const;

export const ACCESS = {
  bridge: "access",
  gateway4: "198.51.100.1",
  length4: 24,
  gateway6: "2001:db8:2::1",
  length6: 64,
} as const;

export const CLIENT_LEG: Leg = accessLeg("198.51.100.10", "2001:db8:2::10");
export const OPERATOR_LEG: Leg = accessLeg("198.51.100.30", "2001:db8:2::30");

/** The home line: its address changes on demand, and IPv6 can be switched. */
export const HOME_LINE = {
  addresses4: ["198.51.100.20", "198.51.100.21"],
  wan6: "2001:db8:2::20",
  lanBridge: "lan",
  lanGateway4: "192.168.77.1",
  lanLength4: 24,
  lanGateway6: "2001:db8:77::1",
  lanPrefix6: "2001:db8:77::/64",
  lanLength6: 64,
  operator4: "192.168.77.20",
} as const;

export const RELAY_LEG: Leg = { ipv4: "192.168.77.10", ipv4Length: 24, gateway4: HOME_LINE.lanGateway4 };
/** The relay's leg while the home has global IPv6. */
export const RELAY_LEG_V6: Leg = {
  ...RELAY_LEG,
  ipv6: "2001:db8:77::10",
  ipv6Length: 64,
  gateway6: HOME_LINE.lanGateway6,
};

/** A link of one's own, as servers have it at Hetzner: an IPv4 /32 with an on-link gateway, IPv6 via fe80::1. */
export const LINK = { gateway4: "172.31.1.1", gateway6: "fe80::1" } as const;
/** Only its own address is on its link: the services' lie in the same /64, behind the router. */
export const MX_LEG: Leg = { ...linkLeg("192.0.2.25", "2001:db8:1::25"), ipv6Length: 128 };

/** A machine that somebody rented long ago at another provider, and that is adopted instead of bought. */
export const DEB1_LEG: Leg = linkLeg("192.0.2.140", "2001:db8:d000:1::10");

/** A second relay, rented and with public addresses, for the mode without a tunnel; started on demand. */
export const VPS_LEG: Leg = linkLeg("192.0.2.150", "2001:db8:d000:2::10");

/** What the fake cloud gives its servers' addresses out of. */
export const CLOUD = { ipv4: "203.0.113.0/24", ipv6: "2001:db8:c000::/36" } as const;

export const MAIL_DOMAIN = "chat.example.org";
/** The mail domain of the relay that stands on the internet itself. */
export const DIRECT_DOMAIN = "direct.example.org";
/** Holds both mail domains. */
export const MAIL_ZONE = "example.org";
export const OTHER_DOMAIN = "example.net";
export const OTHER_MX = "mx.example.net";
/** A zone that is nobody's at Hetzner: its name server takes signed dynamic updates (RFC 2136). */
export const DYNAMIC_ZONE = "example.com";
export const TSIG = { name: "lab-updates", algorithm: "hmac-sha256" } as const;
/** Seconds; short, so that a test which waits for an old record to expire does not wait long. */
export const DNS_TTL = 5;
export const API_ENDPOINT = `http://${SERVICES.api.names[0]}/v1`;
export const RESOLVER = SERVICES.dns.ipv4;
export const MAIL_PORTS = [25, 80, 143, 443, 465, 587, 993] as const;
export const BIGGEST_MESSAGE = 31_457_280;

export type HostKind = "namespace" | "relay" | "mx" | "adopted" | "proxy";

export interface NamespaceHost {
  readonly name: "client" | "operator" | "router";
  readonly namespace: string;
}
/** Hosts that are only a namespace: they run the programs of the machine itself. */
export const NAMESPACE_HOSTS: readonly NamespaceHost[] = [
  { name: "client", namespace: CLIENT },
  { name: "router", namespace: HOME },
  { name: "operator", namespace: OPERATOR },
];
/** Names that no bought server may take, since `exec` and `log` go by name. */
export const RESERVED_NAMES: readonly string[] = [
  ...NAMESPACE_HOSTS.map((host) => host.name),
  "relay",
  "mx",
  "deb1",
  "vps",
  "internet",
  "home",
];

/** The router's end of a machine's link: 15 characters at most, as the kernel wants. */
export function linkName(machineId: string): string {
  const name = `to-${machineId}`;
  if (name.length > 15)
    throw new Error(
      `machine id "${machineId}" is too long: its link "${name}" has ${name.length} characters, Linux allows 15`,
    );
  return name;
}

export function linkLeg(ipv4: string, ipv6?: string): Leg {
  return {
    ipv4,
    ipv4Length: 32,
    gateway4: LINK.gateway4,
    ...(ipv6 ? { ipv6, ipv6Length: 64, gateway6: LINK.gateway6 } : {}),
  };
}

/** What the router has to send down a link so that the machine gets its own. */
export const ownedBy = ({ ipv4, ipv6 }: Leg): string[] => [`${ipv4}/32`, ...(ipv6 ? [`${ipv6}/128`] : [])];

export const addressesOf = ({ ipv4, ipv6 }: Leg): string[] => [ipv4, ...(ipv6 ? [ipv6] : [])];

function accessLeg(ipv4: string, ipv6: string): Leg {
  return {
    ipv4,
    ipv4Length: ACCESS.length4,
    gateway4: ACCESS.gateway4,
    ipv6,
    ipv6Length: ACCESS.length6,
    gateway6: ACCESS.gateway6,
  };
}
