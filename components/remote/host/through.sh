# shellcheck shell=sh
# What a proxy sees of the relay. How a port is asked (greeting), whether mail gets out (out_by), what others' firewalls
# drop (firewalls), which answers leave by a wrong line (astray) and how many connections are tracked (tracked) is the system's
# business.

# through INTERFACE IPV4 IPV6 SERVER PORT...: what this proxy sees of the relay, one fact a line (read by facts.ts). "-"
# stands for none: no tunnel, no such family, no other mail server to try port 25 of. It always succeeds: what it found is
# for the program to judge.
through() {
	interface=$1 relay4=$2 relay6=$3 server=$4
	shift 4
	if [ "$interface" = - ]; then
		echo 'handshake none'
	else
		wg show "$interface" >/dev/null 2>&1 || fail "the tunnel's interface $interface is not there"
		waited=0
		until [ "$(handshake_age "$interface")" -lt 180 ] || [ "$waited" -ge 30 ]; do
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
	firewalls proxy "$interface" "$relay4" "$relay6" "$@"
	astray "$interface"
	tracked
}

# Seconds since the last handshake; a very high number when there was none.
handshake_age() {
	last=$(wg show "$1" latest-handshakes | awk 'NR == 1 { print $2 }')
	if [ "${last:-0}" = 0 ]; then echo 999999; else echo $(($(date +%s) - last)); fi
}
