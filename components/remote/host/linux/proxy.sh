# shellcheck shell=sh
# What `through` asks on Linux.

# bash's own TCP: no more than what every Debian has. The first line tells a mail server from something else. 4 s: two SYNs may get
# lost; a port that is about to be opened is silent till then, and each look waits for it.
greeting() {
	if speaks_first "$3"; then first_line=3; else first_line=0; fi
	# shellcheck disable=SC2016,SC2154 # expanded by the inner shell; $found is the directory of `through`
	timeout $((4 + first_line)) bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1; line=; [ "$3" = 0 ] || IFS= read -r -t "$3" -u 3 line; printf "open %s\n" "${line%$(printf "\r")}"' - "$2" "$3" "$first_line" 2>/dev/null >"$found/$3.$1.line" ||
		[ -s "$found/$3.$1.line" ] || echo shut >"$found/$3.$1.line"
	printf 'port %s %s ' "$3" "$1"
	head -n 1 "$found/$3.$1.line"
	rm -f "$found/$3.$1.line"
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
