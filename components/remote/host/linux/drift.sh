# shellcheck shell=sh
# What differs on this host from what was brought in, on Linux, beyond the text of files: in the kernel, and in systemd.

system_name() { printf '%s, kernel %s' "$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$ROOT/etc/os-release" 2>/dev/null)" "$(uname -r)"; }

needs_reboot() {
	if modules_are_gone && [ -z "$(in_container)" ]; then
		echo "the kernel that runs there ($(uname -r)) has been replaced by an update, and its modules are gone"
	elif [ -f "$RUN/reboot-required" ]; then
		waiting=$(sort -u "$RUN/reboot-required.pkgs" 2>/dev/null | paste -sd ' ' -) || waiting=
		echo "an update waits for it${waiting:+ ($waiting)}"
	fi
}

digest_of() { [ ! -f "$1" ] || sha256sum "$1" | cut -d ' ' -f 1; }

drift_in_force() {
	case $2 in
	*.nft) drift_of_table "$1" ;;
	/etc/sysctl.d/*) drift_of_sysctls "$1" ;;
	esac
}

# drift_of_table FILE: the file is loaded once more where nothing of it counts, and both are printed by the same nft.
drift_of_table() {
	drift_table=$(table_of "$1")
	drift_now=$(nft -s list table inet "$drift_table" 2>/dev/null) || {
		echo "the table inet $drift_table is not loaded"
		return 0
	}
	# Not where this machine makes no network namespaces, as in some containers.
	# shellcheck disable=SC2016 # expanded by the inner shell
	drift_then=$(unshare -n sh -c 'nft -f "$1" && nft -s list table inet "$2"' - "$1" "$drift_table" 2>/dev/null) || return 0
	[ "$drift_now" = "$drift_then" ] || echo "the table inet $drift_table is not the one that was loaded"
}

# accept_ra is not compared: networkd sets it to 0 where it listens to router advertisements itself.
drift_of_sysctls() {
	sed -n 's/^-\{0,1\}\([a-z][^ =]*\) *= *\(.*\)$/\1 \2/p' "$1" | while read -r drift_key drift_value; do
		case $drift_key in *accept_ra) continue ;; esac
		drift_now=$(sysctl -n "$drift_key" 2>/dev/null) || continue
		[ "$drift_now" = "$drift_value" ] || echo "$drift_key is $drift_now, not $drift_value"
	done
}

drift_of_unit() {
	systemctl -q is-enabled "$1" 2>/dev/null || echo "$1 is not enabled"
	systemctl -q is-active "$1" 2>/dev/null || echo "$1 is not running"
	case $1 in
	wg-quick@*.service)
		drift_interface=${1#wg-quick@}
		drift_of_tunnel "${drift_interface%.service}"
		;;
	esac
}

drift_of_tunnel() {
	drift_conf=$WIREGUARD/$1.conf
	[ -f "$drift_conf" ] || return 0
	if ! wg show "$1" peers >/dev/null 2>&1; then
		echo "the tunnel's interface $1 is not there"
		return 0
	fi
	[ "$(wg show "$1" peers 2>/dev/null)" = "$(conf_values "$drift_conf" PublicKey)" ] || echo "$1 knows another peer than the one that was set"
	! other_networks "$1" "$drift_conf" || echo "$1 takes other addresses from its peer than were set"
	! other_endpoint "$1" "$drift_conf" || echo "$1 sends to $(wg show "$1" endpoints | cut -f 2), not to $(conf_values "$drift_conf" Endpoint)"
	[ -n "$(ip -o link show dev "$1" up 2>/dev/null)" ] || echo "$1 is down"
	missing_addresses "$1" "$drift_conf" | sed "s/\$/ is missing on $1/; s/^/the address /"
	missing_routes "$1" "$drift_conf" | sed "s/\$/ by $1 is missing/; s/^/the route to /"
	[ ! -f "$ETC/$1.conf" ] || missing_rules "$1" | sed 's/^/the routing rule "/; s/$/" is missing/'
}

# other_networks INTERFACE CONF, other_endpoint INTERFACE CONF: those of the peer are not those of wg-quick's configuration. A peer
# that calls from elsewhere is believed, as long as it is heard.
other_networks() { [ "$(wg show "$1" allowed-ips | cut -f 2- | tr ' ' '\n' | sort)" != "$(conf_values "$2" AllowedIPs | sort)" ]; }

other_endpoint() { [ -n "$(conf_values "$2" Endpoint)" ] && [ "$(handshake_age "$1")" -ge 180 ] && [ "$(wg show "$1" endpoints | cut -f 2)" != "$(conf_values "$2" Endpoint)" ]; }

# missing_addresses INTERFACE CONF, missing_routes INTERFACE CONF: those of wg-quick's configuration, one a line.
missing_addresses() {
	for drift_address in $(conf_values "$2" Address); do
		[ -n "$(ip -"$(family_of "$drift_address")" -o address show dev "$1" to "$drift_address" 2>/dev/null)" ] || echo "$drift_address"
	done
}

missing_routes() {
	! grep -qx 'Table = off' "$2" || return 0
	for drift_network in $(conf_values "$2" AllowedIPs); do
		[ -n "$(ip -"$(family_of "$drift_network")" route show dev "$1" to exact "$drift_network" 2>/dev/null)" ] || echo "$drift_network"
	done
}

# missing_rules INTERFACE: of a relay's end, and its table's default routes.
missing_rules() {
	(
		read_tunnel "$1"
		for family in 4 6; do
			if [ "$family" = 4 ]; then from=$IPV4; else from=$IPV6; fi
			ip -"$family" rule show | grep -q "from $from lookup $TABLE" || echo "from $from lookup $TABLE"
			ip -"$family" route show table "$TABLE" 2>/dev/null | grep -q "^default dev $1" || echo "default dev $1 table $TABLE"
		done
	)
}
