# shellcheck shell=sh
# Who may log in as root, besides those that could before.

MARK_BEGIN='# chatmail-proxy: begin (written by pulumi up)'
MARK_END='# chatmail-proxy: end'

# admin_keys: the public keys on stdin may log in as this host's root, besides those that could before. A file that we made
# ($STATE/keys.made) goes again when nothing is left in it.
admin_keys() {
	file=$HOME/.ssh/authorized_keys
	[ ! -L "$file" ] || file=$(readlink -f "$file") || fail "$HOME/.ssh/authorized_keys is a link that leads nowhere"
	ours=$(cat)
	mkdir -p "$STATE"
	printf '%s\n' "$ours" | write_file 600 "$STATE/keys.set"
	[ -n "$ours" ] || grep -qsF "$MARK_BEGIN" "$file" || return 0
	if [ ! -e "$file" ]; then
		make_dir "$HOME/.ssh" 077
		mkdir -p "$STATE"
		: >"$STATE/keys.made"
	fi
	if [ -z "$ours" ] && [ -f "$STATE/keys.made" ] && ! without_our_keys "$file" | grep -q .; then
		rm -f "$file" "$STATE/keys.made"
		return 0
	fi
	{
		without_our_keys "$file"
		[ -z "$ours" ] || printf '%s\n' "$MARK_BEGIN" "$ours" "$MARK_END"
	} | replace_file 600 "$file"
}

# without_our_keys FILE: what others wrote. Our first mark may stand at the end of a line of theirs that had no newline.
without_our_keys() {
	[ ! -f "$1" ] || awk -v begin="$MARK_BEGIN" -v end="$MARK_END" '
		$0 == end { ours = 0; next }
		ours { next }
		{
			before = length($0) - length(begin)
			if (before < 0 || substr($0, before + 1) != begin) { print; next }
			if (before > 0) print substr($0, 1, before)
			ours = 1
		}' "$1"
}

# our_keys: the keys that we put there, as they are now.
our_keys() {
	awk -v begin="$MARK_BEGIN" -v end="$MARK_END" '$0 == end { ours = 0 } ours { print } index($0, begin) { ours = 1 }' "$HOME/.ssh/authorized_keys" 2>/dev/null || true
}
