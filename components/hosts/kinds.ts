// The kinds of host there are. A new one is a file of its own and a line here.
import type { z } from "zod";
import { freebsd } from "./freebsd";
import { hetzner } from "./hetzner";
import type { HostKind } from "./host";
import { linux } from "./linux";

export const KINDS = [hetzner, linux, freebsd] as const satisfies readonly HostKind[];

/** The settings of one proxy. */
export type ProxySettings = z.output<(typeof KINDS)[number]["schema"]>;
