# shellcheck shell=sh
# What there is on this host, asked by every run before it decides anything: one JSON object on one line (read by
# hosts/status.ts). Changes nothing. What differs from what was brought in is told by sentences, set by set. The system defines
# drift_in_force STORED-COPY PATH (of a file that means more than its text) and drift_of_unit UNIT.

status() {
	printf '{"version":1,"owner":%s,"drift":%s,"sets":{' "$(json_string "$(cat "$STATE/stack" 2>/dev/null)")" "$({ drift_of_hostctl; drift_of_keys; } | json_list)"
	comma=
	for dir in "$STATE"/sets/*; do
		[ -d "$dir" ] || continue
		name=${dir##*/}
		word=none digest=
		# Empty after a power cut.
		[ ! -s "$dir/status" ] || read -r word digest _rest <"$dir/status" || true
		# Of what is armed, or was taken back, the state says all.
		printf '%s%s:{"state":%s,"digest":%s,"drift":%s}' "$comma" "$(json_string "$name")" "$(json_string "$word")" "$(json_string "$digest")" "$(if [ "$word" = confirmed ]; then drift_of "$name"; fi | json_list)"
		comma=,
	done
	printf '},"healed":%s,"lastHealed":%s}\n' "$(healed_count)" "$(json_string "$(tail -n 1 "$STATE/healed" 2>/dev/null)")"
}

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
	while read -r drift_unit; do
		drift_of_unit "$drift_unit" </dev/null
	done <"$drift_live/units"
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
	{
		tail -n 49 "$STATE/healed" 2>/dev/null || true
		printf '%s %s %s\n' "$(($(healed_count) + 1))" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$put_back_what"
	} | write_file 600 "$STATE/healed"
}

healed_count() { tail -n 1 "$STATE/healed" 2>/dev/null | awk '{ count = $1 + 0 } END { print count + 0 }'; }
