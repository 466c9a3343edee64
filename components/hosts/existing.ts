// A machine that the operator has already, in any place and with anything else on it. It is reached with the operator's
// own key, and keeps what was on it; what we do there is undone when the proxy goes. What such hosts have in common.
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Platform } from "../platforms/platform";
import type { SshConnection } from "../remote/hostDocument";
import { becomeOf, type Become } from "../remote/hostctl";
import { anyProxy } from "../settings/anyProxy";
import { list, object } from "../settings/object";
import {
  flag,
  interfaceName,
  keyWithoutComment,
  port,
  publicAddress,
  sshHost,
  sshHostKey,
  unixUser,
  wholeNumber,
} from "../settings/values";
import type { Host, HostArgs, HostProvider, HostProperties } from "./host";

/** Keys of an entry, but for those that are the provider's own: host, and closed with its default. */
export const existingKeys = {
  ...anyProxy,
  ssh: object("how to reach the machine over SSH", {
    host: sshHost.optional(),
    port: port.default(22),
    user: unixUser.default("root"),
    hostKey: sshHostKey,
  }),
  ipv4: publicAddress(4, "203.0.113.5").optional(),
  ipv6: publicAddress(6, "2001:db8::5").optional(),
  wan: list(interfaceName, "a list of interfaces").optional(),
  autonomousSystem: wholeNumber(1, 4_294_967_295, "an autonomous system's number").optional(),
  gone: flag.default(false),
};

export const existingSnapshot = { hostKey: z.string(), gone: z.boolean() };

export type ExistingProxy<Name extends string = string> = z.output<
  z.ZodObject<typeof existingKeys & { closed: typeof flag }>
> & { readonly host: Name };
type ExistingSnapshot<Name extends string> = z.output<z.ZodObject<typeof existingSnapshot>> & { readonly host: Name };
export type ExistingProvider<Name extends string> = HostProvider<ExistingProxy<Name>, ExistingSnapshot<Name>>;

/** All of a provider but its name and schemas. */
export const existingMachine = <Name extends string>(
  platform: Platform,
): Omit<ExistingProvider<Name>, "name" | "schema" | "snapshotSchema"> => ({
  token: undefined,
  operatorKey: true,
  reverseDns: false,
  properties: (entry) => existingProperties(entry, platform),
  findEndpoints: (entries) =>
    Promise.resolve(
      new Map(
        entries.map((proxy) => [
          proxy.name,
          {
            machine: keyWithoutComment(proxy.ssh.hostKey),
            host: sshHostOf(proxy),
            ports: [proxy.ssh.port],
            user: proxy.ssh.user,
            hostKey: proxy.ssh.hostKey,
          },
        ]),
      ),
    ),
  open: (name, args, opts) => new ExistingHost(name, { ...args, platform }, opts),
  snapshot: ({ host, ssh, gone }) => ({ host, hostKey: keyWithoutComment(ssh.hostKey), gone }),
  identity: ({ hostKey, gone }) => ({ id: hostKey, gone }),
  immutableChanges: (_name, was, is) =>
    was.gone || was.hostKey === is.hostKey
      ? []
      : [
          {
            key: "ssh.hostKey",
            text: `has changed since the last run. If you changed it yourself: set gone: true with the old key and run pulumi up; then give the new key without gone, and run it again.`,
          },
        ],
});

function existingProperties(
  { ssh, ipv4, ipv6, wan, closed, autonomousSystem }: ExistingProxy,
  platform: Platform,
): HostProperties {
  const addresses = [ipv4, ipv6].flatMap((address) => address ?? []);
  return {
    sshPort: ssh.port,
    sshHost: ssh.host,
    platform,
    wan,
    autonomousSystem,
    closed,
    rebootTime: () => undefined,
    identifiers: [...addresses, keyWithoutComment(ssh.hostKey)],
    faults:
      addresses.length > 0
        ? []
        : ["has no public address. Set ipv4, ipv6 or both to what clients reach the machine at."],
  };
}

/** Where its SSH is: as given, or at its public address. */
const sshHostOf = ({ ssh, ipv4, ipv6 }: ExistingProxy): string => ssh.host ?? ipv4 ?? ipv6 ?? "";

class ExistingHost extends pulumi.ComponentResource implements Host {
  readonly platform: Platform;
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  readonly ssh: SshConnection;
  readonly become: Become;
  readonly machine: pulumi.Output<string>;
  readonly firstContactAttempts = 3;
  readonly wan;
  readonly adopted = true;
  readonly gone: boolean;
  readonly closed: boolean;
  readonly rebootTime = undefined;

  constructor(
    name: string,
    args: HostArgs<ExistingProxy> & { readonly platform: Platform },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("chatmail-proxy:hosts:ExistingHost", name, {}, opts);
    const { settings } = args;
    const { ssh, ipv4, ipv6 } = settings;
    this.platform = args.platform;
    this.ipv4 = ipv4 === undefined ? undefined : pulumi.output(ipv4);
    this.ipv6 = ipv6 === undefined ? undefined : pulumi.output(ipv6);
    this.ssh = {
      host: sshHostOf(settings),
      port: ssh.port,
      user: ssh.user,
      hostKey: ssh.hostKey,
      privateKey: args.operatorKey,
    };
    this.become = becomeOf(ssh.user);
    // The host key identifies the machine: a reinstalled one has a new key, unless the operator restored the old one.
    this.machine = pulumi.output(keyWithoutComment(ssh.hostKey));
    this.wan = settings.wan;
    this.gone = settings.gone;
    this.closed = settings.closed;
    this.registerOutputs({ ipv4, ipv6 });
  }
}
