# shellcheck shell=sh
# A verb whose failure is this host's alone: it is told as data, and the run goes on for all the others.

# attempt SECONDS AGAIN VERB WORD...: runs the verb, for SECONDS at the most (0: without a limit). Always succeeds; if the
# verb does not, the last line on stdout is `failed` with the reason (read by step.ts). AGAIN only makes a command line
# differ from that of an earlier attempt.
attempt() {
	limit=$1
	shift 2
	told=$(mktemp -d)
	trap 'rm -rf "$told"' EXIT
	# What the verb says goes on its way at once, for whoever watches; its last line is the reason.
	{ { limited "$limit" "$LIB/hostctl" "$@" >&3 && : >"$told/well"; } 2>&1 | tee "$told/said" >&2; } 3>&1
	[ ! -f "$told/well" ] || return 0
	reason=$(sed -n '$s/^chatmail-proxy: //; $p' "$told/said")
	printf 'failed %s\n' "${reason:-it ended without a word; was it stopped after $limit s?}"
}

limited() {
	if [ "$1" = 0 ]; then
		shift
		"$@"
	else
		timeout "$@"
	fi
}
