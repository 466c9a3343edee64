// A server at Hetzner Cloud, bought for one proxy: addresses that outlive it, a firewall in front of it, a host key
// that is known before the first contact.
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { z } from "zod";
import { cloudFirewallRules } from "../filter/cloudFirewall";
import { sshKeyPair, type SshKeyPair } from "../tunnel/keys";
import { debian } from "../platforms/debian";
import type { SshConnection } from "../remote/hostDocument";
import { anyProxy } from "../settings/anyProxy";
import { object } from "../settings/object";
import { HETZNER_TOKEN } from "../settings/token";
import { clockTime, flag, labels, port, slug } from "../settings/values";
import { renderCloudInit, STANDARD_SSH_PORT } from "./cloudInit";
import {
  addThenRemove,
  type SshEndpoint,
  type Host,
  type HostArgs,
  type HostProvider,
  type HostProperties,
} from "./host";
import { fromHetzner } from "./hetznerApi";
import type { ManagementKey } from "./managementKey";

const schema = object("a proxy on a server to buy", {
  ...anyProxy,
  host: z.literal("hetzner"),
  location: slug("a location", "hel1"),
  serverType: slug("a server type", "cx23").default("cx23"),
  image: slug("an image", "debian-13").default("debian-13"),
  labels: labels.default({}),
  deleteProtection: flag.default(false),
  backups: flag.default(false),
  sshPort: port.default(STANDARD_SSH_PORT),
  rebootTime: clockTime.optional(),
});
type HetznerProxy = z.output<typeof schema>;

const snapshotSchema = z.object({ host: z.literal("hetzner"), location: z.string() });

export const hetzner: HostProvider<HetznerProxy, z.output<typeof snapshotSchema>> = {
  name: "hetzner",
  schema,
  token: HETZNER_TOKEN,
  operatorKey: false,
  reverseDns: true,
  snapshotSchema,
  properties: hetznerProperties,
  findEndpoints: hetznerEndpoints,
  open: (name, args, opts) => new HetznerHost(name, args, opts),
  snapshot: ({ host, location }) => ({ host, location }),
  identity: () => undefined,
  immutableChanges: (name, was, is) =>
    was.location === is.location
      ? []
      : [{ key: "location", text: `was "${was.location}" until now. ${addThenRemove(name)}` }],
};

/** Autonomous systems of the locations (RIPE and ARIN, 2025). Those in Germany and Finland share one. */
const AUTONOMOUS_SYSTEMS: Readonly<Record<string, number>> = {
  fsn1: 24940,
  nbg1: 24940,
  hel1: 24940,
  ash: 213230,
  hil: 212317,
  sin: 215859,
};

function hetznerProperties({ location, sshPort, rebootTime }: HetznerProxy): HostProperties {
  return {
    sshPort,
    platform: debian,
    autonomousSystem: AUTONOMOUS_SYSTEMS[location],
    closed: true,
    rebootTime: (byDefault) => rebootTime ?? byDefault,
    identifiers: [],
    faults: [],
  };
}

async function hetznerEndpoints(
  entries: readonly HetznerProxy[],
  labels: Record<string, string>,
): Promise<ReadonlyMap<string, SshEndpoint>> {
  const withSelector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const { servers } = await fromHetzner(hcloud.getServers({ withSelector }));
  const byProxy = new Map(servers.map((server) => [server.labels.proxy, server]));
  return new Map(
    entries.flatMap(({ name, sshPort }) => {
      const server = byProxy.get(name);
      // One that is being replaced to get another SSH port answers on the old one.
      return server
        ? [
            [
              name,
              {
                machine: String(server.id),
                host: server.ipv4Address,
                ports: [...new Set([sshPort, Number(server.labels.sshport ?? STANDARD_SSH_PORT)])],
                user: "root",
                hostKey: undefined,
              },
            ],
          ]
        : [];
    }),
  );
}

class HetznerHost extends pulumi.ComponentResource implements Host {
  readonly ipv4: pulumi.Output<string>;
  readonly ipv6: pulumi.Output<string>;
  readonly machine: pulumi.Output<string>;
  readonly platform = debian;
  readonly ssh: SshConnection;
  readonly become = "root" as const;
  // A new server boots within a minute as a rule; cloud-init then restarts sshd once.
  readonly firstContactAttempts = 40;
  readonly wan = undefined;
  readonly adopted = false;
  readonly gone = false;
  readonly closed: boolean;
  readonly rebootTime: string | undefined;

  constructor(
    private readonly name: string,
    private readonly args: HostArgs<HetznerProxy>,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("chatmail-proxy:hosts:HetznerHost", name, {}, opts);
    const { settings } = args;
    const hostKey = this.createHostKey();
    const addresses = { ipv4: this.createAddress("ipv4"), ipv6: this.createAddress("ipv6") };
    const server = this.createServer(hostKey, addresses, this.createFirewall());

    this.ipv4 = addresses.ipv4.ipAddress;
    // The primary IP is a whole /64; the server takes the first address in it.
    this.ipv6 = addresses.ipv6.ipAddress.apply((network) => `${network.replace(/::$/, "")}::1`);
    this.createReverseDns("ipv4", addresses.ipv4, this.ipv4);
    this.createReverseDns("ipv6", addresses.ipv6, this.ipv6);

    this.machine = server.id;
    this.ssh = {
      // By way of the server, so that nobody connects before it exists.
      host: pulumi.all([this.ipv4, server.id]).apply(([ipv4]) => ipv4),
      port: settings.sshPort,
      user: "root",
      hostKey: pulumi.unsecret(hostKey.publicKey),
      privateKey: args.key().privateKey,
    };
    const properties = hetznerProperties(settings);
    this.closed = properties.closed;
    this.rebootTime = properties.rebootTime(args.rebootTime);
    this.registerOutputs({ ipv4: this.ipv4, ipv6: this.ipv6 });
  }

  // Names are unique per project at Hetzner Cloud, which may hold other stacks; a DNS name is unique anyway.
  private get cloudName(): string {
    return this.args.dnsName;
  }

  private get labels(): Record<string, string> {
    const { settings, labels } = this.args;
    return { ...settings.labels, ...labels, proxy: settings.name };
  }

  // Hetzner Cloud's own protection would refuse only after the tunnel and all else in front of the server is gone. The
  // engine's refuses in the preview, before anything is.
  private get protectedChild() {
    return { parent: this, protect: this.args.settings.deleteProtection };
  }

  private createHostKey(): pulumi.Output<SshKeyPair> {
    const seed = new random.RandomPassword(`${this.name}-host-key`, { length: 64, special: false }, { parent: this });
    return seed.result.apply((text) => sshKeyPair(text, "ssh host key", this.args.settings.name));
  }

  private createAddress(type: "ipv4" | "ipv6"): hcloud.PrimaryIp {
    const { location, deleteProtection } = this.args.settings;
    return new hcloud.PrimaryIp(
      `${this.name}-${type}`,
      {
        labels: this.labels,
        deleteProtection,
        name: `${this.cloudName}-${type}`,
        type,
        location,
        autoDelete: false,
      },
      this.protectedChild,
    );
  }

  private createFirewall(): hcloud.Firewall {
    const { allowedPorts, settings, frozen } = this.args;
    return new hcloud.Firewall(
      `${this.name}-firewall`,
      {
        name: this.cloudName,
        labels: this.labels,
        rules: cloudFirewallRules({ ...allowedPorts, sshPort: settings.sshPort }),
      },
      frozen ? { parent: this, ignoreChanges: ["rules"] } : { parent: this },
    );
  }

  private createServer(
    hostKey: pulumi.Output<SshKeyPair>,
    { ipv4, ipv6 }: Record<"ipv4" | "ipv6", hcloud.PrimaryIp>,
    firewall: hcloud.Firewall,
  ): hcloud.Server {
    const { serverType, image, location, backups, deleteProtection, sshPort } = this.args.settings;
    return new hcloud.Server(
      `${this.name}-server`,
      {
        // Where another SSH port is seen, since user data is not looked at.
        labels: { ...this.labels, ...(sshPort === STANDARD_SSH_PORT ? {} : { sshport: String(sshPort) }) },
        deleteProtection,
        name: this.cloudName,
        serverType,
        image,
        location,
        backups,
        rebuildProtection: deleteProtection,
        sshKeys: [registered(this.args.key()).id],
        // Not secret in the provider's schema, though it holds the host key.
        userData: pulumi.secret(hostKey.apply((pair) => renderCloudInit({ hostKey: pair, sshPort }))),
        firewallIds: [numericId(firewall)],
        publicNets: [{ ipv4Enabled: true, ipv4: numericId(ipv4), ipv6Enabled: true, ipv6: numericId(ipv6) }],
      },
      {
        ...this.protectedChild,
        // Its name and its addresses are free only once the old one is gone.
        deleteBeforeReplace: true,
        // Both count only at the first boot; a later change of our text is no reason to buy another server.
        ignoreChanges: ["userData", "sshKeys"],
        // But for the SSH port in it: nobody would reach a server that listens on the old one.
        replaceOnChanges: ["labels.sshport"],
      },
    );
  }

  private createReverseDns(type: "ipv4" | "ipv6", primaryIp: hcloud.PrimaryIp, ipAddress: pulumi.Output<string>): void {
    new hcloud.Rdns(
      `${this.name}-ptr-${type}`,
      { primaryIpId: numericId(primaryIp), ipAddress, dnsPtr: this.args.reverseName },
      { parent: this, deletedWith: primaryIp },
    );
  }
}

const numericId = (resource: pulumi.CustomResource) => resource.id.apply(Number);

const registrations = new WeakMap<ManagementKey, hcloud.SshKey>();

/** The stack's key at Hetzner Cloud, registered by the first server that asks. */
function registered(key: ManagementKey): hcloud.SshKey {
  const { name, nameThere, publicKey, labels } = key;
  const atHetzner = registrations.get(key) ?? new hcloud.SshKey(name, { name: nameThere, publicKey, labels });
  registrations.set(key, atHetzner);
  return atHetzner;
}
