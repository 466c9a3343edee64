# shellcheck shell=sh
# The verbs that only FreeBSD knows: those of its services.

# pf has no counter of connections that could be cleared for one address.
forgive_client() { :; }

# A relay runs Linux.
relay_facts() { :; }
way_out() { :; }

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
