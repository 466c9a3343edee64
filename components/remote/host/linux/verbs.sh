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
	turn) turn ;;
	outbound) outbound "$@" ;;
	keep-of) keep_of "$@" ;;
	claim) claim "$@" ;;
	fits) fits "$@" ;;
	relay-firewalls) relay_firewalls ;;
	leave) leave ;;
	release) release "$@" ;;
	*) fail "unknown verb '$verb'" ;;
	esac
}
