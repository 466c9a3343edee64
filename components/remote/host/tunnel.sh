# shellcheck shell=sh
# The tunnel's ends at work: the relay's routes for it, the watch that heals it, and what a proxy sees through it.
#
# $ETC/INTERFACE.conf on the relay says: TABLE= PRIORITY= IPV4= IPV6= PEER_IPV4= PEER_IPV6= STACK=, and EGRESS= EGRESS_ELSE=
# where the relay's own mail may leave through this tunnel.

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
	[ -z "$EGRESS" ] || egress_frame
}

unroutes() {
	read_tunnel "$1"
	if [ -n "$EGRESS" ]; then
		egress_off
		others=$(grep -l '^EGRESS=' "$ETC"/*.conf 2>/dev/null | grep -vxF "$ETC/$1.conf" || true)
		[ -n "$others" ] || egress_frame_off
	fi
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

egress_rule() {
	place=$1
	shift
	for family in 4 6; do
		# shellcheck disable=SC2086 # words on purpose
		ip -"$family" rule show priority "$place" | grep -q . || run ip -"$family" rule add $EGRESS_MATCH "$@" priority "$place"
	done
}

egress_rule_off() {
	for family in 4 6; do
		while ip -"$family" rule show priority "$1" | grep -q . && ip -"$family" rule del priority "$1" 2>/dev/null; do :; done
	done
}

egress_frame() {
	egress_rule "$EGRESS_PRIORITY" lookup main suppress_prefixlength 0
	if [ "$EGRESS_ELSE" = own-line ]; then egress_rule_off $((EGRESS_PRIORITY + 90)); else egress_rule $((EGRESS_PRIORITY + 90)) unreachable; fi
}

egress_frame_off() {
	egress_rule_off "$EGRESS_PRIORITY"
	egress_rule_off $((EGRESS_PRIORITY + 90))
}

egress_on() { egress_rule $((EGRESS_PRIORITY + 1 + EGRESS)) lookup "$TABLE"; }

egress_off() { egress_rule_off $((EGRESS_PRIORITY + 1 + EGRESS)); }

# watch INTERFACE: a packet every 5 s. An idle WireGuard peer notices only after some 100 s that the other side has
# restarted; one with an unanswered packet asks for a new handshake after 15 s. The same packet tells a home
# router's new address to the proxy. What others took away (networkd flushes rules that it does not know; a firewall
# flushes tables) is put back.
watch() {
	read_tunnel "$1"
	unanswered=0
	while :; do
		if ! ip link show dev "$1" >/dev/null 2>&1; then
			say "$1 is gone; bringing it up again"
			systemctl restart "wg-quick@$1.service" || true
		else
			routes "$1" || true
			heal_filters || true
			if ping -n -q -c 1 -W 2 -I "$IPV4" "$PEER_IPV4" >/dev/null 2>&1; then unanswered=0; else unanswered=$((unanswered + 1)); fi
			# A single lost packet is no reason to move mail to another sender's address.
			if [ -n "$EGRESS" ] && [ "$unanswered" = 0 ]; then egress_on; fi
			if [ -n "$EGRESS" ] && [ "$unanswered" -ge 3 ]; then egress_off; fi
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

# through INTERFACE IPV4 IPV6 SERVER PORT...: what this proxy sees of the relay, one fact a line (read by facts.ts). "-"
# stands for none: no tunnel, no such family, no other mail server to try port 25 of. It always succeeds: what it found is
# for the program to judge.
through() {
	interface=$1 relay4=$2 relay6=$3 server=$4
	shift 4
	if [ "$interface" = - ]; then
		echo 'handshake none'
	else
		waited=0
		until [ "$(handshake_age "$interface")" -lt 180 ] || [ "$waited" -ge 60 ]; do
			sleep 1
			waited=$((waited + 1))
		done
		printf 'handshake %s\n' "$(handshake_age "$interface")"
		wg show "$interface" endpoints | awk '{ print "endpoint", $2 }'
	fi
	found=$(mktemp -d)
	trap 'rm -rf "$found"' EXIT
	for port in "$@"; do
		[ "$relay4" = - ] || greeting 4 "$relay4" "$port" >"$found/$port.4" &
		[ "$relay6" = - ] || greeting 6 "$relay6" "$port" >"$found/$port.6" &
	done
	if [ "$server" != - ]; then
		out_by 4 "$server" >"$found/out.4" &
		out_by 6 "$server" >"$found/out.6" &
	fi
	wait
	cat "$found"/*
	firewalls
}

# Does another mail server's port 25 answer from here? Families that this host or that server has not are no answer.
out_by() {
	ip -"$1" route show default | grep -q . || return 0
	kind=ahostsv$1
	address=$(getent "$kind" "$2" | awk 'NR == 1 { print $1 }')
	case $address in '' | ::ffff:*) return 0 ;; esac
	# shellcheck disable=SC2016 # expanded by the inner shell
	if timeout 20 bash -c 'exec 3<>"/dev/tcp/$1/25" && IFS= read -r -t 15 -u 3 line && [ "${line#220}" != "$line" ]' - "$address" 2>/dev/null; then
		echo "outbound $1 open"
	else
		echo "outbound $1 shut"
	fi
}

# What others' firewalls on this host drop unless it is named there: the first suspects when a port stays silent.
firewalls() {
	if have ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
		echo 'firewall ufw is active on the proxy: let the forwarded ports and the tunnel pass in it too (ufw allow, ufw route allow)'
	fi
	if have firewall-cmd && [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then
		echo 'firewall firewalld is active on the proxy: let the forwarded ports and the tunnel pass in it too (firewall-cmd --add-port, --add-forward)'
	fi
	nft list ruleset 2>/dev/null | awk '
		$1 == "table" { table = $2 " " $3; ours = ($3 ~ /^chatmail_proxy/) }
		$1 == "chain" { chain = $2 }
		/hook (input|forward) / && /policy drop/ && !ours {
			match($0, /hook [a-z]+/)
			print "firewall the table " table " on the proxy drops what its chain " chain " (" substr($0, RSTART, RLENGTH) ") does not name: let the forwarded ports and the tunnel pass there too"
		}'
}

# Seconds since the last handshake; a very high number when there was none.
handshake_age() {
	last=$(wg show "$1" latest-handshakes | awk 'NR == 1 { print $2 }')
	if [ "${last:-0}" = 0 ]; then echo 999999; else echo $(($(date +%s) - last)); fi
}

# bash's own TCP: no more than what every Debian has. The first line tells a mail server from something else.
greeting() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1; IFS= read -r -t 3 -u 3 line; printf "open %s\n" "${line%$(printf "\r")}"' - "$2" "$3" 2>/dev/null >"$found/$3.$1.line" ||
		[ -s "$found/$3.$1.line" ] || echo shut >"$found/$3.$1.line"
	printf 'port %s %s ' "$3" "$1"
	head -n 1 "$found/$3.$1.line"
	rm -f "$found/$3.$1.line"
}
