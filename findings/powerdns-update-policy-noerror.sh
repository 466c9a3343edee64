#!/bin/bash
# PowerDNS Authoritative 4.7 takes a dynamic update (RFC 2136) of several records, drops those that its
# lua-dnsupdate-policy-script denies, makes the others, and answers NOERROR.
#
# One would expect REFUSED, and nothing changed: RFC 2136 (3.4, 3.8) has an update done as a whole or not at all, and a
# server that does not let a client do it says so. BIND's update-policy and Knot's acl do. So this
# program reads back each change, and says what is missing (components/dns/driver/rfc2136.ts).
#
# Needs Debian 12 and root's apt lists; nothing is installed on the machine.
set -eu

PDNS=4.7.3-2
DNSPYTHON=2.7.0
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT

mkdir -p "$tmp/archives/partial" "$tmp/root"
# Unpacked, never configured: the package's own scripts would start a server on port 53.
apt-get -q -y install --no-install-recommends --download-only -o Dir::Cache::archives="$tmp/archives" \
	"pdns-server=$PDNS" "pdns-backend-sqlite3=$PDNS" >"$tmp/apt.log" 2>&1 || { tail -n 5 "$tmp/apt.log"; exit 1; }
for package in "$tmp"/archives/*.deb; do dpkg -x "$package" "$tmp/root"; done
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install "dnspython==$DNSPYTHON"

modules=$(find "$tmp/root" -type d -name pdns -path '*/lib/*' | head -n 1)
LD_LIBRARY_PATH=$(find "$tmp/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
export LD_LIBRARY_PATH
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$tmp/policy.lua" <<'END'
function updatepolicy(input)
	return input:getQType() ~= pdns.TXT
end
END
cat >"$tmp/pdns.conf" <<END
launch=gsqlite3
module-dir=$modules
gsqlite3-database=$tmp/zone.sqlite
local-address=127.0.0.1
local-port=$port
socket-dir=$tmp
security-poll-suffix=
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
lua-dnsupdate-policy-script=$tmp/policy.lua
END
python3 - "$tmp" <<'END'
import glob, sqlite3, sys
schema = glob.glob(sys.argv[1] + "/root/usr/share/**/schema.sqlite3.sql", recursive=True)[0]
sqlite3.connect(sys.argv[1] + "/zone.sqlite").executescript(open(schema).read())
END
printf '@ 60 IN SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 60\n@ 60 IN NS ns.example.org.\nns 60 IN A 192.0.2.53\n' >"$tmp/example.org"
"$tmp/root/usr/bin/pdnsutil" --config-dir="$tmp" load-zone example.org "$tmp/example.org" >/dev/null 2>&1
"$tmp/root/usr/sbin/pdns_server" --config-dir="$tmp" --daemon=no --guardian=no >"$tmp/pdns.log" 2>&1 &
server=$!

echo "pdns-server $PDNS, dnspython $DNSPYTHON"
"$tmp/venv/bin/python" - "$port" <<'END'
import sys, time
import dns.message, dns.query, dns.rcode, dns.update

port = int(sys.argv[1])

def ask(name, kind):
    for _ in range(50):
        try:
            return dns.query.tcp(dns.message.make_query(name, kind), "127.0.0.1", port=port, timeout=2)
        except OSError:
            time.sleep(0.2)
    sys.exit("the name server did not start within 10 s")

ask("example.org", "SOA")
update = dns.update.Update("example.org")
update.add("both", 60, "A", "192.0.2.1")
update.add("both", 60, "TXT", "denied")
answer = dns.query.tcp(update, "127.0.0.1", port=port, timeout=5)
seen = {
    "answer": dns.rcode.to_text(answer.rcode()),
    "A": [rr.to_text() for rrset in ask("both.example.org", "A").answer for rr in rrset],
    "TXT": [rr.to_text() for rrset in ask("both.example.org", "TXT").answer for rr in rrset],
}
print("one update of an A and a TXT record, of which the policy denies the TXT:", seen)
if seen != {"answer": "NOERROR", "A": ["192.0.2.1"], "TXT": []}:
    sys.exit("this is no longer so")
END
