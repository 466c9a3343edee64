# shellcheck shell=sh
# The verbs that only Linux knows: those of its units, and the relay's.

system_verb() {
	verb=$1
	shift
	case $verb in
	load-filters) load_filters ;;
	heal) heal ;;
	call) call "$@" ;;
	nftables) nftables_does "$@" ;;
	routes) routes "$@" ;;
	unroutes) unroutes "$@" ;;
	watch) watch "$@" ;;
	relay-facts) relay_facts ;;
	turn) turn ;;
	outbound) outbound "$@" ;;
	way-out) way_out "$@" ;;
	keep-of) keep_of "$@" ;;
	claim) claim "$@" ;;
	fits) fits "$@" ;;
	relay-firewalls) relay_firewalls ;;
	leave) leave ;;
	release) release "$@" ;;
	*) fail "unknown verb '$verb'" ;;
	esac
}
