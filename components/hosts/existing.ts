// A machine that the operator has already, wherever it stands. It is reached with the operator's own key, and keeps what
// was on it; what we do there is undone when the proxy goes.
import * as pulumi from "@pulumi/pulumi";
import type { Platform } from "../platforms/platform";
import type { Reach } from "../remote/hostCommand";
import type { ExistingProxy } from "../settings";
import type { Host, HostArgs } from "./host";

export class ExistingHost extends pulumi.ComponentResource implements Host {
  readonly platform: Platform;
  readonly ipv4: pulumi.Output<string> | undefined;
  readonly ipv6: pulumi.Output<string> | undefined;
  readonly reach: Reach;
  readonly become;
  readonly machine: pulumi.Output<string>;
  readonly firstContactAttempts = 3;
  readonly wan;
  readonly stays = true;
  readonly gone: boolean;
  readonly closed: boolean;
  readonly rebootTime = undefined;

  constructor(name: string, args: HostArgs<ExistingProxy> & { readonly platform: Platform }, opts?: pulumi.ComponentResourceOptions) {
    super("chatmail-proxy:hosts:ExistingHost", name, {}, opts);
    const { settings } = args;
    const { ssh, ipv4, ipv6 } = settings;
    this.platform = args.platform;
    this.ipv4 = ipv4 === undefined ? undefined : pulumi.output(ipv4);
    this.ipv6 = ipv6 === undefined ? undefined : pulumi.output(ipv6);
    this.reach = { host: sshHost(settings), port: ssh.port, user: ssh.user, hostKey: ssh.hostKey, privateKey: args.operatorKey };
    this.become = ssh.user === "root" ? ("root" as const) : ("sudo" as const);
    // A machine is who its host key says; one that was installed anew has another, or its operator kept it on purpose.
    this.machine = pulumi.output(ssh.hostKey.split(" ").slice(0, 2).join(" "));
    this.wan = settings.wan;
    this.gone = settings.gone;
    this.closed = settings.closed;
    this.registerOutputs({ ipv4, ipv6 });
  }
}

/** Where an existing machine's SSH is: as given, or at its public address. */
export const sshHost = ({ ssh, ipv4, ipv6 }: ExistingProxy): string => ssh.host ?? ipv4 ?? ipv6 ?? "";
