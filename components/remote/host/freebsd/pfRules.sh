# shellcheck shell=sh
# The host's own pf rules, and where they meet ours. All is read as pfctl resolves it: without macros, lists and included
# files, one rule a line, ports as numbers.

# resolve OUT OPTION...: what pfctl makes of a file of rules. Nothing is loaded.
resolve() {
	out=$1
	shift
	if pfctl -n -v -P "$@" >"$out" 2>"$out.said"; then
		rm -f "$out.said"
		return 0
	fi
	cat "$out.said" >&2
	return 1
}

# check_place OURS ALL: pfctl sees our lines where conf_with_anchor wanted them, before all others that filter.
check_place() {
	lost=
	for line in nat-anchor rdr-anchor anchor; do
		grep -q "^$line \"$ANCHOR\"" "$2" || lost=$line
	done
	first=$(grep -m 1 '^rdr ' "$1" || true)
	[ -z "$first" ] || grep -qFx -e "$first" "$2" || lost='load anchor'
	[ -z "$lost" ] || fail "pfctl does not see the line '$lost \"$ANCHOR\"' in $(pf_conf) as it would be with our lines ($STATE/pf.conf.checked): does a line before it run on, such as a comment that ends in a backslash? Nothing was changed"
	before=$(awk -v ours="anchor \"$ANCHOR\"" 'index($0, ours) == 1 { exit } /^(pass|block|match|anchor) / { print; exit }' "$2")
	[ -z "$before" ] || fail "this rule of the host would come before ours, which would close what it opens: $before. Write it on a line of its own, behind all translations (nat, rdr) in $(pf_conf). Nothing was changed"
}

# check_skip OURS ALL: pf looks at all interfaces that ours are about.
check_skip() {
	# shellcheck disable=SC2013 # names of interfaces, which are words
	for device in $(sed -n "s/^rdr on \([^ ]*\) .*/\1/p; s/^pass out quick on \([^ ]*\) .* tagged $ANCHOR.*/\1/p" "$1" | sort -u); do
		# A name without a digit is that of a group; the tunnel may not be there yet, and is in that of its kind.
		skip=$(awk -v names=" all $device $(groups_of "$device") " '
			/^set skip on none/ { split("", found) }
			/^set skip on/ && $4 == "{" { for (i = 5; i < NF; i++) if (index(names, " " $i " ")) found[$i] }
			END { for (name in found) print name }' "$2" | head -n 1)
		[ -z "$skip" ] || fail "$(pf_conf) says: set skip on $skip. pf does not look at $device then, and nothing would be redirected there; take $skip out of that line. Nothing was changed"
	done
}

groups_of() { printf '%s %s' "$(ifconfig "$1" 2>/dev/null | sed -n 's/^[[:space:]]*groups: //p')" "$(printf '%s' "$1" | sed -n 's/^\(wg\)[0-9]*$/\1/p')"; }

# check_translations OURS ALL: no translation of the host's takes a packet that is for us. Two of them for one packet do not
# work: before FreeBSD 15 ours alone count, which stand first; from 15 on a match in an anchor such as ours does not end
# the search, the last match counts, and our tag stays on what goes elsewhere.
check_translations() {
	theirs=$(meeting "$1" "$2" 0 | some)
	[ -z "$theirs" ] || fail "the host's own pf rules take what is for the relay, so that one of the two would not work: $theirs. Take them or those ports out of $(pf_conf) (do not reload pf for that: what is loaded goes on until ours are), or take the ports out of ports. Nothing was changed"
	loaded_translations
	theirs=$(meeting "$1" "$STATE/pf.loaded" 1 | some)
	[ -n "$theirs" ] || return 0
	text="another program's pf rules (shown by: pfctl -a '*' -s nat) take what is for the relay: $theirs"
	[ "$(major)" -lt 15 ] || fail "$text. From FreeBSD 15 on they come before ours: change that program's settings, or take the ports out of ports. Nothing was changed"
	say "$text. They see only what ours leave, until this host runs FreeBSD 15"
}

loaded_translations() { pfctl -P -a '*' -s nat >"$STATE/pf.loaded" 2>/dev/null || true; }

# The running kernel's version decides.
major() { uname -r | sed 's/[^0-9].*//'; }

# Of many lines the first three, in one.
some() { awk 'NR <= 3 { text = text (NR > 1 ? "; " : "") $0 } END { if (NR > 3) text = text "; and " NR - 3 " more"; if (NR) print text }'; }

# meeting OURS LIST DEPTH: the translations in LIST, outside our anchor and at least DEPTH anchors deep, that could take a
# packet which a rule in OURS is for. What cannot be told (a table, a network of IPv6) counts as meeting.
meeting() {
	# shellcheck disable=SC2013
	for device in $(sed -n 's/^rdr on \([^ ]*\) .*/\1/p' "$1" | sort -u); do
		ifconfig "$device" 2>/dev/null | awk -v device="$device" '$1 ~ /^inet6?$/ { sub(/%.*/, "", $2); print "address", device, $2 }'
		echo "member $device $(groups_of "$device")"
	done >"$STATE/pf.devices"
	# shellcheck disable=SC2016 # awk's own
	awk -v anchor="\"$ANCHOR\"" -v least="$3" '
		# Clauses of a rule into the array r.
		function read_rule(line, r,    w, n, i, end) {
			split("", r)
			r["low"] = r["from low"] = 0
			r["high"] = r["from high"] = 65535
			r["from"] = r["to"] = "any"
			n = split(line, w, " ")
			r["kind"] = w[1]
			for (i = 2; i <= n; i++) {
				if (w[i] == "on") r["on"] = (w[i + 1] == "!" ? w[++i] : "") w[++i]
				else if (w[i] == "inet" || w[i] == "inet6") r["af"] = w[i]
				else if (w[i] == "proto") r["proto"] = w[++i]
				else if (w[i] == "tagged") r["tagged"] = w[++i]
				else if (w[i] == "from" || w[i] == "to") { end = w[i]; r[end] = (w[i + 1] == "!" ? w[++i] : "") w[++i] }
				else if (w[i] == "port") i = read_port(w, i + 1, r, end == "from" ? "from " : "")
				else if (w[i] == "->") { r["target"] = w[i + 1]; break }
			}
		}
		function read_port(w, i, r, end,    ends) {
			if (w[i] ~ /^[0-9]+:[0-9]+$/) { split(w[i], ends, ":"); r[end "low"] = ends[1]; r[end "high"] = ends[2] }
			else if (w[i] == "=") r[end "low"] = r[end "high"] = w[++i]
			else if (w[i] == "<" || w[i] == "<=") r[end "high"] = w[++i]
			else if (w[i] == ">" || w[i] == ">=") r[end "low"] = w[++i]
			else if (w[i] == "!=") i++
			else i += 2
			return i
		}
		function on_device(on, device) {
			if (on == "") return 1
			if (substr(on, 1, 1) == "!") return substr(on, 2) != device
			return on == device || index(" " members[device] " all egress ", " " on " ")
		}
		function number(ip,    p) { return split(ip, p, ".") == 4 ? ((p[1] * 256 + p[2]) * 256 + p[3]) * 256 + p[4] : -1 }
		# Could an address be both?
		function both(theirs, ours, device,    net, name) {
			if (theirs == "any" || ours == "any" || theirs ~ /^[!<]/ || theirs == "(self)") return 1
			if (theirs ~ /^\(/) {
				name = theirs
				gsub(/[()]|:.*/, "", name)
				return (name == device || index(" " members[device] " all egress ", " " name " ")) && (ours ~ /^\(/ || theirs ~ /:network/)
			}
			split(theirs, net, "/")
			if (net[2] == "") return ours ~ /^\(/ ? ((device, theirs) in address) : theirs == ours
			if (number(net[1]) < 0) return 1
			if (ours !~ /^\(/) return inside(ours, net[1], net[2])
			for (name in address) {
				split(name, pair, SUBSEP)
				if (pair[1] == device && inside(pair[2], net[1], net[2])) return 1
			}
			return 0
		}
		function inside(ip, base, bits,    size) {
			for (size = 1; bits < 32; bits++) size *= 2
			return number(ip) >= 0 && int(number(ip) / size) == int(number(base) / size)
		}
		# The same source address, so that it makes no difference whose rule it is. Of several addresses (em0) takes each in turn.
		function same_target(t, o) {
			if (o["target"] == "") return 0
			return t["target"] == o["target"] || (t["target"] == "(" o["on"] ")" && addresses[o["on"], o["af"]] < 2)
		}
		function meets(t,    i, j, o) {
			for (i = 1; i <= count; i++) {
				read_rule(ours[i], o)
				if (t["kind"] !~ /-anchor$/ && t["kind"] != (o["kind"] == "rdr" ? "rdr" : "nat")) continue
				if (!on_device(t["on"], o["on"]) || (t["af"] != "" && t["af"] != o["af"])) continue
				if (t["proto"] != "" && o["proto"] != "" && t["proto"] != o["proto"]) continue
				if (t["tagged"] != "" && t["tagged"] != o["tagged"]) continue
				if (t["low"] + 0 > o["high"] + 0 || t["high"] + 0 < o["low"] + 0) continue
				if (!both(t["from"], o["from"], o["on"]) || !both(t["to"], o["to"], o["on"])) continue
				if (t["kind"] == "nat" && same_target(t, o)) continue
				return 1
			}
			return 0
		}
		FILENAME ~ /pf\.devices$/ {
			if ($1 == "member") { device = $2; $1 = $2 = ""; members[device] = $0 }
			else {
				address[$2, $3]
				family = $3 ~ /:/ ? "inet6" : "inet"
				if ($3 !~ /^fe80:/) addresses[$2, family]++
			}
			next
		}
		# Ours: translations, and mail on its way into the tunnel, on which nobody may put another address. Without a tunnel
		# it goes on under an address of the proxy, whichever that is.
		FILENAME ~ /pf\.ours$/ {
			own[$0]
			if ($1 == "rdr") wan[$3]
			if ($1 == "rdr" || ($1 == "nat" && !/tagged chatmail_proxy/) || (/^pass out quick on / && /tagged chatmail_proxy/ && !($5 in wan))) ours[++count] = $0
			next
		}
		$0 in own { next }
		{
			sub(/^ +/, "")
			if ($0 == "}") { if (depth-- == left) left = 0; next }
			opens = $NF == "{"
			if ($1 !~ /^(rdr|nat)(-anchor)?$/ && !opens) next
			read_rule($0, rule)
			met = !left && $2 != anchor && meets(rule)
			if (opens) { depth++; if (!met && !left) left = depth }
			else if (met && $1 !~ /-anchor$/ && depth >= least) print
		}' "$STATE/pf.devices" "$1" "$2"
}
