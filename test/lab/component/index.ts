import { hetznerServer, hetznerZone, ProxyRelay, Relay } from "chatmail-proxy";

const relay = new Relay("relay", { ssh: { host: "192.168.1.10", hostKey: "ssh-ed25519 AAAA…" } });
const zone = hetznerZone({ zone: "example.org" });
const hel1 = new ProxyRelay("hel1", {
  mailDomain: "chat.example.org",
  host: hetznerServer({ location: "hel1" }),
  relay,
  zone,
});
export const address = hel1.ipv4;
export const chatmailProxy = relay.outputs;
