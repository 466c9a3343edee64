# shellcheck shell=sh
# What a proxy sees of the relay through its tunnel. How a port is asked is the system's business (greeting).

# through INTERFACE IPV4 IPV6 PORT...: what this proxy sees of the relay, one fact a line (read by facts.ts). It always
# succeeds: what it found is for the program to judge.
through() {
	interface=$1 relay4=$2 relay6=$3
	shift 3
	waited=0
	until [ "$(handshake_age "$interface")" -lt 180 ] || [ "$waited" -ge 60 ]; do
		sleep 1
		waited=$((waited + 1))
	done
	printf 'handshake %s\n' "$(handshake_age "$interface")"
	wg show "$interface" endpoints | awk '{ print "endpoint", $2 }'
	found=$(mktemp -d)
	trap 'rm -rf "$found"' EXIT
	for port in "$@"; do
		greeting 4 "$relay4" "$port" >"$found/$port.4" &
		greeting 6 "$relay6" "$port" >"$found/$port.6" &
	done
	wait
	cat "$found"/*
}

# Seconds since the last handshake; a very high number when there was none.
handshake_age() {
	last=$(wg show "$1" latest-handshakes | awk 'NR == 1 { print $2 }')
	if [ "${last:-0}" = 0 ]; then echo 999999; else echo $(($(date +%s) - last)); fi
}
