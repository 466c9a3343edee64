# shellcheck shell=sh
# What differs on this host from what was brought in, on FreeBSD, beyond the text of files.

system_name() { printf 'FreeBSD %s, kernel %s' "$(freebsd-version -u)" "$(uname -r)"; }

needs_reboot() {
	installed_kernel=$(freebsd-version -k 2>/dev/null) || return 0
	[ "$installed_kernel" = "$(uname -r)" ] || echo "an update has installed the kernel $installed_kernel, and $(uname -r) still runs"
}

digest_of() { [ ! -f "$1" ] || sha256 -q "$1"; }

drift_in_force() {
	case $2 in
	*.pf)
		if ! pf_is_on; then
			echo 'pf is off'
		elif ! pf_calls_us; then
			echo "the rules that pf has do not call ours (anchor $ANCHOR)"
		elif [ -z "$(pfctl -a "$ANCHOR" -s rules 2>/dev/null)" ]; then
			echo "the anchor $ANCHOR has no rules"
		fi
		;;
	*.sysctl)
		sed -n 's/^\([a-z][^ =]*\)=\(.*\)$/\1 \2/p' "$1" | while read -r drift_key drift_value; do
			drift_now=$(sysctl -n "$drift_key" 2>/dev/null) || continue
			[ "$drift_now" = "$drift_value" ] || echo "$drift_key is $drift_now, not $drift_value"
		done
		;;
	*.rc)
		sed -n 's/^\([a-z][a-z0-9_]*\)=\(.*\)$/\1 \2/p' "$1" | while read -r drift_key drift_value; do
			[ "$(sysrc -qn "$drift_key" 2>/dev/null)" = "$drift_value" ] || echo "rc.conf does not say $drift_key=$drift_value"
		done
		;;
	*/tunnel.env) (tunnel_is_up) || echo "the tunnel's interface, an address or a route of it is not there" ;;
	esac
}

drift_of_units() {
	for drift_unit in "$@"; do
		[ "$drift_unit" = pf ] || service "$drift_unit" onestatus >/dev/null 2>&1 </dev/null || echo "the service $drift_unit is not running"
	done
}
