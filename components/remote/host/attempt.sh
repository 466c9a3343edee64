# shellcheck shell=sh
# A verb whose failure is this host's alone: it is told as data, and the run goes on for all the others.

# attempt SECONDS AGAIN VERB WORD...: runs the verb, for SECONDS at the most (0: without a limit). Always succeeds; if the
# verb does not, the last line on stdout is `failed` with the time and the reason (read by step.ts). AGAIN only makes a
# command line differ from that of an earlier attempt.
attempt() {
	limit=$1
	shift 2
	if ! told=$(mktemp -d 2>/dev/null); then
		failed "no file can be written in ${TMPDIR:-/tmp}; is the disk full?"
		return 0
	fi
	trap 'rm -rf "$told"' EXIT
	# What the verb says goes on its way at once, for whoever watches; its last line is the reason. No child of the verb's
	# gets descriptors of ours: the session would not end before a service that the verb starts.
	{
		status=$({ { limited "$limit" "$0" "$@" >&3 3>&- 4>&- && echo 0 >&4 || echo 1 >&4; } 2>&1 | tee "$told/said" >&2; } 4>&1) || true
	} 3>&1
	[ "$status" != 0 ] || return 0
	failed "$(sed -n '$s/^chatmail-proxy: //; $p' "$told/said")"
}

failed() { printf 'failed %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${1:-it ended without a word}"; }

limited() {
	if [ "$1" = 0 ]; then
		shift
		"$@"
		return
	fi
	timeout "$@" || {
		[ $? != 124 ] || say "it was stopped after $1 s"
		return 1
	}
}
