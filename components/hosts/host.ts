// What a proxy needs of the machine under it, whoever that machine belongs to. The rest of the program looks no further.
import type * as pulumi from "@pulumi/pulumi";
import type { Become } from "../remote/hostctl";
import type { Platform } from "../platforms/platform";
import type { Reach } from "../remote/hostCommand";

export interface Host extends pulumi.Resource {
  /** Public addresses at which the proxy is reached. */
  readonly ipv4: pulumi.Output<string>;
  readonly ipv6: pulumi.Output<string>;
  readonly platform: Platform;
  readonly reach: Reach;
  readonly become: Become;
  /** Changes when the machine is another one, on which nothing of ours is installed yet. */
  readonly machine: pulumi.Output<string>;
  /** How often to try until the machine first answers. */
  readonly firstContactAttempts: number;
}
