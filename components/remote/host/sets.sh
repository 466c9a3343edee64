# shellcheck shell=sh
# shellcheck disable=SC2034 # the system's part reads `changed`, `changes` and `coming`
# Sets: named groups of files and units that come, change and go together.
#
# A set arrives as a bundle on stdin (see bundle.ts): `file MODE PATH` with its lines behind `|`, `unit NAME` for each
# unit that runs on these files, `end DIGEST`. A set that could lock its operator out is armed: loaded, but stored
# only once a new SSH connection has confirmed it; until then a timer outside the session stands ready to go back.
#
#   $STATE/sets/NAME/next      the bundle that came last: its files, numbered, and `index` with mode and path
#   $STATE/sets/NAME/live      the same of what is stored and survives a reboot
#   $STATE/sets/NAME/status    installing | armed | confirmed | reverted, digest, time, and which arming it was
#
# What a file or a unit means is the system's business. It defines, each with STORED-COPY MODE PATH: check_file (refuses
# what cannot be loaded), load_file (into force from the copy, without storing it), stored_file (once it lies in its
# place), unload_file (undoes both); start_units SET, stop_unit UNIT, units_changed; start_timer SET SECONDS ARMING (runs
# `revert` with these then, whatever becomes of this session), stop_timer SET, and timer_stands SET.

set_dir() { printf '%s/sets/%s' "$STATE" "$1"; }

# receive SET: unpacks the bundle on stdin into next/. A transfer that was cut off has no `end` and changes nothing.
receive() {
	dir=$(set_dir "$1")
	rm -rf "$dir/coming"
	mkdir -p "$dir/coming"
	: >"$dir/coming/index"
	: >"$dir/coming/units"
	count=0
	complete=
	while IFS= read -r line; do
		case $line in
		'|'*) printf '%s\n' "${line#|}" >>"$dir/coming/$count" ;;
		'file '*)
			count=$((count + 1))
			: >"$dir/coming/$count"
			rest=${line#file }
			printf '%s %s %s\n' "$count" "${rest%% *}" "${rest#* }" >>"$dir/coming/index"
			;;
		'unit '*) printf '%s\n' "${line#unit }" >>"$dir/coming/units" ;;
		'end '*) complete=${line#end } ;;
		*) fail "the bundle of $1 has a line that is none of file, unit, end" ;;
		esac
	done
	[ -n "$complete" ] || fail "the bundle of $1 arrived cut off; nothing was changed"
	printf '%s\n' "$complete" >"$dir/coming/digest"
	rm -rf "$dir/next"
	mv "$dir/coming" "$dir/next"
}

# each_file SIDE SET FUNCTION: calls FUNCTION with stored copy, mode and path of each file of next/ or live/.
each_file() {
	stored=$(set_dir "$2")/$1
	[ -f "$stored/index" ] || return 0
	while read -r number mode path; do
		"$3" "$stored/$number" "$mode" "$path" </dev/null || return 1
	done <"$stored/index"
}

# Whether anything has changed; and what: paths, or "all" where what runs may know less than what is stored.
changed=
changes=
store_file() {
	if ! cmp -s "$1" "$ROOT$3"; then
		write_file "$2" "$ROOT$3" <"$1"
		changed=yes
		changes="$changes $3"
	fi
	chmod "$2" "$ROOT$3" || fail "could not set the mode of $3"
	stored_file "$@"
}

# store SET: next becomes live: files in their places, files that are no longer in the set gone.
store() {
	dir=$(set_dir "$1")
	if [ -f "$dir/live/index" ]; then
		# For unload_file: what takes the place of what it unloads.
		coming=$dir/next/index
		while read -r number _mode path; do
			grep -q " $path\$" "$dir/next/index" && continue
			unload_file "$dir/live/$number" 0 "$path"
			rm -f "$ROOT$path"
			changed=yes
			changes="$changes $path"
		done <"$dir/live/index"
		coming=
		while read -r unit; do
			grep -qx "$unit" "$dir/next/units" || stop_unit "$unit" || true
		done <"$dir/live/units"
	fi
	each_file next "$1" store_file
	rm -rf "$dir/live"
	cp -a "$dir/next" "$dir/live" || fail "could not keep a copy of $1 in $dir; is the disk full?"
}

# set_status SET WORD DIGEST [ARMING]
set_status() { printf '%s %s %s %s\n' "$2" "$3" "$(date +%s)" "${4:-}" | write_file 600 "$(set_dir "$1")/status"; }

# finished SET: all of what is in next/ was brought in before, to the end.
finished() { [ -f "$(set_dir "$1")/status" ] && read -r word digest _rest <"$(set_dir "$1")/status" && [ "$word $digest" = "confirmed $(cat "$(set_dir "$1")/next/digest")" ]; }

# unfinished SET: an earlier run did not come to its end, or there was none.
unfinished() { ! grep -qs '^confirmed ' "$(set_dir "$1")/status"; }

# install SET: for sets that cannot lock anybody out.
install_set() {
	lock
	receive "$1"
	each_file next "$1" check_file
	# What an earlier run stored, and was cut off before it could restart what reads it, counts as changed too.
	finished "$1" || changed=yes
	! unfinished "$1" || changes=all
	set_status "$1" installing "$(cat "$(set_dir "$1")/next/digest")"
	store "$1"
	each_file live "$1" load_file
	start_units "$1"
	set_status "$1" confirmed "$(cat "$(set_dir "$1")/live/digest")"
}

# arm SET SECONDS: loads the bundle on stdin; unless `confirm` comes within SECONDS, all is as it was before.
arm_set() {
	lock
	receive "$1"
	load_armed "$1" "$2"
}

load_armed() {
	each_file next "$1" check_file
	stop_timer "$1"
	arming=$$-$(date +%s)
	start_timer "$1" "$2" "$arming"
	set_status "$1" armed "$(cat "$(set_dir "$1")/next/digest")" "$arming"
	each_file next "$1" load_file
	say "$1: new rules are loaded; they are taken back in $2 s unless a new SSH connection confirms them"
}

# revert SET SECONDS ARMING: what is stored comes back into force; where nothing is, what we loaded goes. Nothing happens
# when that arming has been confirmed, or followed by another, while this one waited for the lock.
revert_set() {
	lock
	read -r status digest _time arming <"$(set_dir "$1")/status" || true
	[ "$status $arming" = "armed $3" ] || return 0
	if [ -f "$(set_dir "$1")/live/index" ]; then
		each_file live "$1" load_file
	else
		each_file next "$1" unload_file
	fi
	set_status "$1" reverted "$digest"
	say "$1: new rules not confirmed within $2 s over a new SSH connection; the previous rules are in force again"
}

# confirm SET SECONDS [final]: run over a new connection, with the digest of what is to be confirmed on stdin. Only what is
# in force, with the restore's timer standing, can be confirmed: after a reboot, or a restore that lies further back (an
# earlier run that lost its network), the rules are loaded once more, for the next connection to confirm.
confirm_set() {
	read -r wanted
	lock
	dir=$(set_dir "$1")
	[ -f "$dir/status" ] || fail "$1: nothing was loaded on this host that could be confirmed; run: pulumi up --replace with this proxy's filter"
	read -r status digest time _arming <"$dir/status"
	[ "$digest" = "$wanted" ] || fail "$1: this host holds other rules than those to be confirmed; run pulumi up once more"
	if [ "$status" = armed ] && ! timer_stands "$1"; then
		# The host has restarted since: the old rules are in force again.
		status=reverted
		time=0
	fi
	case $status in
	armed)
		stop_timer "$1"
		changed=yes
		changes=all
		store "$1"
		start_units "$1"
		set_status "$1" confirmed "$digest"
		say "$1: confirmed; the new rules stay, also after a reboot"
		;;
	confirmed) say "$1: in force" ;;
	reverted)
		if [ $(($(date +%s) - time)) -lt 180 ]; then
			fail "$1: new rules not confirmed within $2 s over a new SSH connection; the previous rules are in force again. Do the new rules let you in? (SSH port, your own address.) If only the last run was cut off, run pulumi up again in three minutes."
		fi
		if [ "${3:-}" != final ]; then
			load_armed "$1" "$2"
			return 0
		fi
		load_armed "$1" 300
		fail "$1: the last run was cut off before the rules were confirmed. They are loaded again, for 300 s: run pulumi up now"
		;;
	esac
}

# remove SET: units stopped, rules unloaded, files gone. Goes on past what is missing.
remove_set() {
	lock
	dir=$(set_dir "$1")
	stop_timer "$1"
	if [ -f "$dir/live/units" ]; then
		# Last started, first stopped: what watches a unit would start it again. What other sets run on too stays.
		sed '1!G;h;$!d' "$dir/live/units" | while read -r unit; do
			used_elsewhere "$unit" "$dir" || stop_unit "$unit" </dev/null || true
		done
	fi
	for side in next live; do
		each_file "$side" "$1" unload_file || true
		each_file "$side" "$1" delete_file || true
	done
	units_changed
	rm -rf "$dir"
}

used_elsewhere() {
	for units in "$STATE"/sets/*/live/units; do
		[ "$units" = "$2/live/units" ] || ! grep -qsx "$1" "$units" || return 0
	done
	return 1
}

delete_file() { rm -f "$ROOT$3"; }

# keep SET...: sets that are not named go; what a host no longer needs after its settings have changed.
keep_sets() {
	for dir in "$STATE"/sets/*; do
		[ -d "$dir" ] || continue
		name=$(basename "$dir")
		case " $* " in *" $name "*) continue ;; esac
		say "$name is not needed any more"
		"$LIB/hostctl" remove "$name"
	done
}

# What a key was before we first touched it, so that leaving puts it back.
remember_sysctls() {
	while IFS= read -r line; do
		case $line in '' | '#'* | ';'*) continue ;; esac
		key=$(printf '%s' "${line%%=*}" | sed 's/^-//; s/ //g')
		grep -qs "^$key=" "$STATE/sysctl.before" && continue
		remember_sysctl "$key" || continue
		# Linux turns this one over whenever forwarding changes; behind it, it is put back after it.
		[ "$key=$before" != net.ipv4.ip_forward=0 ] || remember_sysctl net.ipv4.conf.all.accept_redirects || true
	done <"$1"
}

remember_sysctl() {
	before=$(sysctl -n "$1" 2>/dev/null) || return 1
	printf '%s=%s\n' "$1" "$before" >>"$STATE/sysctl.before"
}
