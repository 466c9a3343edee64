// A relay that cannot be reached over SSH from where pulumi runs: one shell script does there what RelaySetup does over SSH.
// A person runs it as root; again after a proxy was added or removed; with --remove to undo it all. It holds private keys.
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { ScriptState } from "./lastRun";
import { outputValue } from "./outputValue";
import { stackMark } from "./ownerMark";
import { RELAY_PACKAGES, type RelayEnds, type TunnelEndArgs } from "./relaySetup";
import { bundle } from "./remote/bundle";
import { HOSTCTL, hostctlProgram, MAKE_PLACE } from "./remote/hostctl";
import type { RelaySettings, Settings } from "./settings";
import { keysSet, relayEndSet, type RelayEnd, type TunnelKeys } from "./tunnel/wireguard";
import { forwardsTurn, TURN_UNREACHED } from "./turn";

interface ScriptedTunnel {
  /** A digest of what the proxy's end must match. */
  readonly tunnelDigest: string;
  /** The relay's own mail may leave through it. */
  readonly egress: boolean;
  readonly interfaceName: string;
  readonly routingTable: number;
  /** The relay's in the tunnel, then the proxy's. */
  readonly addresses: readonly [string, string, string, string];
  readonly sets: readonly { readonly name: string; readonly bundle: string }[];
}

/** Settings that the script itself needs. */
export type ScriptWishes = Pick<RelaySettings, "outboundCheck"> & Pick<Settings, "udpPorts">;

export class ScriptedRelay implements RelayEnds {
  readonly manual = true;
  readonly unreachable = false;
  private readonly tunnels: {
    readonly proxy: string;
    readonly keep: boolean;
    readonly made: pulumi.Output<ScriptedTunnel>;
  }[] = [];

  constructor(private readonly wishes: ScriptWishes) {}

  addTunnel({ proxy, interfaceName, keys, end, keep }: TunnelEndArgs): undefined {
    this.tunnels.push({
      proxy,
      keep,
      made: pulumi.all([keys, end]).apply(([pair, own]): ScriptedTunnel => ({
        tunnelDigest: tunnelDigestOf(pair, own),
        egress: own.egress !== undefined,
        interfaceName,
        routingTable: own.plan.routingTable,
        addresses: [own.plan.relay.ipv4, own.plan.relay.ipv6, own.plan.proxy.ipv4, own.plan.proxy.ipv6],
        sets: [
          { name: `keys-${proxy}`, bundle: bundle(keysSet(interfaceName, pair)).text },
          { name: `tunnel-${proxy}`, bundle: bundle(relayEndSet(own)).text },
        ],
      })),
    });
  }

  /** The script; secret. */
  get script(): pulumi.Output<string> {
    return pulumi.secret(
      pulumi
        .all(this.tunnels.map(({ made }) => made))
        .apply((tunnels) => relayScript(stackMark(), tunnels, this.wishes)),
    );
  }

  /** What identifies this script: no secret, since its contents cannot be guessed. */
  async state(before: ScriptState | undefined, now: Date): Promise<ScriptState | undefined> {
    const text = await outputValue(this.script);
    if (text === undefined) return before;
    const ends = (await this.ends()).flatMap(({ proxy, keep, made }) =>
      made ? [{ proxy, ...made, tunnelDigest: (keep ? before?.tunnels[proxy] : undefined) ?? made.tunnelDigest }] : [],
    );
    const digest = digestOf(text);
    return {
      digest,
      since: before?.digest === digest ? before.since : now.toISOString(),
      tunnels: Object.fromEntries(ends.map(({ proxy, tunnelDigest }) => [proxy, tunnelDigest])),
      egress: ends.filter(({ egress }) => egress).map(({ proxy }) => proxy),
    };
  }

  /** What no longer matches the relay's ends as the last run's script makes them. */
  async interruptions(before: ScriptState | undefined): Promise<Interruptions> {
    const ends = await this.ends();
    const names = (which: typeof ends) => which.map(({ proxy }) => proxy);
    // An end that was known, and is not in a preview, gets new keys.
    const other = ends.filter(
      ({ proxy, made }) => before?.tunnels[proxy] !== undefined && before.tunnels[proxy] !== made?.tunnelDigest,
    );
    return {
      tunnels: names(other.filter(({ keep }) => !keep)),
      frozen: names(other.filter(({ keep }) => keep)),
      egress: names(
        ends.filter(({ proxy, keep, made }) => !keep && before?.egress.includes(proxy) && made?.egress === false),
      ),
    };
  }

  /** What is known of each end so far. */
  private ends() {
    return Promise.all(
      this.tunnels.map(async ({ proxy, keep, made }) => ({ proxy, keep, made: await outputValue(made) })),
    );
  }
}

const digestOf = (text: string) => createHash("sha256").update(text).digest("base64url");

/** Without the address that the relay dials and the ports: a tunnel survives a change of those. */
const tunnelDigestOf = ({ privateKey, presharedKey }: TunnelKeys, { peerPublicKey, endpoint, plan }: RelayEnd) =>
  digestOf(
    JSON.stringify([privateKey, presharedKey, peerPublicKey, endpoint.split(":").at(-1), plan.relay, plan.proxy]),
  );

/** Names of proxies whose own ends a run changes at once, so that something stops until the script has run; and of those that it cannot change. */
export interface Interruptions {
  /** Nothing passes their tunnels. */
  readonly tunnels: readonly string[];
  /** Their ends do not change now, since they do not answer, but the script already matches changed ones. */
  readonly frozen: readonly string[];
  /** They no longer let the relay's own mail out, which it still sends to them. */
  readonly egress: readonly string[];
}

export const NO_INTERRUPTIONS: Interruptions = { tunnels: [], frozen: [], egress: [] };

/** How a person gets the script to the relay, and runs it. */
export const FETCH_SCRIPT =
  "(umask 077; pulumi stack output --show-secrets relayScript > relay.sh); copy relay.sh to the relay (it holds private keys: delete it afterwards) and run there, as root: sh relay.sh.";

/** A message when the script has changed since the last run: a person has to bring it to the relay. `failed`: proxies that could not be set up. */
export function scriptChanged(
  before: ScriptState | undefined,
  now: ScriptState | undefined,
  failed: readonly string[],
  interruptions: Interruptions,
): string[] {
  const done = (names: readonly string[]) => names.filter((name) => !failed.includes(name));
  const stopped = interruptionText({ tunnels: done(interruptions.tunnels), egress: done(interruptions.egress) });
  if (!before || (stopped === "" && (!now || before.digest === now.digest))) return [];
  const another = "The relay's script has changed since the last run";
  // It holds the new ends of tunnels whose other ends may still be the old ones.
  const old = [...new Set([...failed, ...interruptions.frozen])].join(", ");
  const mayWait = `${old} could not be set up, and may still have its old end of the tunnel`;
  if (old !== "" && stopped === "") return [`${another}. Do not run it there yet: ${mayWait}.`];
  if (old !== "")
    return [
      `${another}. ${mayWait}, which the script would cut off.${stopped} If ${old} can soon be fixed, do that first, and run pulumi up again; if not, run the script: ${FETCH_SCRIPT}`,
    ];
  const goesOn =
    interruptions.tunnels.length > 0 ? "" : ", and until it has run again the relay keeps the tunnels that it has";
  return [`${another}${goesOn}.${stopped} Bring it there: ${FETCH_SCRIPT} Then run pulumi up again.`];
}

/** True of a preview as well, after which it is still to come. */
const interruptionText = ({ tunnels, egress }: Pick<Interruptions, "tunnels" | "egress">) =>
  [
    ...(tunnels.length > 0
      ? [
          ` From this pulumi up until it has run there no mail passes through ${tunnels.join(", ")}, whose own end of the tunnel changes at once.`,
        ]
      : []),
    ...(egress.length > 0
      ? [
          ` Until it has run there, mail that the relay sends out through ${egress.join(", ")} waits in the relay's queue.`,
        ]
      : []),
  ].join("");

const END = "END-OF-WHAT-CHATMAIL-PROXY-WROTE";

/** Pure. Lines of a bundle begin with file, unit, end or |, so that none can be the here-document's end. */
export function relayScript(
  stack: string,
  unsorted: readonly ScriptedTunnel[],
  { outboundCheck, udpPorts }: ScriptWishes,
): string {
  // Sorted, so that another order of the settings changes nothing on the relay.
  const tunnels = [...unsorted].sort((a, b) => (a.interfaceName < b.interfaceName ? -1 : 1));
  const sets = tunnels.flatMap((tunnel) => tunnel.sets);
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
    `exec ${HOSTCTL} release ${stack} ;;`,
    '*) echo "Usage: sh $0 [--remove]" >&2; exit 2 ;;',
    "esac",
    MAKE_PLACE,
    ...hereDocument(`cat >${HOSTCTL}.new`, hostctlProgram()),
    `chmod 755 ${HOSTCTL}.new`,
    `${HOSTCTL}.new setup`,
    `${HOSTCTL} prepare ${RELAY_PACKAGES.join(" ")}`,
    `${HOSTCTL} claim ${stack} ${tunnels.map(({ interfaceName }) => interfaceName).join(" ")}`,
    ...tunnels.map(
      ({ interfaceName, routingTable, addresses }) =>
        `${HOSTCTL} fits ${stack} ${interfaceName} ${routingTable} ${addresses.join(" ")}`,
    ),
    ...sets.flatMap(({ name, bundle: text }) => hereDocument(`${HOSTCTL} install ${name}`, text)),
    `${HOSTCTL} keep-of ${stack} ${sets.map(({ name }) => name).join(" ")}`,
    `${HOSTCTL} relay-firewalls`,
    ...(forwardsTurn(udpPorts)
      ? []
      : hereDocument(`[ -z "$(${HOSTCTL} turn)" ] || cat >&2`, `chatmail-proxy: ${TURN_UNREACHED}`)),
    // Reported, but no reason to stop: only the provider can fix it.
    ...(outboundCheck === false ? [] : [`${HOSTCTL} outbound ${outboundCheck} || true`]),
    'echo "chatmail-proxy: this relay is set up. Now run pulumi up again: it proves that mail gets through, and publishes the proxies."',
    "",
  ].join("\n");
}
