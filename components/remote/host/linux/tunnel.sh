# shellcheck shell=sh
# The tunnel's ends at work: the relay's routes for it, the watch that heals it, and what a proxy sees through it.
#
# $ETC/INTERFACE.conf on the relay says: TABLE= PRIORITY= IPV4= IPV6= PEER_IPV4= PEER_IPV6= STACK=, and EGRESS= EGRESS_ELSE=
# where the relay's own mail may leave through this tunnel.

# routes INTERFACE: replies that carry this tunnel's own address go back through it, independent of the main table.
routes() {
	# The watch may come by between new settings and the restart that brings them in: nobody would know the old ones later.
	[ ! -f "$RUN/chatmail-proxy.$1.conf" ] || cmp -s "$ETC/$1.conf" "$RUN/chatmail-proxy.$1.conf" || unroutes "$1"
	read_tunnel "$1"
	# Undone as it was done: by then the settings may be others.
	cp "$ETC/$1.conf" "$RUN/chatmail-proxy.$1.conf"
	# Loose: clients' addresses arrive here, while the main table would look for them elsewhere.
	[ "$(kernel_value "net.ipv4.conf.$1.rp_filter")" = 2 ] || sysctl -q -w "net.ipv4.conf.$1.rp_filter=2" || loose_already "$1" || return 1
	for family in 4 6; do
		if [ "$family" = 4 ]; then from=$IPV4/32; else from=$IPV6/128; fi
		ip -"$family" route replace default dev "$1" table "$TABLE"
		keep_rule "$family" "$PRIORITY" "from ${from%/*} lookup $TABLE" from "$from" lookup "$TABLE"
	done
	egress_tidy
	[ -z "$EGRESS" ] || egress_frame
	probe_mtu
}

loose_already() {
	! rp_filter_is_strict "$1" || {
		say "senders are checked strictly on $1 (rp_filter), and this cannot be set here: what clients send would be dropped. Set net.ipv4.conf.all.rp_filter=2 where it can be: on this relay, or on the machine that it runs on"
		return 1
	}
}

unroutes() {
	read_tunnel "$1"
	# shellcheck source=/dev/null
	[ ! -f "$RUN/chatmail-proxy.$1.conf" ] || . "$RUN/chatmail-proxy.$1.conf"
	[ -z "$EGRESS" ] || egress_off
	rm -f "$RUN/chatmail-proxy.$1.conf"
	for family in 4 6; do
		if [ "$family" = 4 ]; then from=$IPV4/32; else from=$IPV6/128; fi
		while ip -"$family" rule del from "$from" lookup "$TABLE" 2>/dev/null; do :; done
		ip -"$family" route flush table "$TABLE" 2>/dev/null || true
	done
}

read_tunnel() {
	[ -f "$ETC/$1.conf" ] || fail "$ETC/$1.conf is missing"
	EGRESS=
	EGRESS_ELSE=
	# shellcheck source=/dev/null
	. "$ETC/$1.conf"
}

# Egress: what the relay itself sends to port 25 takes the first tunnel in the list that is alive. Rules, in this order:
# what the main table knows better than by its default route (the home network, another VPN) goes there; each live tunnel
# in its place; if none lives, mail waits in the queue rather than leave by a line that SPF does not name.
EGRESS_PRIORITY=4720
EGRESS_MATCH='iif lo ipproto tcp dport 25'

# egress_rule PRIORITY WHAT...: there once for each family.
egress_rule() {
	place=$1
	shift
	for family in 4 6; do
		# shellcheck disable=SC2086 # words on purpose
		keep_rule "$family" "$place" "$*" $EGRESS_MATCH "$@"
	done
}

egress_rule_off() {
	place=$1
	shift
	for family in 4 6; do
		# shellcheck disable=SC2086
		while ip -"$family" rule del $EGRESS_MATCH "$@" priority "$place" 2>/dev/null; do :; done
	done
}

egress_frame() {
	egress_rule "$EGRESS_PRIORITY" lookup main suppress_prefixlength 0
	if [ "$EGRESS_ELSE" = own-line ]; then egress_rule_off $((EGRESS_PRIORITY + 90)) unreachable; else egress_rule $((EGRESS_PRIORITY + 90)) unreachable; fi
}

egress_on() { egress_rule $((EGRESS_PRIORITY + 1 + EGRESS)) lookup "$TABLE"; }

egress_off() { egress_rule_off $((EGRESS_PRIORITY + 1 + EGRESS)) lookup "$TABLE"; }

# egress_tidy: what an earlier place of this tunnel in the list left; and all of it when no tunnel is in the list any more.
egress_tidy() {
	for old in $(ip -4 rule show | sed -n "s/^\\([0-9]*\\):.* dport 25 lookup $TABLE\$/\\1/p"); do
		[ "$old" = "${EGRESS:+$((EGRESS_PRIORITY + 1 + EGRESS))}" ] || egress_rule_off "$old" lookup "$TABLE"
	done
	egress_unused
}

# The frame stays while a tunnel is restarted: mail waits then, and does not leave by the home line.
egress_unused() {
	for file in "$ETC"/*.conf; do
		! grep -qs '^EGRESS=' "$file" || return 0
	done
	egress_rule_off "$EGRESS_PRIORITY" lookup main suppress_prefixlength 0
	egress_rule_off $((EGRESS_PRIORITY + 90)) unreachable
}

# watch INTERFACE: a packet every 5 s. An idle WireGuard peer notices only after some 100 s that the other side has
# restarted; one with an unanswered packet asks for a new handshake after 15 s. The same packet tells a home
# router's new address to the proxy. What others took away (a firewall flushes tables) is put back: looked for every 20 s, since it
# takes many programs, and at once where the other side is not heard, which may be why.
watch() {
	read_tunnel "$1"
	unanswered=0
	heard=$(received "$1")
	watch_round=0
	while :; do
		if { [ $((watch_round % 4)) != 0 ] && [ "$unanswered" = 0 ]; } || put_all_back "$1"; then
			ping -n -q -c 1 -W 2 -I "$IPV4" "$PEER_IPV4" >/dev/null 2>&1 || true
			before=$heard
			heard=$(received "$1")
			if [ "$heard" != "$before" ] && [ "$heard" != 0 ]; then unanswered=0; else unanswered=$((unanswered + 1)); fi
			# A single lost packet is no reason to move mail to another sender's address.
			if [ -n "$EGRESS" ] && [ "$unanswered" = 0 ]; then egress_on; fi
			if [ -n "$EGRESS" ] && [ "$unanswered" -ge 3 ]; then egress_off; fi
		fi
		watch_round=$((watch_round + 1))
		sleep 5
	done
}

# put_all_back INTERFACE. Under the lock somebody changes files and what they bring into force; until both agree, nothing is to
# be put back.
put_all_back() {
	! being_set_up "$1" || return 1
	is_locked || heal_tunnel "$1" || return 1
	routes "$1" || true
	is_locked || heal_filters || true
}

# load_filters: all our rules, at boot and whenever somebody may have flushed everything.
load_filters() {
	result=0
	for file in "$ETC"/*.nft; do
		[ ! -f "$file" ] || nft -f "$file" || result=1
	done
	load_frames || result=1
	return $result
}

# What goes with our rules at boot. The ways of several lines; the egress's frame: wg-quick may come up after postfix, or not at all, and mail would
# leave by the home line until then.
load_frames() {
	framed=0
	make_room || framed=1
	wan_ways || framed=1
	for file in "$ETC"/*.conf; do
		grep -qs '^EGRESS=' "$file" || continue
		read_tunnel "$(basename "$file" .conf)"
		egress_frame || framed=1
	done
	return $framed
}
