#!/bin/sh
# layer.sh: makes one image layer, in mount and PID namespaces that its caller gives and that take mounts and
# daemons (gpg's agent, say) along when they end. The caller renames the result.
# Usage: layer.sh base RELEASE MIRROR WORK
#        layer.sh packages RELEASE MIRROR WORK LOWERDIRS PACKAGE...   (what to run at the end comes on stdin)
#        layer.sh mirror RELEASE MIRROR WORK LOWERDIRS TOOLDIRS PACKAGE...
# WORK/layer is the result.

fail() { printf 'layer.sh: %s\n' "$*" >&2; exit 1; }

# A root file system at WORK/root, over the lower layers, with what packages need to install themselves.
open_root() {
	upper=$1 lower=$2 root=$3
	mkdir -p "$upper" "$root.work" "$root"
	mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$root.work" "$root"
	mount -t proc proc "$root/proc"
	mount -t tmpfs tmpfs "$root/run"
	# Only what maintainer scripts touch: a bound /dev would hand them the machine's.
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for node in null zero full random urandom tty; do
		: >"$root/dev/$node"
		mount --bind "/dev/$node" "$root/dev/$node"
	done
	ln -s /proc/self/fd "$root/dev/fd"
	mkdir -p "$root/dev/shm"
	for file in resolv.conf hosts; do
		[ -e "$root/etc/$file" ] || : >"$root/etc/$file"
		mount --bind "$(readlink -f "/etc/$file")" "$root/etc/$file"
	done
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	printf 'deb %s %s main\n' "$mirror" "$release" >"$root/etc/apt/sources.list"
	[ -z "${http_proxy:-}" ] || printf 'Acquire::http::Proxy "%s";\n' "$http_proxy" >"$root/etc/apt/apt.conf.d/99lab-build"
}

# Lists and packages are the build's; a machine of the lab fetches its own from the lab's mirror.
close_root() {
	rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1"/var/log/apt "$1"/var/log/dpkg.log "$1"/var/log/alternatives.log
	rm -f "$1/usr/sbin/policy-rc.d" "$1/etc/apt/apt.conf.d/99lab-build"
	umount -R "$1"
	# An empty file stood in for the mount; left in the layer it would hide a machine's own.
	find "$2/etc" -maxdepth 1 \( -name resolv.conf -o -name hosts \) -empty -delete
}

in_root() {
	root=$1
	shift
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

# One download of the lists serves all layers of a build.
update() {
	lists=$(dirname "$work")/lists-$release
	mkdir -p "$1/var/lib/apt/lists" "$lists"
	mount --bind "$lists" "$1/var/lib/apt/lists"
	if [ ! -e "$lists/complete" ]; then
		in_root "$1" apt-get -q -o Acquire::Languages=none update
		: >"$lists/complete"
	fi
}

build_base() {
	# Debian's releases all have sid's script; an older debootstrap does not know the newest by name.
	debootstrap --variant=minbase "$release" "$work/layer" "$mirror" /usr/share/debootstrap/scripts/sid
	rm -rf "$work/layer"/var/cache/apt/archives/*.deb "$work/layer"/var/lib/apt/lists/* "$work/layer"/var/log/bootstrap.log
	rm -f "$work/layer/etc/resolv.conf" "$work/layer/etc/hostname"
}

build_packages() {
	lower=$1
	shift
	open_root "$work/layer" "$lower" "$work/root"
	update "$work/root"
	in_root "$work/root" apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 install "$@"
	in_root "$work/root" sh -eu
	umount "$work/root/var/lib/apt/lists"
	close_root "$work/root" "$work/layer"
}

# The packages, indexed and signed like Debian's own archive, and a layer that makes a machine trust them.
build_mirror() {
	lower=$1 tools=$2
	shift 2
	open_root "$work/fetch" "$lower" "$work/root"
	update "$work/root"
	in_root "$work/root" apt-get -q -y --no-install-recommends --download-only install "$@"
	pool=$work/layer/www/debian/pool/main
	mkdir -p "$pool"
	cp "$work/root"/var/cache/apt/archives/*.deb "$pool/"

	open_root "$work/tools" "$tools" "$work/sign"
	mkdir -p "$work/sign/srv/www"
	mount --bind "$work/layer/www" "$work/sign/srv/www"
	in_root "$work/sign" sh -eu -s "$release" <<-'END'
		export GNUPGHOME=/run/gnupg
		mkdir -m 700 "$GNUPGHOME"
		gpg --batch --quiet --passphrase '' --quick-generate-key 'chatmail-proxy lab archive' rsa3072 sign never
		arch=$(dpkg --print-architecture)
		publish() {
			cd "/srv/www/$1"
			for component in main contrib non-free non-free-firmware; do
				dir=dists/$2/$component/binary-$arch
				mkdir -p "$dir"
				if [ "$component" = main ] && [ -d "$3" ]; then apt-ftparchive packages "$3" >"$dir/Packages"; else : >"$dir/Packages"; fi
				gzip -kn "$dir/Packages"
			done
			apt-ftparchive -o APT::FTPArchive::Release::Origin=Debian -o "APT::FTPArchive::Release::Label=$5" \
				-o "APT::FTPArchive::Release::Suite=$4" -o "APT::FTPArchive::Release::Codename=$2" \
				-o "APT::FTPArchive::Release::Architectures=$arch" -o 'APT::FTPArchive::Release::Components=main contrib non-free non-free-firmware' \
				release "dists/$2" >/run/Release
			mv /run/Release "dists/$2/Release"
			gpg --batch --quiet --clearsign --output "dists/$2/InRelease" "dists/$2/Release"
			gpg --batch --quiet --armor --detach-sign --output "dists/$2/Release.gpg" "dists/$2/Release"
		}
		mkdir -p /srv/www/debian-security
		publish debian "$1" pool/main stable Debian
		publish debian "$1-updates" none stable-updates Debian
		publish debian-security "$1-security" none stable-security Debian-Security
		gpg --batch --armor --export >/srv/www/key.asc
		gpg --batch --export >/srv/www/key.gpg
		gpgconf --kill all
	END
	trust=$work/layer/trust
	mkdir -p "$trust/etc/apt/trusted.gpg.d" "$trust/etc/apt/sources.list.d" "$trust/usr/share/keyrings"
	cp "$work/layer/www/key.asc" "$trust/etc/apt/trusted.gpg.d/chatmail-proxy-lab.asc"
	# Sources with a Signed-By name one of these, so the lab's key is in them as well.
	for keyring in "$work/sign"/usr/share/keyrings/debian-archive-keyring.*; do
		cat "$keyring" "$work/layer/www/key.gpg" >"$trust/usr/share/keyrings/$(basename "$keyring")"
	done
	: >"$trust/etc/apt/sources.list"
	cat >"$trust/etc/apt/sources.list.d/debian.sources" <<-END
		Types: deb
		URIs: http://deb.debian.org/debian
		Suites: $release $release-updates
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

		Types: deb
		URIs: http://deb.debian.org/debian-security
		Suites: $release-security
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
}

main() {
	set -eu
	umask 022
	[ $# -ge 4 ] || fail "needs a kind, a release, a mirror and a work directory"
	kind=$1 release=$2 mirror=$3 work=$4
	shift 4
	case $kind in
		base) build_base ;;
		packages) build_packages "$@" ;;
		mirror) build_mirror "$@" ;;
		*) fail "no such kind of layer: $kind" ;;
	esac
}

main "$@"
