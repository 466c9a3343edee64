# shellcheck shell=sh
# The guard: a process of its own since setup, outside any SSH session. It takes back rules that nobody has confirmed in
# time, and heals what others took away.

guard() {
	rounds=0
	while :; do
		overdue
		[ $((rounds % 6)) != 0 ] || "$LIB/hostctl" heal || true
		rounds=$((rounds + 1))
		sleep 5
	done
}

# The deadline goes only when `revert` has done its work: else the next round tries again.
overdue() {
	for file in "$RUN"/chatmail-proxy.deadline.*; do
		[ -f "$file" ] || continue
		read -r time seconds arming <"$file" || continue
		[ "$(date +%s)" -ge "$time" ] || continue
		if "$LIB/hostctl" revert "${file##*.deadline.}" "$seconds" "$arming"; then rm -f "$file"; fi
	done
}

# heal: what is stored comes back into force. Not while rules are on trial, nor beside another run.
heal() {
	for file in "$RUN"/chatmail-proxy.deadline.*; do
		[ ! -f "$file" ] || return 0
	done
	! is_locked || return 0
	lock
	heal_pf
	ask_routers
	[ -f "$ETC/tunnel.env" ] || return 0
	# A process of its own, which takes the tunnel's lock.
	tunnel_is_up || "$LIB/hostctl" tunnel-up
	read_tunnel
	keep_endpoint "$INTERFACE"
}
