#!/bin/bash
# The shell's own `read` gets only the first digit of a number in /proc/sys: `read -r x </proc/sys/kernel/pid_max` leaves
# "3" of 32768 in x, with exit status 1 as at the end of a file without a newline.
#
# POSIX has `read` take a line, so one would expect the line that `cat` prints. A shell may not read past the newline,
# and where it cannot know how to step back it asks for a character at a time; the kernel answers a number's file in one
# piece, and says "end of file" to any later piece. bash steps back (the file can seek), reads the whole, and is right; dash, busybox
# and mksh are not. So hostctl, which runs under them, reads such files by `cat` (components/remote/host/linux/kernel.sh).
#
# Needs Debian 12 and root's apt lists; nothing is installed on the machine.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -q download dash=0.5.12-2 busybox-static=1:1.35.0-4+deb12u1+b1 mksh=59c-28+deb12u1 bash=5.2.15-2+b13 >apt.log 2>&1 || { tail -n 5 apt.log; exit 1; }
for package in ./*.deb; do dpkg -x "$package" root; done

number=$(cat /proc/sys/kernel/pid_max)
echo "kernel $(uname -r), /proc/sys/kernel/pid_max by cat: $number"
[ "${#number}" -gt 1 ] || { echo "this number has a single digit, which shows nothing"; exit 1; }

as_described=yes
for shell in bin/dash 'bin/busybox sh' bin/mksh bin/bash; do
	# shellcheck disable=SC2016,SC2086 # expanded by that shell; words on purpose
	said=$(root/$shell -c 'x=; IFS= read -r x </proc/sys/kernel/pid_max; echo "$? $x"')
	echo "${shell#bin/}: status and text of read: $said"
	case $shell in bin/bash) expected="0 $number" ;; *) expected="1 ${number%"${number#?}"}" ;; esac
	[ "$said" = "$expected" ] || as_described=no
done
[ "$as_described" = yes ] || { echo "no longer as described"; exit 1; }
