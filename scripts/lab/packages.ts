// lab/packages.ts: the Debian packages that the lab needs on this machine. Installs only what is missing.
import { existsSync } from "node:fs";
import { attempt, command } from "./command";

export interface Need {
  readonly package: string;
  /** Any of these files tells that it is there. */
  readonly files: readonly string[];
  readonly for: string;
}

export const NEEDED: readonly Need[] = [
  { package: "debootstrap", files: ["/usr/sbin/debootstrap"], for: "the machines' file systems" },
  {
    package: "debian-archive-keyring",
    files: ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"],
    for: "checking what debootstrap downloads",
  },
  { package: "systemd-container", files: ["/usr/bin/systemd-nspawn"], for: "booting the machines" },
  { package: "iproute2", files: ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"], for: "the network" },
  { package: "nftables", files: ["/usr/sbin/nft", "/sbin/nft"], for: "NAT and the cloud's firewall" },
  { package: "openssl", files: ["/usr/bin/openssl"], for: "the lab's certificates" },
  { package: "openssh-client", files: ["/usr/bin/ssh-keygen"], for: "the operator's key" },
];

export const missingPackages = (
  exists: (file: string) => boolean = existsSync,
  needed: readonly Need[] = NEEDED,
): Need[] => needed.filter((need) => !need.files.some(exists));

export async function ensurePackages(say: (line: string) => void, needed: readonly Need[] = NEEDED): Promise<void> {
  const missing = missingPackages(existsSync, needed);
  if (missing.length === 0) return;
  const names = missing.map((need) => need.package);
  if (!existsSync("/usr/bin/apt-get"))
    throw new Error(
      `this machine has no apt-get to install what is missing: ${missing.map((need) => `${need.package} (${need.for})`).join(", ")}. Install it, then run this again.`,
    );
  for (const need of missing) say(`installing ${need.package}: ${need.for}`);
  // A third party's source that cannot be reached is no reason to stop; the install says whether Debian's could.
  await attempt(["apt-get", "-q", "update"], { timeout: 300_000 });
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await command(["apt-get", "-q", "-y", "--no-install-recommends", "install", ...names], { env, timeout: 600_000 });
}
