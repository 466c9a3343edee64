# shellcheck shell=sh
# Others' firewalls on a host of ours, on Linux.

# firewalls HOST: what on this proxy or relay is dropped unless it is named there: the first suspects when a port stays
# silent. Base chains: those end with their policy, or with a rule that takes all that is left. What comes to a relay
# through a tunnel is not forwarded there.
firewalls() {
	if [ "$1" = relay ]; then
		hooks='input'
		cure='let the mail ports in from the tunnels (wg-*) there too'
		by_ufw='ufw allow in on wg-NAME'
		by_firewalld='firewall-cmd --zone=trusted --add-interface=wg-NAME'
	else
		hooks='(input|forward)'
		cure='let the forwarded ports and the tunnel pass there too'
		by_ufw='ufw allow, ufw route allow'
		by_firewalld='firewall-cmd --add-port, --add-forward'
	fi
	if have ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
		echo "firewall ufw is active on the $1: $cure ($by_ufw)"
	fi
	if have firewall-cmd && [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then
		echo "firewall firewalld is active on the $1: $cure ($by_firewalld)"
	fi
	nft list ruleset 2>/dev/null | awk -v host="$1" -v hooks=" hook $hooks " -v cure="$cure" '
		function found() {
			if (hook != "" && !ours) print "firewall the table " table " on the " host " drops what its chain " chain " (" hook ") does not name: " cure
			hook = ""
		}
		$1 == "table" { table = $2 " " $3; ours = ($3 ~ /^chatmail_proxy/) }
		$1 == "chain" { chain = $2; hook = "" }
		$0 ~ hooks { match($0, /hook [a-z]+/); hook = substr($0, RSTART, RLENGTH); if (/policy drop/) found() }
		/^[ \t]*(counter (packets [0-9]+ bytes [0-9]+ )?)?(drop|reject)( |$)/ { found() }'
}
