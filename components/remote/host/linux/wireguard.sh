# shellcheck shell=sh
# A tunnel's interface beside its configuration: what wg-quick was told, what WireGuard and the kernel have, and what is missing
# there. Read by the shell itself as far as it goes: this runs every few seconds, and each program takes its time.

TAB='	'

# read_conf FILE: wg-quick's configuration. Lists have a space between their words.
read_conf() {
	conf_peer='' conf_networks='' conf_addresses='' conf_endpoint='' conf_table=''
	while IFS= read -r conf_line || [ -n "$conf_line" ]; do
		case $conf_line in
		'PublicKey = '*) conf_peer=${conf_line#* = } ;;
		'AllowedIPs = '*) spaced "${conf_line#* = }" && conf_networks=$spaced ;;
		'Address = '*) spaced "${conf_line#* = }" && conf_addresses=$spaced ;;
		'Endpoint = '*) conf_endpoint=${conf_line#* = } ;;
		'Table = '*) conf_table=${conf_line#* = } ;;
		esac
	done <"$1"
}

# spaced WORDS: with commas, spaces or both between them, to $spaced.
spaced() {
	spaced='' spaced_rest=$1
	while [ -n "$spaced_rest" ]; do
		spaced_word=${spaced_rest%%[, ]*}
		spaced_rest=${spaced_rest#"$spaced_word"}
		spaced_rest=${spaced_rest#?}
		[ -z "$spaced_word" ] || spaced="${spaced:+$spaced }$spaced_word"
	done
}

# read_peers INTERFACE: KEY, a tab, and the networks that it may send from, a line a peer, to $peers. Fails where there is no such
# interface.
read_peers() { peers=$(wg show "$1" allowed-ips 2>/dev/null); }

# knows_peer: the one of the configuration is among those that read_peers found.
knows_peer() { case $NEWLINE$peers in *"$NEWLINE$conf_peer$TAB"*) return 0 ;; *) return 1 ;; esac }

# other_peers: keys that read_peers found, but for that of the configuration.
other_peers() { printf '%s\n' "$peers" | cut -f 1 | grep -vxF "$conf_peer"; }

# other_networks, other_endpoint INTERFACE: those of the peer are not those of the configuration. A peer that calls from elsewhere is
# believed, as long as it is heard.
other_networks() {
	[ "${peers#*"$TAB"}" != "$conf_networks" ] && [ "$(one_a_line "${peers#*"$TAB"}")" != "$(one_a_line "$conf_networks")" ]
}

# Their order is WireGuard's.
one_a_line() { printf '%s\n' "$1" | tr ' ' '\n' | sort; }

other_endpoint() { [ -n "$conf_endpoint" ] && [ "$(handshake_age "$1")" -ge 180 ] && [ "$(endpoint_of "$1")" != "$conf_endpoint" ]; }

endpoint_of() { wg show "$1" endpoints | cut -f 2; }

# missing_addresses INTERFACE, missing_routes INTERFACE: those of the configuration, one a line. What is written otherwise than the
# kernel writes it is asked by itself.
missing_addresses() {
	there=$(ip -o address show dev "$1" 2>/dev/null) || there=
	for wanted in $conf_addresses; do
		case $there in *" $wanted "*) continue ;; esac
		[ -n "$(ip -"$(family_of "$wanted")" -o address show dev "$1" to "$wanted" 2>/dev/null)" ] || echo "$wanted"
	done
}

missing_routes() {
	[ "$conf_table" != off ] || return 0
	there=$NEWLINE$(ip -4 route show dev "$1" 2>/dev/null)$NEWLINE$(ip -6 route show dev "$1" 2>/dev/null)
	for wanted in $conf_networks; do
		# A single address stands there without its prefix.
		shown=${wanted%/32}
		case $there in *"$NEWLINE${shown%/128} "*) continue ;; esac
		[ -n "$(ip -"$(family_of "$wanted")" route show dev "$1" to exact "$wanted" 2>/dev/null)" ] || echo "$wanted"
	done
}

# missing_rules INTERFACE: of a relay's end, and its table's default routes.
missing_rules() {
	(
		read_tunnel "$1"
		for family in 4 6; do
			if [ "$family" = 4 ]; then from=$IPV4; else from=$IPV6; fi
			case $(ip -"$family" rule show) in *"from $from lookup $TABLE"*) ;; *) echo "from $from lookup $TABLE" ;; esac
			case $(ip -"$family" route show table "$TABLE" 2>/dev/null) in "default dev $1"*) ;; *) echo "default dev $1 table $TABLE" ;; esac
		done
	)
}

family_of() { case $1 in *:*) echo 6 ;; *) echo 4 ;; esac; }

# received INTERFACE: bytes that have come from the other side, WireGuard's own packets counted. Where echo is filtered there,
# nothing answers the ping but WireGuard itself: whoever got a packet and has none to send says so within 10 s, by an empty one.
received() {
	received=$(wg show "$1" transfer 2>/dev/null) || received=
	# shellcheck disable=SC2086 # words on purpose
	set -- $received
	echo "${2:-0}"
}
