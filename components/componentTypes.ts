// The types and names under which a stack's parts are in its state. Others would be other resources.

export const PROXY_TYPE = "chatmail-proxy:index:ProxyRelay";
export const RELAY_TYPE = "chatmail-proxy:index:Relay";

/** The relay's name in a stack of the ready-made program. */
export const RELAY = "relay";
