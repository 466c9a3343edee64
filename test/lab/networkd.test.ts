// Our routing rules beside this machine's own systemd-networkd, in a network namespace where it manages an interface. No stack and
// no machine is needed.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostctlProgram } from "../../components/remote/hostctl";
import { command } from "../../scripts/lab/command";

jest.setTimeout(60_000);

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "networkd-"));
  mkdirSync(join(dir, "etc"));
  writeFileSync(
    join(dir, "hostctl"),
    hostctlProgram().replace(/^(ETC|STATE)=.*/gm, (_line, name: string) => `${name}=${dir}/${name.toLowerCase()}`),
  );
  writeFileSync(
    join(dir, "etc/wg-hel1.conf"),
    "TABLE=77\nPRIORITY=4710\nIPV4=10.213.0.1\nIPV6=fd00::1\nPEER_IPV4=10.213.0.2\nPEER_IPV6=fd00::2\nSTACK=a/b\nEGRESS=0\nEGRESS_ELSE=nowhere\n",
  );
});
afterEach(() => rmSync(dir, { recursive: true }));

it("systemd-networkd leaves our routing rules alone when it configures an interface, which takes away all others", async () => {
  // Without udev, as in a container (/sys is read-only), it configures what is there at its start before it knows of any rule. So the
  // interface comes later.
  const { stdout } = await command([
    "unshare",
    "--net",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-euc",
    `
wait_for() {
	tries=0
	until eval "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 300 ]
		sleep 0.1
	done
}
# As it is without settings of its own.
mount -t tmpfs tmpfs /etc/systemd
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network: /run/systemd/netif
mount -t sysfs -o ro sysfs /sys
printf '[Match]\\nName=eth7\\n[Network]\\nAddress=198.51.100.2/24\\n' >/run/systemd/network/eth7.network
ip link set lo up
ip link add wg-hel1 type veth peer name other
ip link set wg-hel1 up
/lib/systemd/systemd-networkd >&2 &
networkd=$!
trap 'kill $networkd' EXIT
wait_for '[ -s /run/systemd/netif/state ]'
sh ${dir}/hostctl routes wg-hel1
ip rule add from 10.9.9.9 lookup 99
ip link add eth7 type veth peer name peer7
wait_for '! ip rule show | grep -q 10.9.9.9'
ip -4 rule show
ip -6 rule show`,
  ]);
  const expected = (family: string) => [
    `4710:\tfrom ${family} lookup 77`,
    "4720:\tfrom all iif lo ipproto tcp dport 25 lookup main suppress_prefixlength 0",
    "4810:\tfrom all iif lo ipproto tcp dport 25 unreachable",
  ];
  expect(stdout.split("\n").filter((line) => /^(4|3276[0-5])/.test(line))).toEqual([
    ...expected("10.213.0.1"),
    ...expected("fd00::1"),
  ]);
});
