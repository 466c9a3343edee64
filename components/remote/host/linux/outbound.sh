# shellcheck shell=sh
# shellcheck disable=SC2154 # work is from document.sh
# Whether mail leaves this relay: port 25 of another mail server, by each family that postfix uses.

# outbound HOST: the same for a person: it fails where no family reaches it.
outbound() {
	open_work || fail "$(no_room)"
	way_out "$1" >"$work/outbound"
	while read -r kind sentence; do
		[ "$kind" != fault ] || fail "$sentence"
		say "$sentence"
	done <"$work/outbound"
}

# way_out HOST [SECONDS]: `fault` and a sentence where no family reaches it. One that alone does not is a `warning`: postfix tries it first
# for some of the mail, and goes on to the other after its time-outs.
way_out() {
	patience=${2:-0}
	while [ "$patience" -gt 0 ] && egress_waits; do
		sleep 1
		patience=$((patience - 1))
	done
	tries=$(mktemp -d "$work/out.XXXXXX")
	for family in $(smtp_families); do
		try_out "$family" "$1" &
	done
	wait
	open=
	shut=
	for family in 4 6; do
		if [ ! -f "$tries/$family" ]; then continue; elif grep -q '^220' "$tries/$family"; then open="$open $family"; else shut="$shut $family"; fi
	done
	if [ -z "$open" ]; then
		if [ -z "$shut" ] && egress_waits; then
			echo 'fault none of the proxies in egress is heard through its tunnel, so mail to other servers waits in the queue'
		else
			echo "fault this relay cannot reach $1 on port 25, so mail to other servers does not leave. Providers of home lines and of new servers often block port 25 outbound: ask yours to open it. (If only this one server is out of order, name another as relay.outboundCheck, or false to skip this check.)"
		fi
		return 0
	fi
	open=${open# } shut=${shut# }
	say "port 25 outbound works over IPv${open% *}: $1 greets with $(head -n 1 "$tries/${open% *}")"
	[ -z "$shut" ] || printf 'warning %s\n' "mail leaves over IPv$open, but not over IPv$shut: $1 does not answer on port 25 there, and postfix loses time with it at many messages. Ask your provider to open port 25 over IPv$shut too, or let postfix try it last, on the relay: postconf -e smtp_address_preference=ipv$open && systemctl reload postfix"
}

# try_out FAMILY HOST: what it greets with is in $tries/FAMILY; there is no such file where there is no such way.
try_out() {
	address=$(address_of "$1" "$2")
	[ -n "$address" ] && has_way "$1" "$address" || return 0
	greeting_of "$address" >"$tries/$1"
}

# smtp_families: those that postfix uses; both where there is no postfix to ask.
smtp_families() {
	case $(postconf -hx inet_protocols 2>/dev/null) in
	ipv4) echo 4 ;;
	ipv6) echo 6 ;;
	*) echo 4 6 ;;
	esac
}

# address_of FAMILY HOST: none where the name has none of that family; getent gives IPv4 as ::ffff: then.
address_of() { timeout 4 getent "ahostsv$1" "$2" | awk 'NR == 1 && $1 !~ /^::ffff:/ { print $1 }'; }

# has_way FAMILY ADDRESS: what postfix's connection would take, an egress among it. A home without IPv6 has none, which is no fault.
has_way() { ip -"$1" route get "$2" ipproto tcp dport 25 >/dev/null 2>&1; }

# egress_waits: mail may leave through proxies alone, and none of them is alive.
egress_waits() { ip -4 rule show 2>/dev/null | grep -q 'dport 25 unreachable' && ! ip -4 rule show | grep -q 'dport 25 lookup [0-9]'; }

greeting_of() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	timeout 11 bash -c 'exec 3<>"/dev/tcp/$1/25" && IFS= read -r -t 10 -u 3 line && printf "%s" "$line"' - "$1" 2>/dev/null || true
}
