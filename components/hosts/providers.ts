// The providers of hosts there are. A new one is a file of its own and a line here.
import type { z } from "zod";
import { freebsd } from "./freebsd";
import { hetzner } from "./hetzner";
import type { HostProvider } from "./host";
import { linux } from "./linux";

export const PROVIDERS = [hetzner, linux, freebsd] as const satisfies readonly HostProvider[];

/** The settings of one proxy. */
export type ProxySettings = z.output<(typeof PROVIDERS)[number]["schema"]>;
