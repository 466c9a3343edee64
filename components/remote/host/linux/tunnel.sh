# shellcheck shell=sh
# The tunnel's ends at work: the relay's routes for it, the watch that heals it, and what a proxy sees through it.
#
# $ETC/INTERFACE.conf on the relay says: TABLE= PRIORITY= IPV4= IPV6= PEER_IPV4= PEER_IPV6=

# routes INTERFACE: replies that carry this tunnel's own address go back through it, whatever the main table says.
routes() {
	read_tunnel "$1"
	# Loose: clients' addresses arrive here, while the main table would look for them elsewhere.
	sysctl -q -w "net.ipv4.conf.$1.rp_filter=2"
	for family in 4 6; do
		if [ "$family" = 4 ]; then from=$IPV4/32; else from=$IPV6/128; fi
		ip -"$family" route replace default dev "$1" table "$TABLE"
		ip -"$family" rule show | grep -q "from ${from%/*} lookup $TABLE" ||
			run ip -"$family" rule add from "$from" lookup "$TABLE" priority "$PRIORITY"
	done
}

unroutes() {
	read_tunnel "$1"
	for family in 4 6; do
		if [ "$family" = 4 ]; then from=$IPV4/32; else from=$IPV6/128; fi
		while ip -"$family" rule del from "$from" lookup "$TABLE" 2>/dev/null; do :; done
		ip -"$family" route flush table "$TABLE" 2>/dev/null || true
	done
}

read_tunnel() {
	[ -f "$ETC/$1.conf" ] || fail "$ETC/$1.conf is missing"
	# shellcheck source=/dev/null
	. "$ETC/$1.conf"
}

# watch INTERFACE: a packet every 5 s. An idle WireGuard peer notices only after some 100 s that the other side has
# restarted; one with an unanswered packet asks for a new handshake after 15 s. The same packet tells a home
# router's new address to the proxy. What others took away (networkd flushes rules that it does not know; a firewall
# flushes tables) is put back.
watch() {
	read_tunnel "$1"
	while :; do
		if ! ip link show dev "$1" >/dev/null 2>&1; then
			say "$1 is gone; bringing it up again"
			systemctl restart "wg-quick@$1.service" || true
		else
			routes "$1" || true
			heal_filters || true
			ping -n -q -c 1 -W 2 -I "$IPV4" "$PEER_IPV4" >/dev/null 2>&1 || true
		fi
		sleep 5
	done
}

# load_filters: all our rules, at boot and whenever nftables.service has flushed everything.
load_filters() {
	result=0
	for file in "$ETC"/*.nft; do
		[ ! -f "$file" ] || nft -f "$file" || result=1
	done
	return $result
}

# heal_filters: tables of ours that are not there any more, though their rules are stored.
heal_filters() {
	for file in "$ETC"/*.nft; do
		[ ! -f "$file" ] || nft list table inet "$(table_of "$file")" >/dev/null 2>&1 || run nft -f "$file"
	done
}

table_of() { sed -n 's/^delete table inet //p' "$1"; }

# bash's own TCP: no more than what every Debian has. The first line tells a mail server from something else.
greeting() {
	# shellcheck disable=SC2016,SC2154 # expanded by the inner shell; $found is the directory of `through`
	timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1; IFS= read -r -t 3 -u 3 line; printf "open %s\n" "${line%$(printf "\r")}"' - "$2" "$3" 2>/dev/null >"$found/$3.$1.line" ||
		[ -s "$found/$3.$1.line" ] || echo shut >"$found/$3.$1.line"
	printf 'port %s %s ' "$3" "$1"
	head -n 1 "$found/$3.$1.line"
	rm -f "$found/$3.$1.line"
}
