# shellcheck shell=sh
# shellcheck disable=SC2154 # peers and conf_... are from wireguard.sh
# What is really there of what we set up, and putting back what is not. Of a oneshot unit (wg-quick's, our filter's) systemd
# knows only that it once ended well.

# heal: what others took away on a proxy. Under the lock: nothing comes back that is just being removed.
heal() {
	lock
	result=0
	heal_filters || result=1
	heal_forwarding || result=1
	make_room || result=1
	wan_ways || result=1
	for units in "$STATE"/sets/*/live/units; do
		[ -f "$units" ] || continue
		# shellcheck disable=SC2013 # names of interfaces, which are words
		for interface in $(sed -n 's/^wg-quick@\(.*\)\.service$/\1/p' "$units"); do
			heal_tunnel "$interface" || result=1
			keep_endpoint "$interface" || true
		done
	done
	return $result
}

# heal_unit UNIT: what this unit set up is there, or is put back.
heal_unit() {
	case $1 in
	wg-quick@*.service)
		interface=${1#wg-quick@}
		heal_tunnel "${interface%.service}"
		;;
	chatmail-proxy-filter.service) heal_filters ;;
	esac
}

# heal_filters: tables of ours that are not there any more, though their rules are stored.
heal_filters() {
	for file in "$ETC"/*.nft; do
		[ ! -f "$file" ] || nft list table inet "$(table_of "$file")" >/dev/null 2>&1 || put_back "the table inet $(table_of "$file")" nft -f "$file" || return 1
	done
}

table_of() { sed -n 's/^delete table inet //p' "$1"; }

# Forwarding that somebody else has switched off. accept_ra is not put back: networkd sets it to 0 where it listens to router
# advertisements itself.
heal_forwarding() {
	[ -f "$SYSCTLS" ] || return 0
	sed -n 's/^\(net\.[a-z0-9_.]*forward[a-z]*\) = 1$/\1/p' "$SYSCTLS" | while read -r key; do
		[ "$(kernel_value "$key")" != 0 ] || put_back "$key" sysctl -q -w "$key=1"
	done
}

# heal_tunnel INTERFACE: brought up again where it is gone or knows no other end. Else only what it lacks is put back, and what
# works goes on working meanwhile.
heal_tunnel() {
	[ -f "$WIREGUARD/$1.conf" ] || return 0
	! being_set_up "$1" || return 0
	read_conf "$WIREGUARD/$1.conf"
	if ! read_peers "$1" || ! knows_peer; then
		systemctl reset-failed "wg-quick@$1.service" 2>/dev/null || true
		put_back "the tunnel's interface $1, which is gone, or knows no other end any more" systemctl restart "wg-quick@$1.service"
		return
	fi
	heal_peer "$1"
	[ -n "$(ip -o link show dev "$1" up 2>/dev/null)" ] || put_back "$1, which was down" ip link set dev "$1" up || true
	for address in $(missing_addresses "$1"); do
		put_back "the address $address on $1" ip -"$(family_of "$address")" address add "$address" dev "$1" || true
	done
	for network in $(missing_routes "$1"); do
		put_back "the route to $network by $1" ip -"$(family_of "$network")" route add "$network" dev "$1" || true
	done
}

# being_set_up INTERFACE: wg-quick is at work on it just now. What it finds there already, it takes for a fault.
being_set_up() { case $(systemctl is-active "wg-quick@$1.service") in activating | deactivating) return 0 ;; *) return 1 ;; esac }

# heal_peer INTERFACE: its only other end, what that may send, and where it is.
heal_peer() {
	case $peers in
	*"$NEWLINE"*)
		for other in $(other_peers); do put_back "$1, which had a peer more" wg set "$1" peer "$other" remove || true; done
		read_peers "$1" || true
		;;
	esac
	if other_networks; then
		put_back "what $1 takes from its peer" wg set "$1" peer "$conf_peer" allowed-ips "$(printf '%s' "$conf_networks" | tr ' ' ,)" || true
	fi
	if other_endpoint "$1"; then
		put_back "where $1 sends to" wg set "$1" peer "$conf_peer" endpoint "$conf_endpoint" || true
	fi
}

# call INTERFACE: this proxy calls the relay where it last called from. A home router lets that in, since the relay has never
# stopped sending to us.
call() {
	give_endpoint "$1" || return 0
	read_conf "$WIREGUARD/$1.conf"
	ping -n -q -c 1 -W 1 "${conf_networks%%/*}" >/dev/null 2>&1 || true
}
