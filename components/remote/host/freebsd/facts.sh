# shellcheck shell=sh
# What a host is, one fact a line, for facts.ts to read and judge. Changes nothing.

# wan: the interfaces of this host's default routes, and whether they listen to router advertisements.
wan() {
	for device in $(for family in inet inet6; do
		route -n get "-$family" default 2>/dev/null || true
	done | awk '$1 == "interface:" { print $2 }' | sort -u); do
		case $(ifconfig "$device" inet6 2>/dev/null) in
		*ACCEPT_RTADV*) accepts=1 ;;
		*) accepts=0 ;;
		esac
		printf 'wan %s %s\n' "$device" "$accepts"
	done
}
