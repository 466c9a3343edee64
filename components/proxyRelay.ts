// One proxy in front of the relay: a host, the tunnel's two ends, the packet filter, its own DNS names, and the proof
// that mail reaches the relay through it. Who is published under the mail domain is decided elsewhere (dns/mailDomain.ts).
import * as pulumi from "@pulumi/pulumi";
import type { DnsZone } from "./dns/hetzner";
import { typeOf } from "./dns/recordSets";
import { guardedFilter } from "./filter/guardedFilter";
import { HetznerHost, SSH_PORT } from "./hosts/hetzner";
import type { ManagementKey } from "./hosts/managementKey";
import { rebootTime } from "./hosts/unattendedUpgrades";
import { proveProxy, type Prover } from "./proof/prove";
import type { Relay } from "./relay";
import type { ProxyReport } from "./report";
import { bundle } from "./remote/bundle";
import { parseInsideView, parseWan } from "./remote/facts";
import { hostCommand, remoteCommand } from "./remote/hostCommand";
import { installHostctl } from "./remote/hostctl";
import type { ProxySettings, Settings } from "./settings";
import type { TunnelPlan } from "./tunnel/addressPlan";
import { RelayTunnelEnd } from "./tunnel/relayEnd";
import { tunnelSecrets } from "./tunnel/tunnelSecrets";
import { endpoint } from "./tunnel/wireguard";

export interface ProxyRelayArgs {
  /** This proxy's entry in the settings. */
  readonly settings: ProxySettings;
  /** What all proxies of the stack share. */
  readonly shared: Pick<Settings, "mailDomain" | "ports" | "adminKeys" | "tunnel" | "relay">;
  readonly plan: TunnelPlan;
  readonly relay: Relay;
  readonly zone: DnsZone;
  /** The proxy's own name in that zone. */
  readonly dnsName: string;
  /** The stack's key for the servers that it buys. */
  readonly key: ManagementKey;
  readonly labels: Record<string, string>;
  /** How the proof from outside is made. */
  readonly prove: Prover;
}

export class ProxyRelay extends pulumi.ComponentResource {
  /** The name in the settings. */
  readonly name: string;
  /** Public addresses. */
  readonly ipv4: pulumi.Output<string>;
  readonly ipv6: pulumi.Output<string>;
  /** The proxy's own name; its addresses' reverse DNS says the same. */
  readonly dnsName: string;
  /** WireGuard's public keys, base64: the proxy's, and that of the relay's end. */
  readonly wireGuardPublicKey: pulumi.Output<string>;
  readonly relayPublicKey: pulumi.Output<string>;
  readonly sshHostKey: pulumi.Output<string>;
  /** What this run found out about the proxy: above all, whether the relay answers at its addresses. */
  readonly report: pulumi.Output<ProxyReport>;

  constructor(name: string, args: ProxyRelayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:index:ProxyRelay", name, {}, opts);
    const child = { parent: this };
    const { shared, plan, dnsName, relay } = args;
    this.name = name;
    this.dnsName = dnsName;

    const machine = new HetznerHost(
      name,
      { settings: args.settings, dnsName, key: args.key, ports: shared.ports, tunnelPort: shared.tunnel.port, labels: args.labels },
      child,
    );
    this.ipv4 = machine.ipv4;
    this.ipv6 = machine.ipv6;
    this.sshHostKey = pulumi.output(machine.reach.hostKey);
    const host = { reach: machine.reach, become: machine.become, machine: machine.machine };
    const { platform } = machine;

    for (const [family, address] of [[4, this.ipv4], [6, this.ipv6]] as const) {
      args.zone.recordSet(`${name}-${typeOf(family)}`, { name: dnsName, type: typeOf(family), values: [address] }, child);
    }

    // The host: our program on it, packages, what it is like.
    const tool = remoteCommand(`${name}-hostctl`, { ...host, attempts: machine.firstContactAttempts, line: installHostctl(host.become), stdin: platform.program() }, child);
    const prepared = hostCommand(`${name}-prepare`, { ...host, words: ["prepare", ...platform.packages] }, { ...child, dependsOn: tool });
    const wan = hostCommand(`${name}-wan`, { ...host, words: ["wan"] }, { ...child, dependsOn: prepared });
    hostCommand(`${name}-admin-keys`, { ...host, words: ["admin-keys"], stdin: shared.adminKeys.map((key) => `${key}\n`).join("") }, { ...child, dependsOn: tool });
    hostCommand(`${name}-upgrades`, { ...host, words: ["install", "upgrades"], stdin: bundle(platform.upgradesSet(rebootTime(plan.slot))).text }, { ...child, dependsOn: prepared });

    // The packet filter, before there is anything to reach behind it.
    const to = { kind: "tunnel", interface: platform.tunnelInterface, port: shared.tunnel.port, mtu: shared.tunnel.mtu, relay: plan.relay, egress: false } as const;
    const set = wan.stdout.apply((stdout) => platform.filterSet({ closed: true, ssh: { port: SSH_PORT, from: [] }, ports: shared.ports, udpPorts: [], to }, parseWan(stdout)));
    const filter = guardedFilter(`${name}-filter`, { host, set }, child);

    // The tunnel's two ends.
    const secrets = tunnelSecrets(name, shared.tunnel.keyGeneration, child);
    this.wireGuardPublicKey = secrets.proxyPublicKey;
    this.relayPublicKey = secrets.relayPublicKey;
    const keys = hostCommand(
      `${name}-keys`,
      { ...host, words: ["install", "tunnel-keys"], stdin: pulumi.secret(secrets.proxyKeys.apply((pair) => bundle(platform.tunnelKeysSet(pair)).text)), quiet: true },
      { ...child, dependsOn: prepared },
    );
    const proxyEnd = hostCommand(
      `${name}-tunnel`,
      { ...host, words: ["install", "tunnel"], stdin: secrets.relayPublicKey.apply((peerPublicKey) => bundle(platform.tunnelSet({ plan, mtu: shared.tunnel.mtu, port: shared.tunnel.port, peerPublicKey })).text) },
      { ...child, dependsOn: [keys, filter] },
    );
    const dialled = shared.relay.dial === "ipv4" ? this.ipv4 : this.ipv6;
    const relayEnd = new RelayTunnelEnd(
      `${name}-relay-end`,
      {
        relay,
        proxy: args.settings.name,
        interfaceName: plan.relayInterface,
        keys: secrets.relayKeys,
        end: pulumi.all([secrets.proxyPublicKey, dialled]).apply(([peerPublicKey, address]) => ({
          proxy: args.settings.name,
          plan,
          mtu: shared.tunnel.mtu,
          peerPublicKey,
          endpoint: endpoint(address, shared.tunnel.port),
          ports: shared.ports,
        })),
      },
      child,
    );

    // The proof.
    const outside = proveProxy(args.prove, {
      ipv4: this.ipv4,
      ipv6: this.ipv6,
      ports: shared.ports,
      mailDomain: shared.mailDomain,
      after: [proxyEnd.stdout, relayEnd.installed.stdout, filter.stdout],
    });
    const through = hostCommand(
      `${name}-through`,
      {
        ...host,
        words: ["through", platform.tunnelInterface, plan.relay.ipv4, plan.relay.ipv6, ...shared.ports],
        // What was seen from outside: when that changes, the proxy is asked again what it sees.
        stdin: outside.summary,
      },
      { ...child, dependsOn: [proxyEnd, relayEnd.installed] },
    );
    const inside = through.stdout.apply(parseInsideView);
    this.report = pulumi.all([this.ipv4, this.ipv6, outside.verdict(inside), inside]).apply(
      ([ipv4, ipv6, verdict, { relayAddress }]): ProxyReport => ({ name: args.settings.name, publish: args.settings.publish, dnsName, ipv4, ipv6, verdict, relayAddress }),
    );

    this.registerOutputs({ ipv4: this.ipv4, ipv6: this.ipv6, dnsName, wireGuardPublicKey: this.wireGuardPublicKey });
  }
}
