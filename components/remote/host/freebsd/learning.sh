# shellcheck shell=sh
# A host that learns its IPv6 route from router advertisements: what a proxy's lines in rc.conf make of it at boot. By FreeBSD's
# sources, of 14 and of 2026:
#
#   ipv6_gateway_enable   network.subr asks no router any more (rtsol), on no interface.
#   rtsold_enable         rc.d/rtsold asks all that listen (-a in its flags, which differ between versions and stay as they are).
#                         rtsold does not look at forwarding.
#   ipv6_cpe_wanif        rc.d/netoptions sets rfc6204w3=1 (a kernel that forwards learns all the same), and no_radr=1: interfaces
#                         that come to be later do not learn. Without it both are 0, whatever sysctl.conf says, until
#                         rc.d/sysctl_lastload at the end.

# There once we have looked since the last boot, which empties $RUN.
ASKED=$RUN/chatmail-proxy.asked

# ask_routers: once after a boot, where this host still has no route. What rtsold was told may be lost: of two interfaces that
# learn, ipv6_cpe_wanif can name neither.
ask_routers() {
	grep -qsx 'net.inet6.ip6.rfc6204w3=1' "$ETC/proxy.sysctl" || return 0
	[ ! -f "$ASKED" ] || return 0
	: >"$ASKED"
	! route -n get -inet6 default >/dev/null 2>&1 || return 0
	run sysctl -q net.inet6.ip6.rfc6204w3=1 >&2 || true
	run service rtsold onerestart >&2 </dev/null || true
}

# no_longer NAME: this line of ours is gone from rc.conf, and what the boot did by it goes too.
no_longer() {
	case $1 in
	rtsold_enable)
		if service rtsold onestatus >/dev/null 2>&1 && ! service rtsold enabled >/dev/null 2>&1; then
			run service rtsold onestop >&2 || true
		fi
		;;
	ipv6_cpe_wanif)
		case $(sysrc -qn ipv6_cpe_wanif 2>/dev/null || true) in
		'' | [Nn][Oo] | [Nn][Oo][Nn][Ee] | [Ff][Aa][Ll][Ss][Ee] | [Oo][Ff][Ff] | 0) learn_again ;;
		esac
		;;
	esac
}

# learn_again: as after a boot without ipv6_cpe_wanif. What the owner has set so stays.
learn_again() {
	[ "$(sysctl -n net.inet6.ip6.no_radr 2>/dev/null)" = 1 ] || return 0
	! grep -qs '^[[:space:]]*net\.inet6\.ip6\.no_radr=' "$ROOT/etc/sysctl.conf" "$SYSCTL_CONF" || return 0
	run sysctl -q net.inet6.ip6.no_radr=0 >&2 || true
	for device in $(ifconfig -l); do
		case $(ifconfig "$device" inet6 2>/dev/null) in *NO_RADR*) ;; *) continue ;; esac
		variable=ifconfig_$(printf '%s' "$device" | tr './+-' '____')
		! grep -Eqs "^[[:space:]]*$variable(_ipv6)?=.*[ \"']no_radr" "$RC_CONF" "$RC_CONF.local" || continue
		run ifconfig "$device" inet6 -no_radr >&2 || true
	done
}
