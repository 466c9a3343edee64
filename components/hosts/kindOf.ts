// From a proxy's entry in the settings, or from what is remembered of it, to its kind of host. Pure.
import type { z } from "zod";
import type { HostKind, HostProperties } from "./host";
import { KINDS, type ProxySettings } from "./kinds";

/** What is remembered of a host. */
export type Machine = z.output<(typeof KINDS)[number]["remembered"]>;

export function kindOf({ host }: Pick<ProxySettings | Machine, "host">): HostKind<ProxySettings, Machine> {
  const kinds: readonly HostKind<ProxySettings, Machine>[] = KINDS;
  const kind = kinds.find(({ name }) => name === host);
  if (!kind) throw new Error(`no kind of host has the name ${JSON.stringify(host)}`);
  return kind;
}

export const propertiesOf = (proxy: ProxySettings): HostProperties => kindOf(proxy).properties(proxy);
