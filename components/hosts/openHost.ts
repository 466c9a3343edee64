// From a proxy's settings to the kind of host that it stands on.
import type * as pulumi from "@pulumi/pulumi";
import { debian } from "../platforms/debian";
import { freebsd } from "../platforms/freebsd";
import type { ProxySettings } from "../settings";
import { ExistingHost } from "./existing";
import { HetznerHost } from "./hetzner";
import type { Host, HostArgs } from "./host";

export function openHost(name: string, args: HostArgs<ProxySettings>, opts: pulumi.ComponentResourceOptions): Host {
  const { settings } = args;
  switch (settings.host) {
    case "hetzner":
      return new HetznerHost(name, { ...args, settings }, opts);
    case "linux":
      return new ExistingHost(name, { ...args, settings, platform: debian }, opts);
    case "freebsd":
      return new ExistingHost(name, { ...args, settings, platform: freebsd }, opts);
  }
}
