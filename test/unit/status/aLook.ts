// A stack of two proxies and what a look finds of it when all is well, for the tests of `npm run status`.
import type { CertificateView } from "../../../components/health/certificates";
import type { PortAnswer } from "../../../components/health/probe";
import type { HostStatus } from "../../../components/hosts/status";
import type { HostSeen } from "../../../components/look";
import type { StackSettings } from "../../../components/settings";
import { checkSettings } from "../../../components/settings/check";
import type { Found } from "../../../scripts/status/gather";
import type { KnownStack } from "../../../scripts/status/stack";
import { BARE_STATUS } from "../aStack";

export const NOW = new Date("2026-11-30T12:00:00Z");
export const HEL1 = ["203.0.113.1", "2001:db8::1"] as const;
export const ASH1 = ["203.0.113.2", "2001:db8::2"] as const;
const PORTS = [25, 443];
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJTestTestTestTestTestTestTestTestTestTestTes";

const checked = checkSettings({
  mailDomain: "chat.example.org",
  ports: PORTS,
  relay: { ssh: { host: "192.168.77.10", hostKey: KEY } },
  proxies: [
    { name: "hel1", host: "hetzner", location: "hel1" },
    { name: "ash1", host: "hetzner", location: "ash" },
  ],
  dns: { provider: "hetzner", zone: "example.org" },
});

const machine = (location: string) => ({ host: "hetzner", location });

export const STACK: KnownStack = {
  name: "prod",
  settings: (() => {
    if ("faults" in checked) throw new Error(JSON.stringify(checked.faults));
    return checked.settings as unknown as StackSettings;
  })(),
  before: {
    mailDomain: "chat.example.org",
    zone: { provider: "hetzner", name: "example.org", onDestroy: "delete" },
    relay: { setup: "ssh", gone: false },
    proxies: { hel1: machine("hel1"), ash1: machine("ash") },
    failed: [],
    documents: true,
    published: [...HEL1, ...ASH1],
    addresses: { hel1: HEL1, ash1: ASH1 },
    hostKeys: { hel1: KEY, ash1: KEY },
  } as KnownStack["before"],
  managementKey: undefined,
};

const set = { state: "confirmed", digest: "d", drift: [] };
const VIEW = [
  "handshake 30",
  "traffic 2000000 15000",
  "endpoint 198.51.100.20:40000",
  ...PORTS.flatMap((port) => [4, 6].flatMap((family) => [`port ${port} ${family} open`, `took ${port} ${family} 12`])),
];

export const host = (changes: Partial<HostStatus> = {}): HostSeen => ({
  reachable: true,
  stillThere: undefined,
  status: {
    ...BARE_STATUS,
    clock: NOW.getTime() / 1000,
    tracked: "120 65536",
    sets: { filter: set, tunnel: set },
    view: VIEW,
    ...changes,
  },
});

export const silentHost: HostSeen = { reachable: false, why: "silent", reason: "nothing answers within 5 s" };

export const relay = (changes: Partial<HostStatus> = {}): HostSeen =>
  host({
    sets: Object.fromEntries(["keys-hel1", "tunnel-hel1", "keys-ash1", "tunnel-ash1"].map((name) => [name, set])),
    view: null,
    relay: ["ipv6 on"],
    outbound: [],
    ...changes,
  });

export const answering: readonly PortAnswer[] = PORTS.map((port) => ({ port, answer: { kind: "answered" }, ms: 20 }));
export const silent: readonly PortAnswer[] = PORTS.map((port) => ({ port, answer: { kind: "silent" } }));

export const CERTIFICATE: CertificateView = {
  names: ["chat.example.org"],
  issuer: "Let's Encrypt",
  expires: "2027-01-30T12:00:00.000Z",
  otherName: false,
  untrusted: undefined,
};

const ALL = [...HEL1, ...ASH1].sort();

/** All is well, but for what is given. */
export function found(changes: Partial<Found> = {}): Found {
  return {
    at: NOW,
    seen: {
      proxies: new Map([
        ["hel1", host()],
        ["ash1", host()],
      ]),
      relay: relay(),
    },
    outside: new Map([...HEL1, ...ASH1].map((address) => [address, answering])),
    names: {
      authoritative: [
        { server: "ns1.example.net (192.0.2.1)", addresses: ALL },
        { server: "ns2.example.net (192.0.2.2)", addresses: ALL },
      ],
      resolver: { server: "resolver", addresses: ALL },
    },
    reverse: new Map([...HEL1, ...ASH1].map((address) => [address, ["chat.example.org"]])),
    certificates: [{ port: 443, view: CERTIFICATE }],
    ...changes,
  };
}
