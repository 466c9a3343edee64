# shellcheck shell=sh
# hostctl's own place on the host: its services, and its leaving without a trace.

RC_D=$ROOT/usr/local/etc/rc.d

fit() {
	[ "$(id -u)" = 0 ] || fail "needs root; is the user in sudoers with NOPASSWD?"
	[ "$(uname -s)" = FreeBSD ] || fail "this host runs $(uname -s); the settings say FreeBSD"
	version=$(freebsd-version -u)
	# 13.2 already has wg(4) in its base system.
	[ "${version%%.*}" -ge 14 ] || fail "this host runs FreeBSD $version: what is older than 14 gets no security updates any more, and was never tried here; upgrade it to 14 or 15"
	have wg || fail "this host has no wg; it is part of FreeBSD's base system"
}

# setup [PROXY]: services beside hostctl. They do nothing where there is nothing for them to do, so they need no rc.conf.
# Not under timeout(1), which would wait for the guard.
setup() {
	fit
	# A fresh system has none.
	begin_record "$RC_D/chatmail_proxy_guard" "${LIB%/*}"
	take_over "$@"
	# At boot after the tunnel, which it would bring up itself meanwhile.
	service_file guard "takes back rules that nobody confirms" chatmail_proxy_tunnel <<-END
		pidfile=/var/run/\$name.pid
		command=/usr/sbin/daemon
		command_args="-c -f -R 5 -P \$pidfile -t \$name $LIB/hostctl guard"
	END
	service_file tunnel "the tunnel to the relay" <<-END
		start_cmd="$LIB/hostctl tunnel-up"
		stop_cmd="$LIB/hostctl tunnel-down"
		status_cmd="$LIB/hostctl tunnel-is-up"
	END
	# The guard that runs still holds the hostctl of before.
	run service chatmail_proxy_guard onerestart >&2 </dev/null || fail "the guard did not start; see the lines above"
}

# service_file NAME WHAT [AFTER]: a script for rc.d with the lines on stdin in it.
service_file() {
	{
		cat <<-END
			#!/bin/sh
			# Written by chatmail-proxy: $2.
			#
			# PROVIDE: chatmail_proxy_$1
			# REQUIRE: FILESYSTEMS netif routing${3:+ $3}
			# KEYWORD: nojailvnet

			. /etc/rc.subr

			name=chatmail_proxy_$1
			rcvar=chatmail_proxy_$1_enable
		END
		cat
		cat <<-END

			load_rc_config \$name
			: \${chatmail_proxy_$1_enable:=YES}
			run_rc_command "\$1"
		END
	} | write_file 755 "$RC_D/chatmail_proxy_$1"
}

# prepare [direct]: all that we need is part of the base system.
prepare() {
	fit
	[ "${1:-}" != direct ] || shift
	[ $# = 0 ] || fail "no packages are installed on FreeBSD; all that a proxy needs is in the base system"
	[ "$(sysctl -n security.jail.jailed 2>/dev/null)" != 1 ] || fail "this host is a jail; a proxy needs a kernel of its own"
}

# uninstall: the last step. Sets that are still there go first, so that it also serves a person who runs it manually.
uninstall() {
	for dir in "$STATE"/sets/*; do
		[ ! -d "$dir" ] || "$LIB/hostctl" step remove_set "$(basename "$dir")" || true
	done
	for name in tunnel guard; do
		[ ! -f "$RC_D/chatmail_proxy_$name" ] || run service "chatmail_proxy_$name" onestop >&2 </dev/null || true
		rm -f "$RC_D/chatmail_proxy_$name"
	done
	admin_keys </dev/null
	rm -f "$ASKED"
	leave_places
}
