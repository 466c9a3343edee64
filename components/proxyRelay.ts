// One proxy in front of the relay: a host, the tunnel's two ends, the packet filter, its own DNS names, and a look at
// whether mail reaches the relay through it. Who is published under the mail domain is decided elsewhere (dns/mailDomain.ts).
import * as pulumi from "@pulumi/pulumi";
import { typeOf } from "./dns/recordSets";
import type { DnsZone } from "./dns/zone";
import { guardedFilter } from "./filter/guardedFilter";
import type { ProxyFilter } from "./filter/spec";
import type { Host } from "./hosts/host";
import { kindOf } from "./hosts/kindOf";
import type { ManagementKey } from "./hosts/managementKey";
import { rebootTime } from "./hosts/unattendedUpgrades";
import { lookFromOutside, type OutsideViews, type Prover } from "./proof/prove";
import { summary } from "./proof/verdict";
import type { RelayEnds } from "./relay";
import { bundle } from "./remote/bundle";
import { parseInsideView, parseWan, type InsideView } from "./remote/facts";
import type { HostCommandArgs } from "./remote/hostCommand";
import { attemptInstall, hostctlIfThere } from "./remote/hostctl";
import {
  failuresOf,
  step,
  stepOf,
  wentWell,
  type Failure,
  type Step,
  type StepArgs,
  type StepHost,
} from "./remote/step";
import type { ProxySettings, Settings, TunnelSettings } from "./settings";
import type { TunnelPlan } from "./tunnel/addressPlan";
import { tunnelSecrets, type TunnelSecrets } from "./tunnel/tunnelSecrets";
import { endpoint, type Egress } from "./tunnel/wireguard";

export interface ProxyRelayArgs {
  /** This proxy's entry in the settings. */
  readonly settings: ProxySettings;
  /** What all proxies of the stack share. */
  readonly shared: Pick<Settings, "mailDomain" | "ports" | "udpPorts" | "adminKeys" | "adminNetworks" | "relay">;
  /** How the proxy reaches the relay: through a tunnel, or at its public addresses. */
  readonly way:
    | {
        readonly kind: "tunnel";
        readonly settings: TunnelSettings;
        readonly plan: TunnelPlan;
        readonly relay: RelayEnds;
      }
    | { readonly kind: "direct"; readonly slot: number };
  /** Defined when the relay's own mail may leave through this proxy. */
  readonly egress: Egress | undefined;
  readonly zone: DnsZone;
  /** The proxy's own name in that zone. */
  readonly dnsName: string;
  /** The stack's key for the servers that it buys. */
  readonly key: () => ManagementKey;
  /** The operator's own key for machines that are there already; without one the SSH agent is asked. */
  readonly operatorKey: pulumi.Output<string> | undefined;
  readonly labels: Record<string, string>;
  /** How the look from outside is made. */
  readonly prove: Prover;
  /** The host is there and does not answer: nothing is run on it. */
  readonly silent: boolean;
  /** When the proxy was asked what it sees: another time, and it is asked again. */
  readonly asked: string | undefined;
  /** When this run began. */
  readonly began: Date;
  /** When its set-up was last begun anew (attempts.ts): another time, and all of it is done again. */
  readonly again: string | undefined;
}

export class ProxyRelay extends pulumi.ComponentResource {
  /** The name in the settings. */
  readonly name: string;
  /** Public addresses; undefined for a family that the host has not. */
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  /** The proxy's own name; its addresses' reverse DNS says the same. */
  readonly dnsName: string;
  /** WireGuard's public keys, base64: the proxy's, and that of the relay's end. Undefined without a tunnel. */
  readonly wireGuardPublicKey: pulumi.Output<string> | undefined;
  readonly relayPublicKey: pulumi.Output<string> | undefined;
  readonly sshHostKey: pulumi.Output<string>;
  /** What the operator's machine sees at the proxy's addresses, once all is installed. */
  readonly outside: pulumi.Output<OutsideViews>;
  /** What the proxy itself sees of the relay. */
  readonly inside: pulumi.Output<InsideView | "not asked">;
  /** Steps of its set-up that failed, in this run or, where nothing was tried again since, in an earlier one. */
  readonly failures: pulumi.Output<readonly Failure[]>;

  constructor(name: string, args: ProxyRelayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:index:ProxyRelay", name, {}, opts);
    const child = { parent: this };
    const { shared, way, dnsName, settings } = args;
    this.name = name;
    this.dnsName = dnsName;

    const tunnelPort = way.kind === "tunnel" ? way.settings.port : undefined;
    const slot = way.kind === "tunnel" ? way.plan.slot : way.slot;
    const machine: Host = kindOf(settings).open(
      name,
      {
        settings,
        dnsName,
        // Other servers ask whether a sender's address bears its name, and whether that name leads back to the address.
        reverseName: args.egress === undefined ? dnsName : shared.mailDomain,
        key: args.key,
        operatorKey: args.operatorKey,
        open: { ports: shared.ports, udpPorts: shared.udpPorts, tunnelPort },
        frozen: args.silent || (way.kind === "tunnel" && way.relay.silent),
        rebootTime: rebootTime(slot),
        labels: args.labels,
      },
      child,
    );
    this.ipv4 = machine.ipv4;
    this.ipv6 = machine.ipv6;
    this.sshHostKey = pulumi.output(machine.reach.hostKey);
    const absent = machine.gone ? "gone" : args.silent ? "silent" : undefined;
    const host = {
      reach: machine.reach,
      become: machine.become,
      machine: machine.machine,
      absent,
      again: args.again,
    } as const;
    // Both ends of a tunnel change in one run, or neither: new keys or ports at one alone would cut it off.
    const tied =
      way.kind === "tunnel" && way.relay.silent ? ({ ...host, absent: host.absent ?? "silent" } as const) : host;
    const { platform } = machine;
    const take = (suffix: string, what: Omit<StepArgs, keyof StepHost> & Pick<HostCommandArgs, "words">) =>
      step(`${name}-${suffix}`, { ...host, ...what }, child);

    for (const [family, address] of [
      [4, this.ipv4],
      [6, this.ipv6],
    ] as const) {
      if (address)
        args.zone.recordSet(
          `${name}-${typeOf(family)}`,
          { name: dnsName, type: typeOf(family), values: [address] },
          child,
        );
    }

    // The host: our program on it, packages, what it is like.
    const tool = stepOf(
      `${name}-hostctl`,
      attemptInstall(host.become, args.again, proxyMark(name), way.kind),
      {
        ...host,
        attempts: machine.firstContactAttempts,
        stdin: platform.program(),
        // A machine that stays gets back what was there before; one that goes may be dead by then.
        ...(machine.stays ? { undo: hostctlIfThere(host.become, "uninstall", proxyMark(name)) } : {}),
        after: [],
      },
      child,
    );
    const prepared = take("prepare", {
      words: [
        "prepare",
        ...(way.kind === "direct" ? [way.kind] : []),
        ...platform.packages,
        ...(machine.rebootTime === undefined ? [] : platform.upgradePackages),
      ],
      after: [tool],
    });
    const wan = take("wan", { words: ["wan", ...(machine.wan ?? [])], after: [prepared] });
    const keys = take("admin-keys", {
      words: ["admin-keys"],
      stdin: shared.adminKeys.map((key) => `${key}\n`).join(""),
      after: [tool],
    });
    const upgrades =
      machine.rebootTime === undefined
        ? []
        : [
            take("upgrades", {
              words: ["install", "upgrades"],
              stdin: bundle(platform.upgradesSet(machine.rebootTime)).text,
              after: [prepared],
            }),
          ];

    // The tunnel's two ends.
    const secrets = way.kind === "tunnel" ? tunnelSecrets(name, way.settings.keyGeneration, child) : undefined;
    this.wireGuardPublicKey = secrets?.proxyPublicKey;
    this.relayPublicKey = secrets?.relayPublicKey;
    const ends =
      way.kind === "tunnel" && secrets ? this.tunnel(args, way, { host: tied, machine, secrets, prepared }) : [];

    // The packet filter.
    const spec: Omit<ProxyFilter, "wan"> = {
      closed: machine.closed,
      ssh: { port: machine.reach.port, from: shared.adminNetworks },
      ports: shared.ports,
      udpPorts: shared.udpPorts,
      to:
        way.kind === "tunnel"
          ? {
              kind: "tunnel",
              interface: platform.tunnelInterface,
              port: way.settings.port,
              mtu: way.settings.mtu,
              relay: way.plan.relay,
              egress: args.egress !== undefined,
            }
          : {
              kind: "direct",
              relay: { ipv4: machine.ipv4 && shared.relay.ipv4, ipv6: machine.ipv6 && shared.relay.ipv6 },
            },
    };
    const set = wan.stdout.apply((stdout) => platform.filterSet(spec, parseWan(stdout)));
    // On a machine that serves other things too, a port may be taken.
    const tunnelled =
      way.kind === "tunnel" ? [way.settings.port, way.plan.proxy.ipv4, way.plan.proxy.ipv6] : ["-", "-", "-"];
    const handedOn = [...shared.ports, ...shared.udpPorts.map(({ from, to }) => `${from}-${to}/udp`)];
    const free = machine.stays ? [take("free", { words: ["free", ...tunnelled, ...handedOn], after: [prepared] })] : [];
    // The filter, and with it the redirection, only when there is a tunnel to redirect into: a proxy that worked without
    // one goes on working until then.
    const filter = guardedFilter(`${name}-filter`, { host: tied, set, after: [wan, ...free, ...ends] }, child);
    const inForce = filter[2];

    // What an earlier way of reaching the relay left on the host.
    const kept = [
      "filter",
      ...(machine.rebootTime === undefined ? [] : ["upgrades"]),
      ...(way.kind === "tunnel" ? ["tunnel-keys", "tunnel"] : []),
    ];
    const tidy = take("tidy", { words: ["keep", ...kept], after: [inForce] });

    // A look from outside, and one from the proxy.
    this.outside = lookFromOutside(args.prove, {
      ipv4: this.ipv4,
      ipv6: this.ipv6,
      ports: shared.ports,
      mailDomain: shared.mailDomain,
      patient: absent === undefined && !(way.kind === "tunnel" && way.relay.byHand),
      after: [inForce, ...ends],
    });
    const relay =
      way.kind === "tunnel" ? way.plan.relay : { ipv4: shared.relay.ipv4 ?? "-", ipv6: shared.relay.ipv6 ?? "-" };
    const check = args.egress === undefined || shared.relay.outboundCheck === false ? "-" : shared.relay.outboundCheck;
    const through = take("through", {
      words: [
        "through",
        way.kind === "tunnel" ? platform.tunnelInterface : "-",
        relay.ipv4,
        relay.ipv6,
        check,
        ...shared.ports,
      ],
      // When what is seen from outside changes, the proxy is asked again what it sees.
      stdin: this.outside.apply((views) => summary(views, args.began, args.asked)),
      // Of a proxy that goes on as it was, though something new could not be brought in, its view counts as well.
      after: [prepared],
      behind: [tidy, ...ends].map(({ resource }) => resource),
    });
    this.inside = through.stdout.apply((stdout) => (wentWell(stdout) ? parseInsideView(stdout) : "not asked"));
    this.failures = failuresOf(
      [tool, prepared, wan, keys, ...upgrades, ...free, ...ends, ...filter, tidy, through],
      args.began,
    );
    this.registerOutputs({ ipv4: this.ipv4, ipv6: this.ipv6, dnsName, wireGuardPublicKey: this.wireGuardPublicKey });
  }

  /** The steps by which both ends come in, the proxy's first. */
  private tunnel(
    args: ProxyRelayArgs,
    way: Extract<ProxyRelayArgs["way"], { kind: "tunnel" }>,
    parts: TunnelParts,
  ): Step[] {
    const { plan, settings: tunnel, relay } = way;
    const { host, machine, secrets, prepared } = parts;
    const { shared } = args;
    const child = { parent: this };
    const keys = step(
      `${this.name}-keys`,
      {
        ...host,
        words: ["install", "tunnel-keys"],
        stdin: pulumi.secret(secrets.proxyKeys.apply((pair) => bundle(machine.platform.tunnelKeysSet(pair)).text)),
        quiet: true,
        after: [prepared],
      },
      child,
    );
    const proxyEnd = step(
      `${this.name}-tunnel`,
      {
        ...host,
        words: ["install", "tunnel"],
        stdin: secrets.relayPublicKey.apply(
          (peerPublicKey) =>
            bundle(machine.platform.tunnelSet({ plan, mtu: tunnel.mtu, port: tunnel.port, peerPublicKey })).text,
        ),
        after: [keys],
      },
      child,
    );
    // The family that was asked for, where the proxy has it.
    const dialled = (
      shared.relay.dial === "ipv4" ? (this.ipv4 ?? this.ipv6) : (this.ipv6 ?? this.ipv4)
    ) as pulumi.Output<string>;
    const relayEnd = relay.addTunnel(
      `${this.name}-relay-end`,
      {
        proxy: args.settings.name,
        interfaceName: plan.relayInterface,
        absent: host.absent && "silent",
        keys: secrets.relayKeys,
        end: pulumi
          .all([secrets.proxyPublicKey, dialled, this.ipv4, this.ipv6])
          .apply(([peerPublicKey, address, ipv4, ipv6]) => ({
            proxy: args.settings.name,
            stack: stackMark(),
            plan,
            mtu: tunnel.mtu,
            peerPublicKey,
            endpoint: endpoint(address, tunnel.port),
            ports: shared.ports,
            udpPorts: shared.udpPorts,
            publicAddresses: [ipv4, ipv6].flatMap((each) => each ?? []),
            egress: args.egress,
          })),
        after: [proxyEnd],
        again: host.again,
      },
      child,
    );
    return [keys, proxyEnd, ...relayEnd];
  }
}

/** How this stack marks what is its own on a relay that others may use too. */
export const stackMark = () => `${pulumi.getProject()}/${pulumi.getStack()}`;

/** How a host is marked as a proxy of this stack. */
const proxyMark = (name: string) => `${stackMark()}/${name}`;

interface TunnelParts {
  readonly host: StepHost;
  readonly machine: Host;
  readonly secrets: TunnelSecrets;
  readonly prepared: Step;
}
