// What other Pulumi programs may import (docs/component.md). Importing it makes nothing.
export { freebsdServer, hetznerServer, linuxServer } from "./api/hosts";
export type { ExistingServerArgs, HetznerServerArgs, ProxyHost } from "./api/hosts";
export { ProxyRelay, type ProxyRelayArgs } from "./api/proxyRelay";
export { Relay, type ComponentOptions } from "./api/relay";
export type { RelayArgs, TunnelArgs } from "./api/relayArgs";
export { cloudflareZone, hetznerZone, manualZone, rfc2136Zone } from "./api/zones";
export type { ChangedZoneArgs, CloudflareZoneArgs, MailZone, Rfc2136ZoneArgs, ZoneArgs } from "./api/zones";
