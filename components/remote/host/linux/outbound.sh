# shellcheck shell=sh
# Whether mail leaves this relay: port 25 of another mail server, by each family that postfix uses.

# outbound HOST: fails where no family reaches it. One that alone does not is a line `warning` on stdout: postfix tries it first
# for some of the mail, and goes on to the other after its time-outs.
outbound() {
	tries=$(mktemp -d)
	trap 'rm -rf "$tries"' EXIT
	tried=
	for family in $(smtp_families); do
		address=$(address_of "$family" "$1")
		[ -n "$address" ] || continue
		has_way "$family" "$address" || continue
		tried="$tried $family"
		greeting_of "$address" >"$tries/$family" &
	done
	wait
	open=
	shut=
	for family in $tried; do
		if grep -q '^220' "$tries/$family"; then open="$open $family"; else shut="$shut $family"; fi
	done
	if [ -z "$open" ]; then
		[ -n "$tried" ] || ! egress_waits || fail "none of the proxies in egress is heard through its tunnel, so mail to other servers waits in the queue"
		fail "this relay cannot reach $1 on port 25, so mail to other servers does not leave. Providers of home lines and of new servers often block port 25 outbound: ask yours to open it. (If only this one server is out of order, name another as relay.outboundCheck, or false to skip this check.)"
	fi
	open=${open# } shut=${shut# }
	say "port 25 outbound works over IPv${open% *}: $1 greets with $(head -n 1 "$tries/${open% *}")"
	[ -z "$shut" ] || printf 'warning %s\n' "mail leaves over IPv$open, but not over IPv$shut: $1 does not answer on port 25 there, and postfix loses time with it at many messages. Ask your provider to open port 25 over IPv$shut too, or let postfix try it last, on the relay: postconf -e smtp_address_preference=ipv$open && systemctl reload postfix"
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
address_of() { getent "ahostsv$1" "$2" | awk 'NR == 1 && $1 !~ /^::ffff:/ { print $1 }'; }

# has_way FAMILY ADDRESS: what postfix's connection would take, an egress among it. A home without IPv6 has none, which is no fault.
has_way() { ip -"$1" route get "$2" ipproto tcp dport 25 >/dev/null 2>&1; }

# egress_waits: mail may leave through proxies alone, and none of them is alive.
egress_waits() { ip -4 rule show 2>/dev/null | grep -q 'dport 25 unreachable' && ! ip -4 rule show | grep -q 'dport 25 lookup [0-9]'; }

greeting_of() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	timeout 20 bash -c 'exec 3<>"/dev/tcp/$1/25" && IFS= read -r -t 15 -u 3 line && printf "%s" "$line"' - "$1" 2>/dev/null || true
}

# way_out HOST: the same, told as data. For a program that came on stdin: attempt could not call it a second time.
way_out() {
	{
		if said=$(outbound "$1" 2>&1 >&3 3>&-); then printf '%s\n' "$said" >&2; else failed "${said#chatmail-proxy: }"; fi
	} 3>&1
}
