// From a proxy's settings to the host that it stands on.
import type * as pulumi from "@pulumi/pulumi";
import type { ProxySettings } from "../settings";
import type { Host, HostArgs } from "./host";
import { kindOf } from "./kindOf";

export const openHost = (name: string, args: HostArgs<ProxySettings>, opts: pulumi.ComponentResourceOptions): Host => kindOf(args.settings).open(name, args, opts);
