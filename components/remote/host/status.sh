# shellcheck shell=sh
# shellcheck disable=SC2154 # work is from document.sh
# What there is on this host, asked by every run before it decides anything: one JSON object on one line (read by
# hosts/status.ts). Changes nothing. What differs from what was brought in is told by sentences, set by set. The system defines
# drift_in_force STORED-COPY PATH (of a file that means more than its text), drift_of_units UNIT..., system_name, needs_reboot (a
# sentence where it does), tracked (a line `tracked NOW MOST`, where that is known), and redirected (what others' rules take).

# status [REQUEST]: the request is lines, with ";" between them; on stdin where it is no argument.
status() {
	open_work || fail "$(no_room)"
	if [ $# != 0 ]; then printf '%s\n' "$1" | tr ';' '\n'; elif [ ! -t 0 ]; then cat; fi >"$work/request"
	for dir in "$STATE"/sets/*; do
		[ -d "$dir" ] || continue
		# Of what is armed, or was taken back, the state says all.
		[ "$(state_of "${dir##*/}")" != confirmed ] || drift_of "${dir##*/}" >"$work/drift.${dir##*/}" &
	done
	ask 0
	healed=$(last_healed)
	printf '{"version":2,"system":%s,"owner":%s,"drift":%s,"sets":{%s},"documents":{%s},"healed":%s,"lastHealed":%s,%s,"reboot":%s,"clock":%s,"disk":%s,"tracked":%s}\n' \
		"$(json_string "$(system_name)")" "$(json_string "$(cat "$STATE/stack" 2>/dev/null)")" "$({ drift_of_hostctl; drift_of_keys; } | json_list)" \
		"$(status_of_sets)" "$(status_of_documents)" "${healed%% *}" "$(json_string "${healed#0}")" \
		"$(answers)" "$(json_string "$(needs_reboot)")" "$(date +%s)" "$(disk)" "$(json_string "$(tracked | sed 's/^tracked //')")"
}

status_of_sets() {
	comma=
	for dir in "$STATE"/sets/*; do
		[ -d "$dir" ] || continue
		word=none digest=
		# Empty after a power cut.
		[ ! -s "$dir/status" ] || read -r word digest _rest <"$dir/status" || true
		printf '%s%s:{"state":%s,"digest":%s,"drift":%s}' "$comma" "$(json_string "${dir##*/}")" "$(json_string "$word")" "$(json_string "$digest")" "$(list_of "drift.${dir##*/}" '[]')"
		comma=,
	done
}

status_of_documents() {
	comma=
	for file in "$STATE"/documents/*; do
		case $file in *.sets) continue ;; esac
		[ -s "$file" ] || continue
		digest='' generation='' word=''
		read -r digest generation word <"$file" || true
		printf '%s%s:{"digest":%s,"generation":%s,"state":%s}' "$comma" "$(json_string "${file##*/}")" "$(json_string "$digest")" "$(json_string "$generation")" "$(json_string "$word")"
		comma=,
	done
}

# disk: bytes of the file system that our state lies on, or will.
disk() {
	place=$STATE
	while [ ! -d "$place" ] && [ "${place%/*}" != '' ]; do place=${place%/*}; done
	df -Pk "$place" 2>/dev/null | awk 'NR == 2 { free = $4 * 1024; of = $2 * 1024 } END { printf "{\"free\":%.0f,\"of\":%.0f}", free, of }'
}

# ask SECONDS: what $work/request asks for, all at once; it waits for the relay's call for so long. $work has an answer each, for
# `answers`. Lines that are not known are a newer program's.
ask() {
	: >"$work/conflicts"
	! grep -q -e '^wan-of' -e '^through ' "$work/request" || (wan) >"$work/wans" 2>/dev/null </dev/null || rm -f "$work/wans"
	if grep -q '^free ' "$work/request"; then
		conflicts <"$work/request" >"$work/conflicts" &
		redirected <"$work/request" >"$work/redirected" 2>/dev/null &
	fi
	while read -r word rest; do
		# shellcheck disable=SC2086 # words on purpose
		case $word in
		through) through "$1" $rest >"$work/view" </dev/null & ;;
		wan-of) (wan_once $rest) >"$work/wan" 2>"$work/wan.said" </dev/null || : >"$work/wan.failed" & ;;
		relay) relay_facts >"$work/relay" </dev/null & ;;
		outbound) way_out $rest >"$work/outbound" </dev/null & ;;
		esac
	done <"$work/request"
	wait
	if [ -f "$work/wan.failed" ]; then
		rm -f "$work/wan"
		sed 's/^chatmail-proxy: //' "$work/wan.said" >>"$work/conflicts"
	fi
}

# wan_once [INTERFACE...]: as wan, by what `ask` has found already: several answers need it.
wan_once() { if [ $# = 0 ] && [ -f "$work/wans" ]; then cat "$work/wans"; else wan "$@"; fi; }

answers() {
	printf '"conflicts":%s' "$(list_of conflicts '[]')"
	for part in redirected view wan relay outbound; do printf ',"%s":%s' "$part" "$(list_of "$part" null)"; done
}

# list_of FILE OTHERWISE: the lines in $work/FILE; OTHERWISE where there is none.
list_of() { if [ -f "$work/$1" ]; then json_list <"$work/$1"; else printf '%s' "$2"; fi; }

drift_of_hostctl() {
	[ ! -f "$STATE/hostctl.sha256" ] || [ "$(cat "$STATE/hostctl.sha256")" = "$(digest_of "$LIB/hostctl")" ] || echo "$LIB/hostctl is not the program that was brought in"
}

drift_of_keys() {
	[ ! -f "$STATE/keys.set" ] || [ "$(our_keys)" = "$(cat "$STATE/keys.set")" ] || echo 'the keys that may log in as root are not those that were brought in'
}

# drift_of SET: a sentence a line.
drift_of() {
	drift_live=$(set_dir "$1")/live
	[ -f "$drift_live/index" ] || return 0
	while read -r drift_number drift_mode drift_path; do
		drift_of_file "$drift_live/$drift_number" "$drift_mode" "$drift_path" </dev/null
	done <"$drift_live/index"
	# shellcheck disable=SC2046 # a word each
	set -- $(cat "$drift_live/units")
	[ $# = 0 ] || drift_of_units "$@"
}

# drift_of_file STORED-COPY MODE PATH
drift_of_file() {
	if [ ! -f "$ROOT$3" ]; then
		echo "$3 is missing"
	elif ! cmp -s "$1" "$ROOT$3"; then
		echo "$3 is not the file that was brought in"
	elif [ -z "$(find "$ROOT$3" -prune -perm "$2")" ]; then
		echo "$3 has another mode than $2"
	fi
	drift_in_force "$1" "$3"
}

# put_back WHAT COMMAND...: this host puts something back by itself, which is counted; the last of these lines are kept.
put_back() {
	put_back_what=$1
	shift
	say "putting back: $put_back_what"
	run "$@" </dev/null >&2 || return 1
	put_back_last=$(last_healed)
	{
		tail -n 49 "$STATE/healed" 2>/dev/null || true
		printf '%s %s %s\n' "$((${put_back_last%% *} + 1))" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$put_back_what"
	} | write_file 600 "$STATE/healed"
}

# last_healed: the last of these lines, whose first word is their number; 0 where there is none.
last_healed() { tail -n 1 "$STATE/healed" 2>/dev/null | grep '^[0-9]' || echo 0; }
