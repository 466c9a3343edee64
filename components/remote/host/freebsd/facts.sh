# shellcheck shell=sh
# shellcheck disable=SC2154,SC2030,SC2031 # work is from document.sh; STATE is another in a subshell on purpose
# What a host is, one fact a line, for facts.ts to read and judge. Changes nothing.

# wan [INTERFACE...]: the interfaces towards the internet, those of the default routes unless they are given; and whether
# they listen to router advertisements.
wan() {
	if [ $# = 0 ]; then
		# shellcheck disable=SC2046 # a word each
		set -- $(for family in inet inet6; do
			route -n get "-$family" default 2>/dev/null || true
		done | awk '$1 == "interface:" { print $2 }' | sort -u)
		[ $# != 0 ] || fail "this host has no default route, so that its interface towards the internet is unknown; name it as wan"
	fi
	for device in "$@"; do
		ifconfig "$device" >/dev/null 2>&1 || fail "this host has no interface $device; it has: $(ifconfig -l)"
		case $(ifconfig "$device" inet6 2>/dev/null) in
		*ACCEPT_RTADV*) accepts=1 ;;
		*) accepts=0 ;;
		esac
		printf 'wan %s %s\n' "$device" "$accepts"
	done
}

# tunnel_conflicts PORT IPV4 IPV6: others who use the tunnel's port or addresses.
tunnel_conflicts() {
	[ -z "$(sockstat -46lq -P udp -p "$1" 2>/dev/null)" ] || tunnel_is_up || echo "UDP port $1, meant for the tunnel, is in use on this host: choose another tunnel.port"
	ours=$(tunnel_interface)
	for family in inet inet6; do
		if [ "$family" = inet ]; then address=$2; else address=$3; fi
		# The kernel reaches an address of its own by lo0.
		[ -z "$ours" ] || ! ifconfig "$ours" 2>/dev/null | grep -qF "$family $address " || continue
		route=$(route -n get "-$family" "$address" 2>/dev/null | awk -v ours="$ours" '
			$1 == "destination:" { to = $2 }
			$1 == "interface:" { by = $2 }
			END { if (to != "" && by != ours && to !~ /^(default|0\.0\.0\.0|128\.0\.0\.0|::|8000::)$/) print to " by " by }')
		[ -z "$route" ] || echo "this host already uses the network of the tunnel's address $address ($route): choose another tunnel.ipv4Range or ipv6Range"
	done
}

tcp_users() { users tcp "$1"; }

udp_users() { users udp "$1"; }

# users PROTOCOL RANGES. The kernel's own, such as wg(4)'s, have no name: `?`, and `??` from FreeBSD 15 on.
users() {
	sockstat -46lq -P "$1" -p "$2" 2>/dev/null | awk '
		$6 !~ /^(127\.|\[?::1\]?:)/ {
			port = $6
			sub(/.*:/, "", port)
			print port, ($2 ~ /^\?+$/ ? "something" : $2)
		}'
}

tunnel_interface() { sed -n 's/^INTERFACE=//p' "$ETC/tunnel.env" 2>/dev/null || true; }

dial_ports() { sysctl -n net.inet.ip.portrange.first net.inet.ip.portrange.last 2>/dev/null || true; }

tunnel_port() { sed -n 's/^ListenPort = //p' "$ETC/tunnel.conf" 2>/dev/null || true; }

# Does another mail server's port 25 answer from here? Families that this host or that server has not are no answer.
out_by() {
	if [ "$1" = 4 ]; then family=inet record=A; else family=inet6 record=AAAA; fi
	route -n get "-$family" default >/dev/null 2>&1 || return 0
	# FreeBSD's getent does not ask for one family alone.
	case $2 in
	*:*) [ "$1" = 6 ] && address=$2 || return 0 ;;
	*[!0-9.]*) address=$(timeout 4 host -t "$record" "$2" 2>/dev/null | awk '/ has (IPv6 )?address / { print $NF; exit }') ;;
	*) [ "$1" = 4 ] && address=$2 || return 0 ;;
	esac
	[ -n "$address" ] || return 0
	case $(timeout 11 nc -w 10 "$address" 25 2>/dev/null </dev/null | head -n 1) in
	220*) echo "outbound $1 open" ;;
	*) echo "outbound $1 shut" ;;
	esac
}

# pf's own rules are told when ours are loaded; what others have loaded since may take what is ours. ipfw filters beside it.
firewalls() {
	if pf_is_on && pf_calls_us && [ "$(major)" -ge 15 ]; then
		# Not where another run may be checking new rules.
		theirs=$(STATE=$work; taken_since)
		[ -z "$theirs" ] || echo "firewall pf on the proxy also has rules of others that take what is for the relay, and on FreeBSD 15 they come before ours: $theirs; take those ports out of them"
	fi
	[ "$(sysctl -n net.inet.ip.fw.enable 2>/dev/null)" != 1 ] || echo 'firewall ipfw is active on the proxy: let the forwarded ports and the tunnel pass in it too'
}

taken_since() {
	{ pfctl -P -a "$ANCHOR" -s nat; pfctl -P -a "$ANCHOR" -s rules; } >"$STATE/pf.ours" 2>/dev/null || true
	loaded_translations
	meeting "$STATE/pf.ours" "$STATE/pf.loaded" 0 | some
}

# redirected: for the look, when there are no rules of ours yet: of the lines `free …` and `wan-of …` on stdin, which ports others' rules
# redirect. A sentence, or nothing. From FreeBSD 15 on those in anchors come before ours, too.
redirected() {
	# Another look at them is under way beside this one.
	mkdir "$work/redirections"
	(STATE=$work/redirections; redirected_here)
}

redirected_here() {
	asked=$(cat)
	if ! pf_is_on || ! printf '%s\n' "$asked" | grep -Eq '^free (tcp|udp) '; then return 0; fi
	# shellcheck disable=SC2046 # a word each
	for device in $( (wan_once $(printf '%s\n' "$asked" | sed -n 's/^wan-of//p')) 2>/dev/null | awk '{ print $2 }'); do
		printf '%s\n' "$asked" | awk -v device="$device" -v tag="$ANCHOR" '
			$1 == "free" && ($2 == "tcp" || $2 == "udp") {
				sub(/-/, ":", $3)
				for (family = 4; family <= 6; family += 2)
					print "rdr on " device " inet" (family == 6 ? "6" : "") " proto " $2 " from any to (" device ") port " ($3 ~ /:/ ? $3 : "= " $3) " tag " tag " -> there"
			}'
	done >"$STATE/pf.ours"
	if [ "$(major)" -ge 15 ]; then loaded_translations; else pfctl -P -s nat >"$STATE/pf.loaded" 2>/dev/null || true; fi
	theirs=$(meeting "$STATE/pf.ours" "$STATE/pf.loaded" 0 | some)
	[ -z "$theirs" ] || echo "pf rules of others take what is for the relay: $theirs. Take those ports out of them, or out of ports"
}

# pf's own table of states has room for 100,000, and says in the log when that is full.
tracked() { :; }

# FreeBSD knows no routing rules by sender.
astray() { :; }
