# shellcheck shell=sh
# The verbs that only FreeBSD knows: those of its services.

system_verb() {
	verb=$1
	shift
	case $verb in
	guard) guard ;;
	heal) heal ;;
	tunnel-up) tunnel_up ;;
	tunnel-down) tunnel_down ;;
	tunnel-is-up) tunnel_is_up ;;
	*) fail "unknown verb '$verb'" ;;
	esac
}
