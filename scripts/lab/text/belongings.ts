// lab/text/belongings.ts: what the owner of a machine runs on it besides us, and which has to survive us: rules, a bridge
// as Docker makes one, an `ip rule`, sysctls, a service. Files, and the script that shows all of it. Pure.
import type { GuestFile } from "./guest";

export interface Belongings {
  /** The bridge's own address, which ends in .0.1, of a /16. */
  readonly bridge4: string;
  /** Routing table of the owner's rules. */
  readonly table: number;
  /** By what the rules and the bridge are made: systemd-networkd, or a script of the owner's beside it. */
  readonly by: "networkd" | "script";
  readonly gateway4: string;
  readonly gateway6?: string;
  /** TCP port of a service that is no mail. */
  readonly port?: number;
}

export const BRIDGE = "br-docker";
const RULE_PRIORITY = 20_000;
const SYSCTL_FILE = "/etc/sysctl.d/60-owner.conf";
/** Forwarding is Docker's wish too: whoever switches it off when leaving breaks the owner's containers. */
const SYSCTLS = { "net.ipv4.ip_forward": 1, "net.ipv4.tcp_fin_timeout": 47 } as const;
/** Only looked up when something comes from there, so it need not be in use. */
const CONTAINERS6 = "fd00:17::/64";

export function belongingsFiles(belongings: Belongings): GuestFile[] {
  return [
    { path: "/etc/nftables.conf", content: nftablesConf(belongings), mode: 0o755 },
    {
      path: SYSCTL_FILE,
      content: Object.entries(SYSCTLS)
        .map(([key, value]) => `${key} = ${value}\n`)
        .join(""),
    },
    ...(belongings.by === "networkd" ? networkdFiles(belongings) : scriptFiles(belongings)),
    ...(belongings.port === undefined ? [] : serviceFiles(belongings.port)),
  ];
}

/** Debian's own file starts with the flush, so on a real machine a reload of nftables.service takes everybody's rules. */
function nftablesConf(belongings: Belongings): string {
  return `#!/usr/sbin/nft -f
flush ruleset

table inet owner {
	chain input {
		type filter hook input priority filter; policy accept;
		counter comment "all that comes in"
	}
}

table ip docker {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr ${containers4(belongings)} oifname != "${BRIDGE}" masquerade
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "${BRIDGE}" accept
		oifname "${BRIDGE}" ct state established,related accept
		oifname "${BRIDGE}" drop
	}
}
`;
}

function networkdFiles(belongings: Belongings): GuestFile[] {
  const { bridge4, table, gateway4 } = belongings;
  return [
    { path: `/etc/systemd/network/20-${BRIDGE}.netdev`, content: `[NetDev]\nName=${BRIDGE}\nKind=bridge\n` },
    {
      path: `/etc/systemd/network/20-${BRIDGE}.network`,
      content: `[Match]
Name=${BRIDGE}

[Link]
RequiredForOnline=no

[Network]
Address=${bridge4}/16
ConfigureWithoutCarrier=yes
LinkLocalAddressing=no

[RoutingPolicyRule]
From=${containers4(belongings)}
Table=${table}
Priority=${RULE_PRIORITY}
`,
    },
    {
      path: "/etc/systemd/network/10-eth0.network.d/owner.conf",
      content: `[Route]\nGateway=${gateway4}\nTable=${table}\n`,
    },
  ];
}

function scriptFiles(belongings: Belongings): GuestFile[] {
  const { bridge4, table, gateway4, gateway6 } = belongings;
  const script = `#!/bin/sh
set -eu
ip link add ${BRIDGE} type bridge
ip address add ${bridge4}/16 dev ${BRIDGE}
ip link set ${BRIDGE} up
ip route replace default via ${gateway4} dev eth0 onlink table ${table}
ip rule add priority ${RULE_PRIORITY} from ${containers4(belongings)} lookup ${table}
${gateway6 === undefined ? "" : `ip -6 route replace default via ${gateway6} dev eth0 table ${table}\nip -6 rule add priority ${RULE_PRIORITY} from ${CONTAINERS6} lookup ${table}\n`}`;
  return [
    { path: "/usr/local/sbin/owner-network", content: script, mode: 0o755 },
    {
      path: "/etc/systemd/system/owner-network.service",
      content: `[Unit]
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/owner-network
`,
    },
    // Whoever has rules beside networkd must tell it, or its next restart takes them.
    {
      path: "/etc/systemd/networkd.conf.d/owner.conf",
      content: "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
    },
    wantedAtBoot("owner-network.service"),
  ];
}

/** A web page that systemd serves with a shell: no image needs a web server for it. */
function serviceFiles(port: number): GuestFile[] {
  return [
    {
      path: "/usr/local/sbin/shop",
      content: '#!/bin/sh\nwhile read -r line && [ "${#line}" -gt 1 ]; do :; done\ncat /srv/shop\n',
      mode: 0o755,
    },
    {
      path: "/srv/shop",
      content: `HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${SHOP_PAGE.length}\r\n\r\n${SHOP_PAGE}`,
    },
    { path: "/etc/systemd/system/shop.socket", content: `[Socket]\nListenStream=${port}\nAccept=yes\n` },
    {
      path: "/etc/systemd/system/shop@.service",
      content: "[Service]\nExecStart=/usr/local/sbin/shop\nStandardInput=socket\n",
    },
    wantedAtBoot("shop.socket"),
  ];
}

export const SHOP_PAGE = "The owner's shop is open.\n";

/** A drop-in in place of the link that \`systemctl enable\` makes: a plain file does. */
const wantedAtBoot = (unit: string): GuestFile => ({
  path: `/etc/systemd/system/multi-user.target.d/${unit}.conf`,
  content: `[Unit]\nWants=${unit}\n`,
});

/**
 * POSIX sh that prints all of it as text, the same text as long as nobody meddled: no counters, no times, nothing that is
 * not the owner's.
 */
export function belongingsScript(belongings: Belongings): string {
  const files = belongingsFiles(belongings).map(({ path }) => path);
  const show = [
    `sha256sum ${files.join(" ")}`,
    "systemctl is-enabled nftables.service",
    "nft -s list table inet owner",
    "nft -s list table ip docker",
    `ip -4 -o address show dev ${BRIDGE} | sed 's/ *valid_lft.*//; s/^[0-9]*: //'`,
    `for family in 4 6; do ip -$family rule show priority ${RULE_PRIORITY}; ip -$family route show table ${belongings.table} 2>/dev/null || true; done`,
    `sysctl ${Object.keys(SYSCTLS).join(" ")}`,
    ...(belongings.port === undefined
      ? []
      : [
          "systemctl is-active shop.socket",
          `curl -sS -m 5 http://127.0.0.1:${belongings.port}/`,
          `ss -Hltn 'sport = :${belongings.port}' | awk '{ print $4 }'`,
        ]),
  ];
  // One that fails is shown as such: what is gone must not end the picture.
  return show.map((line) => `echo ${quoted(`# ${line}`)}\n{ ${line}; } 2>&1 || echo "failed"\n`).join("");
}

const containers4 = ({ bridge4 }: Belongings): string => bridge4.replace(/0\.1$/, "0.0/16");

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
