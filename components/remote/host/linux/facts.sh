# shellcheck shell=sh
# What a host is and has, one fact a line, for facts.ts to read and judge. Changes nothing.

# wan: the interfaces of this host's default routes, and whether the kernel listens to router advertisements there.
wan() {
	for device in $({
		ip -4 route show default
		ip -6 route show default
	} | sed -n 's/.* dev \([^ ]*\).*/\1/p' | sort -u); do
		printf 'wan %s %s\n' "$device" "$(cat "/proc/sys/net/ipv6/conf/$device/accept_ra" 2>/dev/null || echo 0)"
	done
}

# relay_facts: networks, routing tables and rules that others use here; IPv6; what listens; whom postfix trusts.
relay_facts() {
	have ip || fail "this relay has no ip command; install iproute2"
	for file in "$ETC"/*.conf; do
		[ ! -f "$file" ] || printf 'ours %s\n' "$(basename "$file" .conf)"
	done
	ip -o -4 addr show | sed -n 's/^[0-9]*: *\([^ ]*\) *inet \([^ ]*\).*/address \1 \2/p'
	ip -o -6 addr show | sed -n 's/^[0-9]*: *\([^ ]*\) *inet6 \([^ ]*\).*/address \1 \2/p'
	for family in 4 6; do
		ip -"$family" route show table all 2>/dev/null | sed -n 's/^\(unicast \)\{0,1\}\([0-9a-f.:/]*\) .*dev \([^ ]*\).*/route \3 \2/p'
		ip -"$family" route show table all 2>/dev/null | sed -n 's/.* dev \([^ ]*\).* table \([^ ]*\).*/table \1 \2/p' | sort -u
		ip -"$family" rule show | sed 's/^/rule /'
	done
	if [ ! -f /proc/net/if_inet6 ] || [ "$(sysctl -n net.ipv6.conf.all.disable_ipv6 2>/dev/null)" = 1 ]; then echo 'ipv6 off'; else echo 'ipv6 on'; fi
	if have postconf; then
		for key in mynetworks smtpd_client_connection_count_limit inet_protocols; do
			printf 'postfix %s %s\n' "$key" "$(postconf -hx "$key" 2>/dev/null | tr '\n' ' ')"
		done
	fi
}

# outbound HOST: can this relay reach another mail server on port 25?
outbound() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	line=$(timeout 20 bash -c 'exec 3<>"/dev/tcp/$1/25" && IFS= read -r -t 15 -u 3 line && printf "%s" "$line"' - "$1" 2>/dev/null) || line=
	case $line in
	220*) say "port 25 outbound works: $1 greets with $line" ;;
	*) fail "this relay cannot reach $1 on port 25, so mail to other servers does not leave. Providers of home lines and of new servers often block port 25 outbound: ask yours to open it. (If only this one server is out of order, name another as relay.outboundCheck, or false to skip this check.)" ;;
	esac
}
