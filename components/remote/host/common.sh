# shellcheck shell=sh
# shellcheck disable=SC2034 # the other parts use these
# What all parts of hostctl use, on every system: messages, atomic files, a lock, a look for taken ports. Each system says
# where its places are (ETC, LIB, STATE, and RUN, which a reboot empties).

# Put before every path of a host. Empty; tests put a scratch directory here.
ROOT=

NEWLINE=$(printf '\n_')
NEWLINE=${NEWLINE%_}

say() { printf 'chatmail-proxy: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# What changes the host is shown; what only reads is not.
run() { printf '+ %s\n' "$*" >&2; "$@"; }

have() { command -v "$1" >/dev/null 2>&1; }

# write_file MODE PATH: stdin becomes the file in one step; a reader sees the old or the new one, never a half.
write_file() {
	[ ! -d "$2" ] || fail "$2 is a directory, and a file of ours should go there; move it out of the way"
	if ! make_dir "${2%/*}" || ! new=$(mktemp "$2.XXXXXX"); then fail "could not write $2; is the disk full?"; fi
	# Each step by itself: where this is called from within a condition, set -e does not hold.
	# 600 is what mktemp makes.
	if cat >"$new" && { [ "$1" = 600 ] || chmod "$1" "$new"; } && mv -f "$new" "$2"; then return 0; fi
	rm -f "$new"
	fail "could not write $2, which is as it was; is the disk full?"
}

# make_dir PATH [UMASK]: with what is missing above it. Others read what is in there too (networkd, for one, is not root), so that
# our own umask does not hold. What was made is noted, for leave_places.
make_dir() {
	[ ! -d "$1" ] || return 0
	make_dir "$(dirname "$1")" && mkdir -p "$STATE" || return 1
	[ ! -d "$1" ] || return 0
	(umask "${2:-022}" && mkdir "$1") && printf '%s\n' "$1" >>"$STATE/made"
}

# begin_record FILE PLACE: from the first setup on it is noted what was made. Where FILE is there before that, an earlier version
# brought it, which noted nothing, and made PLACE for it; as good as always.
begin_record() {
	[ ! -f "$STATE/made" ] || return 0
	mkdir -p "$STATE"
	if [ -f "$1" ]; then printf '%s\n' "$2"; fi >"$STATE/made"
}

# leave_places: our own directories go, and of those that we made for others to use too what is empty. What was there before
# us stays. $LIB/made is from the command that brought hostctl.
leave_places() {
	made=$(cat "$STATE/made" "$LIB/made" 2>/dev/null | tr ' ' '\n' | sort -ru)
	rm -rf "$ETC" "$LIB" "$STATE"
	for place in $made; do
		rmdir "$place" 2>/dev/null || true
	done
}

# replace_file MODE PATH: as write_file, but a file that is there keeps its mode and owner, and a link to it stays a link.
replace_file() {
	target=$2
	[ ! -L "$2" ] || target=$(readlink -f "$2") || fail "$2 is a link that leads nowhere"
	if [ ! -e "$target" ]; then
		write_file "$1" "$target"
		return 0
	fi
	new=$(mktemp "$target.XXXXXX") || fail "could not write $2; is the disk full?"
	if cp -p "$target" "$new" && cat >"$new" && mv -f "$new" "$target"; then return 0; fi
	rm -f "$new"
	fail "could not write $2, which is as it was; is the disk full?"
}

# A process that lives, and, where ps can tell, is one of ours: numbers are used again.
is_hostctl() {
	kill -0 "$1" 2>/dev/null || return 1
	args=$(ps -p "$1" -o args= 2>/dev/null) || return 0
	case $args in *hostctl*) ;; *) return 1 ;; esac
}

# lock [WHAT]: two applies at once (an impatient second `up`, the restore's timer) must not interleave. A link whose target is
# the holder: made in one step. In $RUN, so that a reboot takes it away (not on FreeBSD, whose rc.d/cleanvar leaves links). A
# holder that was killed is found by its missing process; the link of a dead one is moved away rather than removed, so that of
# two who find it only one takes its place. A process holds one lock, no more.
lock() {
	mkdir -p "$STATE" "$RUN"
	lock_file=$(lock_of "${1:-}")
	tries=0
	until ln -s "$$" "$lock_file" 2>/dev/null; do
		holder=$(readlink "$lock_file" || true)
		if [ -n "$holder" ] && ! is_hostctl "$holder"; then
			mv -f "$lock_file" "$lock_file.$$" 2>/dev/null || continue
			moved=$(readlink "$lock_file.$$" || true)
			rm -f "$lock_file.$$"
			# Somebody was quicker, and this was the new holder's already.
			[ "$moved" = "$holder" ] || ln -s "$moved" "$lock_file" 2>/dev/null || true
			continue
		fi
		tries=$((tries + 1))
		[ "$tries" -lt 60 ] || fail "another run (process ${holder:-unknown}) has held $lock_file for 60 s; see whether it hangs"
		sleep 1
	done
	trap 'rm -f "$lock_file"' EXIT
	trap 'exit 1' HUP INT TERM
}

lock_of() { printf '%s/chatmail-proxy%s.lock' "$RUN" "${1:+.$1}"; }

is_locked() { holder=$(readlink "$(lock_of)" 2>/dev/null) && is_hostctl "$holder"; }

# free: nobody has what the lines `free …` on stdin name.
free() {
	taken=$(conflicts)
	[ -z "$taken" ] || {
		fail "$(printf '%s\n' "$taken" | sed '$!s/$/; /' | tr -d '\n')"
	}
}

# conflicts: of the lines `free …` on stdin, a sentence for each thing that somebody else on this host has: a port that is to be
# forwarded (`tcp PORT`, `udp FIRST-LAST`), or the port or an address of the tunnel (`tunnel PORT IPV4 IPV6`). The system defines
# tcp_users RANGES and udp_users RANGES (PORT or FIRST-LAST, with commas between; who has which: PORT NAME, a line each, but for what
# is on loopback alone), tunnel_conflicts PORT IPV4 IPV6, tunnel_port, and dial_ports (FIRST LAST).
conflicts() {
	asked=$(sed -n 's/^free //p')
	ports=$(printf '%s\n' "$asked" | sed -n 's/^tcp //p' | paste -sd , -)
	[ -z "$ports" ] || tcp_users "$ports" | sort -un -k 1,1 | while read -r port name; do
		echo "port $port is in use on this host (by $name), and a proxy forwards it to the relay: stop that service, or take the port out of ports"
	done
	ports=$(printf '%s\n' "$asked" | sed -n 's/^udp //p' | paste -sd , -)
	[ -z "$ports" ] || udp_conflicts "$ports"
	printf '%s\n' "$asked" | sed -n 's/^tunnel //p' | while read -r port ipv4 ipv6; do
		tunnel_conflicts "$port" "$ipv4" "$ipv6" </dev/null
	done
}

# udp_conflicts RANGES: nobody but our tunnel is served by UDP there. Asked twice, since what waits for the answer to a question
# (a resolver) looks the same, and is gone soon. What stays on a port that the system gives to whoever only dials out (a VPN's
# client) cannot be told from a server there: it is named, and no more.
udp_conflicts() {
	users=$(udp_users "$1" | grep -v "^$(tunnel_port) ") || return 0
	sleep 1
	users=$(udp_users "$1" | grep -Fx "$users") || return 0
	printf '%s\n' "$users" | while read -r port name; do
		text="UDP port $port is in use on this host (by $name), and a proxy forwards it to the relay"
		if dials_out "$port"; then
			say "$text. If that is a service, stop it or take the port out of udpPorts; what only dials out from there goes on"
		else
			echo "$text: stop that service, or take the port out of udpPorts"
		fi
	done
}

dials_out() {
	# shellcheck disable=SC2046 # two numbers
	set -- "$1" $(dial_ports)
	[ $# = 3 ] && [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

# in_ranges RANGES: of the lines on stdin, PORT NAME, those whose port is in one of them.
in_ranges() {
	awk -v ranges="$1" '
		BEGIN { count = split(ranges, range, ",") }
		{ for (i = 1; i <= count; i++) { last = split(range[i], end, "-"); if ($1 + 0 >= end[1] + 0 && $1 + 0 <= end[last] + 0) { print; next } } }'
}
