# shellcheck shell=sh
# Limits on new SSH connections, which one run of this program may meet: it makes some five to each host.

# forgive_client: takes the address that this session comes from off the counters of iptables' "recent" match by which others'
# rules (`ufw limit`, fail2ban's kin) limit new connections. This runs just after an administrator has logged in. Each
# attempt counts there, the refused ones too, so that waiting alone would not help. Only counters of rules that refuse: a
# list that lets in (port knocking) keeps what it has.
forgive_client() {
	client=$(ssh_client)
	[ -n "$client" ] || return 0
	for counter in $(recent_counters); do
		[ ! -w "$ROOT/proc/net/xt_recent/$counter" ] || printf -- '-%s\n' "$client" >"$ROOT/proc/net/xt_recent/$counter" || true
	done
}

recent_counters() {
	[ -d "$ROOT/proc/net/xt_recent" ] || return 0
	packet_rules | sed -n '/-m recent .*--hitcount/ { /-j ACCEPT/!s/.*--name \([^ ]*\).*/\1/p; }' | sort -u
}

# All rules of iptables, by both of its backends.
packet_rules() {
	for save in iptables-save ip6tables-save iptables-legacy-save ip6tables-legacy-save; do
		! have "$save" || "$save" -t filter 2>/dev/null || true
	done
}

# ssh_connection: CLIENT PORT SERVER PORT, as sshd says it. sudo takes it out of the environment; a process above still has it.
ssh_connection() {
	if [ -n "${SSH_CONNECTION:-}" ]; then
		echo "$SSH_CONNECTION"
		return
	fi
	process=$$
	for _above in 1 2 3 4 5 6 7 8; do
		process=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$process/status" 2>/dev/null) || return 0
		[ "${process:-0}" -gt 1 ] || return 0
		found=$(tr '\0' '\n' 2>/dev/null <"/proc/$process/environ" | sed -n 's/^SSH_CONNECTION=//p') || return 0
		[ -z "$found" ] || {
			echo "$found"
			return
		}
	done
}

ssh_client() {
	address=$(ssh_connection)
	address=${address%% *}
	address=${address#::ffff:}
	case $address in '' | *[!0-9a-fA-F.:]*) ;; *) echo "$address" ;; esac
}

# ssh_limits: names what limits new SSH connections here, with the command that lifts it.
ssh_limits() {
	connection=$(ssh_connection)
	port=${connection##* }
	client=$(ssh_client)
	: "${port:=22}" "${client:=YOUR-ADDRESS}"
	about="this program makes about 5 in 20 s. Should its connections be refused or hang"
	if have ufw && ufw status 2>/dev/null | grep -Eq "^($port(/tcp)?|OpenSSH|SSH) .*LIMIT"; then
		say "ufw limits new SSH connections to 6 in 30 s; $about: ufw allow $port/tcp"
	elif packet_rules | grep -E -- "-m (recent|hashlimit|connlimit|limit) " | grep -v ufw | grep -Eq -- "--dports? ([0-9:,]*,)?$port( |,)"; then
		say "iptables limits new connections to port $port; $about: iptables -I INPUT -s $client -p tcp --dport $port -j ACCEPT"
	fi
	nft list ruleset 2>/dev/null | awk -v port="$port" '
		$1 == "table" { table = $2 " " $3 }
		$1 == "chain" { chain = $2 }
		/dport/ && (" " $0 " ") ~ ("[ {,]" (port == 22 ? "(22|ssh)" : port) "[ },]") && /(limit rate|ct count|(add|update) @)/ && !/xt match/ { print table " " chain }
	' | sort -u | while read -r chain; do
		case $client in *:*) family=ip6 ;; *) family=ip ;; esac
		say "nftables limits new connections to port $port; $about: nft insert rule $chain $family saddr $client tcp dport $port accept"
	done
	have sshd || return 0
	sshd -T 2>/dev/null | while read -r key value _rest; do
		case $key in
		maxstartups) [ "${value%%:*}" -ge 10 ] || say "sshd drops logins beyond MaxStartups $value at a time; $about: set MaxStartups 10:30:100 in /etc/ssh/sshd_config and run: systemctl reload ssh" ;;
		persourcemaxstartups) [ "$value" = none ] || [ "$value" -ge 10 ] || say "sshd drops logins beyond PerSourceMaxStartups $value at a time; $about: set PerSourceMaxStartups none in /etc/ssh/sshd_config and run: systemctl reload ssh" ;;
		esac
	done
}
