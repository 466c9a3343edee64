# shellcheck shell=sh
# nftables.service: the owner's rules and ours are loaded in one transaction. Between its flush and a load of ours the kernel
# would know nothing of the connections that it forwards, and answer each packet of theirs with a reset.

NFTABLES=$UNITS/nftables.service.d/chatmail-proxy.conf

# hook_nftables: its commands become ours. Where hostctl is gone, what Debian's unit does. A drop-in of the owner's that comes
# after this one has the last word on the commands; the lines with Post then see to our rules, as a second step.
hook_nftables() {
	write_file 644 "$NFTABLES" <<-END
		[Service]
		ExecStart=
		ExecStart=$(in_nftables start "$NFT -f /etc/nftables.conf")
		ExecReload=
		ExecReload=$(in_nftables reload "$NFT -f /etc/nftables.conf")
		ExecStop=
		ExecStop=$(in_nftables stop "$NFT flush ruleset")
		ExecStartPost=-$LIB/hostctl load-filters
		ExecStopPost=-$LIB/hostctl load-filters
	END
}

NFT=/usr/sbin/nft

in_nftables() { printf '/bin/sh -c "if [ -x %s ]; then exec %s nftables %s; fi; exec %s"' "$LIB/hostctl" "$LIB/hostctl" "$1" "$2"; }

# nftables_does start|reload|stop: what the unit would do without us, and our rules with it.
nftables_does() {
	case $1 in
	start) commands=$(owners_commands ExecStart "$NFT -f /etc/nftables.conf") ;;
	reload) commands=$(owners_commands ExecReload "$NFT -f /etc/nftables.conf") ;;
	*) commands=$(owners_commands ExecStop "$NFT flush ruleset") ;;
	esac
	if batch=$(as_batch "$commands") && with_ours "$batch" | nft -f - 2>/dev/null; then
		load_frames
		return
	fi
	# Something in there is wrong, or nothing that could go together: each by itself, so that what is wrong is the owner's or
	# ours alone, and is said.
	owners=0
	while read -r command; do
		[ -n "$command" ] || continue
		# systemd's own marks: a failure that counts for nothing, and the like.
		case $command in -*) may_fail=yes ;; *) may_fail= ;; esac
		sh -c "$(printf '%s' "$command" | sed 's/^[-@:+!|]*//')" </dev/null || [ -n "$may_fail" ] || owners=1
		[ "$owners" = 0 ] || break
	done <<-END
		$commands
	END
	load_filters || true
	return $owners
}

# owners_commands KEY DEFAULT: those of the unit as it is without our drop-in, a line each; Debian's where nobody can say.
owners_commands() {
	files=$(systemctl show -p FragmentPath -p DropInPaths nftables.service | sed -n 's/^[A-Za-z]*=//p' | tr '\n' ' ') || files=
	[ "${files%%/*}" != "$files" ] || {
		printf '%s\n' "$2"
		return
	}
	# shellcheck disable=SC2086 # words on purpose
	for file in $files; do
		[ "$file" = "$NFTABLES" ] || [ ! -f "$file" ] || sed -e ':a' -e '/\\$/{N' -e 's/\\\n/ /' -e 'ta' -e '}' "$file"
	done | sed -n "s/^[ 	]*$1[ 	]*=[ 	]*/=/p" | awk '$0 == "=" { n = 0; next } { line[n++] = substr($0, 2) } END { for (i = 0; i < n; i++) print line[i] }'
}

# as_batch COMMANDS: the same as text for nft, if each of them is nft with a file, or its flush.
as_batch() {
	printf '%s\n' "$1" | while read -r program first second more; do
		case "${program##*/} $first $second $more" in
		'   ') ;;
		'nft -f /'*[\"\'\\\$%*?]*) exit 1 ;;
		'nft -f /'*' ') printf 'include "%s"\n' "$second" ;;
		'nft flush ruleset ') echo 'flush ruleset' ;;
		*) exit 1 ;;
		esac
	done
}

# with_ours BATCH: ours last, which find what they replace gone or there.
with_ours() {
	printf '%s\n' "$1"
	for file in "$ETC"/*.nft; do
		[ ! -f "$file" ] || printf 'include "%s"\n' "$file"
	done
}
