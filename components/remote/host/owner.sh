# shellcheck shell=sh
# Which stack a proxy's host belongs to: two on one machine would undo each other's work.

# own [STACK]: from now on this host is that stack's, unless it is another's.
own() {
	[ $# != 0 ] || return 0
	is_of "$1" || fail "this machine is a proxy of the stack $(cat "$STATE/stack") already, and a machine is one proxy: take it out of that stack first. If that stack is gone for good, run there as root: $LIB/hostctl uninstall"
	[ -f "$STATE/stack" ] || printf '%s\n' "$1" | write_file 644 "$STATE/stack"
}

# is_of STACK: it is that stack's, or nobody's. Without a name it is a person who asks, who knows what they do.
is_of() { [ -z "$1" ] || [ ! -f "$STATE/stack" ] || [ "$(cat "$STATE/stack")" = "$1" ]; }

# take_over [STACK]: the hostctl that has just come takes the place of the one before, if this host is that stack's.
take_over() {
	own "$@"
	[ ! -f "$LIB/hostctl.new" ] || mv -f "$LIB/hostctl.new" "$LIB/hostctl"
}

# uninstall_of [STACK]: nothing happens where the host is another stack's, which goes on using it.
uninstall_of() { ! is_of "${1:-}" || uninstall; }
