# shellcheck shell=sh
# shellcheck disable=SC2154 # work is from document.sh
# What a proxy sees of the relay. What its ports say (greetings), whether mail gets out (out_by), what others' firewalls
# drop (firewalls), which answers leave by a wrong line (astray) and how many connections are tracked (tracked) is the system's
# business.

# through SECONDS INTERFACE IPV4 IPV6 SERVER PORT...: what this proxy sees of the relay, one fact a line (read by facts.ts).
# SECONDS: for how long it waits for the relay to call. "-" stands for none: no tunnel, no such family, no other mail server to try
# port 25 of. What it found is for the program to judge.
through() {
	seconds=$1 interface=$2 relay4=$3 relay6=$4 server=$5
	shift 5
	if [ "$interface" = - ]; then
		echo 'handshake none'
	else
		# Without an interface nothing else may be asked: another line would be asked instead.
		wg show "$interface" >/dev/null 2>&1 || {
			say "the tunnel's interface $interface is not there"
			echo 'handshake 999999'
			return 0
		}
		heard "$interface" "$seconds" || true
		printf 'handshake %s\n' "$age"
		wg show "$interface" transfer | while read -r _peer got sent; do echo "traffic $got $sent"; done
		wg show "$interface" endpoints | while read -r _peer endpoint; do echo "endpoint $endpoint"; done
	fi
	found=$(mktemp -d "$work/through.XXXXXX")
	greetings "$(mktemp -d "$work/greetings.XXXXXX")" "$relay4" "$relay6" "$@" >"$found/ports" &
	if [ "$server" != - ]; then
		out_by 4 "$server" >"$found/out.4" &
		out_by 6 "$server" >"$found/out.6" &
	fi
	firewalls proxy "$interface" "$relay4" "$relay6" "$@" >"$found/seen" &
	astray "$interface" >"$found/ways" &
	wait
	cat "$found"/*
	tracked
}

# heard INTERFACE SECONDS: the other side has called lately, or does so within this time. $age is then that of the last handshake.
heard() {
	waited=0
	while
		age=$(handshake_age "$1")
		[ "$age" -ge 180 ]
	do
		[ "$waited" -lt "$2" ] || return 1
		sleep 1
		waited=$((waited + 1))
	done
}

# speaks_first PORT: a mail server greets there. Elsewhere the client has the first word (TLS, the web), or it is not known who has:
# nobody is waited for.
speaks_first() { case $1 in 25 | 143 | 587) return 0 ;; *) return 1 ;; esac; }

# Seconds since the last handshake; a very high number when there was none.
handshake_age() {
	last=$(wg show "$1" latest-handshakes 2>/dev/null) || last=
	# shellcheck disable=SC2086 # words on purpose
	set -- $last
	if [ "${2:-0}" = 0 ]; then echo 999999; else echo $(($(date +%s) - $2)); fi
}
