# shellcheck shell=sh
# Settings of the kernel that are not a file's in sysctl.d: what we set, and what was there before.

# By a program: dash's own `read` asks for a character at a time, and the kernel answers such a file's first one alone.
kernel_value() { cat "$(setting_file "$1")" 2>/dev/null; }

# ipv_six_off: what in this kernel keeps a tunnel's interface from carrying IPv6; nothing where nothing does. No address is needed
# for that. wg-quick gives its interface one at once, before anybody could switch IPv6 on there alone.
ipv_six_off() {
	if [ ! -f "$PROC/net/if_inet6" ]; then
		echo 'ipv6.disable=1 at boot'
	elif [ "$(kernel_value net.ipv6.conf.all.disable_ipv6)" = 1 ]; then
		echo 'net.ipv6.conf.all.disable_ipv6=1'
	elif [ "$(kernel_value net.ipv6.conf.default.disable_ipv6)" = 1 ]; then
		echo 'net.ipv6.conf.default.disable_ipv6=1, which each new interface gets'
	fi
}

# set_kernel KEY VALUE: VALUE from now on; what was there is noted. Not ours to set in some containers.
set_kernel() {
	mkdir -p "$STATE/kernel"
	[ -f "$STATE/kernel/$1" ] || kernel_value "$1" | write_file 600 "$STATE/kernel/$1"
	sysctl -q -w "$1=$2" >/dev/null 2>&1
}

# give_back KEY VALUE: what was there before, unless somebody else has set it since.
give_back() {
	[ -f "$STATE/kernel/$1" ] || return 0
	[ "$(kernel_value "$1")" != "$2" ] || run sysctl -q -w "$1=$(cat "$STATE/kernel/$1")" >&2 || true
	rm -f "$STATE/kernel/$1"
}

# give_back_unused: what no proxy and no tunnel needs here any more.
give_back_unused() {
	[ -f "$ETC/proxy.nft" ] || give_back "$TRACKED" "$(room)"
	for file in "$ETC"/wg-*.conf; do
		[ ! -f "$file" ] || return 0
	done
	give_back "$PROBING" 1
}

# Connections that a proxy keeps track of. The kernel's own number (4,096 with 512 MB, 8,192 with 1 GB) is soon reached by phones
# that stay connected; then every new connection is dropped, from SSH to ping. 60,000 take 15 MB.
TRACKED=net.netfilter.nf_conntrack_max

# make_room: on a proxy, as much as its memory is good for. After our rules are loaded, which load what has this setting.
make_room() {
	[ -f "$ETC/proxy.nft" ] || return 0
	now=$(kernel_value "$TRACKED") || return 0
	[ "$now" -lt "$(room)" ] || return 0
	if set_kernel "$TRACKED" "$(room)"; then
		say "this proxy now keeps track of up to $(room) connections ($TRACKED, which was $now)"
	elif [ ! -f "$RUN/chatmail-proxy.room" ]; then
		: >"$RUN/chatmail-proxy.room"
		say "this proxy keeps track of no more than $now connections: $TRACKED cannot be set here. In a container it is the host's: set it to $(room) there"
	fi
}

room() { room_for "$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' "$PROC/meminfo")"; }

# room_for KILOBYTES. Somewhat less than 1 GB and 4 GB: the kernel keeps a part to itself.
room_for() {
	if [ "${1:-0}" -ge 3500000 ]; then
		echo 262144
	elif [ "${1:-0}" -ge 850000 ]; then
		echo 131072
	else
		echo 65536
	fi
}

# tracked: how many connections there are now, and how many there may be.
tracked() {
	now=$(kernel_value net.netfilter.nf_conntrack_count) && most=$(kernel_value "$TRACKED") || return 0
	printf 'tracked %s %s\n' "$now" "$most"
}

# On a relay: a path to a client that is narrower than the tunnel, where ICMP is dropped on the way (PPPoE and a VPN, say).
# Without this nothing larger than that path would ever arrive. Who has set it already may have asked for more.
PROBING=net.ipv4.tcp_mtu_probing

probe_mtu() {
	[ "$(kernel_value "$PROBING")" = 0 ] || return 0
	set_kernel "$PROBING" 1 || true
}
