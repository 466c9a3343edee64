# shellcheck shell=sh
# shellcheck disable=SC2154 # peers and conf_... are from wireguard.sh
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

# drift_of_table FILE: the file is loaded once more where nothing of it counts, and both are printed by the same nft. What was the
# same is kept in $RUN with how it was printed, so that the next look needs no second load.
drift_of_table() {
	drift_table=$(table_of "$1")
	drift_now=$(nft -s list table inet "$drift_table" 2>/dev/null) || {
		echo "the table inet $drift_table is not loaded"
		return 0
	}
	drift_known=$RUN/chatmail-proxy.table.$drift_table
	! printf '%s\n' "$drift_now" | cat "$1" - | cmp -s - "$drift_known" || return 0
	# Not where this machine makes no network namespaces, as in some containers.
	# shellcheck disable=SC2016 # expanded by the inner shell
	drift_then=$(unshare -n sh -c 'nft -f "$1" && nft -s list table inet "$2"' - "$1" "$drift_table" 2>/dev/null) || return 0
	if [ "$drift_now" != "$drift_then" ]; then
		echo "the table inet $drift_table is not the one that was loaded"
	else
		(printf '%s\n' "$drift_now" | cat "$1" - | write_file 600 "$drift_known") 2>/dev/null || true
	fi
}

# accept_ra is not compared: networkd sets it to 0 where it listens to router advertisements itself.
drift_of_sysctls() {
	sed -n 's/^-\{0,1\}\([a-z][^ =]*\) *= *\(.*\)$/\1 \2/p' "$1" | while read -r drift_key drift_value; do
		case $drift_key in *accept_ra) continue ;; esac
		drift_now=$(kernel_value "$drift_key") || continue
		[ "$drift_now" = "$drift_value" ] || echo "$drift_key is $drift_now, not $drift_value"
	done
}

# drift_of_units UNIT...: systemd is asked once for all of them, and answers a word a line.
drift_of_units() {
	drift_enabled=$(systemctl is-enabled "$@" 2>/dev/null) || true
	drift_active=$(systemctl is-active "$@" 2>/dev/null) || true
	drift_lines=0
	for drift_word in $drift_enabled; do drift_lines=$((drift_lines + 1)); done
	# On Debian 12 there is no word for a unit whose file is missing.
	[ "$drift_lines" = $# ] || drift_enabled=$(for drift_unit in "$@"; do
		drift_word=$(systemctl is-enabled "$drift_unit" 2>/dev/null) || true
		echo "${drift_word:-not-found}"
	done)
	for drift_unit in "$@"; do
		case ${drift_enabled%%"$NEWLINE"*} in enabled* | static | indirect | generated | alias | transient) ;; *) echo "$drift_unit is not enabled" ;; esac
		case ${drift_active%%"$NEWLINE"*} in active | reloading | refreshing) ;; *) echo "$drift_unit is not running" ;; esac
		drift_enabled=${drift_enabled#*"$NEWLINE"} drift_active=${drift_active#*"$NEWLINE"}
		case $drift_unit in
		wg-quick@*.service)
			drift_interface=${drift_unit#wg-quick@}
			drift_of_tunnel "${drift_interface%.service}"
			;;
		esac
	done
}

drift_of_tunnel() {
	[ -f "$WIREGUARD/$1.conf" ] || return 0
	read_conf "$WIREGUARD/$1.conf"
	if ! read_peers "$1"; then
		echo "the tunnel's interface $1 is not there"
		return 0
	fi
	[ "${peers%"$TAB"*}" = "$conf_peer" ] || echo "$1 knows another peer than the one that was set"
	! other_networks || echo "$1 takes other addresses from its peer than were set"
	! other_endpoint "$1" || echo "$1 sends to $(endpoint_of "$1"), not to $conf_endpoint"
	[ -n "$(ip -o link show dev "$1" up 2>/dev/null)" ] || echo "$1 is down"
	missing_addresses "$1" | sed "s/\$/ is missing on $1/; s/^/the address /"
	missing_routes "$1" | sed "s/\$/ by $1 is missing/; s/^/the route to /"
	[ ! -f "$ETC/$1.conf" ] || missing_rules "$1" | sed 's/^/the routing rule "/; s/$/" is missing/'
}
