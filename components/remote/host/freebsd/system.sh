# shellcheck shell=sh
# shellcheck disable=SC2034 # the other parts use these
# What sets.sh leaves to the system, on FreeBSD: pf, sysctl.conf.local, rc.conf, rc.d. A file's ending says what it is:
# .pf our anchor's rules, .sysctl lines for sysctl.conf.local, .rc lines for rc.conf; all else is just a file.

ETC=$ROOT/usr/local/etc/chatmail-proxy
LIB=$ROOT/usr/local/lib/chatmail-proxy
STATE=$ROOT/var/db/chatmail-proxy
RUN=$ROOT/var/run
SYSCTL_CONF=$ROOT/etc/sysctl.conf.local

check_file() {
	case $3 in
	*.pf) check_pf "$1" "$3" ;;
	esac
}

# Brings a file's content into force from where it lies, without storing it: after a reboot it is gone.
load_file() {
	case $3 in
	*.pf) load_pf "$1" ;;
	*.sysctl)
		remember_sysctls "$1"
		run sysctl -q -f "$1" >&2 || fail "a kernel setting of $3 was refused"
		;;
	esac
}

stored_file() {
	case $3 in
	*.pf) attach_pf "$3" ;;
	*.sysctl)
		grep -v '^#' "$1" | add_lines "$SYSCTL_CONF"
		[ -z "$changed" ] || run service sysctl onestart >&2
		;;
	*.rc)
		grep -v '^#' "$1" | while IFS='=' read -r name value; do set_rc "$name" "$value" || exit 1; done
		undo_unlisted "$1"
		;;
	esac
}

# Undoes load_file and stored_file.
unload_file() {
	case $3 in
	*.pf) unload_pf ;;
	*.sysctl)
		take_out "$SYSCTL_CONF"
		[ -f "$STATE/sysctl.before" ] || return 0
		while read -r setting; do
			run sysctl -q "$setting" >&2 || true
		done <"$STATE/sysctl.before"
		rm -f "$STATE/sysctl.before"
		;;
	*.rc) grep -v '^#' "$1" | while IFS='=' read -r name _value; do undo_rc "$name"; done ;;
	esac
}

units_changed() { :; }

# pf is the host's: it was off before us, or not, and unload_pf knows. Our own services do nothing without our files,
# so that they need no line in rc.conf.
stop_unit() {
	case $1 in
	pf) undo_rc pf_enable ;;
	*) run service "$1" onestop >&2 ;;
	esac
}

# Never a restart of pf: `service pf start` flushes all states, and with them every connection.
start_units() {
	while read -r unit; do
		case $unit in
		pf)
			set_rc pf_enable YES
			pf_is_on || run service pf onestart >&2 </dev/null || fail "pf does not start; see: service pf check"
			;;
		*)
			if [ -n "$changed" ] || ! service "$unit" onestatus >/dev/null 2>&1 </dev/null; then
				run service "$unit" onerestart >&2 </dev/null || fail "$unit did not start; see the lines above"
			fi
			;;
		esac
	done <"$(set_dir "$1")/live/units"
}

# The guard (guard.sh) goes back when the time is over. It runs since setup, and must: a process that we start here
# would hold up this very command, since FreeBSD's timeout waits for all that descends from it.
start_timer() {
	service chatmail_proxy_guard onestatus >/dev/null 2>&1 </dev/null ||
		fail "the guard that would take new rules back is not running, so nothing was changed; try: service chatmail_proxy_guard restart"
	printf '%s %s %s\n' "$(($(date +%s) + $2))" "$2" "$3" | write_file 600 "$(deadline "$1")"
}

# In $RUN: after a reboot the stored rules are in force, and there is nothing to take back.
deadline() { printf '%s/chatmail-proxy.deadline.%s' "$RUN" "$1"; }

timer_stands() { [ -f "$(deadline "$1")" ] && service chatmail_proxy_guard onestatus >/dev/null 2>&1 </dev/null; }

stop_timer() { rm -f "$(deadline "$1")"; }
