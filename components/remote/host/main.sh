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
	# A step is a part of what has done this already; watches and timers have no client.
	[ "$verb" = step ] || [ -z "${SSH_CONNECTION:-}${SUDO_COMMAND:-}" ] || forgive_client || true
	case $verb in
	apply) apply "$@" ;;
	confirm) confirm "$@" ;;
	status) status "$@" ;;
	# A function of ours, as a process of its own.
	step) "$@" ;;
	setup) setup "$@" ;;
	prepare) prepare "$@" ;;
	install) install_set "$@" ;;
	revert) revert_set "$@" ;;
	remove) remove_unneeded "$@" ;;
	drop) remove_set "$@" ;;
	uninstall) uninstall_of "$@" ;;
	*) system_verb "$verb" "$@" ;;
	esac
}

main "$@"
