# shellcheck shell=sh
# Where the relay was last heard from, on a proxy. An interface that is made again knows nothing of it, and whoever has a packet
# to send must know it.

# keep_endpoint INTERFACE: from where the relay calls this proxy. An interface that is made again knows nothing of it: the
# relay, which keeps to a session that nobody has any more, would call only when that has timed out.
keep_endpoint() {
	[ "$(handshake_age "$1")" -lt 180 ] || return 0
	endpoint=$(wg show "$1" endpoints | awk 'NR == 1 { print $2 }')
	case $endpoint in
	'' | '(none)') ;;
	*) [ "$endpoint" = "$(cat "$STATE/endpoint.$1" 2>/dev/null)" ] || printf '%s\n' "$endpoint" | write_file 600 "$STATE/endpoint.$1" ;;
	esac
}

# give_endpoint INTERFACE: to a peer that knows none. Fails where nothing is known. WireGuard calls when it has a packet to send.
give_endpoint() {
	[ -f "$STATE/endpoint.$1" ] || return 1
	wg show "$1" endpoints | while read -r peer endpoint; do
		[ "$endpoint" != '(none)' ] || run wg set "$1" peer "$peer" endpoint "$(cat "$STATE/endpoint.$1")"
	done
}
