// lab/text/home.ts: the home router as text: nft rules and the `ip` lines of a changed line. Pure; loads nothing.
import { HOME_LINE } from "../plan";

export interface HomeState {
  /** The address that the provider gives the line right now. */
  readonly address: string;
  /** True: the LAN has global IPv6, behind a firewall that admits nothing new. */
  readonly ipv6: boolean;
}

export const DEFAULT_HOME: HomeState = { address: HOME_LINE.addresses4[0], ipv6: false };

/** NAT with no port forwarded, and for IPv6 what home routers do as they come: out yes, in no. */
export function renderHomeRouter(): string {
  return `table inet cpl_home
delete table inet cpl_home
table inet cpl_home {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		meta nfproto ipv4 oifname "wan" masquerade
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "lan" accept
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iifname { "lo", "lan" } accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
}
`;
}
