# shellcheck shell=sh
# What a host is and has, one fact a line, for facts.ts to read and judge. Changes nothing.

# wan [INTERFACE...]: the interfaces towards the internet, those of the default routes and of the provider's rules for each address unless they are given; and whether
# the kernel listens to router advertisements there.
wan() {
	if [ $# = 0 ]; then
		# shellcheck disable=SC2046 # a word each
		set -- $({
			{
				ip -4 route show default
				ip -6 route show default
			} | sed -n 's/.* dev \([^ ]*\).*/\1/p'
			ways_of_rules
		} | sort -u)
		[ $# != 0 ] || fail "this host has no default route, so that its interface towards the internet is unknown; name it as wan"
	fi
	for device in "$@"; do
		[ -e "/sys/class/net/$device" ] || fail "this host has no interface $device; it has: $(cd /sys/class/net && echo *)"
		printf 'wan %s %s\n' "$device" "$(cat "/proc/sys/net/ipv6/conf/$device/accept_ra" 2>/dev/null || echo 0)"
	done
}

# relay_facts: networks, routing tables and rules that others use here; IPv6; what listens; whom postfix trusts.
relay_facts() {
	have ip || fail "this relay has no ip command; install iproute2"
	for file in "$ETC"/*.conf; do
		[ -f "$file" ] || continue
		name=${file##*/}
		printf 'ours %s %s\n' "${name%.conf}" "$(sed -n 's/^STACK=//p' "$file")"
	done
	turn
	firewalls relay
	ip -o -4 addr show | sed -n 's/^[0-9]*: *\([^ ]*\) *inet \([^ ]*\).*/address \1 \2/p'
	ip -o -6 addr show | sed -n 's/^[0-9]*: *\([^ ]*\) *inet6 \([^ ]*\).*/address \1 \2/p'
	# What the kernel would send from: asked, and nothing sent.
	for internet in 1.1.1.1 2606:4700:4700::1111; do
		ip -o route get "$internet" 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/source \1/p'
	done
	for family in 4 6; do
		ip -"$family" route show table all 2>/dev/null | sed -n 'h
			s/^\(unicast \)\{0,1\}\([0-9a-f.:/]*\) .*dev \([^ ]*\).*/route \3 \2/p
			g
			s/.* dev \([^ ]*\).* table \([^ ]*\).*/table \1 \2/p' | awk '!($0 in said) { said[$0]; print }'
		ip -"$family" rule show | sed 's/^/rule /'
	done
	six_off=$(ipv_six_off)
	echo "ipv6 ${six_off:+off }${six_off:-on}"
	if have postconf; then
		postconf -x mynetworks smtpd_client_connection_count_limit inet_protocols 2>/dev/null | sed -n 's/^\([a-z_]*\) = */postfix \1 /p'
	fi
}

# turn: whether somebody listens on TURN's UDP port.
turn() { [ -z "$(ss -Hlun 'sport = :3478' 2>/dev/null)" ] || echo 'turn on'; }

# tunnel_conflicts PORT IPV4 IPV6: others who use the tunnel's port or addresses.
tunnel_conflicts() {
	if [ -n "$(ss -Hlun "sport = :$1" 2>/dev/null)" ] && ! wg show wg-relay >/dev/null 2>&1; then
		echo "UDP port $1, meant for the tunnel, is in use on this host: choose another tunnel.port"
	fi
	for address in "$2" "$3"; do
		route=$(route_of_others "$address" wg-relay)
		[ -z "$route" ] || echo "this host already uses the network of the tunnel's address $address ($route): choose another tunnel.ipv4Range or ipv6Range"
	done
}

tcp_users() { ss -Hltnp 2>/dev/null | users | in_ranges "$1"; }

udp_users() { ss -Hlunp 2>/dev/null | users | in_ranges "$1"; }

users() {
	awk '
		$4 !~ /^(127\.|\[::1\])/ {
			port = $4
			sub(/.*:/, "", port)
			print port, (match($0, /users:\(\("[^"]*"/) ? substr($0, RSTART + 9, RLENGTH - 10) : "something")
		}'
}

tunnel_interface() { echo wg-relay; }

dial_ports() { cat /proc/sys/net/ipv4/ip_local_port_range; }

tunnel_port() { wg show wg-relay listen-port 2>/dev/null || true; }

# route_of_others ADDRESS OUR-INTERFACE: a route to a network that holds the address, but for ours. A wide one (10.0.0.0/8 to a
# VPN, say) does not count: ours are narrower and win. One that this host has an address in does (proto kernel), and so does
# one to a single network. ip must be told the family: it takes every address for IPv4's.
route_of_others() {
	case $1 in *:*) family=6 ;; *) family=4 ;; esac
	ip -"$family" route show to match "$1" 2>/dev/null | grep -v -e '^default' -e '^0.0.0.0/1' -e '^128.0.0.0/1' -e '^::/1' -e '^8000::/1' -e "dev $2" |
		awk -v one="$(if [ "$family" = 4 ]; then echo 24; else echo 64; fi)" '/ proto kernel / || $1 !~ /\// || substr($1, index($1, "/") + 1) + 0 >= one { print; exit }' || true
}
