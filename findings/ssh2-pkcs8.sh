#!/bin/bash
# ssh2 for Node.js, 1.17.0, reads no private key in PKCS#8 ("BEGIN PRIVATE KEY"), the form in which openssl writes one: "Unsupported
# key format".
#
# One would expect that a key which OpenSSH's own client takes is taken here too: ssh-keygen and ssh read RSA and ECDSA keys in
# this form, and Go's golang.org/x/crypto/ssh, with which Pulumi's command provider logs in, reads Ed25519 as well. A program
# that logs in by both is let in by one and not by the other with the same key. So this program turns the key into a form
# that ssh2 reads (components/tunnel/keys.ts).
set -eu

SSH2=1.17.0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
echo '{"private":true}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts --save-exact "ssh2@$SSH2" >/dev/null
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ecdsa 2>/dev/null
cat >read.js <<'END'
const key = require("ssh2").utils.parseKey(require("node:fs").readFileSync(process.argv[2]));
console.log(key instanceof Error ? key.message : `reads it as ${key.type}`);
END

echo "ssh2 $SSH2, $(openssl version), $(ssh -V 2>&1)"
same=yes
for key in rsa ecdsa; do
	openssh=$(ssh-keygen -y -f "$key" | cut -d ' ' -f 1)
	ssh2=$(node read.js "$key")
	echo "$key, $(head -n 1 "$key"): OpenSSH reads it as $openssh; ssh2: $ssh2"
	[ "$ssh2" = "Unsupported key format" ] || same=
	# The same key in OpenSSH's own form.
	cp "$key" "$key.openssh"
	ssh-keygen -q -p -N '' -f "$key.openssh" >/dev/null
	ssh2=$(node read.js "$key.openssh")
	echo "$key, $(head -n 1 "$key.openssh"): ssh2 $ssh2"
	[ "$ssh2" = "reads it as $openssh" ] || same=
done
[ -n "$same" ] || {
	echo "no longer so"
	exit 1
}
