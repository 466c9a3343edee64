// One proxy in front of the relay: a host, the tunnel's two ends, the packet filter, its own DNS names, and a look at
// whether mail reaches the relay through it. dns/mailDomain.ts decides who is published under the mail domain.
import * as pulumi from "@pulumi/pulumi";
import { typeOf } from "./dns/recordSets";
import type { DnsZone } from "./dns/zone";
import type { ProxyFilter } from "./filter/spec";
import type { Host } from "./hosts/host";
import { providerOf } from "./hosts/providerOf";
import type { ManagementKey } from "./hosts/managementKey";
import { liveDigest, type HostStatus } from "./hosts/status";
import { rebootTime } from "./platforms/unattendedUpgrades";
import { freeLines, proxyRequest, statusOf, stillThereOf, wanLine, type HostSeen } from "./look";
import { proxyMark, stackMark } from "./ownerMark";
import {
  checkFromOutside,
  patienceFor,
  type OutsideViews,
  type HealthCheck,
  type SeenInside,
} from "./health/healthCheck";
import type { RelayEnds, TunnelEnd } from "./relaySetup";
import { failedWith, WELL, type Applied, type Failure } from "./remote/applied";
import { document, setLines } from "./remote/document";
import { parseInsideView, parseWan, type InsideView } from "./remote/facts";
import { hostCommand, HostDocument, type DocumentHost, type Requirement } from "./remote/hostDocument";
import { confirm, hostctlIfThere } from "./remote/hostctl";
import { leaveCommand } from "./remote/leave/leaveCommand";
import type { ProxySettings, Settings, TunnelSettings } from "./settings";
import type { TunnelPlan } from "./tunnel/addressPlan";
import { tunnelSecrets, type TunnelSecrets } from "./tunnel/tunnelSecrets";
import { endpoint, type Egress } from "./tunnel/wireguard";

/** Whether an SSH server greets on a TCP port, within so many milliseconds. */
export type SshAnswers = (host: string, port: number, within: number) => Promise<boolean>;

interface TunnelMode {
  readonly kind: "tunnel";
  readonly settings: TunnelSettings;
  readonly plan: TunnelPlan;
  readonly relay: RelayEnds;
}

export interface ProxySetupArgs {
  /** This proxy's entry in the settings. */
  readonly settings: ProxySettings;
  /** What all proxies of the stack share. */
  readonly shared: Pick<
    Settings,
    "mailDomain" | "ports" | "udpPorts" | "adminKeys" | "adminNetworks" | "relay" | "tunnel" | "egress"
  >;
  /** How the proxy reaches the relay: through a tunnel, or at its public addresses. */
  readonly mode: TunnelMode | { readonly kind: "direct"; readonly slot: number };
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
  /** How the proxy is checked from outside. */
  readonly healthCheck: HealthCheck;
  readonly sshAnswers: SshAnswers;
  /** What was seen of its host; undefined where it is not there yet. */
  readonly seen: HostSeen | undefined;
  /** Asks its host once more; undefined where it could not be asked at all. */
  readonly askAgain: (() => Promise<HostSeen | undefined>) | undefined;
  /** The generation of what is brought in by this run. */
  readonly fresh: string;
}

/** Seconds within which new rules must be confirmed over a new SSH connection, or the host goes back. */
export const CONFIRM_WITHIN = 60;

// Tries until well after the host has gone back by itself, so that its report of that is received: 10 s an attempt and
// 5 s between them when packets are dropped.
const CONFIRM_ATTEMPTS = 12;

/** Milliseconds. A new server boots within a minute as a rule; cloud-init then restarts sshd once. */
const FIRST_BOOT = 300_000;

export class ProxySetup {
  /** The name in the settings. */
  readonly name: string;
  /** The proxy as a whole, with all its parts below it. */
  readonly component: pulumi.ComponentResource;
  /** Public addresses; undefined for a family that the host does not have. */
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  /** The proxy's own name; its addresses' reverse DNS says the same. */
  readonly dnsName: string;
  /** WireGuard's public keys, base64: the proxy's, and that of the relay's end. Undefined without a tunnel. */
  readonly wireGuardPublicKey: pulumi.Output<string> | undefined;
  readonly relayPublicKey: pulumi.Output<string> | undefined;
  readonly sshHostKey: pulumi.Output<string>;
  /** Changes when the machine is another one. */
  readonly machine: pulumi.Output<string>;
  /** What the operator's machine sees at the proxy's addresses, once all is installed. */
  readonly outside: pulumi.Output<OutsideViews>;
  /** What the proxy itself sees of the relay. */
  readonly inside: pulumi.Output<InsideView | "not asked">;
  /** Steps of its set-up that failed in this run; in a preview, those of the last one. */
  readonly failures: pulumi.Output<readonly Failure[]>;

  constructor(
    component: pulumi.ComponentResource,
    private readonly args: ProxySetupArgs,
  ) {
    const { mode, dnsName } = args;
    const { name } = args.settings;
    this.component = component;
    this.name = name;
    this.dnsName = dnsName;

    const machine = this.createMachine();
    this.ipv4 = machine.ipv4;
    this.ipv6 = machine.ipv6;
    this.sshHostKey = pulumi.output(machine.ssh.hostKey);
    this.machine = machine.machine;
    this.createNames();

    const secrets =
      mode.kind === "tunnel" ? tunnelSecrets(name, mode.settings.keyGeneration, { parent: component }) : undefined;
    this.wireGuardPublicKey = secrets?.proxyPublicKey;
    this.relayPublicKey = secrets?.relayPublicKey;

    const firstContact = this.firstContact(machine);
    const host = this.bringHost(machine, secrets, firstContact);
    const relayEnd = secrets ? this.addRelayEnd(machine, secrets, host) : undefined;
    const config = this.bringConfig(machine, secrets, [host, ...(relayEnd ? [relayEnd] : [])], host);
    const confirmed = this.confirmConfig(machine, config);

    const known = this.knownView(machine, [host, config], relayEnd, confirmed);
    this.outside = checkFromOutside(args.healthCheck, {
      ipv4: this.ipv4,
      ipv6: this.ipv6,
      ports: args.shared.ports,
      mailDomain: args.shared.mailDomain,
      patience: this.patience(machine, known),
      after: [confirmed],
    });
    this.inside = this.viewOfRelay(machine, known);
    this.failures = failuresOf([
      [`${name}-server`, firstContact],
      [`${name}-host`, host],
      ...(relayEnd ? [[`${name}-relay-end`, relayEnd] as const] : []),
      [`${name}-config`, config],
      [`${name}-confirm`, confirmed],
    ]);
  }

  /** The component's outputs. */
  get outputs() {
    const { ipv4, ipv6, dnsName, wireGuardPublicKey } = this;
    return { ipv4, ipv6, dnsName, wireGuardPublicKey };
  }

  /** The machine's own status; undefined for one that replaces another in this run. */
  private there(machine: Host): pulumi.Output<HostStatus | undefined> {
    const { seen } = this.args;
    return machine.machine.apply((id) => (id === seen?.machine ? statusOf(seen) : undefined));
  }

  private tunnelIsUp(there: HostStatus | undefined): boolean {
    return viewIn(there?.view)?.tunnel === "up";
  }

  private get relayUnreachable(): boolean {
    const { mode } = this.args;
    return mode.kind === "tunnel" && mode.relay.unreachable;
  }

  /** Something on the host is in the way, so its configuration is going to fail. */
  private get inTheWay(): boolean {
    return (statusOf(this.args.seen)?.conflicts.length ?? 0) > 0;
  }

  /** One end of the tunnel cannot be brought in, so the other is left unchanged: both must match. */
  private get keep(): boolean {
    return this.relayUnreachable || this.inTheWay;
  }

  private unreachable(machine: Host): DocumentHost["unreachable"] {
    return machine.gone ? "permanently" : this.args.seen?.reachable === false ? "for now" : undefined;
  }

  private documentHost(machine: Host): DocumentHost {
    const { ssh, become, machine: id } = machine;
    return {
      ssh,
      become,
      machine: id,
      unreachable: this.unreachable(machine),
      replaced: this.replaced(machine),
      there: this.there(machine),
      stillThere: stillThereOf(this.args.seen),
      fresh: this.args.fresh,
    };
  }

  /** The machine that could not be reached is being replaced by this one. */
  private replaced(machine: Host): pulumi.Output<boolean> {
    const { seen } = this.args;
    return machine.machine.apply((id) => !machine.gone && seen !== undefined && seen.machine !== id);
  }

  private createMachine(): Host {
    const { settings, shared, mode, dnsName, egress, key, operatorKey, labels, seen } = this.args;
    return providerOf(settings).open(
      this.name,
      {
        settings,
        dnsName,
        // Other servers ask whether a sender's address has its name, and whether that name leads back to the address.
        reverseName: egress === undefined ? dnsName : shared.mailDomain,
        key,
        operatorKey,
        allowedPorts: {
          ports: shared.ports,
          udpPorts: shared.udpPorts,
          tunnelPort: mode.kind === "tunnel" ? mode.settings.port : undefined,
        },
        frozen: seen?.reachable === false || this.relayUnreachable,
        rebootTime: rebootTime(mode.kind === "tunnel" ? mode.plan.slot : mode.slot),
        labels,
      },
      { parent: this.component },
    );
  }

  private createNames(): void {
    const { zone, dnsName } = this.args;
    for (const [family, address] of [
      [4, this.ipv4],
      [6, this.ipv6],
    ] as const) {
      const type = typeOf(family);
      if (address)
        zone.recordSet(`${this.name}-${type}`, { name: dnsName, type, values: [address] }, { parent: this.component });
    }
  }

  /** Waits for the SSH of a server that has just been bought. */
  private firstContact(machine: Host): Requirement {
    const { seen, sshAnswers } = this.args;
    if (seen || machine.adopted || pulumi.runtime.isDryRun()) return { result: pulumi.output(WELL) };
    const { host, port } = machine.ssh;
    const result = pulumi
      .all([host, machine.machine])
      .apply(async ([address]): Promise<Applied> =>
        (await sshAnswers(address, port, FIRST_BOOT))
          ? WELL
          : failedWith(
              `the new server's SSH (${address}, port ${port}) has not answered within ${FIRST_BOOT / 60_000} minutes. See its console at the provider; if it does not start, remove this proxy and add another`,
            ),
      );
    return { result };
  }

  /** Our program, packages, units, the tunnel's keys. */
  private bringHost(machine: Host, secrets: TunnelSecrets | undefined, firstContact: Requirement): HostDocument {
    const { name, args } = this;
    const { platform } = machine;
    const packages = [...platform.packages, ...(machine.rebootTime === undefined ? [] : platform.upgradePackages)];
    const head = [
      `setup ${proxyMark(name)}${args.mode.kind === "direct" ? " direct" : ""}`,
      ...packages.map((each) => `package ${each}`),
      wanLine(machine.wan),
    ];
    const set = "tunnel-keys";
    return new HostDocument(
      `${name}-host`,
      {
        host: this.documentHost(machine),
        document: "host",
        program: platform.program(),
        content: secrets
          ? pulumi.secret(
              pulumi
                .all([secrets.proxyKeys, this.there(machine)])
                .apply(([pair, there]) =>
                  document("host", [
                    ...head,
                    ...setLines(set, platform.tunnelKeysSet(pair), { keep: this.keep, live: liveDigest(there, set) }),
                  ]),
                ),
            )
          : pulumi.output(document("host", head)),
        requires: [firstContact, ...this.leaving(machine)],
        attempts: machine.firstContactAttempts,
      },
      { parent: this.component, aliases: [{ name: `${name}-hostctl` }] },
    );
  }

  /** An adopted machine gets back what was there before; a bought one is deleted anyway. */
  private leaving(machine: Host): Requirement[] {
    if (!machine.adopted) return [];
    const { name } = this;
    const resource = leaveCommand(
      `${name}-leave`,
      {
        name,
        host: this.documentHost(machine),
        command: hostctlIfThere(machine.become, "uninstall", proxyMark(name)),
      },
      { parent: this.component },
    );
    return [{ resource, result: pulumi.output(WELL) }];
  }

  private addRelayEnd(machine: Host, secrets: TunnelSecrets, host: HostDocument): TunnelEnd | undefined {
    const { mode, shared, settings, egress, seen } = this.args;
    if (mode.kind === "direct") return undefined;
    const { plan, settings: tunnel, relay } = mode;
    // The family that was asked for, where the proxy has it.
    const dialled = (
      shared.relay.dial === "ipv4" ? (this.ipv4 ?? this.ipv6) : (this.ipv6 ?? this.ipv4)
    ) as pulumi.Output<string>;
    return relay.addTunnel({
      proxy: settings.name,
      interfaceName: plan.relayInterface,
      keep: this.unreachable(machine) !== undefined || this.inTheWay,
      keys: secrets.relayKeys,
      end: pulumi
        .all([secrets.proxyPublicKey, dialled, this.ipv4, this.ipv6])
        .apply(([peerPublicKey, address, ipv4, ipv6]) => ({
          proxy: settings.name,
          stack: stackMark(),
          plan,
          mtu: tunnel.mtu,
          peerPublicKey,
          endpoint: endpoint(address, tunnel.port),
          ports: shared.ports,
          udpPorts: shared.udpPorts,
          publicAddresses: [ipv4, ipv6].flatMap((each) => each ?? []),
          egress,
        })),
      // New ones do not keep the others waiting until their servers have booted.
      requires: seen ? [host] : [],
      parent: this.component,
    });
  }

  /** All else that the host is to have; its packet filter last, and armed. */
  private bringConfig(
    machine: Host,
    secrets: TunnelSecrets | undefined,
    requires: readonly Requirement[],
    host: HostDocument,
  ): HostDocument {
    const { name, args } = this;
    const { shared, mode } = args;
    const { platform } = machine;
    const upgrades = machine.rebootTime;
    const content = pulumi
      .all([host.result, this.there(machine), secrets?.relayPublicKey])
      .apply(([result, there, peerPublicKey]) => {
        const setOf = (set: string) => ({ keep: this.keep, live: liveDigest(there, set) });
        const interfaces = parseWan(((result.ok ? result.wan : undefined) ?? there?.wan ?? []).join("\n"));
        return document("config", [
          "admin-keys",
          ...shared.adminKeys.map((key) => `admin-key ${key}`),
          ...(machine.adopted ? freeLines({ ...shared, plan: mode.kind === "tunnel" ? mode.plan : undefined }) : []),
          ...(upgrades === undefined ? [] : setLines("upgrades", platform.upgradesSet(upgrades))),
          ...(mode.kind === "tunnel" && peerPublicKey !== undefined
            ? setLines(
                "tunnel",
                platform.tunnelSet({
                  plan: mode.plan,
                  mtu: mode.settings.mtu,
                  port: mode.settings.port,
                  peerPublicKey,
                }),
                setOf("tunnel"),
              )
            : []),
          ...setLines("filter", platform.filterSet(this.filter(machine), interfaces), {
            ...setOf("filter"),
            guarded: CONFIRM_WITHIN,
          }),
        ]);
      });
    return new HostDocument(
      `${name}-config`,
      {
        host: this.documentHost(machine),
        document: "config",
        content,
        toConfirm: true,
        requires,
      },
      { parent: this.component },
    );
  }

  private filter(machine: Host): Omit<ProxyFilter, "wan"> {
    const { shared, mode, egress } = this.args;
    return {
      closed: machine.closed,
      ssh: { port: machine.ssh.port, from: shared.adminNetworks },
      ports: shared.ports,
      udpPorts: shared.udpPorts,
      to:
        mode.kind === "tunnel"
          ? {
              kind: "tunnel",
              interface: machine.platform.tunnelInterface,
              port: mode.settings.port,
              mtu: mode.settings.mtu,
              relay: mode.plan.relay,
              egress: egress !== undefined,
            }
          : {
              kind: "direct",
              relay: { ipv4: machine.ipv4 && shared.relay.ipv4, ipv6: machine.ipv6 && shared.relay.ipv6 },
            },
    };
  }

  /** Over a new connection, so that rules which lock the operator out never stay. */
  private confirmConfig(machine: Host, config: HostDocument): Requirement {
    const { settings, shared, fresh, mode } = this.args;
    return hostCommand(
      `${this.name}-confirm`,
      {
        host: this.documentHost(machine),
        line: config.generation.apply((generation) => confirm(machine.become, "config", generation)),
        stdin: this.there(machine).apply((there) => {
          // A relay that a person sets up, and that has not called yet, will not do so meanwhile.
          const calls = !(mode.kind === "tunnel" && mode.relay.manual) || this.tunnelIsUp(there);
          return [...(calls ? [] : ["wait 0"]), ...proxyRequest(settings, shared), ""].join("\n");
        }),
        requires: [config],
        pending: config.generation.apply((generation) => generation === fresh),
        attempts: CONFIRM_ATTEMPTS,
      },
      { parent: this.component },
    );
  }

  /**
   * That of the confirmation where the proxy was written to in this run, else that of the look at its beginning; none where that
   * is of before a change (of the relay's end alone, say, or one that failed).
   */
  private knownView(
    machine: Host,
    documents: readonly [HostDocument, HostDocument],
    relayEnd: TunnelEnd | undefined,
    confirmed: Requirement,
  ): pulumi.Output<KnownView> {
    const { fresh } = this.args;
    return pulumi
      .all([
        pulumi.all(documents.map(({ generation }) => generation)),
        relayEnd ? relayEnd.untouched : true,
        confirmed.result,
        this.there(machine),
      ])
      .apply(([generations, untouched, result, status]) => {
        const confirmedView = viewIn(generations[1] === fresh && result.ok ? result.view : undefined);
        if (confirmedView) return { view: confirmedView, waited: true, stale: false };
        const stale = (generations.includes(fresh) || !untouched) && !pulumi.runtime.isDryRun();
        return { view: stale ? undefined : viewIn(status?.view), waited: false, stale };
      });
  }

  /** For how long an answer from outside is waited for, in ms. */
  private patience(machine: Host, known: pulumi.Output<KnownView>): pulumi.Output<number> {
    const { mode } = this.args;
    // A person sets the relay up in their own time.
    if (pulumi.runtime.isDryRun() || (mode.kind === "tunnel" && mode.relay.manual)) return pulumi.output(0);
    return pulumi
      .all([known, this.replaced(machine)])
      .apply(([seen, other]) => (!other && this.unreachable(machine) !== undefined ? 0 : patienceFor(seen)));
  }

  /** A proxy of which nothing is known any more is asked once more, when it has been checked from outside. */
  private viewOfRelay(machine: Host, known: pulumi.Output<KnownView>): ProxySetup["inside"] {
    const { askAgain } = this.args;
    // What it saw in an earlier run may be out of date.
    if (this.unreachable(machine) !== undefined) return pulumi.output<InsideView | "not asked">("not asked");
    return pulumi
      .all([known, this.outside])
      .apply(
        async ([{ view, stale }]) =>
          view ?? (stale ? viewIn(statusOf(await askAgain?.())?.view) : undefined) ?? "not asked",
      );
  }
}

/** What a proxy said in this run of what it sees of the relay. */
interface KnownView extends SeenInside {
  /** Something was changed since it was asked. */
  readonly stale: boolean;
}

const viewIn = (lines: readonly string[] | null | undefined): InsideView | undefined =>
  lines ? parseInsideView(lines.join("\n")) : undefined;

const failuresOf = (steps: readonly (readonly [string, Requirement])[]): pulumi.Output<Failure[]> =>
  pulumi.all(steps.map(([, { result }]) => result)).apply((results) =>
    results.flatMap((result, i) => {
      if (result.ok || result.skipped) return [];
      const sets = Object.values(result.failed).join("; ");
      return [{ step: steps[i]?.[0] ?? "", reason: result.reason === "" ? sets : result.reason }];
    }),
  );
