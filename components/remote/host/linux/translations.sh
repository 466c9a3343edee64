# shellcheck shell=sh
# Others' redirections on this host that meet ours. Nobody listens there, so that `free` does not see them: Docker's published
# ports, Kubernetes (k3s), a proxy that was set up manually.

# check_translations FILE: nobody else's rules redirect what those in FILE, which are not loaded yet, would. Of two of them
# the first in the order of priorities wins, and the other gets nothing.
check_translations() {
	grep -q ' fib daddr type local .* dnat ip' "$1" || return 0
	taken=$(redirected_of <"$1")
	[ -n "$taken" ] || return 0
	advice=''
	if printf '%s\n' "$taken" | grep -qx "$MADE_BY_A_PERSON"; then
		advice=" If it is a proxy that was set up by hand, take all of its rules out (those that drop what they do not name would drop ours too) right before you run pulumi up again: the rest is ready then, and mail stands still only meanwhile"
	fi
	fail "$(printf '%s\n' "$taken" | head -n 1). Nothing was loaded, and what is there goes on.$advice"
}

MADE_BY_A_PERSON='made by a person'

# redirected: the same for the look, when there are no rules of ours yet: of the lines `free …` and `wan-of …` on stdin, which ports
# others' rules redirect. A sentence, or nothing.
redirected() {
	asked=$(cat)
	tcp=$(printf '%s\n' "$asked" | sed -n 's/^free tcp //p' | paste -sd , - | sed 's/,/, /g')
	udp=$(printf '%s\n' "$asked" | sed -n 's/^free udp //p' | paste -sd , - | sed 's/,/, /g')
	[ -n "$tcp$udp" ] || return 0
	# shellcheck disable=SC2046 # a word each
	devices=$( (wan_once $(printf '%s\n' "$asked" | sed -n 's/^wan-of//p')) 2>/dev/null | awk '{ printf "%s\"%s\"", (NR > 1 ? ", " : ""), $2 }')
	{
		printf 'set mail_ports {\n elements = { %s }\n' "$tcp"
		[ -z "$udp" ] || printf 'set udp_ports {\n elements = { %s }\n' "$udp"
		for family in ip ip6; do printf ' iifname { %s } fib daddr type local tcp dport @mail_ports dnat %s to there\n' "$devices" "$family"; done
	} | redirected_of | head -n 1
}

# redirected_of: of rules of ours on stdin, what nobody but others' gets. A sentence, and MADE_BY_A_PERSON on a line of its own
# where somebody wrote those rules; or nothing.
redirected_of() {
	if theirs=$(all_translations); then
		printf '== ours\n%s\n== address\n%s\n%s\n' "$(cat)" "$(ip -o address show 2>/dev/null)" "$theirs" | meeting || echo "nobody can say whether others' rules on this host take a port that a proxy forwards to the relay: awk failed on what nft and iptables print (see the lines above). See there whether awk runs (awk 'BEGIN { print 1 }') and memory is free (free -m), then run pulumi up again"
	else
		printf '%s\n' "$theirs" | tail -n 1
	fi
}

# all_translations: all rules of this kernel; and once more, as iptables shows them, those of iptables-nft, of which nft leaves
# out what it has no modules for.
all_translations() {
	rules=$(print_rulesets)
	printf '== rules\n%s\n' "$rules"
	if printf '%s\n' "$rules" | grep -Eq '^table ip6? nat '; then
		saved_rules nft || ! printf '%s\n' "$rules" | grep -Eq ' xt (match|target) |counter $' || unreadable iptables
	fi
	have iptables-legacy-save || ! grep -qsx nat "$PROC/net/ip_tables_names" "$PROC/net/ip6_tables_names" || saved_rules legacy || unreadable iptables-legacy
}

# Ends the subshell of all_translations.
unreadable() {
	echo "this host has a table nat of $1, and no program that shows it whole, so that nobody can say whether it takes a port that a proxy forwards to the relay: apt-get install iptables"
	exit 1
}

# saved_rules nft|legacy: a backend's table nat. k3s brings iptables of its own.
saved_rules() {
	bundled=$ROOT/var/lib/rancher/k3s/data/current/bin/aux/xtables-$1-multi
	for program in iptables ip6tables; do
		if have "$program-$1-save"; then
			text=$("$program-$1-save" -t nat 2>/dev/null) || continue
		elif [ -x "$bundled" ]; then
			text=$("$bundled" "$program-save" -t nat 2>/dev/null) || continue
		else
			return 1
		fi
		printf '== %s %s\n%s\n' "$1" "$program" "$text"
	done
}

# meeting: a sentence on those which could take a packet that ours are for.
meeting() {
	# shellcheck disable=SC2016 # awk's own
	awk "$(nat_rules)"'
		function look(title,    s, c, hit, place) {
			for (s = 1; s <= scope_count; s++) for (c = 1; c <= chain_count[scopes[s]]; c++) {
				scope = scopes[s]
				if (!((scope, chain_at[scope, c]) in base) || (family_of[scope] != "both" && family_of[scope] != packet_family)) continue
				hit = walk(chain_at[scope, c], packet_family packet_protocol title)
				if (hit == "") continue
				# iptables shows once more what nft has shown.
				if (scope ~ /^nftables, table ip6? nat$/) shown_by_nft[packet_family, packet_protocol, title]
				else if (scope ~ /-nft,/ && (packet_family, packet_protocol, title) in shown_by_nft) continue
				split(hit, place, SUBSEP)
				note(scope ", chain " place[2] ": " shown(rule[scope, place[2], place[3]]), cure(scope, place[2]))
				if (!((packet_protocol, title) in taken)) { taken[packet_protocol, title]; titles[packet_protocol] = titles[packet_protocol] (titles[packet_protocol] == "" ? "" : ", ") title }
			}
		}
		function note(by, remedy) {
			if (by in noted) return
			noted[by]
			if (++by_count <= 3) who = who (by_count > 1 ? "; " : "") by
			if (!(remedy in cures)) { cures[remedy]; remedies = remedies (remedies == "" ? "" : ", and ") remedy }
		}
		function shown(text) {
			gsub(/ counter( packets [0-9]+ bytes [0-9]+)?/, "", text)
			gsub(/[ \t]+/, " ", text)
			sub(/^ /, "", text)
			return length(text) > 200 ? substr(text, 1, 200) "..." : text
		}
		function cure(scope, chain) {
			if (chain ~ /^DOCKER/ || scope ~ / docker/) return "publish no such port there (docker ps shows which container does)"
			if (chain ~ /^(KUBE|CNI)-/ || scope ~ / (kube-proxy|cni_hostport)$/) return "give it up in Kubernetes (kubectl get services,pods -A shows what has it; in k3s 80 and 443 are traefik, see its option --disable)"
			by_hand = 1
			return "take that rule out, here and where it is loaded from (/etc/nftables.conf, or a PostUp of wg-quick, say)"
		}
		function titled(one, titles_of_it) { return titles_of_it == "" ? "" : one (titles_of_it ~ /,/ ? "s " : " ") titles_of_it }
		function both(a, b) { return a (a == "" || b == "" ? "" : " and ") b }
		END {
			HERE = "here, by this rule"
			split("tcp udp", protocols, " ")
			for (p = 1; p <= 2; p++) {
				packet_protocol = protocols[p]
				count = split(ports[packet_protocol], port_of_ours, /, /)
				for (i = 1; i <= count; i++) {
					split(port_of_ours[i], range, "-")
					low = range[1] + 0
					high = (range[2] == "" ? range[1] : range[2]) + 0
					for (packet_family = 4; packet_family <= 6; packet_family += 2) if (packet_family in families) look(port_of_ours[i])
				}
			}
			if (who == "") exit
			text = both(titled("port", titles["tcp"]), titled("UDP port", titles["udp"]))
			many = text ~ /, | and /
			print text (many ? " are" : " is") " in use on this host (by " who (by_count > 3 ? "; and " by_count - 3 " more" : "") "), and a proxy forwards " (many ? "them" : "it") " to the relay: " remedies ", or take the port" (many ? "s" : "") " out of " both(titles["tcp"] == "" ? "" : "ports", titles["udp"] == "" ? "" : "udpPorts")
			if (by_hand) print "'"$MADE_BY_A_PERSON"'"
		}'
}
