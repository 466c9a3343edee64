# shellcheck shell=sh
# Who may log in as root, besides those that could before.

MARK_BEGIN='# chatmail-proxy: begin (written by pulumi up)'
MARK_END='# chatmail-proxy: end'

# admin_keys: the public keys on stdin may log in as this host's root, besides those that could before.
admin_keys() {
	file=$HOME/.ssh/authorized_keys
	mkdir -p "$HOME/.ssh"
	ours=$(cat)
	{
		[ ! -f "$file" ] || sed "/^$MARK_BEGIN\$/,/^$MARK_END\$/d" "$file"
		[ -z "$ours" ] || printf '%s\n' "$MARK_BEGIN" "$ours" "$MARK_END"
	} | write_file 600 "$file"
}
