# shellcheck shell=sh
# Can this machine's kernel do what a proxy or a relay needs? Asked before anything is changed. Containers (LXC, OpenVZ) have the
# kernel of their host, with what that one allows; and an update may take away the modules of the kernel that still runs.

# ready [PROXY [direct]]: it can, or a sentence says what is missing and what helps. "direct" is a proxy without a tunnel.
ready() {
	if [ $# = 0 ]; then
		rp_filter_ready
	else
		printf '%s\n' 'net.ipv4.ip_forward = 1' 'net.ipv6.conf.all.forwarding = 1' | settings_ready proxy
	fi
	[ "${2:-}" = direct ] || wireguard_ready
	nftables_ready
}

# Slashes for dots, unless it has them already: then a dot is an interface's.
setting_file() {
	case $1 in
	*/*) printf '%s/sys/%s' "$PROC" "$1" ;;
	*)
		setting_path=$PROC/sys setting_rest=$1.
		while [ -n "$setting_rest" ]; do
			setting_path=$setting_path/${setting_rest%%.*}
			setting_rest=${setting_rest#*.}
		done
		echo "$setting_path"
		;;
	esac
}

# differing: of settings on stdin, "KEY = VALUE" a line, those that are not so now.
differing() {
	while read -r key is value; do
		[ "$is" = = ] || continue
		[ "$(kernel_value "$key")" = "$value" ] || printf '%s = %s\n' "$key" "$value"
	done
}

# settings_ready HOST: those on stdin are so, or can be set.
settings_ready() {
	refused=$(differing | while read -r key is value; do
		file=$(setting_file "$key")
		[ ! -e "$file" ] || [ -w "$file" ] || printf '%s=%s ' "$key" "$value"
	done)
	[ -z "$refused" ] || fail "/proc/sys cannot be written here$(in_container), and a $1 needs $refused(as for sysctl -w). Set that on the machine that this one runs on, or ask its provider to; a virtual machine with a kernel of its own (KVM) needs nobody for that"
}

# Of a tunnel's interface, which comes with the default: strict (1, of all or its own) would drop clients' addresses there.
rp_filter_ready() {
	rp_filter_is_strict default || return 0
	printf 'net.ipv4.conf.default.rp_filter = 2\n' | settings_ready relay
}

rp_filter_is_strict() {
	case "$(kernel_value net.ipv4.conf.all.rp_filter) $(kernel_value "net/ipv4/conf/$1/rp_filter")" in *2*) return 1 ;; *1*) ;; *) return 1 ;; esac
}

# By an interface that is made and taken away: that is what loads the module, or finds it with a container's host.
wireguard_ready() {
	[ ! -d "$ROOT/sys/module/wireguard" ] || [ -z "$(wg show interfaces 2>/dev/null)" ] || return 0
	have ip || return 0
	ip link del dev chatmail-try 2>/dev/null || true
	if answer=$(ip link add dev chatmail-try type wireguard 2>&1); then
		# Two stacks at once on a relay take away each other's, or find it there: it is WireGuard all the same.
		ip link del dev chatmail-try 2>/dev/null || true
		return 0
	fi
	# wg-quick makes do with it.
	! have wireguard-go || [ ! -c "$ROOT/dev/net/tun" ] || return 0
	lacking WireGuard wireguard "$answer"
}

# A chain that translates, checked and not loaded. Before nftables is installed there is only the module to look for.
nftables_ready() {
	if have nft; then
		answer=$(printf 'table inet chatmail_proxy_try {\n\tchain try {\n\t\ttype nat hook prerouting priority -100\n\t}\n}\n' | nft -c -f - 2>&1) || lacking nftables nf_tables "$answer"
	elif modules_are_gone && [ ! -d "$ROOT/sys/module/nf_tables" ]; then
		lacking nftables nf_tables 'Operation not supported'
	fi
}

# lacking WHAT MODULE ANSWER: the sentence for it. Other answers of the kernel are reported where they matter.
lacking() {
	case $3 in
	*'ot permitted'* | *'enied'*) fail "$1 is not allowed here$(in_container): let its provider allow it (CAP_NET_ADMIN in the container's own network), or take a virtual machine with a kernel of its own (KVM)" ;;
	*'nknown device type'* | *'ot supported'* | *'No such file'*) ;;
	*) return 0 ;;
	esac
	if [ -n "$(in_container)" ]; then
		fail "the kernel has no $1, and it is not this machine's own$(in_container): load the module $2 on the machine that this one runs on (modprobe $2), or ask its provider to; a virtual machine with a kernel of its own (KVM) needs nobody for that"
	elif modules_are_gone; then
		fail "the kernel that runs here ($(uname -r)) has been replaced by an update, and its modules are gone, with them $1: reboot this machine, and run this again"
	else
		fail "this machine's kernel ($(uname -r)) has no $1 (module $2): install Debian's own (apt-get install linux-image-$(dpkg --print-architecture 2>/dev/null || echo amd64)), reboot, and run this again"
	fi
}

in_container() {
	container=$(systemd-detect-virt --container 2>/dev/null) || return 0
	printf ' (a container, %s)' "$container"
}

# None of the kernel that runs, and those of another.
modules_are_gone() {
	[ ! -d "$ROOT/lib/modules/$(uname -r)" ] || return 1
	for modules in "$ROOT"/lib/modules/*/; do
		[ ! -d "$modules" ] || return 0
	done
	return 1
}
