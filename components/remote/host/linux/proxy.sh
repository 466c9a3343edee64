# shellcheck shell=sh
# What `through` asks on Linux.

# greetings DIRECTORY IPV4 IPV6 PORT...: what each port says, `port PORT FAMILY shut` or `... open FIRST-LINE`, by both addresses
# ("-" is none). DIRECTORY is empty. The first line tells a mail server from something else.
greetings() {
	lines_in=$1 greet4=$2 greet6=$3
	shift 3
	greeting='' silent=''
	for port in "$@"; do
		if speaks_first "$port"; then greeting="$greeting $port"; else silent="$silent $port"; fi
	done
	# shellcheck disable=SC2086 # words on purpose
	{
		first_lines 3 $greeting &
		first_lines 0 $silent &
	}
	wait
	for port in "$@"; do
		for family in 4 6; do
			if [ "$family" = 4 ]; then address=$greet4; else address=$greet6; fi
			[ "$address" != - ] || continue
			said=shut
			[ ! -f "$lines_in/$port.$family" ] || IFS= read -r said <"$lines_in/$port.$family" || true
			printf 'port %s %s %s\n' "$port" "$family" "$said"
			[ ! -f "$lines_in/$port.$family.ms" ] || printf 'took %s %s %s\n' "$port" "$family" "$(cat "$lines_in/$port.$family.ms")"
		done
	done
}

# first_lines SECONDS PORT...: waits so long for a first line. By bash's own TCP, which every Debian has, and one bash for all. 4 s
# for a connection: two SYNs may get lost; a port that is about to be opened is silent till then, and each look waits for it.
first_lines() {
	[ $# -gt 1 ] || return 0
	# shellcheck disable=SC2016 # expanded by the inner shell
	timeout $((4 + $1)) bash -c '
		directory=$1 cr=$2 addresses="$3 $4" seconds=$5
		shift 5
		for port do
			family=4
			for address in $addresses; do
				[ "$address" = - ] || (
					began=${EPOCHREALTIME/[.,]/}
					exec 3<>"/dev/tcp/$address/$port" || exit
					echo $(((${EPOCHREALTIME/[.,]/} - began) / 1000)) >"$directory/$port.$family.ms"
					line=
					[ "$seconds" = 0 ] || IFS= read -r -t "$seconds" -u 3 line
					printf "open %s\n" "${line%"$cr"}" >"$directory/$port.$family"
				) &
				family=6
			done
		done
		wait' - "$lines_in" "$(printf '\r')" "$greet4" "$greet6" "$@" 2>/dev/null || true
}

# Does another mail server's port 25 answer from here? Families that this host or that server has not are no answer.
out_by() {
	ip -"$1" route show default | grep -q . || return 0
	kind=ahostsv$1
	address=$(timeout 4 getent "$kind" "$2" | awk 'NR == 1 { print $1 }')
	case $address in '' | ::ffff:*) return 0 ;; esac
	# shellcheck disable=SC2016 # expanded by the inner shell
	if timeout 11 bash -c 'exec 3<>"/dev/tcp/$1/25" && IFS= read -r -t 10 -u 3 line && [ "${line#220}" != "$line" ]' - "$address" 2>/dev/null; then
		echo "outbound $1 open"
	else
		echo "outbound $1 shut"
	fi
}
