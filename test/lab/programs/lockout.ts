// A program that brings rules to a proxy which shut its operator out: they await SSH on a port where nobody listens.
// Reads where to go from the file that LOCKOUT_TARGET names; run on a stack of its own.
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { guardedFilter } from "../../../components/filter/guardedFilter";
import { debian } from "../../../components/platforms/debian";
import type { Target } from "./target";

// eslint-disable-next-line @typescript-eslint/require-await -- the engine takes only a promise
async function program(): Promise<void> {
  const { privateKey, ...target } = JSON.parse(readFileSync(process.env.LOCKOUT_TARGET ?? "", "utf8")) as Target;
  const relay = { ipv4: "10.213.109.6", ipv6: "fd6d:6169:6c70::2d06" };
  const set = debian.filterSet({ closed: true, ssh: { port: 2222, from: [] }, ports: [25], udpPorts: [], to: { kind: "tunnel", interface: debian.tunnelInterface, port: 51820, mtu: 1420, relay, egress: false } }, [{ name: "eth0", acceptRa: 0 }]);
  guardedFilter("lockout", { host: { reach: { ...target, port: 22, user: "root", privateKey: pulumi.secret(privateKey) }, become: "root" }, set }, {});
}

export = program;
