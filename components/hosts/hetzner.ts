// A server at Hetzner Cloud, bought for one proxy: addresses that outlive it, a firewall before it, a host key that
// is known before the first contact.
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { cloudFirewallRules } from "../filter/cloudFirewall";
import { sshKeyPair } from "../tunnel/keys";
import { debian } from "../platforms/debian";
import type { Reach } from "../remote/hostCommand";
import type { HetznerProxy } from "../settings";
import { renderCloudInit, STANDARD_SSH_PORT } from "./cloudInit";
import type { Host, HostArgs } from "./host";

export class HetznerHost extends pulumi.ComponentResource implements Host {
  readonly ipv4: pulumi.Output<string>;
  readonly ipv6: pulumi.Output<string>;
  readonly machine: pulumi.Output<string>;
  readonly platform = debian;
  readonly reach: Reach;
  readonly become = "root" as const;
  // A new server boots within a minute as a rule; cloud-init then restarts sshd once.
  readonly firstContactAttempts = 40;
  readonly wan = undefined;
  readonly stays = false;
  readonly gone = false;
  readonly closed = true;
  readonly rebootTime: string;

  constructor(name: string, args: HostArgs<HetznerProxy>, opts?: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:hosts:HetznerHost", name, {}, opts);
    const child = { parent: this };
    const { settings } = args;
    // Names are unique per project at Hetzner Cloud, which may hold other stacks; a DNS name is unique anyway.
    const cloudName = args.dnsName;
    const common = { labels: { ...settings.labels, ...args.labels, proxy: settings.name }, deleteProtection: settings.deleteProtection };

    const hostKeySeed = new random.RandomPassword(`${name}-host-key`, { length: 64, special: false }, child);
    const hostKey = hostKeySeed.result.apply((seed) => sshKeyPair(seed, "ssh host key", settings.name));

    const address = (type: "ipv4" | "ipv6") =>
      new hcloud.PrimaryIp(
        `${name}-${type}`,
        { ...common, name: `${cloudName}-${type}`, type, location: settings.location, autoDelete: false },
        child,
      );
    const [primaryIpv4, primaryIpv6] = [address("ipv4"), address("ipv6")];

    const firewall = new hcloud.Firewall(
      `${name}-firewall`,
      { name: cloudName, labels: common.labels, rules: cloudFirewallRules({ ...args.open, sshPort: settings.sshPort }) },
      child,
    );

    const server = new hcloud.Server(
      `${name}-server`,
      {
        ...common,
        // Where another SSH port is seen, since user data is not looked at.
        labels: { ...common.labels, ...(settings.sshPort === STANDARD_SSH_PORT ? {} : { sshport: String(settings.sshPort) }) },
        name: cloudName,
        serverType: settings.serverType,
        image: settings.image,
        location: settings.location,
        backups: settings.backups,
        rebuildProtection: settings.deleteProtection,
        sshKeys: [args.key().atHetzner.id],
        // Not secret in the provider's schema, though it holds the host key.
        userData: pulumi.secret(hostKey.apply((pair) => renderCloudInit({ hostKey: pair, sshPort: settings.sshPort }))),
        firewallIds: [numericId(firewall)],
        publicNets: [{ ipv4Enabled: true, ipv4: numericId(primaryIpv4), ipv6Enabled: true, ipv6: numericId(primaryIpv6) }],
      },
      {
        ...child,
        // Its name and its addresses are free only once the old one is gone.
        deleteBeforeReplace: true,
        // Both count only at the first boot; a later wording of ours is no reason to buy another server.
        ignoreChanges: ["userData", "sshKeys"],
        // But for the SSH port in it: nobody would reach a server that listens on the old one.
        replaceOnChanges: ["labels.sshport"],
      },
    );

    this.ipv4 = primaryIpv4.ipAddress;
    // The primary IP is a whole /64; the server takes the first address in it.
    this.ipv6 = primaryIpv6.ipAddress.apply((network) => `${network.replace(/::$/, "")}::1`);
    this.machine = server.id;
    this.reach = {
      // By way of the server, so that nobody knocks before it is there.
      host: pulumi.all([this.ipv4, server.id]).apply(([ipv4]) => ipv4),
      port: settings.sshPort,
      user: "root",
      hostKey: pulumi.unsecret(hostKey.publicKey),
      privateKey: args.key().privateKey,
    };

    const reverse = (type: "ipv4" | "ipv6", primaryIp: hcloud.PrimaryIp, ipAddress: pulumi.Output<string>) =>
      new hcloud.Rdns(`${name}-ptr-${type}`, { primaryIpId: numericId(primaryIp), ipAddress, dnsPtr: args.reverseName }, { ...child, deletedWith: primaryIp });
    reverse("ipv4", primaryIpv4, this.ipv4);
    reverse("ipv6", primaryIpv6, this.ipv6);

    this.rebootTime = settings.rebootTime ?? args.rebootTime;
    this.registerOutputs({ ipv4: this.ipv4, ipv6: this.ipv6 });
  }
}

const numericId = (resource: pulumi.CustomResource) => resource.id.apply(Number);
