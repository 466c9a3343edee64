# shellcheck shell=sh
# Documents: what one end of a proxy is to have, brought in as a whole (the program writes them: document.ts). They come by
# `apply`, which checks all of a document before it changes anything, and stay by `confirm`, over another connection.
#
#   $STATE/documents/NAME        DIGEST GENERATION STATE of what was brought in last, completely: applied | armed | confirmed
#   $STATE/documents/NAME.sets   the sets of what came last, complete or not, a line each; `guarded` behind those that wait for a
#                                confirmation
#
# Nothing of this fails as a command: what went wrong is in the answer, one JSON object on one line, and is this host's alone.

# apply NAME GENERATION: brings in the document on stdin.
apply() {
	if ! open_work; then
		not_done "$(no_room)"
	elif tried "$work/said" "$0" step bring_document "$1" "$2" "$work" >&2; then
		failed=$(sets_that_failed)
		if [ -n "$failed" ]; then not_done '' "$failed"; else printf '{"ok":true%s}\n' "$([ ! -f "$work/wan" ] || printf ',"wan":%s' "$(json_list <"$work/wan")")"; fi
	else
		not_done "$(reason_in "$work/said")"
	fi
}

# confirm NAME GENERATION: over a new connection, what `apply` has armed stays. Then the request on stdin is answered (ask).
confirm() {
	if ! open_work || ! cat >"$work/request"; then
		not_done "$(no_room)"
	elif tried "$work/said" limited "$0" step confirm_document "$1" "$2" </dev/null >&2; then
		[ "$1" != config ] || keep_documented >&2 || true
		seconds=$(sed -n 's/^wait \([0-9][0-9]*\)$/\1/p' "$work/request")
		ask "${seconds:-30}"
		printf '{"ok":true,%s}\n' "$(answers)"
	else
		not_done "$(reason_in "$work/said")"
	fi
}

# open_work: a directory of this run's own, for what may hold keys. Where there is memory for that ($RUN, on Linux), it
# is never on a disk.
open_work() {
	# What one that was killed has left may hold keys.
	find "$RUN" -maxdepth 1 -type d -name 'chatmail-proxy.??????' -mmin +120 -exec rm -rf {} + 2>/dev/null || true
	{ mkdir -p "$RUN" && work=$(mktemp -d "$RUN/chatmail-proxy.XXXXXX"); } 2>/dev/null || return 1
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
}

no_room() { echo "no file can be written in $RUN; is the disk full?"; }

# not_done REASON [SETS]
not_done() { printf '{"ok":false,"reason":%s,"failed":{%s}}\n' "$(json_string "$1")" "${2:-}"; }

sets_that_failed() {
	comma=
	for file in "$work"/failed/*; do
		[ -f "$file" ] || continue
		printf '%s%s:%s' "$comma" "$(json_string "${file##*/}")" "$(json_string "$(cat "$file")")"
		comma=,
	done
}

# tried FILE COMMAND...: whether it went well. Its output is shown at once, and goes into FILE; its
# last line is the reason of a failure. No child of it gets descriptors of ours: the session would not end before a service
# that it starts.
tried() {
	said=$1
	shift
	{
		code=$({ { "$@" >&3 3>&- 4>&- && echo 0 >&4 || echo 1 >&4; } 2>&1 | tee "$said" >&2; } 4>&1) || true
	} 3>&1
	[ "$code" = 0 ]
}

reason_in() {
	reason=$(sed -n '$s/^chatmail-proxy: //; $p' "$1" 2>/dev/null) || reason=
	if [ -n "$reason" ]; then echo "$reason"; elif ! echo try 2>/dev/null >"$work/try"; then no_room; else echo 'it ended without a word'; fi
}

# limited COMMAND...: it is ended after this many seconds. The slowest waits for a new server's cloud-init and apt.
LIMIT=1800
limited() {
	timeout "$LIMIT" "$@" || {
		[ $? != 124 ] || say "it was stopped after $LIMIT s"
		return 1
	}
}

# bring_document NAME GENERATION DIRECTORY: a process of its own, which any failure ends, with the reason as its last
# word. Its steps are processes too, whose variables and locks are their own.
bring_document() {
	document=$1 work=$3 self=$0
	cat >"$work/document" || fail "$(no_room)"
	take_apart
	lock "document.$document"
	facts=$work/facts
	mkdir "$work/failed"
	set_up=$(sed -n '/^setup/p' "$facts")
	# shellcheck disable=SC2086 # words on purpose
	set -- "$2" ${set_up#setup}
	generation=$1
	shift
	[ $# = 0 ] || only_of "$1"
	rm -f "$STATE/documents/$document"
	if [ -n "$set_up" ]; then
		# Not under timeout: FreeBSD's would wait for the guard that this starts.
		"$self" step setup "$@" </dev/null
		# It has taken its place; what may lie where it was is another stack's, on its way.
		self=$LIB/hostctl
	fi
	name_sets
	packages=$(sed -n 's/^package //p' "$facts")
	if [ -n "$set_up$packages" ]; then
		# Without a setup the host is known to be able to carry a tunnel, or has none.
		if [ -z "$set_up" ] || [ "${2:-}" = direct ]; then direct=direct; else direct=; fi
		# shellcheck disable=SC2086 # words on purpose
		limited "$self" step prepare $direct $packages </dev/null
	fi
	if grep -q '^wan-of' "$facts"; then
		# shellcheck disable=SC2046 # words on purpose
		limited "$self" step wan $(sed -n 's/^wan-of//p' "$facts") </dev/null >"$work/wan"
	fi
	limited "$self" step free <"$facts"
	each_set check
	if grep -qx admin-keys "$facts"; then
		sed -n 's/^admin-key //p' "$facts" >"$work/keys"
		limited "$self" step admin_keys <"$work/keys"
	fi
	each_set bring
	for file in "$work"/failed/*; do
		[ ! -f "$file" ] || return 0
	done
	record
}

# take_apart: the document in $work becomes $work/facts (a line each), $work/order (its sets as they come, and those that it
# keeps) and $work/sets/NAME (their bundles); or it is refused as a whole.
take_apart() {
	sed '$d' "$work/document" >"$work/body"
	digest=$(digest_of "$work/body")
	[ "$(tail -n 1 "$work/document")" = "end document $digest" ] || fail "the document $document arrived cut off, or was changed on its way; nothing was changed"
	rm -f "$work/document"
	mkdir "$work/sets"
	: >"$work/facts"
	: >"$work/order"
	odd=$(awk -v first="document $document" -v work="$work" '
		function known() {
			return /^setup( [^ ]+\/[^ ]+\/[^ ]+( direct)?)?$/ || /^package [^ ]+$/ || /^wan-of( [^ ]+)*$/ || /^admin-keys$/ || /^admin-key ./ || /^free tunnel [0-9]+ [0-9.]+ [0-9a-fA-F:.]+$/ || /^free tcp [0-9]+$/ || /^free udp [0-9]+-[0-9]+$/ || /^independent$/
		}
		NR == 1 { if ($0 != first) { print NR; exit }; next }
		name != "" {
			print >file
			if (/^end [0-9a-f]+$/) { close(file); name = "" }
			else if (substr($0, 1, 1) != "|" && !/^(file [0-7]+ \/.|unit [^ ]+$)/) { print NR; exit }
			next
		}
		/^(set|keep) [A-Za-z0-9][A-Za-z0-9._-]*$/ || /^set [A-Za-z0-9][A-Za-z0-9._-]* guarded [0-9]+$/ {
			if ($2 in named) { print NR; exit }
			named[$2]
			print >(work "/order")
			if ($1 == "set") { name = $2; file = work "/sets/" name }
			next
		}
		known() { print >(work "/facts"); next }
		{ print NR; exit }
		END { if (name != "") print NR }' "$work/body") || fail "$(no_room)"
	rm -f "$work/body"
	[ -z "$odd" ] || fail "the document $document has a line that this hostctl does not know (${odd%%[!0-9]*}); nothing was changed"
}

# each_set check|bring: one after the other. The first that fails ends it, unless they have nothing to do with each other: then
# $work/failed/SET has the reason.
each_set() {
	while read -r what name _guarded seconds; do
		if [ "$what" != set ] || [ -f "$work/failed/$name" ]; then continue; fi
		case $1.$seconds in
		check.*) set -- "$1" check_set "$name" "$work/check" ;;
		bring.) set -- "$1" bring_set "$name" ;;
		*) set -- "$1" arm_set "$name" "$seconds" ;;
		esac
		if ! grep -qx independent "$facts"; then
			set_step "$@"
		elif ! tried "$work/said.set" set_step "$@"; then
			reason_in "$work/said.set" >"$work/failed/$name"
		fi
	done <"$work/order"
}

set_step() {
	shift
	limited "$self" step "$@" <"$work/sets/$name"
}

# name_sets: before they come in, so that nobody removes one of them if something else of the document fails.
name_sets() {
	mkdir -p "$STATE/documents"
	while read -r what name guarded _seconds; do
		[ "$what.$guarded" = set.guarded ] || guarded=
		printf '%s%s\n' "$name" "${guarded:+ guarded}"
	done <"$work/order" | write_file 600 "$STATE/documents/$document.sets"
}

# record: all of it has been brought in. Rules may have been taken back by now, if what came behind them took long.
record() {
	word=applied
	for name in $(guarded_sets "$document"); do
		case $(state_of "$name") in
		armed) word=armed ;;
		reverted) fail "$(reverted_text "$name")" ;;
		esac
	done
	printf '%s %s %s\n' "$digest" "$generation" "$word" | write_file 600 "$STATE/documents/$document"
}

guarded_sets() { sed -n 's/ guarded$//p' "$STATE/documents/$1.sets" 2>/dev/null || true; }

reverted_text() {
	read -r _status _digest _time _arming seconds <"$(set_dir "$1")/status" || true
	echo "$(was_reverted "${seconds:-60}"). Do the new rules let you in? (SSH port, your own address.)"
}

# confirm_document NAME GENERATION: what is armed is what should be confirmed, and in force.
confirm_document() {
	lock
	[ ! -f "$STATE/documents/$1" ] || read -r digest generation word <"$STATE/documents/$1" || true
	guarded=$(guarded_sets "$1")
	if [ "${generation:-}" != "$2" ]; then
		for name in $guarded; do
			[ -n "${generation:-}" ] || [ "$(state_of "$name")" != reverted ] || fail "$(reverted_text "$name")"
		done
		fail "this host holds another configuration than the one to be confirmed; run pulumi up again"
	fi
	for name in $guarded; do
		case $(state_of "$name") in
		armed) timer_stands "$name" || fail "the host has restarted since the new rules were loaded, and the previous rules are in force; run pulumi up again" ;;
		reverted) fail "$(reverted_text "$name")" ;;
		esac
	done
	for name in $guarded; do
		[ "$(state_of "$name")" != armed ] || confirm_armed "$name"
	done
	[ "$word" = confirmed ] || printf '%s %s confirmed\n' "$digest" "$generation" | write_file 600 "$STATE/documents/$1"
}

# keep_documented: what a proxy no longer needs after its settings have changed goes: sets that none of its documents names.
# An earlier version brought them in without any, so that nothing goes before both are there.
keep_documented() {
	kept=
	for document in host config; do
		[ -f "$STATE/documents/$document" ] || return 0
		kept="$kept $(cut -d ' ' -f 1 "$STATE/documents/$document.sets" | tr '\n' ' ')"
	done
	for dir in "$STATE"/sets/*; do
		[ -d "$dir" ] || continue
		name=${dir##*/}
		case "$kept " in *" $name "*) continue ;; esac
		say "$name is not needed any more"
		"$0" step remove_set "$name" </dev/null || true
	done
}

# forget_documents_of SET: what names it is not brought in completely any more.
forget_documents_of() {
	for file in "$STATE"/documents/*.sets; do
		[ ! -f "$file" ] || ! cut -d ' ' -f 1 "$file" | grep -qxF "$1" || rm -f "${file%.sets}"
	done
}
