# shellcheck shell=sh
# shellcheck disable=SC2034 # the other parts use these
# What all parts of hostctl use, on every system: messages, atomic files, a lock. Each system says where its places are
# (ETC, LIB, STATE).

# Put before every path of a host. Empty; tests put a scratch directory here.
ROOT=

say() { printf 'chatmail-proxy: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# What changes the host is shown; what only reads is not.
run() { printf '+ %s\n' "$*" >&2; "$@"; }

have() { command -v "$1" >/dev/null 2>&1; }

# write_file MODE PATH: stdin becomes the file in one step; a reader sees the old or the new one, never a half.
write_file() {
	[ ! -d "$2" ] || fail "$2 is a directory, and a file of ours should go there; move it out of the way"
	# Others read what is in there too: networkd, for one, is not root.
	(umask 022 && mkdir -p "$(dirname "$2")")
	new=$(mktemp "$2.XXXXXX")
	cat >"$new"
	chmod "$1" "$new"
	mv -f "$new" "$2"
}

# Two applies at once (an impatient second `up`, the restore's timer) must not interleave. The lock goes with the
# process that holds it; a holder that was killed is found by its missing pid.
lock() {
	mkdir -p "$STATE"
	tries=0
	until mkdir "$STATE/lock" 2>/dev/null; do
		holder=$(cat "$STATE/lock/pid" 2>/dev/null || true)
		if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
			rm -rf "$STATE/lock"
			continue
		fi
		tries=$((tries + 1))
		[ "$tries" -lt 60 ] || fail "another run (process ${holder:-unknown}) has held $STATE/lock for 60 s; see whether it hangs"
		sleep 1
	done
	echo $$ >"$STATE/lock/pid"
	trap 'rm -rf "$STATE/lock"' EXIT
	trap 'exit 1' HUP INT TERM
}
