// A relay that cannot be reached over SSH from where pulumi runs: one shell script does there what Relay does over SSH.
// A person runs it as root; again after a proxy was added or removed; with --remove to undo it all. It holds private keys.
import * as pulumi from "@pulumi/pulumi";
import { stackMark } from "./proxyRelay";
import type { RelayEnds } from "./relay";
import { RELAY_PACKAGES } from "./relay";
import { bundle } from "./remote/bundle";
import { HOSTCTL, hostctlProgram } from "./remote/hostctl";
import type { RelayTunnelEndArgs } from "./tunnel/relayEnd";
import { keysSet, relayEndSet } from "./tunnel/wireguard";

interface ScriptedSet {
  readonly name: string;
  readonly interfaceName: string;
  readonly bundle: string;
}

export class ScriptedRelay implements RelayEnds {
  readonly byHand = true;
  private readonly sets: pulumi.Output<ScriptedSet[]>[] = [];

  addTunnel(_name: string, { proxy, interfaceName, keys, end }: RelayTunnelEndArgs): undefined {
    this.sets.push(
      pulumi.all([keys, end]).apply(([pair, own]) => [
        { name: `keys-${proxy}`, interfaceName, bundle: bundle(keysSet(interfaceName, pair)).text },
        { name: `tunnel-${proxy}`, interfaceName, bundle: bundle(relayEndSet(own)).text },
      ]),
    );
  }

  /** The script; secret. */
  get script(): pulumi.Output<string> {
    return pulumi.secret(pulumi.all(this.sets).apply((sets) => relayScript(stackMark(), sets.flat())));
  }
}

const END = "END-OF-WHAT-CHATMAIL-PROXY-WROTE";

/** Pure. Lines of a bundle begin with file, unit, end or |, so that none can be the here-document's end. */
export function relayScript(stack: string, sets: readonly ScriptedSet[]): string {
  const hereDocument = (command: string, text: string) => [`${command} <<'${END}'`, text.replace(/\n$/, ""), END];
  return [
    "#!/bin/sh",
    "# Sets up this relay's end of the tunnels to its proxies. Run it as root: sh FILE. With --remove it undoes everything.",
    "# It holds private keys: keep it from others' eyes, and delete it when it has run.",
    "set -eu",
    "umask 077",
    '[ "$(id -u)" = 0 ] || { echo "Run this as root: sudo sh $0" >&2; exit 1; }',
    'case "${1:-}" in',
    "'') ;;",
    "--remove)",
    `[ -x ${HOSTCTL} ] || { echo "Nothing of chatmail-proxy is here."; exit 0; }`,
    // Only this stack's tunnels: another stack may have some here too.
    `${HOSTCTL} keep-of ${stack}`,
    `exec ${HOSTCTL} leave ;;`,
    '*) echo "Usage: sh $0 [--remove]" >&2; exit 2 ;;',
    "esac",
    `mkdir -p ${HOSTCTL.slice(0, HOSTCTL.lastIndexOf("/"))}`,
    `chmod 755 ${HOSTCTL.slice(0, HOSTCTL.lastIndexOf("/"))}`,
    ...hereDocument(`cat >${HOSTCTL}.new`, hostctlProgram()),
    `chmod 755 ${HOSTCTL}.new`,
    `mv ${HOSTCTL}.new ${HOSTCTL}`,
    `${HOSTCTL} setup`,
    `${HOSTCTL} prepare ${RELAY_PACKAGES.join(" ")}`,
    `${HOSTCTL} claim ${stack} ${sets.map(({ interfaceName }) => interfaceName).join(" ")}`,
    ...sets.flatMap(({ name, bundle: text }) => hereDocument(`${HOSTCTL} install ${name}`, text)),
    `${HOSTCTL} keep-of ${stack} ${sets.map(({ name }) => name).join(" ")}`,
    'echo "chatmail-proxy: this relay is set up. Now run pulumi up again: it proves that mail gets through, and publishes the proxies."',
    "",
  ].join("\n");
}
