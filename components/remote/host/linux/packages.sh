# shellcheck shell=sh
# Debian packages: install what is missing, remember what we added, take just that away again.

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# prepare [direct] PACKAGE...: a fresh server is still busy with itself; then what is missing is installed. "direct" is a proxy
# without a tunnel.
prepare() {
	[ "$(id -u)" = 0 ] || fail "needs root; is the user in sudoers with NOPASSWD?"
	[ -d /run/systemd/system ] || fail "this host does not run systemd; Debian 12 or 13 is what is supported here"
	six_off=
	if [ "${1:-}" = direct ]; then shift; else six_off=$(ipv_six_off); fi
	[ -z "$six_off" ] || fail "IPv6 is switched off in this host's kernel ($six_off). The tunnel carries IPv6 even where the host has no IPv6 address: set that to 0, now and where it is set at boot (/etc/sysctl.conf, /etc/sysctl.d, or the kernel's command line)"
	ssh_limits
	have apt-get || fail "this host has no apt-get; Debian 12 or 13 is what is supported here"
	if have cloud-init; then
		# Status 2 is "done, with warnings of its own"; what counts is that it has ended.
		timeout 600 cloud-init status --wait >/dev/null || [ $? != 124 ] || fail "cloud-init is still busy after 600 s; see /var/log/cloud-init-output.log"
	fi
	missing=
	for package in "$@"; do
		installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	lock
	say "installing$missing"
	# Before it is done: what a run that was cut off has brought here is ours too.
	# shellcheck disable=SC2086
	printf '%s\n' $missing >>"$STATE/packages.added"
	[ -z "$(dpkg --audit)" ] || run dpkg --configure -a >&2 </dev/null || fail "an earlier installation was cut off, and dpkg --configure -a could not finish it; see the lines above"
	apt_get update || fail "apt-get update failed; see the lines above"
	# Recommended packages would bring a kernel along with wireguard-tools.
	# shellcheck disable=SC2086 # a list of words on purpose
	apt_get install -y --no-install-recommends $missing || fail "could not install$missing; see the lines above"
}

# Into a file: a connection that breaks while packages are set up would otherwise end dpkg in the middle of it.
apt_get() {
	DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 timeout 900 \
		apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >"$STATE/apt.log" 2>&1 </dev/null || {
		tail -n 30 "$STATE/apt.log" >&2
		return 1
	}
}

# Takes away the packages that we added, unless somebody uses them by now. No --autoremove: what else it would take
# is not ours to decide.
purge_added() {
	[ -f "$STATE/packages.added" ] || return 0
	gone=
	while read -r package; do
		installed "$package" || continue
		case $package in
		wireguard-tools) [ -z "$(wg show interfaces 2>/dev/null)$(ls -A /etc/wireguard 2>/dev/null)" ] || continue ;;
		nftables) [ -z "$(nft list tables 2>/dev/null)" ] || continue ;;
		esac
		gone="$gone $package"
	done <"$STATE/packages.added"
	[ -n "$gone" ] || return 0
	# dpkg, not apt-get: it refuses where something else has come to need them, instead of removing that too.
	# shellcheck disable=SC2086 # a list of words on purpose
	dpkg --purge $gone >"$STATE/apt.log" 2>&1 </dev/null || say "could not remove$gone; remove them manually if you like"
}
