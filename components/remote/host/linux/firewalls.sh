# shellcheck shell=sh
# Others' firewalls on a host of ours, on Linux.

# firewalls HOST [INTERFACE IPV4 IPV6 [PORT...]]: what on this proxy or relay is dropped unless it is named there: the first
# suspects when a port stays silent; with the commands that let ours pass, which our own rules narrow to what is forwarded. A
# proxy says where it forwards to, as `through` is told it. What comes to a relay through a tunnel is not forwarded there.
firewalls() {
	if [ "$1" = relay ]; then
		cure='let the mail ports in from the tunnels (wg-*) there too'
	else
		cure='let the forwarded ports and the tunnel pass there too'
	fi
	# Whose commands are named need not be named by its tables as well.
	named=
	if have ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
		echo "firewall ufw is active on the $1: $cure ($(by_ufw "$@"))"
		named='ip filter|ip6 filter'
		case "$(iptables --version 2>/dev/null)" in *legacy*) named='ip filter of iptables-legacy|ip6 filter of iptables-legacy' ;; esac
	fi
	if have firewall-cmd && [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then
		echo "firewall firewalld is active on the $1: $cure ($(by_firewalld "$@"))"
		named="$named|inet firewalld"
	fi
	print_rulesets | walk_rulesets "$(packets_of "$@")" | while IFS='	' read -r table chain hook; do
		case "|$named|" in *"|$table|"*) continue ;; esac
		echo "firewall the table $table on the $1 drops what its chain $chain (hook $hook) does not name: $cure"
	done
}

# packets_of HOST [INTERFACE IPV4 IPV6 [PORT...]]: what must get through, as walk_rulesets is told it.
packets_of() {
	if [ "$1" = relay ]; then
		for place in prerouting input; do
			for device in $(tunnels_here); do
				for port in $MAIL_PORTS; do both_families "$place iif=$device l4=tcp dport=$port state=new from=anyone"; done
			done
		done
		return
	fi
	tunnel=$2 ipv4=$3 ipv6=$4
	shift 4
	# shellcheck disable=SC2086 # a word each
	[ $# != 0 ] || set -- $MAIL_PORTS
	wans=$(wan_once | awk '{ print $2 }')
	if [ "$tunnel" != - ]; then towards=$tunnel own_port=$(wg show "$tunnel" listen-port); else towards=$wans; fi
	for device in $wans; do
		if [ "$tunnel" != - ]; then
			for place in ingress prerouting input; do both_families "$place iif=$device l4=udp dport=$own_port state=new"; done
		fi
		for port in "$@"; do
			for place in ingress prerouting; do both_families "$place iif=$device l4=tcp dport=$port state=new from=anyone"; done
			for other in $towards; do
				forwarded 4 "$ipv4"
				forwarded 6 "$ipv6"
			done
		done
	done
}

MAIL_PORTS='25 80 143 443 465 587 993'

# forwarded FAMILY RELAY: to it and back.
forwarded() {
	[ "$2" != - ] || return 0
	echo "forward family=$1 iif=$device oif=$other l4=tcp dport=$port state=new from=anyone to=$2"
	echo "forward family=$1 iif=$other oif=$device l4=tcp sport=$port state=established from=$2 to=anyone"
}

both_families() { printf '%s family=4\n%s family=6\n' "$1" "$1"; }

# Of a relay; the first look comes before there is one.
tunnels_here() {
	for file in "$ETC"/wg-*.conf; do
		[ -f "$file" ] || continue
		name=${file##*/}
		echo "${name%.conf}"
	done | grep . || echo 'wg-?'
}

# What comes out of the tunnel, too: the relay's own mail, where this proxy is its egress.
by_ufw() {
	if [ "$1" = relay ]; then
		echo 'ufw allow in on wg-+'
		return
	fi
	all=
	if [ "$2" != - ]; then
		all=" && ufw allow $(wg show "$2" listen-port)/udp && ufw route allow out on $2 && ufw route allow in on $2"
	else
		for address in "$3" "$4"; do
			[ "$address" = - ] || all="$all && ufw route allow to $address"
		done
	fi
	echo "${all# && }"
}

# It forwards what we have redirected by itself, and the relay's own mail between interfaces of one zone. So the tunnel
# joins the internet's: in "trusted" the relay would reach all of this host.
by_firewalld() {
	permanent='firewall-cmd --permanent'
	if [ "$1" = relay ]; then
		echo "$permanent --zone=trusted --add-interface=wg-+ && firewall-cmd --reload"
		return
	fi
	all=
	zone=public
	for device in $(wan_once | awk '{ print $2 }'); do
		zone=$(firewall-cmd --get-zone-of-interface="$device" 2>/dev/null) || zone=$(firewall-cmd --get-default-zone)
		[ "$2" = - ] || all="$all$permanent --zone=$zone --add-port=$(wg show "$2" listen-port)/udp && "
		all="$all$permanent --zone=$zone --add-interface=$device && "
	done
	[ "$2" = - ] || all="$all$permanent --zone=$zone --add-interface=$2 && "
	echo "${all}firewall-cmd --reload"
}
