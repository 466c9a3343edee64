# shellcheck shell=sh
# hostctl's own place on the host: its units, and its leaving without a trace.

NETWORKD=/etc/systemd/networkd.conf.d

# setup [PROXY [direct]]: units that stand beside hostctl. nftables.service flushes everything when it stops, starts or reloads, and
# its package restarts it on upgrades: the drop-in loads our rules with it each time.
setup() {
	[ "$(id -u)" = 0 ] || fail "needs root; is the user in sudoers with NOPASSWD?"
	[ -d /run/systemd/system ] || fail "this host does not run systemd; Debian 12 or 13 is what is supported here"
	ready "$@"
	begin_record "$NFTABLES" "${NFTABLES%/*}"
	take_over "$@"
	write_file 644 "$UNITS/chatmail-proxy-filter.service" <<-END
		[Unit]
		Description=chatmail-proxy: packet filter
		DefaultDependencies=no
		Wants=network-pre.target
		Before=network-pre.target shutdown.target
		Conflicts=shutdown.target
		After=nftables.service local-fs.target

		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=$LIB/hostctl load-filters
		ExecReload=$LIB/hostctl load-filters

		[Install]
		WantedBy=sysinit.target
	END
	write_file 644 "$UNITS/chatmail-proxy-heal.service" <<-END
		[Unit]
		Description=chatmail-proxy: puts back what others took away

		[Service]
		Type=oneshot
		ExecStart=$LIB/hostctl heal
	END
	write_file 644 "$UNITS/chatmail-proxy-heal.timer" <<-END
		[Unit]
		Description=chatmail-proxy: puts back what others took away

		[Timer]
		OnActiveSec=20
		OnUnitActiveSec=20
		AccuracySec=5

		[Install]
		WantedBy=timers.target
	END
	hook_nftables
	write_file 644 "$UNITS/chatmail-proxy-watch@.service" <<-END
		[Unit]
		Description=chatmail-proxy: keeps tunnel %i alive
		After=wg-quick@%i.service

		[Service]
		ExecStart=$LIB/hostctl watch %i
		Restart=always
		RestartSec=5

		[Install]
		WantedBy=multi-user.target
	END
	forget_networkd
	systemctl daemon-reload
	# A watch that runs still holds the hostctl of before.
	systemctl try-restart 'chatmail-proxy-watch@*.service' || true
}

# A setting for systemd-networkd, which earlier versions of this program needed (see add_rule). Not before their egress is framed
# by rules that need none.
forget_networkd() {
	[ -f "$NETWORKD/chatmail-proxy.conf" ] || return 0
	load_frames || true
	rm -f "$NETWORKD/chatmail-proxy.conf"
	rmdir "$NETWORKD" 2>/dev/null || true
}

# The sets on a relay that belong to STACK: those of the tunnels whose settings bear its name.
sets_of() {
	for file in "$ETC"/wg-*.conf; do
		grep -qsxF "STACK=$1" "$file" || continue
		proxy=$(basename "$file" .conf)
		printf 'tunnel-%s\nkeys-%s\n' "${proxy#wg-}" "${proxy#wg-}"
	done
}

# keep_of STACK SET...: what of STACK is not named goes.
keep_of() {
	stack=$1
	shift
	for name in $(sets_of "$stack"); do
		case " $* " in *" $name "*) continue ;; esac
		[ ! -d "$STATE/sets/$name" ] || "$LIB/hostctl" step remove_set "$name"
	done
}

# claim STACK INTERFACE...: none of them is another stack's, or not of ours at all.
claim() {
	stack=$1
	shift
	six_off=$(ipv_six_off)
	[ -z "$six_off" ] || fail "IPv6 is switched off on this relay ($six_off). The tunnel carries IPv6 to it even where the home line has none: set that to 0, now and where it is set at boot (/etc/sysctl.conf, /etc/sysctl.d, or the kernel's command line)"
	for name in "$@"; do
		if [ -f "$ETC/$name.conf" ]; then
			grep -qxF "STACK=$stack" "$ETC/$name.conf" || fail "this relay already has a tunnel $name of another stack ($(sed -n 's/^STACK=//p' "$ETC/$name.conf")). Give the proxy another name, or remove it there first"
		elif ip link show dev "$name" >/dev/null 2>&1; then
			fail "this relay already has an interface $name that is not ours. Give the proxy another name"
		fi
	done
}

# fits STACK INTERFACE TABLE RELAY-IPV4 RELAY-IPV6 PROXY-IPV4 PROXY-IPV6: nobody else here uses a tunnel's addresses and routing
# table, and postfix does not trust its other end.
fits() {
	stack=$1 interface=$2 table=$3
	shift 3
	if ! has_table "$stack" "$interface" "$table"; then
		user=$(users_of_table "$table" | head -n 1)
		[ -z "$user" ] || fail "this relay's routing table $table, meant for $interface, is in use already ($user): choose a first table whose successors are free, as tunnel.routingTables"
	fi
	for address in "$@"; do
		route=$(route_of_others "$address" "$interface")
		[ -z "$route" ] || fail "this relay already uses the network of the tunnel's address $address ($route): choose another tunnel.ipv4Range or tunnel.ipv6Range"
	done
	have postconf && have postmap || return 0
	trusted=$(mktemp)
	for network in $(postconf -hx mynetworks | tr ',' ' ' | tr -d '[]'); do
		case $network in *[!0-9a-fA-F:./]*) ;; *) printf '%s trusted\n' "$network" ;; esac
	done >"$trusted"
	for address in "$3" "$4"; do
		if postmap -q "$address" "cidr:$trusted" >/dev/null 2>&1; then
			rm -f "$trusted"
			fail "postfix trusts $address by its mynetworks, the other end of a tunnel: a captured proxy could send through this relay. Take that network out of mynetworks, or choose another tunnel.ipv4Range or tunnel.ipv6Range"
		fi
	done
	rm -f "$trusted"
}

# has_table STACK INTERFACE TABLE: routes and rules in it are our own tunnel's: this one's, or one's of the same stack that is
# to go when this one has come.
has_table() {
	[ ! -f "$ETC/$2.conf" ] || return 0
	for file in "$ETC"/wg-*.conf; do
		! grep -qsxF "STACK=$1" "$file" || ! grep -qxF "TABLE=$3" "$file" || return 0
	done
	return 1
}

users_of_table() {
	for family in 4 6; do
		ip -"$family" route show table "$1" 2>/dev/null || true
		ip -"$family" rule show table "$1" 2>/dev/null || true
	done
}

relay_firewalls() {
	firewalls relay | while read -r _word sentence; do say "should mail not get through: $sentence"; done
}

# release STACK: all of a stack's, for a person whose program does not reach this relay.
release() {
	keep_of "$1"
	rm -f "$STATE"/documents/*"@$(printf '%s' "$1" | tr / @)" "$STATE"/documents/*"@$(printf '%s' "$1" | tr / @).sets"
	leave
}

# leave: the last step of a stack on a relay, which other stacks may use too.
leave() {
	for dir in "$STATE"/sets/*; do
		[ ! -d "$dir" ] || {
			say "$(basename "$dir") is still here, so hostctl stays as well"
			return 0
		}
	done
	uninstall
}

# uninstall: the last step. Sets that are still there go first, so that it also serves a person who runs it manually.
uninstall() {
	for dir in "$STATE"/sets/*; do
		[ ! -d "$dir" ] || "$LIB/hostctl" step remove_set "$(basename "$dir")" || true
	done
	systemctl -q disable --now chatmail-proxy-filter.service 2>/dev/null || true
	admin_keys </dev/null
	purge_added
	rm -f "$RUN"/chatmail-proxy.table.*
	rm -rf "$UNITS"/chatmail-proxy-*.service "$UNITS"/chatmail-proxy-*.timer "$NFTABLES"
	forget_networkd
	systemctl daemon-reload
	leave_places
}
