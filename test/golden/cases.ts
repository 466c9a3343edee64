// Every text that we render for a host, in small cases with documentation addresses and one-letter keys. The golden
// test compares them with the files beside it; the lab hands the same texts to the programs that will read them.
import { parseRange, type Range } from "../../components/addresses";
import { renderProxyFilter } from "../../components/filter/nftables";
import { renderPf } from "../../components/filter/pf";
import { renderRelayFilter } from "../../components/filter/relay";
import type { ProxyFilter } from "../../components/filter/spec";
import { renderSysctl } from "../../components/filter/sysctl";
import { renderCloudInit } from "../../components/hosts/cloudInit";
import { unattendedUpgradesSet } from "../../components/platforms/unattendedUpgrades";
import { freebsd, renderFreebsdSysctl, renderRc } from "../../components/platforms/freebsd";
import { bundle } from "../../components/remote/bundle";
import { planTunnel } from "../../components/tunnel/addressPlan";
import { freebsdEndSet, freebsdKeysSet } from "../../components/tunnel/freebsd";
import { keysSet, proxyEndSet, relayEndSet } from "../../components/tunnel/wireguard";

const plan = planTunnel(
  { name: "hel1", slot: 1 },
  { ipv4Range: range("192.0.2.0/24"), ipv6Range: range("2001:db8:7::/64"), routingTables: 5_182_000 },
);
const PORTS = [993, 25, 80, 143, 443, 465, 587];
const PLAIN = { closed: true, ssh: { port: 22, from: [] }, ports: PORTS, udpPorts: [] };
const TUNNEL = {
  kind: "tunnel",
  interface: "wg-relay",
  port: 51820,
  mtu: 1420,
  relay: plan.relay,
  egress: false,
} as const;
/** 32 bytes of one letter, as WireGuard writes them. */
const key = (letter: string) => Buffer.alloc(32, letter).toString("base64");

const BSD_TUNNEL = { ...TUNNEL, interface: "wg5182" } as const;
const DIRECT = { kind: "direct", relay: { ipv4: "198.51.100.7", ipv6: "2001:db8:5::7" } } as const;

/** What each golden pf file was rendered from; the tests of pf's meaning start from the same. */
export const PF_CASES: Readonly<Record<string, ProxyFilter>> = {
  "proxy-routed.pf": { wan: ["em0"], ...PLAIN, to: BSD_TUNNEL },
  "proxy-two-wans.pf": {
    wan: ["vtnet0", "gif0"],
    closed: true,
    ssh: { port: 2222, from: ["192.0.2.0/24", "2001:db8:1::/48"] },
    ports: [443, 25],
    udpPorts: [],
    to: { ...BSD_TUNNEL, port: 443, mtu: 1280 },
  },
  "proxy-egress.pf": {
    wan: ["em0"],
    ...PLAIN,
    ssh: { port: 22, from: ["192.0.2.128/25"] },
    to: { ...BSD_TUNNEL, egress: true },
  },
  "proxy-shared.pf": { wan: ["em0"], ...PLAIN, closed: false, to: { ...BSD_TUNNEL, egress: true } },
  "proxy-shared-direct.pf": { wan: ["em0"], ...PLAIN, closed: false, to: DIRECT },
  "proxy-udp.pf": {
    wan: ["em0"],
    ...PLAIN,
    udpPorts: [
      { from: 3478, to: 3478 },
      { from: 50000, to: 50999 },
    ],
    to: BSD_TUNNEL,
  },
  "proxy-direct.pf": { wan: ["em0"], ...PLAIN, to: DIRECT },
  "proxy-direct-ipv4.pf": { wan: ["em0"], ...PLAIN, to: { kind: "direct", relay: { ipv4: "198.51.100.7" } } },
};

const proxyEnd = proxyEndSet({ plan, mtu: 1420, port: 51820, peerPublicKey: key("R") });
const PUBLIC = ["203.0.113.5", "2001:db8:c000:5::1"];
const RELAY_END = {
  proxy: "hel1",
  stack: "chatmail-proxy/prod",
  plan,
  mtu: 1420,
  peerPublicKey: key("P"),
  endpoint: "203.0.113.5:51820",
  ports: PORTS,
  udpPorts: [],
  publicAddresses: PUBLIC,
  egress: undefined,
};
const relayEnd = relayEndSet(RELAY_END);
const egressEnd = relayEndSet({ ...RELAY_END, egress: { place: 0, ownLine: false } });
const content = (set: typeof proxyEnd, suffix: string) =>
  set.files.find(({ path }) => path.endsWith(suffix))?.content ?? "";

/** File name of the golden text, and the text as it is rendered now. The ending tells who reads it. */
export const CASES: Readonly<Record<string, string>> = {
  "proxy-routed.nft": renderProxyFilter({ wan: ["eth0"], ...PLAIN, to: TUNNEL }),
  "proxy-two-wans.nft": renderProxyFilter({
    wan: ["ens3", "he-ipv6"],
    closed: true,
    ssh: { port: 2222, from: ["192.0.2.0/24", "2001:db8:1::/48"] },
    ports: [443, 25],
    udpPorts: [],
    to: { ...TUNNEL, port: 443 },
  }),
  "proxy-egress.nft": renderProxyFilter({
    wan: ["eth0"],
    ...PLAIN,
    ssh: { port: 22, from: ["192.0.2.128/25"] },
    to: { ...TUNNEL, egress: true },
  }),
  "proxy-shared.nft": renderProxyFilter({ wan: ["eth0"], ...PLAIN, closed: false, to: { ...TUNNEL, egress: true } }),
  "proxy-shared-direct.nft": renderProxyFilter({
    wan: ["eth0"],
    ...PLAIN,
    closed: false,
    to: { kind: "direct", relay: { ipv4: "198.51.100.7", ipv6: "2001:db8:5::7" } },
  }),
  "proxy-udp.nft": renderProxyFilter({
    wan: ["eth0"],
    ...PLAIN,
    udpPorts: [
      { from: 3478, to: 3478 },
      { from: 50000, to: 50999 },
    ],
    to: TUNNEL,
  }),
  "proxy-direct.nft": renderProxyFilter({
    wan: ["eth0"],
    ...PLAIN,
    to: { kind: "direct", relay: { ipv4: "198.51.100.7", ipv6: "2001:db8:5::7" } },
  }),
  "proxy-direct-ipv4.nft": renderProxyFilter({
    wan: ["eth0"],
    ...PLAIN,
    to: { kind: "direct", relay: { ipv4: "198.51.100.7" } },
  }),
  ...Object.fromEntries(Object.entries(PF_CASES).map(([name, filter]) => [name, renderPf(filter)])),
  "relay-end.nft": content(relayEnd, ".nft"),
  "relay-end-hyphen.nft": renderRelayFilter({
    ...RELAY_END,
    proxy: "a-1",
    plan: { ...plan, relayInterface: "wg-a-1" },
    ports: [25],
    publicAddresses: ["203.0.113.5"],
  }),
  "proxy-end.wg": content(proxyEnd, ".conf"),
  "relay-end.wg": content(relayEnd, "wireguard/wg-hel1.conf"),
  "relay-end-ipv6.wg": content(
    relayEndSet({ ...RELAY_END, mtu: 1280, endpoint: "[2001:db8:c000::1]:51820" }),
    "wireguard/wg-hel1.conf",
  ),
  "relay-end.env": content(relayEnd, "chatmail-proxy/wg-hel1.conf"),
  "relay-egress.env": content(egressEnd, "chatmail-proxy/wg-hel1.conf"),
  "relay-egress.nft": content(egressEnd, ".nft"),
  "relay-udp.nft": content(
    relayEndSet({
      ...RELAY_END,
      udpPorts: [
        { from: 3478, to: 3478 },
        { from: 50000, to: 50999 },
      ],
    }),
    ".nft",
  ),
  "proxy.sysctl": renderSysctl([{ name: "eth0", acceptRa: 1 }]),
  "proxy-static.sysctl": renderSysctl([
    { name: "eth0.100", acceptRa: 2 },
    { name: "ens4", acceptRa: 0 },
  ]),
  "server.cloud-config": renderCloudInit({
    hostKey: {
      privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
      publicKey: `ssh-ed25519 ${"A".repeat(68)} hel1`,
    },
    sshPort: 22,
  }),
  "server-ssh-port.cloud-config": renderCloudInit({
    hostKey: {
      privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
      publicKey: `ssh-ed25519 ${"A".repeat(68)} hel1`,
    },
    sshPort: 2222,
  }),
  "upgrades.apt": unattendedUpgradesSet("03:17").files[0]?.content ?? "",
  "keys.bundle": bundle(keysSet("wg-relay", { privateKey: key("k"), presharedKey: key("s") })).text,
  "freebsd.sysctl-local": renderFreebsdSysctl([{ name: "em0", acceptRa: 1 }]),
  "freebsd-static.sysctl-local": renderFreebsdSysctl([{ name: "em0", acceptRa: 0 }]),
  "freebsd.rc": renderRc([{ name: "em0", acceptRa: 1 }]),
  "freebsd-two-wans.rc": renderRc([
    { name: "em0", acceptRa: 1 },
    { name: "em1", acceptRa: 1 },
  ]),
  "freebsd-static.rc": renderRc([{ name: "em0", acceptRa: 0 }]),
  "freebsd-updates.crontab": freebsd.upgradesSet("03:17").files[0]?.content ?? "",
  "freebsd-end.bundle": bundle(freebsdEndSet({ plan, mtu: 1420, port: 51820, peerPublicKey: key("R") })).text,
  "freebsd-keys.bundle": bundle(freebsdKeysSet({ privateKey: key("k"), presharedKey: key("s") })).text,
  "proxy-end.bundle": bundle(proxyEnd).text,
};

function range(text: string): Range {
  return parseRange(text) as Range;
}
