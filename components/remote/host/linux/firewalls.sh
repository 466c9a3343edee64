# shellcheck shell=sh
# Others' firewalls on a host of ours, on Linux.

# firewalls HOST [INTERFACE IPV4 IPV6]: what on this proxy or relay is dropped unless it is named there: the first suspects
# when a port stays silent; with the commands that let ours pass, which our own rules narrow to what is handed on. A proxy
# says where it forwards to, as `through` is told it. Base chains: those end with their policy, or with a rule that takes
# all that is left. What comes to a relay through a tunnel is not forwarded there.
firewalls() {
	if [ "$1" = relay ]; then
		hooks='input'
		cure='let the mail ports in from the tunnels (wg-*) there too'
	else
		hooks='(input|forward)'
		cure='let the forwarded ports and the tunnel pass there too'
	fi
	# Whose commands are named need not be named by its tables as well.
	named=
	if have ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
		echo "firewall ufw is active on the $1: $cure ($(by_ufw "$@"))"
		named='ip filter|ip6 filter'
	fi
	if have firewall-cmd && [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then
		echo "firewall firewalld is active on the $1: $cure ($(by_firewalld "$@"))"
		named="$named|inet firewalld"
	fi
	print_rulesets | awk -v host="$1" -v hooks=" hook $hooks " -v cure="$cure" -v named="|$named|" '
		function found() {
			if (hook != "" && !ours) print "firewall the table " table " on the " host " drops what its chain " chain " (" hook ") does not name: " cure
			hook = ""
		}
		$1 == "table" { table = $2 " " $3; ours = ($3 ~ /^chatmail_proxy/ || index(named, "|" table "|")) }
		$1 == "chain" { chain = $2; hook = "" }
		$0 ~ hooks { match($0, /hook [a-z]+/); hook = substr($0, RSTART, RLENGTH); if (/policy drop/) found() }
		/^[ \t]*(counter (packets [0-9]+ bytes [0-9]+ )?)?(drop|reject)( |$)/ { found() }'
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
	for device in $(wan | awk '{ print $2 }'); do
		zone=$(firewall-cmd --get-zone-of-interface="$device" 2>/dev/null) || zone=$(firewall-cmd --get-default-zone)
		[ "$2" = - ] || all="$all$permanent --zone=$zone --add-port=$(wg show "$2" listen-port)/udp && "
		all="$all$permanent --zone=$zone --add-interface=$device && "
	done
	[ "$2" = - ] || all="$all$permanent --zone=$zone --add-interface=$2 && "
	echo "${all}firewall-cmd --reload"
}
