# shellcheck shell=sh
# All packet rules of this kernel, ours and others'.

# print_rulesets: those of nftables (iptables-nft makes such too) as nft prints them, with numbers for priorities. Then those of
# iptables-legacy, which nft does not see: a line "legacy ip" or "legacy ip6" above what iptables-save prints. Without a table's
# name it reads those that are there, and brings no module in.
print_rulesets() {
	nft -s -y list ruleset 2>/dev/null || true
	for print_family in ip ip6; do
		case $print_family in ip) print_save=iptables-legacy-save ;; *) print_save=ip6tables-legacy-save ;; esac
		have "$print_save" || continue
		echo "legacy $print_family"
		"$print_save" 2>/dev/null || true
	done
}

# walk_rulesets PACKETS: reads print_rulesets, and says which base chains drop one of the packets: TABLE, CHAIN, HOOK, with tabs
# between, a line each. It goes the kernel's way: from the top, into chains and back. A rule counts only where all of its
# conditions hold for that packet for sure, so that what drops by name (an address, a rate, a port that is not ours) is passed
# by, and so is all that is not understood. A line of PACKETS: the hook, and what is known of the packet as KEY=VALUE: family
# (4, 6), iif, oif, l4, dport, sport, state, from and to (addresses; "anyone" for clients).
walk_rulesets() {
	# nft leaves out the conditions of iptables-nft whose modules it does not find, as where k3s brought an iptables of its own.
	if have iptables; then hides=0; else hides=1; fi
	awk -v hides="$hides" -v packets="$(printf '%s' "$1" | tr '\n' ';')" '
		BEGIN {
			lines = split(packets, line_of, ";")
			for (i = 1; i <= lines; i++) {
				words = split(line_of[i], word, " ")
				if (!words) continue
				packet[++known, "hook"] = word[1]
				for (w = 2; w <= words; w++) packet[known, substr(word[w], 1, index(word[w], "=") - 1)] = substr(word[w], index(word[w], "=") + 1)
			}
			counted = split("accept drop reject return continue jump goto queue counter log comment", word, " ")
			for (w = 1; w <= counted; w++) keyword[word[w]] = 1
			counted = split("LOG NFLOG ULOG TRACE AUDIT MARK CONNMARK TCPMSS TCPOPTSTRIP NOTRACK CT CHECKSUM DSCP TOS TTL HL SET CLASSIFY", word, " ")
			for (w = 1; w <= counted; w++) passing[word[w]] = 1
		}

		# --- what is printed becomes words: word_at[ID, 1..count_of[ID]], where ID is a rule, a set or a base chain.

		function put(id, text) { word_at[id, ++count_of[id]] = text }
		# Words of nft: names in quotes stay in them; commas are words of their own. `escapes`: as iptables-save quotes.
		function cut(id, text, escapes, c, w) {
			while (text != "") {
				c = substr(text, 1, 1)
				if (c == " " || c == "\t") text = substr(text, 2)
				else if (c == "\"") {
					w = 2
					while (w <= length(text) && substr(text, w, 1) != "\"") w += (escapes && substr(text, w, 1) == "\\") ? 2 : 1
					put(id, substr(text, 1, w))
					text = substr(text, w + 1)
				} else if (c == ",") { put(id, c); text = substr(text, 2) }
				else {
					w = match(text, /[ \t"]/) ? RSTART - 1 : length(text)
					c = substr(text, 1, w)
					text = substr(text, w + 1)
					if (c ~ /.,$/) { put(id, substr(c, 1, w - 1)); put(id, ",") }
					else put(id, c)
				}
			}
		}
		function open_braces(text) {
			gsub(/"[^"]*"/, "", text)
			return gsub(/\{/, "", text) - gsub(/\}/, "", text)
		}
		function rule(table, chain) { return table SUBSEP chain SUBSEP (++rules[table, chain]) }
		function base(table, chain, hook, policy) {
			hook_of[table, chain] = hook
			policy_of[table, chain] = policy
			bases++
			base_table[bases] = table
			base_chain[bases] = chain
		}
		function bare(text) { gsub(/^"|"$/, "", text); return text }

		$1 == "legacy" && NF == 2 { legacy = $2; table = ""; next }
		legacy != "" { read_legacy($0); next }
		pending != "" { pending = pending " " $0; if (open_braces(pending) <= 0) { whole = pending; pending = ""; read_nft(whole) } next }
		block != "" && open_braces($0) > 0 { pending = $0; next }
		{ read_nft($0) }

		function read_nft(text, id) {
			$0 = text
			if ($1 == "" || $1 ~ /^#/) return
			if ($1 == "table" && $NF == "{") { table = $2 " " $3; block = "" }
			else if (block == "" && $NF == "{") { block = $1; name = ($1 == "ct" || $1 == "counter") ? $(NF - 1) : $2; exists[table, name] = (block == "chain") }
			else if ($1 == "}" && NF == 1) { if (block != "") block = ""; else table = "" }
			else if (block == "" && $1 == "flags") { if (/dormant/) dormant[table] = 1 }
			else if (block == "chain" && $1 == "type" && $3 == "hook") {
				base(table, name, $2 == "filter" ? $4 : "", /policy drop/ ? "drop" : "accept")
				if (match(text, /devices? .* priority/)) cut("devices" SUBSEP table SUBSEP name, substr(text, RSTART, RLENGTH), 0)
			}
			else if (block == "chain") {
				id = rule(table, name)
				# What is left out leaves its spaces. A comment of iptables-nft does so anyway.
				if (hides && text ~ /^\t* |  | $/) put(id, "?")
				cut(id, text, 0)
			}
			else if ((block == "set" || block == "map") && $1 == "flags" && /dynamic/) dynamic[table, "@" name] = 1
			else if ((block == "set" || block == "map") && $1 == "elements") { id = table SUBSEP "@" name; sub(/^[^{]*/, "", text); cut(id, text, 0) }
		}

		# --- iptables-save, said as nft would.

		function read_legacy(text, id, n, w, not, proto, v, t, part) {
			if (text ~ /^\*/) { table = legacy " " substr(text, 2) " of iptables-legacy"; nat = (text == "*nat"); return }
			if (text ~ /^:/) {
				split(substr(text, 2), part, " ")
				exists[table, part[1]] = 1
				if (!nat && part[1] ~ /^(PREROUTING|INPUT|FORWARD)$/) base(table, part[1], tolower(part[1]), part[2] == "DROP" ? "drop" : "accept")
				return
			}
			if (text !~ /^-A /) return
			id = "save" SUBSEP NR
			cut(id, text, 1)
			n = count_of[id]
			for (w = 1; w <= n; w++) t[w] = bare(word_at[id, w])
			id = rule(table, t[2])
			count_of[id] = 0
			not = ""
			proto = "th"
			for (w = 3; w <= n; w++) {
				if (t[w] == "!") { not = "!="; continue }
				v = t[w + 1]
				if (t[w] ~ /^-[io]$/) { sub(/\+$/, "*", v); says(id, (t[w] == "-i") ? "iifname" : "oifname", not, v); w++ }
				else if (t[w] ~ /^-[sd]$/) { says(id, legacy " " ((t[w] == "-s") ? "saddr" : "daddr"), not, v); w++ }
				else if (t[w] == "-p") { if (v != "all") says(id, "meta l4proto", not, v); if (not == "") proto = v; w++ }
				else if (t[w] == "-m" && v ~ /^(tcp|udp|comment|conntrack|state|multiport|addrtype|pkttype)$/) w++
				else if (t[w] == "--comment") w++
				else if (t[w] ~ /^--[ds]ports?$/) { numbers(id, proto " " substr(t[w], 3, 1) "port", not, v); w++ }
				else if (t[w] ~ /^--(ct)?state$/) {
					if (v == "DNAT") says(id, "ct status", not, "dnat")
					else if (v ~ /NAT/) put(id, "?")
					else says(id, "ct state", not, tolower(v))
					w++
				}
				else if (t[w] == "--dst-type") { says(id, "fib daddr type", not, tolower(v)); w++ }
				else if (t[w] == "--pkt-type") { says(id, "meta pkttype", not, v == "unicast" ? "host" : v); w++ }
				else if (t[w] == "-g") { put(id, "goto"); put(id, v); return }
				else if (t[w] == "-j") {
					if (v ~ /^(ACCEPT|DROP|REJECT|RETURN)$/) put(id, tolower(v))
					else if (exists[table, v]) { put(id, "jump"); put(id, v) }
					else if (!(v in passing)) put(id, (v ~ /QUEUE/) ? "queue" : "?")
					return
				}
				else put(id, "?")
				not = ""
			}
		}
		function says(id, field, not, v, n, w, part) {
			n = split(field, part, " ")
			for (w = 1; w <= n; w++) put(id, part[w])
			if (not != "") put(id, not)
			put(id, v)
		}
		function numbers(id, field, not, list, n, i, part) {
			gsub(/:/, "-", list)
			says(id, field, not, "{")
			n = split(list, part, ",")
			for (i = 1; i <= n; i++) { if (i > 1) put(id, ","); put(id, part[i]) }
			put(id, "}")
		}

		# --- does a condition hold for packet p? 1 yes, 0 no, -1 who knows, -9 neither it nor its opposite.

		function either(answer) { return answer ? 1 : 0 }
		function number(address, part) { return split(address, part, ".") == 4 ? ((part[1] * 256 + part[2]) * 256 + part[3]) * 256 + part[4] : -1 }
		function in_network(address, v, size, at) {
			if (address == v || address == v "/32" || address "/32" == v || address "/128" == v) return 1
			if (v ~ /\/0$/) return 1
			if (address == "anyone") return 0
			if (v ~ /^(22[4-9]|23[0-9])\.|^[Ff][EeFf][8-9a-fA-F0-9]/) return 0
			if (address == "" || number(address) < 0 || number(v ~ /[\/-]/ ? substr(v, 1, match(v, /[\/-]/) - 1) : v) < 0) return -1
			at = number(address)
			if (match(v, /-/)) return either(at >= number(substr(v, 1, RSTART - 1)) && at <= number(substr(v, RSTART + 1)))
			if (!match(v, /\//)) return 0
			size = 2 ^ (32 - substr(v, RSTART + 1))
			return either(int(at / size) == int(number(substr(v, 1, RSTART - 1)) / size))
		}
		function in_range(port, v, part) {
			if (port == "" || v !~ /^[0-9]+(-[0-9]+)?$/) return -1
			split(v, part, "-")
			if (v !~ /-/) return either(port == v)
			return either(port + 0 >= part[1] + 0 && port + 0 <= part[2] + 0)
		}
		function named_alike(interface, v) {
			if (v ~ /\*$/) { v = substr(v, 1, length(v) - 1); return either(substr(interface, 1, length(v)) == v) }
			return either(interface == v)
		}
		function holds(field, v, p, family, l4, hook, n, i, part) {
			v = bare(v)
			family = packet[p, "family"]
			l4 = packet[p, "l4"]
			hook = packet[p, "hook"]
			if (field == "iif" || field == "oif") {
				if (field == "oif" && hook != "forward") return 0
				if (packet[p, field] == "") return v == "lo" ? 0 : -1
				return named_alike(packet[p, field], v)
			}
			if (field ~ /^ip / && family != 4 || field ~ /^ip6 / && family != 6) return -9
			if (field ~ /^(tcp|udp) / && substr(field, 1, 3) != l4) return -9
			if (field ~ /^(icmp|icmpv6|sctp|dccp|udplite|ah|esp|comp|igmp|gre) /) return -9
			if (field ~ /^ip6? saddr$/) return in_network(packet[p, "from"], v)
			if (field ~ /^ip6? daddr$/) return in_network(packet[p, "to"], v)
			if (field == "meta l4proto" || field == "ip protocol" || field == "ip6 nexthdr") return either(v == l4 || v == (l4 == "tcp" ? 6 : 17))
			if (field == "meta nfproto") return either(v == "ipv" family)
			if (field == "meta protocol") return either(v == (family == 4 ? "ip" : "ip6"))
			if (field == "meta pkttype") return either(v == "host")
			if (field ~ /^(tcp|udp|th) [ds]port$/) return in_range(packet[p, field ~ / d/ ? "dport" : "sport"], v)
			if (field == "fib daddr type") {
				if (v != "local" && v != "unicast") return 0
				return hook == "input" || hook == "forward" ? either((v == "local") == (hook == "input")) : -1
			}
			# Before connections are tracked nothing has a state.
			if (hook != "input" && hook != "forward") return -1
			if (field == "ct state") {
				n = split(v, part, ",")
				for (i = 1; i <= n; i++) if (part[i] == packet[p, "state"]) return 1
				return 0
			}
			if (field == "ct direction") return either((v == "original") == (packet[p, "state"] == "new"))
			if (field == "ct status" && v == "dnat") return either(hook == "forward")
			return -1
		}

		# --- the words of a rule, from left to right. `at` is where the next one is; reading moves it on.

		function field_at(id, a, b) {
			a = word_at[id, at]
			b = word_at[id, at + 1]
			if (a ~ /^[io]if(name)?$/) { at++; return substr(a, 1, 3) }
			if (a == "pkttype") { at++; return "meta pkttype" }
			if (a == "meta" && b ~ /^[io]if(name)?$/) { at += 2; return substr(b, 1, 3) }
			if (a == "fib") { if (b == "daddr" && word_at[id, at + 2] == "type") { at += 3; return "fib daddr type" } return "" }
			if (a == "tcp" && b == "option") return ""
			if (a ~ /^(meta|ip|ip6|tcp|udp|th|ct|icmp|icmpv6|sctp|dccp|udplite|ah|esp|comp|igmp|gre)$/ && b ~ /^[a-z0-9_-]+$/) { at += 2; return a " " b }
			return ""
		}
		# The fields of a condition, into field_is[1..n]; concatenated ones stand with dots between.
		function fields_at(id, n, f) {
			n = 0
			do {
				f = field_at(id)
				if (f == "") return 0
				field_is[++n] = f
			} while (word_at[id, at] == "." && at++)
			return n
		}
		# One value, or one of several with dots between, against the fields.
		function value_at(id, n, p, i, one, all) {
			if (word_at[id, at] == "*") { at++; return 2 }
			all = 1
			for (i = 1; i <= n; i++) {
				one = holds(field_is[i], word_at[id, at], p)
				at++
				if (i < n && word_at[id, at] == ".") at++
				if (one == -9 || all == -9) all = -9
				else if (one == 0 || all == 0) all = 0
				else if (one == -1 || all == -1) all = -1
			}
			return all
		}
		# The elements between braces. Of a verdict map: the verdict of the one that holds, as words in verdict_is.
		function elements_at(id, n, p, with_verdicts, one, best, rest, target) {
			best = 0
			rest = ""
			verdict_is = ""
			if (word_at[id, at] != "{") return -1
			at++
			while (at <= count_of[id] && word_at[id, at] != "}") {
				if (word_at[id, at] == ",") { at++; continue }
				one = value_at(id, n, p)
				target = ""
				while (at <= count_of[id] && word_at[id, at] != "," && word_at[id, at] != "}") {
					if (with_verdicts && word_at[id, at] == ":") { target = word_at[id, at + 1]; if (target ~ /^(jump|goto)$/) target = target " " word_at[id, at + 2] }
					at++
				}
				if (one == 2 && with_verdicts) rest = target
				else if (one >= 1 && best != 1) { best = 1; verdict_is = target }
				else if (one == -1 && best == 0) best = -1
				else if (one == -9 && best == 0) best = -9
			}
			at++
			# What is not named there: ours, where nothing else holds for sure.
			if (with_verdicts && rest != "" && best != 1 && best != -9) { verdict_is = rest; return 1 }
			return best
		}
		function set_at(id, table, n, p, with_verdicts, from, after, answer) {
			if (word_at[id, at] !~ /^@/) return elements_at(id, n, p, with_verdicts)
			from = table SUBSEP word_at[id, at]
			after = at + 1
			if (from in dynamic) answer = -1
			else if (!(from in count_of)) answer = 0
			else { at = 1; answer = elements_at(from, n, p, with_verdicts) }
			at = after
			return answer
		}

		function verdict(table, words, p, depth, part, end) {
			split(words, part, " ")
			if (part[1] == "drop" || part[1] == "reject") return "drop"
			if (part[1] == "return") return "return"
			if (part[1] == "continue" || part[1] == "") return ""
			if (part[1] == "jump") return walk(table, part[2], p, depth + 1)
			if (part[1] == "goto") { end = walk(table, part[2], p, depth + 1); return end == "" ? "return" : end }
			return "accept"
		}

		# What becomes of the packet by one rule: drop, accept, return, or nothing.
		function judge(id, table, p, depth, n, not, answer, word, next_word, at_end) {
			at = 1
			while (at <= count_of[id]) {
				word = word_at[id, at]
				next_word = word_at[id, at + 1]
				if (word ~ /^(accept|drop|reject|return|continue|queue)$/) return verdict(table, word, p, depth)
				if (word == "jump" || word == "goto") return verdict(table, word " " next_word, p, depth)
				if (word == "counter") at += next_word == "packets" ? 5 : next_word == "name" ? 3 : 1
				else if (word == "comment") at += 2
				else if (word == "/*") { while (at <= count_of[id] && word_at[id, at] != "*/") at++; at++ }
				else if (word == "log") {
					at++
					while (word_at[id, at] ~ /^(prefix|level|group|snaplen|queue-threshold|flags)$/) {
						at += 2
						if (word_at[id, at - 2] == "flags" && word_at[id, at - 1] ~ /^(tcp|ip)$/) { at++; while (word_at[id, at] == ",") at += 2 }
					}
				}
				else if (word == "notrack") at++
				else if (word == "xt" && next_word == "target") {
					word = bare(word_at[id, at + 2])
					if (word == "REJECT" || word == "DROP") return "drop"
					if (!(word in passing)) return ""
					at += 3
				}
				else if (word == "xt" && bare(word_at[id, at + 2]) == "comment") at += 3
				else if (word ~ /^(add|update|delete)$/ && next_word ~ /^@/) {
					while (at <= count_of[id] && word_at[id, at] != "}") if (word_at[id, at++] ~ /^(limit|quota|ct|count)$/) return ""
					at++
				}
				else if (word == "flow" && word_at[id, at + 2] ~ /^@/) at += 3
				else {
					n = fields_at(id)
					if (!n) return ""
					word = word_at[id, at]
					if (word == "set") { while (at <= count_of[id] && !(word_at[id, at] in keyword)) at++; continue }
					if (word == "vmap") {
						at++
						return set_at(id, table, n, p, 1) == 1 ? verdict(table, verdict_is, p, depth) : ""
					}
					not = (word == "!=" || word == "!")
					if (not || word == "==") at++
					answer = (word_at[id, at] == "{" || word_at[id, at] ~ /^@/) ? set_at(id, table, n, p, 0) : value_at(id, n, p)
					if (answer == -9 || answer == -1 || answer == not) return ""
					if (word_at[id, at] ~ /^([&|\/^]|and|or|xor|<|>|<=|>=)$/) return ""
				}
			}
			return ""
		}
		function walk(table, chain, p, depth, i, end) {
			if (depth > 16) return "accept"
			for (i = 1; i <= rules[table, chain]; i++) {
				end = judge(table SUBSEP chain SUBSEP i, table, p, depth)
				if (end == "return") return ""
				if (end != "") return end
			}
			return ""
		}

		function meets(b, p, table, hook, id, i) {
			table = base_table[b]
			hook = hook_of[table, base_chain[b]]
			if (hook != packet[p, "hook"] || table in dormant || table !~ /^(ip|ip6|inet|netdev) / || table ~ /^[a-z0-9]+ chatmail_proxy/) return 0
			if (table ~ /^ip / && packet[p, "family"] != 4 || table ~ /^ip6 / && packet[p, "family"] != 6) return 0
			if (hook != "ingress") return 1
			id = "devices" SUBSEP table SUBSEP base_chain[b]
			for (i = 1; i <= count_of[id]; i++) if (bare(word_at[id, i]) == packet[p, "iif"]) return 1
			return 0
		}
		END {
			for (b = 1; b <= bases; b++) {
				for (p = 1; p <= known; p++) {
					if (!meets(b, p)) continue
					end = walk(base_table[b], base_chain[b], p, 0)
					if (end == "") end = policy_of[base_table[b], base_chain[b]]
					if (end == "drop") { print base_table[b] "\t" base_chain[b] "\t" hook_of[base_table[b], base_chain[b]]; break }
				}
			}
		}'
}
