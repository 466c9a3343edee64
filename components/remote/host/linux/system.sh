# shellcheck shell=sh
# shellcheck disable=SC2034 # the other parts use these
# What sets.sh leaves to the system, on Linux: nftables, sysctl.d, systemd.

ETC=/etc/chatmail-proxy
LIB=/usr/local/lib/chatmail-proxy
STATE=/var/lib/chatmail-proxy
RUN=/run
PROC=/proc
UNITS=/etc/systemd/system
WIREGUARD=/etc/wireguard
SYSCTLS=/etc/sysctl.d/zz-chatmail-proxy.conf

check_file() {
	case $3 in
	*.nft)
		nft -c -f "$1" >&2 || fail "nft refuses the new $3; the old rules are still in force"
		check_translations "$1"
		;;
	esac
}

# Brings a file's content into force from where it lies, without storing it.
load_file() {
	case $3 in
	*.nft) run nft -f "$1" || fail "loading $3 failed; the old rules are still in force" ;;
	/etc/sysctl.d/*)
		settings_ready proxy <"$1"
		if [ ! -f "$STATE/sysctl.before" ] && others_forward; then : >"$STATE/others-forwarded"; fi
		remember_sysctls "$1"
		# Where they are as they should be, /proc/sys may be read-only.
		[ -z "$(differing <"$1")" ] || run sysctl -q -p "$1" >&2 || fail "a kernel setting of $3 was refused"
		;;
	esac
}

stored_file() { :; }

# Undoes load_file for a file that is to be gone.
unload_file() {
	case $3 in
	*.nft)
		table=$(table_of "$1")
		rm -f "$RUN/chatmail-proxy.table.$table"
		if nft list table inet "$table" >/dev/null 2>&1; then run nft delete table inet "$table"; fi
		;;
	/etc/sysctl.d/*)
		# Not where the file has only got another name.
		[ ! -f "$STATE/sysctl.before" ] || grep -qs ' /etc/sysctl\.d/' "${coming:-}" || put_sysctls_back
		;;
	esac
}

# Somebody who came after us (Docker, say) may need forwarding by now: it then stays on until the next boot.
put_sysctls_back() {
	if [ ! -f "$STATE/others-forwarded" ] && others_forward; then
		say "forwarding stays on: others' rules on this host forward too"
		# A kernel that forwards hears router advertisements only where accept_ra stays as we set it.
		sed '/forward/d; /accept_redirects/d; /accept_ra/d' "$STATE/sysctl.before"
	else
		cat "$STATE/sysctl.before"
	fi | run sysctl -q -p - >&2 || true
}

others_forward() {
	nft list ruleset 2>/dev/null | awk '
		$1 == "table" { ours = ($3 ~ /^chatmail_proxy/) }
		!ours && (/ hook forward / || /masquerade/) { found = 1 }
		END { exit !found }'
}

# add_rule FAMILY WORD...: a routing rule that systemd-networkd leaves alone. It takes away all that are not its own whenever it
# configures an interface (from version 248 on), but for those that are said to be the kernel's. A setting of its own against
# that (ManageForeignRoutingPolicyRules) is read only when it starts, and a start while we are at work might cost this session its
# lease and bring in what the owner has changed and not yet wanted.
add_rule() {
	rule_family=$1
	shift
	run ip -"$rule_family" rule add "$@" protocol kernel
}

# keep_rule FAMILY PRIORITY SHOWN WORD...: the rule of these words, which ip shows as SHOWN, is there, and said to be the kernel's.
# One of an earlier version's, which did not say so, goes when this one has come: of the two the kernel deletes the older.
keep_rule() {
	kept_family=$1 kept_place=$2 kept_shown=$3
	shift 3
	kept_there=$(kept_rule)
	case $kept_there in *' proto kernel'*) return 0 ;; esac
	add_rule "$kept_family" "$@" priority "$kept_place" ||
		# Somebody was quicker: the watch and wg-quick may both be at it, and a failure here would take the tunnel down.
		case $(kept_rule) in *' proto kernel'*) return 0 ;; *) return 1 ;; esac
	[ -z "$kept_there" ] || run ip -"$kept_family" rule del "$@" priority "$kept_place" || true
}

kept_rule() { ip -d -"$kept_family" rule show priority "$kept_place" | grep -F "$kept_shown" || true; }

units_changed() {
	systemctl daemon-reload || true
	egress_unused
	wan_ways || true
	give_back_unused
}

stop_unit() { run systemctl -q disable --now "$1" >&2; }

# reads_changes UNIT: it reads a file that has changed. Of a tunnel's units that is known, and a restart of it costs mail some
# seconds: others' files (our rules, which are loaded by now) are no reason.
reads_changes() {
	case ${changes:-} in all*) return 0 ;; esac
	case $1 in
	wg-quick@*.service | chatmail-proxy-watch@*.service) ;;
	*) return 0 ;;
	esac
	tunnel_read=${1#*@}
	tunnel_read=${tunnel_read%.service}
	case "${changes:-} " in *"$WIREGUARD/$tunnel_read."* | *"$ETC/$tunnel_read.conf "*) return 0 ;; esac
	return 1
}

# start_units SET: enabled, all at once, since systemd reads all units again each time; restarted where a file that it reads has
# changed. What a unit once set up may be gone, though systemd takes it for active.
start_units() {
	set -- "$(set_dir "$1")/live/units"
	if [ ! -s "$1" ]; then
		systemctl daemon-reload
		return 0
	fi
	# shellcheck disable=SC2046 # a word each
	run systemctl -q enable $(cat "$1") >&2
	while read -r unit; do
		if { [ -n "$changed" ] && reads_changes "$unit"; } || ! systemctl -q is-active "$unit"; then
			# Several tunnels that change at once restart what they share more often than systemd allows by itself.
			systemctl reset-failed "$unit" 2>/dev/null || true
			run systemctl restart "$unit" </dev/null || {
				systemctl status --no-pager --lines=20 "$unit" >&2 </dev/null || true
				fail "$unit did not start; see the lines above, and: journalctl -u $unit"
			}
		else
			heal_unit "$unit" || fail "what $unit set up is not there any more, and could not be put back; see the lines above, and: journalctl -u $unit"
		fi
	done <"$1"
}

revert_unit() { printf 'chatmail-proxy-revert-%s' "$1"; }

# A timer of systemd's own: it outlives this session, which the new rules may cut.
start_timer() {
	run systemd-run --quiet --collect --unit="$(revert_unit "$1")" --on-active="$2" --timer-property=AccuracySec=1s "$LIB/hostctl" revert "$@" >&2 ||
		fail "no timer could be set for going back; nothing was changed"
}

timer_stands() { systemctl -q is-active "$(revert_unit "$1").timer"; }

stop_timer() { systemctl stop "$(revert_unit "$1").timer" 2>/dev/null || true; }
