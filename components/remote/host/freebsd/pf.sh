# shellcheck shell=sh
# Our rules live in a pf anchor; the host's pf.conf gets four lines that call it, and is otherwise the operator's.

ANCHOR=chatmail_proxy

pf_conf() { printf '%s%s' "$ROOT" "$(sysrc -qn pf_rules 2>/dev/null || echo /etc/pf.conf)"; }

pf_is_on() { pfctl -s info 2>/dev/null | grep -q '^Status: Enabled'; }

# Both lines: a main rule set that calls the filter but not the redirection is of no use.
pf_calls_us() {
	pfctl -s rules 2>/dev/null | grep -q "^anchor \"$ANCHOR\"" && pfctl -s nat 2>/dev/null | grep -q "^rdr-anchor \"$ANCHOR\""
}

pf_module() { [ -c /dev/pf ] || run kldload -n pf || fail "the kernel module pf cannot be loaded"; }

# conf_with_anchor FILE: the host's pf.conf with our lines, the anchor's rules from FILE. pf wants its statements in
# order (options, scrub, queues, translation, filter), so ours stand before the first of the host's of their kind; there
# they are also the first to be asked. An included file counts as what is in it; where one has both kinds, there is no such
# place, unless pf is told not to mind the order.
conf_with_anchor() {
	conf=$(pf_conf)
	if ! has_statements "$conf" || grep -qsx "set reassemble yes $MARK" "$conf"; then
		printf "%s $MARK\n" "# Written for chatmail-proxy, since this host had no rules for pf. Rules of your own go below." "set skip on lo0" "set reassemble yes"
	fi
	# shellcheck disable=SC2016 # awk's own
	without_ours "$conf" | awk -v root="$ROOT" -v anchor="\"$ANCHOR\"" -v file="\"$1\"" -v mark=" $MARK" '
		# What a line is: translation, filter, both, or nothing of that. What cannot be told from here (a macro, a file that
		# is not where it seems to be) may be both.
		function kind(line,    name, inner, found, text, more) {
			sub(/^[ \t]+/, "", line)
			sub(/^no[ \t]+/, "", line)
			if (line ~ /^(nat|rdr|binat)(-anchor)?[ \t]/) return "translation"
			if (line ~ /^(pass|block|match|anchor|antispoof)([ \t{]|$)/) return "filter"
			if (line ~ /^[$]/) return "both"
			if (line !~ /^include[ \t]/) return ""
			name = line
			sub(/^include[ \t]+"?/, "", name)
			sub(/["#].*$/, "", name)
			sub(/[ \t]+$/, "", name)
			while ((more = (getline text < (root name))) > 0) {
				inner = kind(text)
				if (found == "" || inner == "both") found = inner
				else if (inner != "" && inner != found) found = "both"
			}
			close(root name)
			return more < 0 ? "both" : found
		}
		function translation() {
			if (translated++) return
			print "nat-anchor " anchor mark
			print "rdr-anchor " anchor mark
		}
		function filter() {
			translation()
			if (filtered++) return
			print "anchor " anchor mark
			print "load anchor " anchor " from " file mark
		}
		{
			line[NR] = $0
			if (!continued && (what[NR] = kind($0)) == "both") mixed = 1
			continued = match($0, /\\+$/) && RLENGTH % 2
		}
		END {
			if (mixed) print "set require-order no" mark
			for (i = 1; i <= NR; i++) {
				if (what[i] == "translation" && !mixed) translation()
				else if (what[i] != "") filter()
				print line[i]
			}
			# A line that runs on would take our first one with it.
			if (continued && !filtered) print substr(mark, 2)
			filter()
		}'
}

# check_pf COPY PATH: refuses what pfctl refuses, with the host's own rules around it, and what would not work beside them.
check_pf() {
	pf_module
	conf=$(pf_conf)
	if pf_is_on && ! pf_calls_us && [ -z "$(without_ours "$conf")" ] && [ -n "$(pfctl -s rules 2>/dev/null)" ]; then
		fail "pf runs with rules that are not from $conf, so they could not be kept; say in rc.conf where they are (pf_rules). Nothing was changed"
	fi
	mkdir -p "$STATE"
	resolve "$STATE/pf.ours" -a "$ANCHOR" -f "$1" || fail "pfctl refuses the new $2; the old rules are still in force"
	conf_with_anchor "$1" >"$STATE/pf.conf.checked"
	resolve "$STATE/pf.all" -f "$STATE/pf.conf.checked" ||
		fail "pfctl refuses $conf with our lines in it ($STATE/pf.conf.checked is how it would look); the old rules are still in force"
	check_skip "$STATE/pf.ours" "$STATE/pf.all"
	check_place "$STATE/pf.ours" "$STATE/pf.all"
	check_translations "$STATE/pf.ours" "$STATE/pf.all"
}

# load_pf COPY: into force, from where it lies; pf.conf is not touched. Where the main rules call us already, only the
# anchor is replaced.
load_pf() {
	[ -f "$STATE/pf.before" ] || if pf_is_on; then echo on; else echo off; fi >"$STATE/pf.before"
	if pf_is_on && pf_calls_us; then
		run pfctl -q -a "$ANCHOR" -f "$1" >&2 || fail "loading the new rules failed; the old rules are still in force"
	else
		conf_with_anchor "$1" >"$STATE/pf.conf.armed"
		run pfctl -q -f "$STATE/pf.conf.armed" >&2 || fail "loading the new rules failed; the old rules are still in force"
		if ! pf_is_on; then
			run pfctl -q -e >&2 || fail "pf cannot be enabled"
			! has_statements "$(pf_conf)" || say "pf was off on this host: what else stands in $(pf_conf) is in force now too"
		fi
	fi
	review_pf
}

# Filter rules of the host that meet ours, named (translations that do are refused before). It is the operator's business which of them are meant.
review_pf() {
	pfctl -s rules 2>/dev/null | awk -v ours="anchor \"$ANCHOR\"" 'index($0, ours) == 1 { exit } / quick( |$)/' | while read -r rule; do
		say "this rule of the host stands before ours and decides first: $rule"
	done
	without_ours "$(pf_conf)" | grep -E '^[[:space:]]*block.*[[:space:]]quick([[:space:]]|$)' | while read -r rule; do
		say "this rule of the host comes after ours, and sees only what ours leave: $rule"
	done
}

# has_statements FILE: something in it is neither ours nor a comment.
has_statements() { without_ours "$1" | grep -q '^[[:space:]]*[^#[:space:]]'; }

# attach_pf PATH: pf.conf calls the stored rules from now on, also after a reboot and `service pf reload`.
attach_pf() {
	mkdir -p "$STATE"
	conf_with_anchor "$1" >"$STATE/pf.conf.new"
	change_shared "$(pf_conf)" "$STATE/pf.conf.new"
}

# unload_pf: as if we had never been there; off, where pf was off.
unload_pf() {
	take_out "$(pf_conf)"
	[ -f "$STATE/pf.before" ] || return 0
	if [ "$(cat "$STATE/pf.before")" = off ]; then
		! pf_is_on || run pfctl -q -d >&2 || true
		flush_pf
	elif [ -f "$(pf_conf)" ]; then
		run pfctl -q -f "$(pf_conf)" >&2 || say "$(pf_conf) does not load without us either; see: service pf check"
	else
		flush_pf
	fi
	for what in rules nat; do
		run pfctl -q -a "$ANCHOR" -F "$what" >&2 || true
	done
	rm -f "$STATE"/pf.*
}

flush_pf() {
	for what in rules nat; do
		run pfctl -q -F "$what" >&2 || true
	done
}

# heal_pf: others have loaded rules without ours, or emptied our anchor. A pf that somebody turned off stays off.
heal_pf() {
	for file in "$ETC"/*.pf; do
		[ -f "$file" ] && [ -f "$(set_dir filter)/live/index" ] && pf_is_on || return 0
		if ! pf_calls_us; then
			attach_pf "${file#"$ROOT"}"
			run pfctl -q -f "$(pf_conf)" >&2 || true
		fi
		[ -n "$(pfctl -a "$ANCHOR" -s rules 2>/dev/null)" ] || run pfctl -q -a "$ANCHOR" -f "$file" >&2 || true
	done
}
