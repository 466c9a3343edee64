# shellcheck shell=sh
# All packet rules of this kernel, whoever made them.

# print_rulesets: those of nftables (iptables-nft makes such too) as nft prints them, with numbers for priorities. Then those of
# iptables-legacy, which nft does not see: a line "legacy ip" or "legacy ip6" above what iptables-save prints. Without a table's
# name it reads those that are there, and brings no module in.
print_rulesets() {
	nft -s -y list ruleset 2>/dev/null || true
	for print_family in ip ip6; do
		case $print_family in ip) print_save=iptables-legacy-save ;; *) print_save=ip6tables-legacy-save ;; esac
		have "$print_save" || continue
		echo "legacy $print_family"
		"$print_save" 2>/dev/null || true
	done
}
