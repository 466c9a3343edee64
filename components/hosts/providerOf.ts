// From a proxy's entry in the settings, or from what the last run knew of it, to its provider. Pure.
import type { z } from "zod";
import type { HostProvider, HostProperties } from "./host";
import { PROVIDERS, type ProxySettings } from "./providers";

/** What is known of a host from one run to the next. */
export type MachineSnapshot = z.output<(typeof PROVIDERS)[number]["snapshotSchema"]>;

export function providerOf({
  host,
}: Pick<ProxySettings | MachineSnapshot, "host">): HostProvider<ProxySettings, MachineSnapshot> {
  const providers: readonly HostProvider<ProxySettings, MachineSnapshot>[] = PROVIDERS;
  const provider = providers.find(({ name }) => name === host);
  if (!provider) throw new Error(`no kind of host has the name ${JSON.stringify(host)}`);
  return provider;
}

export const propertiesOf = (proxy: ProxySettings): HostProperties => providerOf(proxy).properties(proxy);
