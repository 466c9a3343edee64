# shellcheck shell=sh
# Others' firewalls on a host of ours, on Linux.

# firewalls HOST: what on this proxy or relay is dropped unless it is named there: the first suspects when a port stays
# silent. Base chains: those end with their policy, or with a rule that takes all that is left.
firewalls() {
	if have ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
		echo "firewall ufw is active on the $1: let the forwarded ports and the tunnel pass in it too (ufw allow, ufw route allow)"
	fi
	if have firewall-cmd && [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then
		echo "firewall firewalld is active on the $1: let the forwarded ports and the tunnel pass in it too (firewall-cmd --add-port, --add-forward)"
	fi
	nft list ruleset 2>/dev/null | awk -v host="$1" '
		function found() {
			if (hook != "" && !ours) print "firewall the table " table " on the " host " drops what its chain " chain " (" hook ") does not name: let the forwarded ports and the tunnel pass there too"
			hook = ""
		}
		$1 == "table" { table = $2 " " $3; ours = ($3 ~ /^chatmail_proxy/) }
		$1 == "chain" { chain = $2; hook = "" }
		/ hook (input|forward) / { match($0, /hook [a-z]+/); hook = substr($0, RSTART, RLENGTH); if (/policy drop/) found() }
		/^[ \t]*(counter (packets [0-9]+ bytes [0-9]+ )?)?(drop|reject)( |$)/ { found() }'
}
