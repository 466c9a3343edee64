# shellcheck shell=sh
# Answers leave by the line that their connection came in by, on a proxy with several lines to the internet.
#
# A provider that drops what bears another line's sender gives a rule for each address (`ip rule from ADDRESS lookup TABLE`).
# While the kernel looks for the way of an answer, it still has the relay's address as its sender; the one that the client
# called comes back only behind that, so no such rule is true of it. Its connection knows that address: by it the packet gets a
# mark of ours, and a rule of ours for that mark stands right behind the provider's and leads to the same table.
#
# $STATE/wans: an address a line, FAMILY ADDRESS RELAY DEVICE TABLE PRIORITY MARK. Nothing at all where the kernel's usual way
# is that of every address.

# The bits of a packet's mark that are ours; others' (Tailscale's, Kubernetes', those of the owner's rules) stay as they are.
WAN_BITS=0xf000000
BUT_WAN_BITS=0xf0ffffff

# wan_ways: marks, rules and kernel settings are those for the addresses and rules that are there now.
wan_ways() {
	ways=$(for number in 4 6; do ways_of "$number"; done | numbered)
	ways_before=$(cat "$STATE/wans" 2>/dev/null) || ways_before=
	[ -n "$ways$ways_before" ] || return 0
	wan_result=0
	printf '%s\n' "$ways_before" | wan_rules | while read -r rule; do
		printf '%s\n' "$ways" | wan_rules | grep -qxF "$rule" || wan_rule_off "$rule"
	done
	if [ "$ways" != "$ways_before" ]; then
		if [ -n "$ways" ]; then printf '%s\n' "$ways" | write_file 600 "$STATE/wans"; else rm -f "$STATE/wans"; fi
		printf '%s\n' "$ways" | awk 'NF { print $2, $4, $5 }' | while read -r address device table; do
			say "the relay's answers at $address leave by $device (routing table $table), as this machine's own do"
		done
	fi
	wan_marks || wan_result=1
	while read -r rule; do
		[ -z "$rule" ] || wan_rule_on "$rule" || wan_result=1
	done <<-END
		$(printf '%s\n' "$ways" | wan_rules)
	END
	take_from_all_wans
	return $wan_result
}

# ways_of FAMILY: FAMILY ADDRESS RELAY DEVICE TABLE PRIORITY, a line for each address of which a rule knows another table than the
# usual one. Of an interface that has no address just now (before the network is up, without its cable) the lines are kept.
ways_of() {
	relay=$(relay_of "$1")
	[ -n "$relay" ] || return 0
	read_wans
	there=$(global_addresses "$1")
	! several_ways "$1" "$there" || ways_from "$1" "$there" | while read -r device _gateway table address; do
		priority=$(priority_of "$1" "$table")
		[ -z "$priority" ] || echo "$1 $address $relay $device $table $priority"
	done
	[ ! -f "$STATE/wans" ] || while read -r family address _relay device table priority _mark; do
		[ "$family" = "$1" ] || continue
		[ -n "$(ip -o -"$1" addr show dev "$device" scope global 2>/dev/null)" ] || echo "$1 $address $relay $device $table $priority"
	done <"$STATE/wans"
}

# With one line for all, the usual way is everybody's; unless it is one of several at random (a route with nexthops).
several_ways() {
	[ "$({ way "$1" | grep . || echo none; ways_from "$1" "$2"; } | awk '{ print $1, $2 }' | sort -u | wc -l)" -gt 1 ] || ways_at_random "$1"
}

ways_at_random() { case $(ip -o -"$1" route show default) in *nexthop*) return 0 ;; *) return 1 ;; esac }

# ways_from FAMILY ADDRESSES: DEVICE GATEWAY TABLE ADDRESS of those that a rule leads out by an interface of ours towards the internet.
ways_from() {
	usual=$(way "$1")
	for address in $2; do
		way "$1" from "$address" | while read -r device gateway table; do
			[ "$table" = "${usual##* }" ] || ! is_wan "$device" || echo "$device $gateway $table $address"
		done
	done
}

# way FAMILY WORD...: DEVICE GATEWAY TABLE by which the kernel would send to the internet. Asked, and nothing is sent.
way() {
	case $1 in 4) internet=1.1.1.1 ;; *) internet=2606:4700:4700::1111 ;; esac
	way_family=$1
	shift
	# shellcheck disable=SC2046 # a word each
	set -- $(ip -o -"$way_family" route get "$internet" "$@" 2>/dev/null || true)
	way_device='' way_gateway=- way_table=main
	while [ $# -gt 1 ]; do
		case $1 in
		dev) way_device=$2 ;;
		via) way_gateway=$2 ;;
		table) way_table=$2 ;;
		esac
		shift
	done
	case $way_device in '' | lo) ;; *) echo "$way_device $way_gateway $way_table" ;; esac
}

global_addresses() {
	ip -o -"$1" addr show scope global | while read -r _number device _family address more; do
		case "$device $more" in 'wg-relay '* | *' temporary '*) ;; *) echo "${address%%/*}" ;; esac
	done
}

# Read from our own rules: where they lead, and from which interfaces.
relay_of() {
	case $1 in 4) nat=ip ;; *) nat=ip6 ;; esac
	sed -n "/.* dnat $nat to /{s///p;q;}" "$ETC/proxy.nft" 2>/dev/null || true
}

# is_wan DEVICE: on $our_wans, which read_wans has read.
is_wan() { case $our_wans in *"\"$1\""*) return 0 ;; *) return 1 ;; esac }

read_wans() { our_wans=$(sed -n '/^[[:space:]]*iifname { \(.*\) } fib daddr .*/{s//\1/p;q;}' "$ETC/proxy.nft" 2>/dev/null) || our_wans=; }

# priority_of FAMILY TABLE: that of the first rule that sends to this table by the sender.
priority_of() {
	ip -"$1" rule show | awk -v table="$2" '
		/ fwmark / { next }
		{ for (i = 4; i < NF; i++) if ($i == "lookup" && $(i + 1) == table) { sub(/:/, "", $1); print ($3 == "all"), $1 } }' | sort -n | awk 'NR == 1 { print $2 }'
}

# A mark for each table; there are bits for 15.
numbered() { awk '!($5 in mark) { mark[$5] = ++last } mark[$5] <= 15 { printf "%s 0x%x000000\n", $0, mark[$5] }'; }

# wan_marks: on $ways. Behind all priorities at which others set marks, and before the kernel looks for the way.
wan_marks() {
	if [ -z "$ways" ]; then
		[ -f "$ETC/wans.nft" ] || return 0
		nft delete table inet "$(table_of "$ETC/wans.nft")" 2>/dev/null || true
		rm -f "$ETC/wans.nft"
		return 0
	fi
	text=$(
		cat <<-END
			#!/usr/sbin/nft -f
			# Written by chatmail-proxy, which finds by itself what stands here.

			table inet chatmail_proxy_wan_marks
			delete table inet chatmail_proxy_wan_marks

			table inet chatmail_proxy_wan_marks {
				chain prerouting {
					type filter hook prerouting priority -90; policy accept;
		END
		printf '%s\n' "$ways" | awk -v keep="$BUT_WAN_BITS" '{
			family = ($1 == 4 ? "ip" : "ip6")
			printf "\t\tct direction reply ct reply %s saddr %s ct original %s daddr %s meta mark set meta mark & %s | %s\n", family, $3, family, $2, keep, $7
		}'
		printf '\t}\n}\n'
	)
	[ "$text" != "$(cat "$ETC/wans.nft" 2>/dev/null)" ] || return 0
	printf '%s\n' "$text" | write_file 644 "$ETC/wans.nft"
	run nft -f "$ETC/wans.nft"
}

# wan_rules: from ways to FAMILY RELAY MARK TABLE PRIORITY, each once.
wan_rules() { awk 'NF { print $1, $3, $7, $5, $6 }' | sort -u; }

# The sender is named too. So the kernel's check of a packet's sender (rp_filter), which asks the other way round and may count the
# mark (src_valid_mark), does not take this rule.
wan_rule_on() {
	# shellcheck disable=SC2086 # words on purpose
	set -- $1
	keep_rule "$1" "$5" "from $2 fwmark $3/$WAN_BITS lookup $4" from "$2" fwmark "$3/$WAN_BITS" lookup "$4"
}

wan_rule_off() {
	# shellcheck disable=SC2086 # words on purpose
	set -- $1
	while ip -"$1" rule del from "$2" fwmark "$3/$WAN_BITS" lookup "$4" priority "$5" 2>/dev/null; do :; done
}

# Where senders are checked strictly, a packet from a client is dropped on any line but the usual one: the check comes when
# the packet is redirected already, and the provider's rule for the address that it was sent to is no more true of it.
take_from_all_wans() {
	for device in $(printf '%s\n' "$ways" | awk '$1 == 4 { print $4 }' | sort -u); do
		! rp_filter_is_strict "$device" || set_kernel "net/ipv4/conf/$device/rp_filter" 2 ||
			say "senders are checked strictly on $device (rp_filter), and this cannot be set here: what clients send to it is dropped"
	done
	[ -z "$ways" ] || return 0
	for note in "$STATE"/kernel/net/ipv4/conf/*/rp_filter; do
		[ ! -f "$note" ] || give_back "${note#"$STATE/kernel/"}" 2
	done
}

# ways_of_rules: interfaces, an address of each of which a rule of the provider's sends to a router there.
ways_of_rules() {
	for family in 4 6; do
		usual=$(way "$family")
		for address in $(global_addresses "$family"); do
			way "$family" from "$address" | while read -r device gateway table; do
				# Ethernet (1): no VPN's.
				[ "$table" != "${usual##* }" ] || continue
				[ "$gateway" != - ] || continue
				[ "$(cat "/sys/class/net/$device/type")" = 1 ] || continue
				[ -z "$(ip -o -"$family" addr show dev "$device" to "$address")" ] || echo "$device"
			done
		done
	done
}

# astray INTERFACE ("-" without a tunnel): an address, a sentence each, at which answers of the relay's leave by another line than
# this machine's own: routes that hold for some senders alone, or a way that the owner has made by something else than a rule.
astray() {
	read_wans
	for family in 4 6; do
		relay=$(relay_of "$family")
		[ -n "$relay" ] || continue
		! ways_at_random "$family" || continue
		from=$1
		[ "$from" != - ] || from=$(ip -o -"$family" route get "$relay" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
		for address in $(global_addresses "$family"); do
			own=$(way "$family" from "$address")
			is_wan "${own%% *}" || continue
			mark=
			[ ! -f "$STATE/wans" ] || mark=$(awk -v address="$address" '$2 == address { print $7 }' "$STATE/wans")
			taken=$(way "$family" from "$relay" iif "$from" mark "${mark:-0}")
			taken=${taken:-$(way "$family")}
			[ "${taken%% *}" = "${own%% *}" ] || echo "firewall the relay's answers at $address leave by $(named_interface "$taken"), and those of the proxy itself by ${own%% *}: its routes hold for this sender alone (ip -$family route show table all). Lead there by a rule instead (ip -$family rule add from $address lookup TABLE), which is then followed for the relay's answers too"
		done
	done
}

named_interface() { if [ -n "$1" ]; then echo "${1%% *}"; else echo 'no interface at all'; fi; }
