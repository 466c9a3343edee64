# shellcheck shell=sh
# The proxy's end of the tunnel: wg(4) and wg(8) of the base system, which has no wg-quick.
#
# $ETC/tunnel.env says: INTERFACE= MTU= IPV4= IPV6= RELAY_IPV4= RELAY_IPV6= PEER=; tunnel.conf is for wg setconf, and
# tunnel.key and tunnel.psk hold the secrets.

read_tunnel() {
	# shellcheck source=/dev/null
	. "$ETC/tunnel.env"
}

# tunnel_up: may run again at any time; what is there already stays. Two at once (the service at boot, the guard) wait for each
# other. Not by the lock of all runs: one that holds it restarts the service.
tunnel_up() {
	[ -f "$ETC/tunnel.env" ] || return 0
	lock tunnel
	read_tunnel
	for secret in key psk; do
		[ -f "$ETC/tunnel.$secret" ] || fail "$ETC/tunnel.$secret is missing"
	done
	ifconfig "$INTERFACE" >/dev/null 2>&1 || {
		run kldload -n if_wg || fail "the kernel module if_wg cannot be loaded"
		run ifconfig "$INTERFACE" create
	}
	run ifconfig "$INTERFACE" mtu "$MTU" up
	fresh=
	if ! knows_relay; then
		fresh=yes
		run wg setconf "$INTERFACE" "$ETC/tunnel.conf"
		run wg set "$INTERFACE" private-key "$ETC/tunnel.key" peer "$PEER" preshared-key "$ETC/tunnel.psk"
	fi
	# A new interface has IPv6 off, and devd's netif turns it off once more where rc.conf says nothing of it.
	run ifconfig "$INTERFACE" inet6 -ifdisabled
	ifconfig "$INTERFACE" | grep -qF "inet $IPV4 " || run ifconfig "$INTERFACE" inet "$IPV4/32" alias
	ifconfig "$INTERFACE" | grep -qF "inet6 $IPV6 " || run ifconfig "$INTERFACE" inet6 "$IPV6/128" alias
	routed inet "$RELAY_IPV4" || run route -q -n add -inet "$RELAY_IPV4/32" -interface "$INTERFACE"
	routed inet6 "$RELAY_IPV6" || run route -q -n add -inet6 "$RELAY_IPV6/128" -interface "$INTERFACE"
	[ -z "$fresh" ] || call
}

# knows_relay: with its preshared key, which comes last. Settings that are there are not made again: `wg setconf` ends the session,
# and forgets where the relay is.
knows_relay() { wg show "$INTERFACE" preshared-keys 2>/dev/null | grep -F "$PEER" | grep -qvF '(none)'; }

# call: this proxy calls the relay where it last called from. A relay that keeps to a session which nobody has any more calls only
# when that has timed out.
call() {
	give_endpoint "$INTERFACE" || return 0
	ping -n -q -c 1 -t 1 "$RELAY_IPV4" >/dev/null 2>&1 || true
}

routed() { [ "$(route -n get "-$1" "$2" 2>/dev/null | awk '$1 == "interface:" { print $2 }')" = "$INTERFACE" ]; }

# Its addresses and routes go with it.
tunnel_down() {
	[ -f "$ETC/tunnel.env" ] || return 0
	lock tunnel
	read_tunnel
	! ifconfig "$INTERFACE" >/dev/null 2>&1 || run ifconfig "$INTERFACE" destroy
}

tunnel_is_up() {
	[ -f "$ETC/tunnel.env" ] || return 1
	read_tunnel
	state=$(ifconfig "$INTERFACE" 2>/dev/null) || return 1
	case $state in *IFDISABLED*) return 1 ;; esac
	case $state in *"inet $IPV4 "*) ;; *) return 1 ;; esac
	knows_relay && routed inet "$RELAY_IPV4" && routed inet6 "$RELAY_IPV6"
}

# greetings DIRECTORY IPV4 IPV6 PORT...: what each port says, `port PORT FAMILY shut` or `... open FIRST-LINE`, by both addresses
# ("-" is none). DIRECTORY is empty.
greetings() {
	lines_in=$1 greet4=$2 greet6=$3
	shift 3
	for port in "$@"; do
		[ "$greet4" = - ] || greeting 4 "$greet4" "$port" >"$lines_in/$port.4" &
		[ "$greet6" = - ] || greeting 6 "$greet6" "$port" >"$lines_in/$port.6" &
	done
	wait
	cat "$lines_in"/*
}

# greeting FAMILY ADDRESS PORT: by nc of the base system. The first line tells a mail server from something else.
greeting() {
	if nc -z -w 5 "$2" "$3" >/dev/null 2>&1 </dev/null; then
		line=
		! speaks_first "$3" || line=$(timeout 6 nc -w 3 "$2" "$3" 2>/dev/null </dev/null | head -n 1 | tr -d '\r') || line=
		printf 'port %s %s open %s\n' "$3" "$1" "$line"
	else
		printf 'port %s %s shut\n' "$3" "$1"
	fi
}
