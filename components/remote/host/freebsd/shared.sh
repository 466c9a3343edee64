# shellcheck shell=sh
# Files of the host in which lines of ours stand among others': pf.conf, sysctl.conf.local, rc.conf. What the operator
# wrote stays byte for byte, and comes back byte for byte when we leave.
#
#   $STATE/originals/FILE        the file as it was without us; FILE.none: there was none
#   $STATE/originals/FILE.ours   the file as we left it: as long as nobody else touched it, leaving is a copy back

# Ends every line of ours; pf, sysctl and rc take the rest of a line for a comment.
MARK='# chatmail-proxy'
RC_CONF=$ROOT/etc/rc.conf

original() { printf '%s/originals/%s' "$STATE" "$(basename "$1")"; }

untouched() { cmp -s "$1" "$(original "$1").ours"; }

without_ours() { [ ! -f "$1" ] || sed "/$MARK\$/d" "$1"; }

# keep_original FILE: before a change. What others changed since our last change belongs to the original.
keep_original() {
	kept=$(original "$1")
	if untouched "$1"; then return 0; fi
	mkdir -p "$STATE/originals"
	rm -f "$kept" "$kept.none"
	if [ ! -e "$1" ]; then
		: >"$kept.none"
	else
		cp -p "$1" "$kept"
		if grep -q "$MARK\$" "$1"; then without_ours "$1" >"$kept"; fi
	fi
}

remember_ours() { cp -p "$1" "$(original "$1").ours"; }

# replace_shared FILE: stdin becomes the file, which everybody may read where there was none.
replace_shared() { replace_file 644 "$1"; }

# add_lines FILE: the lines on stdin stand at the file's end, marked, instead of those of ours that were there.
add_lines() {
	mkdir -p "$STATE"
	{
		without_ours "$1"
		sed "s/\$/ $MARK/"
	} >"$STATE/lines"
	change_shared "$1" "$STATE/lines"
}

# change_shared FILE NEW: takes over the content of NEW, unless it is there already.
change_shared() {
	if ! cmp -s "$1" "$2"; then
		keep_original "$1"
		run replace_shared "$1" <"$2"
		remember_ours "$1"
	fi
	rm -f "$2"
}

# take_out FILE: our lines are gone; where nobody touched the file since, it is what it was.
take_out() {
	kept=$(original "$1")
	[ -e "$kept" ] || [ -e "$kept.none" ] || return 0
	if untouched "$1"; then
		if [ -e "$kept" ]; then run replace_shared "$1" <"$kept"; else run rm -f "$1"; fi
	elif [ -e "$1" ]; then
		without_ours "$1" >"$STATE/lines"
		run replace_shared "$1" <"$STATE/lines"
		rm -f "$STATE/lines"
	fi
	rm -f "$kept" "$kept.none" "$kept.ours"
}

# set_rc NAME VALUE: by sysrc, with what was there before remembered in $STATE/rc.before: NAME OURS [=BEFORE].
set_rc() {
	[ "$(sysrc -qn "$1" 2>/dev/null </dev/null || true)" != "$2" ] || return 0
	mkdir -p "$STATE"
	if [ ! -s "$STATE/rc.before" ]; then
		rm -f "$(original "$RC_CONF").ours"
		keep_original "$RC_CONF"
	elif ! untouched "$RC_CONF"; then
		rm -f "$(original "$RC_CONF")" "$(original "$RC_CONF").none"
	fi
	if ! grep -qs "^$1 " "$STATE/rc.before"; then
		before=
		if grep -qs "^[[:space:]]*$1=" "$RC_CONF" "$RC_CONF.local"; then before="=$(sysrc -qn "$1" 2>/dev/null </dev/null || true)"; fi
		printf '%s %s %s\n' "$1" "$2" "$before" >>"$STATE/rc.before"
	else
		sed "s|^$1 [^ ]*|$1 $2|" "$STATE/rc.before" >"$STATE/rc.left"
		mv -f "$STATE/rc.left" "$STATE/rc.before"
	fi
	# sysrc appends to the last line, of any kind.
	if [ -s "$RC_CONF" ] && [ -n "$(tail -c 1 "$RC_CONF")" ]; then echo >>"$RC_CONF"; fi
	run sysrc "$1=$2" >&2 </dev/null
	remember_ours "$RC_CONF"
}

# undo_unlisted FILE: what an earlier version of FILE has set, and this one does not. pf_enable is not a file's but a unit's.
undo_unlisted() {
	names=$(cut -d ' ' -f 1 "$STATE/rc.before" 2>/dev/null) || return 0
	for listed in $names; do
		[ "$listed" = pf_enable ] || grep -q "^$listed=" "$1" || undo_rc "$listed"
	done
}

# undo_rc NAME: back to the value before, unless somebody has set it to something else by now.
undo_rc() {
	[ -f "$STATE/rc.before" ] || return 0
	while read -r name ours before; do
		[ "$name" = "$1" ] || continue
		if untouched "$RC_CONF"; then same=yes; else same=; fi
		if [ "$(sysrc -qn "$name" 2>/dev/null </dev/null || true)" = "$ours" ]; then
			case $before in
			=*) run sysrc "$name=${before#=}" >&2 </dev/null || true ;;
			*) run sysrc -x "$name" >&2 </dev/null || true ;;
			esac
			no_longer "$name" </dev/null
		fi
		[ -z "$same" ] || remember_ours "$RC_CONF"
	done <"$STATE/rc.before"
	sed "/^$1 /d" "$STATE/rc.before" >"$STATE/rc.left"
	mv -f "$STATE/rc.left" "$STATE/rc.before"
	[ -s "$STATE/rc.before" ] || {
		take_out "$RC_CONF"
		rm -f "$STATE/rc.before" "$(original "$RC_CONF").ours"
	}
}
