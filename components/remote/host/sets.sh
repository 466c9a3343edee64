# shellcheck shell=sh
# shellcheck disable=SC2034 # the system's part reads `changed`, `changes` and `coming`
# Sets: named groups of files and units that come, change and go together.
#
# A set arrives as a bundle (see bundle.ts): `file MODE PATH` with its lines behind `|`, `unit NAME` for each
# unit that runs on these files, `end DIGEST`. A set that could lock its operator out is armed: loaded, but stored
# only once a new SSH connection has confirmed it; until then a timer outside the session stands ready to go back.
#
#   $STATE/sets/NAME/next      the bundle that came last: its files, numbered, and `index` with mode and path
#   $STATE/sets/NAME/live      the same of what is stored and survives a reboot
#   $STATE/sets/NAME/status    installing | armed | confirmed | reverted, digest, time, which arming it was, and the seconds
#                              that this had, once they are over
#
# What a file or a unit means is the system's business. It defines, each with STORED-COPY MODE PATH: check_file (refuses
# what cannot be loaded), load_file (into force from the copy, without storing it), stored_file (once it lies in its
# place), unload_file (undoes both); start_units SET, stop_unit UNIT, units_changed; start_timer SET SECONDS ARMING (runs
# `revert` with these then, even if this session is gone), stop_timer SET, and timer_stands SET.

set_dir() { printf '%s/sets/%s' "$STATE" "$1"; }

# receive SET: the bundle on stdin becomes next/. A transfer that was cut off has no `end` and changes nothing.
receive() {
	dir=$(set_dir "$1")
	unpack "$dir/coming" "$1"
	rm -rf "$dir/next"
	mv "$dir/coming" "$dir/next" || fail "could not keep $1 in $dir; is the disk full?"
}

# unpack DIRECTORY SET: the bundle on stdin, file by file.
unpack() {
	rm -rf "$1"
	{ mkdir -p "$1" && : >"$1/index" && : >"$1/units"; } || fail "could not keep $2 in $1; is the disk full?"
	awk -v dir="$1" '
		BEGIN { file = dir "/0" }
		substr($0, 1, 1) == "|" { print substr($0, 2) >file; next }
		$1 == "file" {
			close(file)
			file = dir "/" ++count
			printf "" >file
			path = $0
			sub(/^file [^ ]* /, "", path)
			print count, $2, path >(dir "/index")
			next
		}
		$1 == "unit" { print $2 >(dir "/units"); next }
		$1 == "end" { print $2 >(dir "/digest"); next }
		{ odd = 1; exit }
		END { if (odd) print "odd" >(dir "/odd") }' || fail "could not keep $2 in $1; is the disk full?"
	[ ! -f "$1/odd" ] || fail "the bundle of $2 has a line that is none of file, unit, end"
	[ -s "$1/digest" ] || fail "the bundle of $2 arrived cut off; nothing was changed"
}

# each_file SIDE SET FUNCTION: calls FUNCTION with stored copy, mode and path of each file of next/ or live/.
each_file() { each_in "$(set_dir "$2")/$1" "$3"; }

# each_in DIRECTORY FUNCTION: the same of a bundle that lies there.
each_in() {
	stored=$1
	[ -f "$stored/index" ] || return 0
	while read -r number mode path; do
		"$2" "$stored/$number" "$mode" "$path" </dev/null || return 1
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

# set_status SET WORD DIGEST [ARMING SECONDS]
set_status() { printf '%s %s %s %s\n' "$2" "$3" "$(date +%s)" "${4:-}${5:+ $5}" | write_file 600 "$(set_dir "$1")/status"; }

# finished SET: all of what is in next/ was brought in before, to the end.
finished() { [ -f "$(set_dir "$1")/status" ] && read -r word digest _rest <"$(set_dir "$1")/status" && [ "$word $digest" = "confirmed $(cat "$(set_dir "$1")/next/digest")" ]; }

# in_place SET: nothing is to be done for it, and what runs on it goes on undisturbed.
in_place() { finished "$1" && [ -z "$(drift_of "$1")" ]; }

# unfinished SET: an earlier run did not come to its end, or there was none.
unfinished() { ! grep -qs '^confirmed ' "$(set_dir "$1")/status"; }

# install SET: for sets that cannot lock anybody out.
install_set() {
	lock
	receive "$1"
	each_file next "$1" check_file
	bring_in "$1"
}

# check_set SET DIRECTORY: the bundle on stdin can be brought in. It is unpacked in DIRECTORY, and nothing is changed.
check_set() {
	unpack "$2" "$1"
	each_in "$2" check_file
}

# bring_set SET: as install, what check_set has looked at.
bring_set() {
	lock
	receive "$1"
	bring_in "$1"
}

bring_in() {
	! in_place "$1" || return 0
	# What an earlier run stored, and was cut off before it could restart what reads it, counts as changed too.
	finished "$1" || changed=yes
	! unfinished "$1" || changes=all
	set_status "$1" installing "$(cat "$(set_dir "$1")/next/digest")"
	store "$1"
	each_file live "$1" load_file
	start_units "$1"
	set_status "$1" confirmed "$(cat "$(set_dir "$1")/live/digest")"
}

# arm SET SECONDS: loads the bundle on stdin, which check_set has looked at; unless a new connection confirms it within
# SECONDS, all is as it was before. What is confirmed already, and still is what was brought in, goes on as it is.
arm_set() {
	lock
	receive "$1"
	if in_place "$1"; then
		say "$1: in force"
		return 0
	fi
	stop_timer "$1"
	arming=$$-$(date +%s)
	start_timer "$1" "$2" "$arming"
	set_status "$1" armed "$(cat "$(set_dir "$1")/next/digest")" "$arming"
	each_file next "$1" load_file
	if leads_elsewhere "$1" && ! heard "$tunnel" 30; then
		stop_timer "$1"
		each_file live "$1" load_file
		set_status "$1" reverted "$(cat "$(set_dir "$1")/next/digest")" "$arming"
		fail "the relay has not called through the tunnel within 30 s; the previous rules, which do not lead into it, are in force again"
	fi
	say "$1: new rules are loaded; they are taken back in $2 s unless a new SSH connection confirms them"
}

# leads_elsewhere SET: its rules lead into the tunnel, and those that they take the place of do not, such as those of a proxy without
# one. Then they stay only when the relay calls through it. That cannot be asked before: the others may shut the tunnel's
# port. The system defines tunnel_interface.
leads_elsewhere() {
	tunnel=$(tunnel_interface)
	[ -n "$tunnel" ] && [ -f "$(set_dir "$1")/live/index" ] && names_in next "$1" "$tunnel" && ! names_in live "$1" "$tunnel"
}

# names_in SIDE SET TEXT: it stands in a file of the set.
names_in() { grep -qsF -e "$3" "$(set_dir "$2")/$1"/[0-9]*; }

# revert SET SECONDS ARMING: what is stored comes back into force; where nothing is, what we loaded goes. Nothing happens
# when that arming has been confirmed, or followed by another, while this one waited for the lock.
revert_set() {
	lock
	read -r status digest _time arming _seconds <"$(set_dir "$1")/status" || true
	[ "$status $arming" = "armed $3" ] || return 0
	if [ -f "$(set_dir "$1")/live/index" ]; then
		each_file live "$1" load_file
	else
		each_file next "$1" unload_file
	fi
	set_status "$1" reverted "$digest" "$arming" "$2"
	forget_documents_of "$1"
	say "$1: $(was_reverted "$2")"
}

was_reverted() { echo "new rules not confirmed within $1 s over a new SSH connection; the previous rules are in force again"; }

# confirm_armed SET: in force, with the restore's timer standing, so that it stays.
confirm_armed() {
	stop_timer "$1"
	changed=yes
	changes=all
	store "$1"
	start_units "$1"
	set_status "$1" confirmed "$(cat "$(set_dir "$1")/live/digest")"
	say "$1: confirmed; the new rules stay, also after a reboot"
}

# state_of SET: the first word of its status. Empty after a power cut.
state_of() {
	word=none
	[ ! -s "$(set_dir "$1")/status" ] || read -r word _rest <"$(set_dir "$1")/status" || true
	echo "$word"
}

# remove_unneeded SET: nothing happens while a document names it. The state of an earlier version, which knew no documents, has
# this as its last word at the upgrade, when the set has come again with a document.
remove_unneeded() {
	for file in "$STATE"/documents/*.sets; do
		[ -f "$file" ] || continue
		if cut -d ' ' -f 1 "$file" | grep -qxF "$1"; then
			say "$1 stays: it is part of what was brought in last"
			return 0
		fi
	done
	remove_set "$1"
}

# remove_set SET: units stopped, rules unloaded, files gone. Goes on past what is missing. The keys of a relay's tunnel go
# with it.
remove_set() {
	lock
	remove_one "$1"
	case $1 in tunnel-*) [ ! -d "$(set_dir "keys-${1#tunnel-}")" ] || remove_one "keys-${1#tunnel-}" ;; esac
}

remove_one() {
	forget_documents_of "$1"
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
