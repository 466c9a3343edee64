# shellcheck shell=sh
# Which proxy a host is, PROJECT/STACK/NAME: two on one machine would undo each other's work.

# own [PROXY]: from now on this host is that proxy, unless another stack has it. One of the same stack that was here before
# has left its settings, and hands over.
own() {
	[ $# != 0 ] || return 0
	only_of "$1"
	[ "$(cat "$STATE/stack" 2>/dev/null)" = "$1" ] || printf '%s\n' "$1" | write_file 644 "$STATE/stack"
}

# only_of PROXY: this host is of no other stack.
only_of() {
	[ -f "$STATE/stack" ] || return 0
	stack=$(cut -d / -f 1,2 "$STATE/stack")
	[ "$stack" = "${1%/*}" ] || fail "this machine is a proxy of the stack $stack already, and a machine is one proxy: take it out of that stack first. If that stack no longer exists, run there as root: $LIB/hostctl uninstall"
}

# is_of PROXY: it is that proxy, or none. Without a name it is a person who asks, who knows what they do.
is_of() { [ -z "$1" ] || [ ! -f "$STATE/stack" ] || [ "$(cat "$STATE/stack")" = "$1" ]; }

# take_over [PROXY]: the hostctl that has just come takes the place of the one before, if this host is that proxy.
take_over() {
	own "$@"
	[ ! -f "$LIB/hostctl.new" ] || mv -f "$LIB/hostctl.new" "$LIB/hostctl"
	digest_of "$LIB/hostctl" | write_file 644 "$STATE/hostctl.sha256"
}

# uninstall_of [PROXY]: nothing happens where the host is another proxy by now, which goes on using it.
uninstall_of() {
	if is_of "${1:-}"; then
		uninstall
	else
		say "this machine is $(cat "$STATE/stack") by now: nothing was undone on it for $1"
	fi
}
