# shellcheck shell=sh
# All in main, called by the last line: a transfer of this file that was cut off runs nothing.

main() {
	set -eu
	umask 077
	LC_ALL=C
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export LC_ALL PATH
	verb=${1:-}
	[ $# = 0 ] || shift
	# An attempt calls the verb itself; watches and timers have no client.
	[ "$verb" = attempt ] || [ -z "${SSH_CONNECTION:-}${SUDO_COMMAND:-}" ] || forgive_client || true
	case $verb in
	attempt) attempt "$@" ;;
	setup) setup "$@" ;;
	prepare) prepare "$@" ;;
	wan) wan "$@" ;;
	free) free "$@" ;;
	admin-keys) admin_keys ;;
	install) install_set "$@" ;;
	arm) arm_set "$@" ;;
	confirm) confirm_set "$@" ;;
	revert) revert_set "$@" ;;
	remove) remove_set "$@" ;;
	keep) keep_sets "$@" ;;
	status) status ;;
	through) through "$@" ;;
	uninstall) uninstall_of "$@" ;;
	*) system_verb "$verb" "$@" ;;
	esac
}

main "$@"
