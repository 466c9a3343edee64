# shellcheck shell=sh
# Rules that translate addresses, read from what nft and iptables print; and whether one of them could take a packet of ours.

# nat_rules: functions and patterns for awk. Input: `== ours` with our new rules, `== address` (ip -o), `== rules`
# (print_rulesets), `== BACKEND PROGRAM` (that program's iptables-save). walk_rulesets asks what surely happens to a packet; here
# what cannot be told counts as "may". An address or an interface that is not ours, another port, protocol or family does not.
nat_rules() {
	cat <<-'END'
	BEGIN { NO = 0; MAY = 1; YES = 2; split("10.0.0.0 8 100.64.0.0 10 127.0.0.0 8 169.254.0.0 16 172.16.0.0 12 192.168.0.0 16", private_four, " ") }

	# Reading. Chains and rules by scope: what they are listed under.
	/^== / { part = $2; backend = $2; program = $3; if (program != "") part = "save"; next }
	/^legacy ip6?$/ { part = "save"; backend = "legacy"; program = $2 "tables"; next }
	part == "ours" && $1 == "set" { protocol = $2 == "mail_ports" ? "tcp" : $2 == "udp_ports" ? "udp" : "" }
	part == "ours" && $1 == "elements" && protocol != "" { ports[protocol] = list($0); protocol = "" }
	part == "ours" && / fib daddr type local .* dnat ip6? to / { families[/ dnat ip6 to / ? 6 : 4]; count = split(list($0), name, /, /); for (i = 1; i <= count; i++) wan[unquoted(name[i])] }
	part == "address" && $3 ~ /^inet6?$/ { device = $2; sub(/@.*/, "", device); sub(/\/.*/, "", $4); if ((device in wan) || !private($4)) here[$4] }
	part == "save" && /^\*/ { if ($1 == "*nat") add_scope(program "-" backend ", table nat", program ~ /^ip6/ ? 6 : 4, "save"); else scope = ""; if (backend == "nft") saved[program ~ /^ip6/ ? 6 : 4] }
	part == "save" && /^-A / && scope != "" { if ($2 == "PREROUTING") base[scope, $2]; add_rule($2, $0) }
	part == "rules" { read_nft() }

	function list(line) { match(line, /[{][^}]*/); line = substr(line, RSTART + 1, RLENGTH - 1); gsub(/^ +| +$/, "", line); return line }
	function unquoted(text) { gsub(/"/, "", text); return text }
	function private(ip) { return ip ~ /^(10|127|169\.254|192\.168|172\.(1[6-9]|2[0-9]|3[01])|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))\./ || ip ~ /^(::1$|f[cde])/ }
	function add_scope(title, of, how) { scope = title; scopes[++scope_count] = scope; family_of[scope] = of; kind[scope] = how }
	function add_rule(chain, line) { rule[scope, chain, ++size[scope, chain]] = line; if (size[scope, chain] == 1) chain_at[scope, ++chain_count[scope]] = chain }
	function read_nft() {
		if ($1 == "table") {
			scope = ""
			if ($2 ~ /^(ip|ip6|inet)$/ && $3 !~ /^chatmail_proxy/) add_scope("nftables, table " $2 " " $3, $2 == "ip" ? 4 : $2 == "ip6" ? 6 : "both", "nft")
		} else if ($1 == "chain" || $1 == "set" || $1 == "map") { inside = $1; within = $2; if (inside != "chain") elements[scope, within] = "" }
		else if ($1 == "}") inside = ""
		else if (scope == "") return
		else if (inside == "chain" && $1 == "type") { if (/^[ \t]*type nat hook prerouting /) base[scope, within] }
		else if (inside == "chain" && $1 != "comment") add_rule(within, $0)
		else if (inside != "") {
			if ($1 == "elements") { elements[scope, within] = ""; filling = 1; sub(/.*elements = [{]/, "") }
			if (!filling) return
			if (/}/) filling = 0
			sub(/}.*/, "")
			elements[scope, within] = elements[scope, within] " " $0
		}
	}

	# What a packet of ours is like, and whether a value fits it. Each port of ours, by each family.
	function address(v,    ip, in_it, out) {
		if (v !~ /^[0-9a-fA-F:.\/-]+$/) return MAY
		for (ip in here) if ((ip ~ /:/) == (packet_family == 6)) { if (within_network(ip, v)) in_it = 1; else out = 1 }
		return !in_it ? NO : out ? MAY : YES
	}
	function within_network(ip, v,    net, ends) {
		if (v ~ /\/0$/) return 1
		sub(packet_family == 6 ? "/128$" : "/32$", "", v)
		if (v ~ /-/) { split(v, ends, "-"); return ip ~ /:/ || (number(ip) >= number(ends[1]) && number(ip) <= number(ends[2])) }
		if (v !~ /\//) return ip == v
		split(v, net, "/")
		return net[2] !~ /^[0-9]+$/ || ip ~ /:/ || within_bits(ip, net[1], net[2])
	}
	function number(ip,    p) { split(ip, p, "."); return ((p[1] * 256 + p[2]) * 256 + p[3]) * 256 + p[4] }
	# Nobody on the internet sends from a private network. Who else is meant, and whether all of ours are, nobody can tell.
	function sender(v, op,    end, count, at, i) {
		if (op ~ /^[<>]/ || v !~ /^[0-9a-f:.\/-]+$/) return MAY
		count = split(v, end, "-")
		for (i = 1; i <= count; i++) at[i] = v ~ /:/ ? narrow_six(end[i]) : narrow_four(end[i])
		return at[1] != "" && at[count] == at[1] ? NO : MAY
	}
	# The private network that all of this one lies in.
	function narrow_four(v,    net, k) {
		if (split(v, net, "/") < 2) net[2] = 32
		if (net[2] !~ /^[0-9]+$/ ) return ""
		for (k = 1; k in private_four; k += 2) if (net[2] + 0 >= private_four[k + 1] && within_bits(net[1], private_four[k], private_four[k + 1])) return private_four[k]
		return ""
	}
	function narrow_six(v,    net) {
		if (split(v, net, "/") < 2) net[2] = 128
		if (net[2] !~ /^[0-9]+$/) return ""
		if (net[1] ~ /^f[cd][0-9a-f][0-9a-f]:/ && net[2] + 0 >= 7) return "fc00::"
		if (net[1] ~ /^fe[89ab][0-9a-f]:/ && net[2] + 0 >= 10) return "fe80::"
		return net[1] == "::1" && net[2] == 128 ? "::1" : ""
	}
	function within_bits(ip, network, bits) { return int(number(ip) / 2 ^ (32 - bits)) == int(number(network) / 2 ^ (32 - bits)) }
	function interface(v,    name, is, is_not) {
		for (name in wan) if (name == v || (v ~ /[*+]$/ && index(name, substr(v, 1, length(v) - 1)) == 1)) is = 1; else is_not = 1
		return !is ? NO : is_not ? MAY : YES
	}
	function port(v, op,    ends, least, most) {
		if (v !~ /^[0-9]+([-:][0-9]+)?$/) return MAY
		split(v, ends, /[-:]/)
		least = ends[1] + 0
		most = (ends[2] == "" ? ends[1] : ends[2]) + 0
		if (op ~ /^</) { most = op == "<" ? least - 1 : least; least = 0 }
		if (op ~ /^>/) { least = op == ">" ? least + 1 : least; most = 65535 }
		if (most < low || least > high) return NO
		return least <= low && most >= high ? YES : MAY
	}
	function protocol_is(v) { return v == "all" || v == packet_protocol || v == (packet_protocol == "tcp" ? 6 : 17) ? YES : v ~ /^[a-z0-9-]+$/ ? NO : MAY }
	# A field of another family or protocol than the packet: its rule is not for that, for any value.
	function foreign(f) { return f ~ /^icmp/ || (f ~ /^ip /) && packet_family == 6 || (f ~ /^ip6 /) && packet_family == 4 || f ~ /^(tcp|udp|sctp|dccp) / && index(f, packet_protocol " ") != 1 }
	function value(f, v, op) {
		v = unquoted(v)
		if (f ~ /^(tcp|udp|th) dport$/) { by_port = 1; return port(v, op) }
		if (f ~ /^(l4proto|ip protocol|ip6 nexthdr)$/) return protocol_is(v)
		if (f == "nfproto") return v == "ipv" packet_family ? YES : NO
		if (f ~ /^ip6? daddr$/) return address(v)
		if (f ~ /^ip6? saddr$/) return sender(v, op)
		if (f ~ /^iif(name)?$/) return interface(v)
		if (f == "fib daddr type") return v == "local" ? YES : NO
		return MAY
	}

	# A rule of nft. field(i) reads the name of one at word i into f, and says how many words that took.
	function field(i) {
		if (w[i] == "meta") { f = w[i + 1]; return 2 }
		if (w[i] ~ /^iif(name)?$/) { f = w[i]; return 1 }
		if (w[i] " " w[i + 1] " " w[i + 2] == "fib daddr type") { f = "fib daddr type"; return 3 }
		if (w[i] ~ /^(ip|ip6|tcp|udp|th|sctp|dccp|icmp|icmpv6|ct|ether|rt)$/) { f = w[i] " " w[i + 1]; return 2 }
		return 0
	}
	# One comparison at word i: how it ends for the packet in `outcome`, the verdicts that a map gives it in `verdict`.
	# Returns the word behind it.
	function compare(i,    of, n, used, op, map, text, each, count, j, key, best, fits, k, piece) {
		outcome = MAY
		while ((used = field(i)) > 0) { of[++n] = f; i += used; if (w[i] != ".") break; i++ }
		if (w[i] ~ /^(!=|==|<|>|<=|>=)$/) op = w[i++]
		else if (w[i] == "vmap" || w[i] == "map") map = w[i++]
		else if (n && w[i] == "set") { outcome = YES; return i + 1 }
		if (!n && map == "" && w[i] != "{") return i + 1
		for (j = 1; j <= n; j++) if (foreign(of[j])) { outcome = NO; return i + 1 }
		if (w[i] == "{") { while (w[++i] != "}" && i <= words) text = text " " w[i] }
		else if (w[i] ~ /^@/) { if (!((scope, substr(w[i], 2)) in elements)) return i + 1; text = elements[scope, substr(w[i], 2)] }
		else for (text = w[i]; w[i + 1] == "."; i += 2) text = text " . " w[i + 2]
		if (!n && map == "" || text ~ /^ *([&|^]|<<)/) return i + 1
		best = NO
		count = split(text, each, /,/)
		for (j = 1; j <= count; j++) {
			key = each[j]
			gsub(/[ \t]+/, " ", key)
			if (map != "" && (k = index(key, " : "))) { piece = substr(key, k + 3); key = substr(key, 1, k - 1) }
			sub(/^ /, "", key)
			sub(/ (timeout|expires|counter|comment) .*$/, "", key)
			sub(/ $/, "", key)
			fits = n ? tuple(of, n, key, op) : MAY
			if (fits > best) best = fits
			if (map == "vmap" && fits != NO) verdict[++verdicts] = piece
		}
		outcome = op == "!=" ? YES - best : best
		return i + 1
	}
	function tuple(of, n, key, op,    part, k, fits, least) {
		least = YES
		if (split(key, part, / \. /) != n) return MAY
		for (k = 1; k <= n; k++) if ((fits = value(of[k], part[k], op)) < least) least = fits
		return least
	}
	# judge(line): what a rule does with the packet: goals (chains that it may go to, or HERE for a translation), and
	# whether it surely ends there.
	function judge_nft(line, goals,    i, n, state, k, to) {
		gsub(/ comment "[^"]*"| prefix "[^"]*"/, "", line)
		gsub(/ counter( packets [0-9]+ bytes [0-9]+)?/, "", line)
		sub(/^[ \t]+/, "", line)
		# iptables shows it whole.
			if ((packet_family in saved) && line ~ /(^| )xt (match|target) /) return 0
		words = split(line, w, /[ \t]+/)
		state = YES
		verdicts = 0
		for (i = 1; i <= words; ) {
			if (w[i] == "jump" || w[i] == "goto") { ends = w[i] == "goto"; goals[++n] = w[i + 1]; break }
			if (w[i] ~ /^(accept|drop|return|reject)$/) { ends = 1; break }
			if (w[i] == "xt" && w[i + 1] == "target" && w[i + 2] ~ /DNAT|REDIRECT|NETMAP/) { goals[++n] = HERE; break }
			if (w[i] == "dnat" || w[i] == "redirect") {
				if (w[i + 1] ~ /^ip6?$/ && foreign(w[i + 1] " ")) state = NO
				for (to = i; to <= words && w[to] != "to"; ) to++
				if (field(to + 1)) { compare(to + 1); if (outcome == NO) state = NO }
				goals[++n] = HERE
				break
			}
			i = compare(i)
			if (outcome < state) state = outcome
			if (state == NO) break
		}
		for (k = 1; k <= verdicts; k++) if (verdict[k] ~ /^(jump|goto) /) { to = verdict[k]; sub(/^[a-z]+ /, "", to); sub(/ .*/, "", to); goals[++n] = to }
		if (state != YES) ends = 0
		return state == NO ? 0 : n
	}
	function judge_save(line, goals,    i, n, state, fits, not, option, each, count, j, one) {
		gsub(/"([^"\\]|\\.)*"/, "TEXT", line)
		words = split(line, w, / +/)
		state = YES
		for (i = 3; i <= words; i++) {
			if (w[i] == "!") { not = 1; continue }
			option = w[i]
			fits = MAY
			if (option == "-m" || option == "--comment") { i++; fits = YES; not = 0 }
			else if (option == "-j" || option == "-g") { n = 1; goals[1] = w[++i]; if (option == "-g") ends = 1; break }
			else if (option == "-p") fits = protocol_is(w[++i])
			else if (option == "-d") fits = address(w[++i])
			else if (option ~ /^(-s|--src-range)$/) fits = sender(w[++i], "")
			else if (option == "-i") fits = interface(w[++i])
			else if (option == "--dst-type") fits = w[++i] ~ /(^|,)LOCAL/ ? YES : NO
			else if (option ~ /^--(dport|dports|ports)$/) {
				by_port = 1
				fits = NO
				count = split(w[++i], each, /,/)
				for (j = 1; j <= count; j++) if ((one = port(each[j], "")) > fits) fits = one
				if (option == "--ports" && fits == NO) fits = MAY
			}
			if (not) fits = YES - fits
			not = 0
			if (fits < state) state = fits
		}
		if (state == NO || !n) return 0
		if (goals[1] ~ /^(ACCEPT|DROP|RETURN)$/) { ends = state == YES; return 0 }
		ends = ends && state == YES
		if (goals[1] ~ /^(DNAT|REDIRECT|NETMAP)$/) goals[1] = HERE
		return 1
	}

	# walk(chain): the rule that could translate the packet in there or where it jumps to: the last on the way that names
	# a port. By its place.
	function walk(chain, packet,    i, k, n, goals, ported, ending, found) {
		if ((scope, chain, packet) in seen) return seen[scope, chain, packet]
		seen[scope, chain, packet] = ""
		for (i = 1; i <= size[scope, chain]; i++) {
			by_port = ends = 0
			n = kind[scope] == "nft" ? judge_nft(rule[scope, chain, i], goals) : judge_save(rule[scope, chain, i], goals)
			ported = by_port
			ending = ends
			for (k = 1; k <= n; k++) {
				found = goals[k] == HERE ? (ported SUBSEP chain SUBSEP i) : walk(goals[k], packet)
				if (found == "") continue
				if (ported && found ~ /^0/) found = 1 SUBSEP chain SUBSEP i
				return seen[scope, chain, packet] = found
			}
			if (ending) break
		}
		return ""
	}
	END
}
