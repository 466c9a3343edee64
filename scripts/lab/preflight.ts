// lab/preflight.ts: whether this machine can carry the lab, in plain words. Changes nothing that stays.
import { existsSync, mkdirSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { command, CommandError } from "./command";
import type { LabDirs } from "./dirs";
import { cgroupPath } from "./machines/cgroup";
import { labNamespaces, namespaceInode, ownNamespaceInode } from "./netns";

const GIB = 1024 ** 3;
/** Measured: images 0.9 GiB with what their build holds for a while; disks and logs of a lab under 0.3 GiB. */
const CACHE_GIB = 2;
const STATE_GIB = 1;

/** Before anything is installed. All complaints in one message. */
export function checkMachine(): void {
  const complaints = [
    ...(process.platform === "linux"
      ? []
      : [
          `this is ${process.platform}; the lab needs Linux (network namespaces, nftables, systemd-nspawn). A virtual machine with Debian will do.`,
        ]),
    ...(process.getuid?.() === 0
      ? []
      : ["the lab makes network namespaces and boots machines, which only root may. Run it as root: sudo npm run lab"]),
  ];
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
  const inside = labNamespaces().find((namespace) => namespaceInode(namespace) === ownNamespaceInode());
  if (inside !== undefined)
    throw new Error(
      `this shell runs within the lab's network namespace ${inside}. Leave it (exit), then run this again.`,
    );
}

export function checkDisk(dirs: LabDirs, imagesMissing: boolean): void {
  const wants = [{ dir: dirs.state, gib: STATE_GIB }, ...(imagesMissing ? [{ dir: dirs.cache, gib: CACHE_GIB }] : [])];
  const complaints = wants.flatMap(({ dir, gib }) => {
    const free = freeGib(dir);
    return free < gib ? [`${dir}: ${free.toFixed(1)} GiB free, the lab needs ${gib} GiB there`] : [];
  });
  if (complaints.length > 0)
    throw new Error(
      `too little disk space:\n${complaints.join("\n")}\nFree some${imagesMissing ? ", or set CHATMAIL_PROXY_CACHE to a directory with more" : ""}.`,
    );
}

/** What the kernel must be able to do, tried out in namespaces that end with the trial. */
export async function checkKernel(dirs: LabDirs): Promise<void> {
  mkdirSync(dirs.state, { recursive: true });
  const trials: { what: string; cure: string; run: () => Promise<unknown> }[] = [
    {
      what: "unified cgroups",
      cure: "mount -t cgroup2 none /sys/fs/cgroup/unified",
      run: () => Promise.resolve(cgroupPath()),
    },
    {
      what: "/dev/net/tun",
      cure: "modprobe tun",
      run: () => (existsSync("/dev/net/tun") ? Promise.resolve() : command(["modprobe", "tun"])),
    },
    {
      what: "network namespaces, veth and bridges",
      cure: "modprobe veth bridge; in a container, give it more rights",
      run: () =>
        inTrial(
          ["--net"],
          "ip link add name trial0 type veth peer name trial1 && ip link add name trial2 type bridge && ip link set lo up",
        ),
    },
    {
      what: "nftables with connection tracking and NAT",
      cure: "modprobe nf_tables nft_chain_nat nft_masq nft_ct",
      run: () => inTrial(["--net"], "nft -f -", NFT_TRIAL),
    },
    {
      what: "overlay file systems",
      cure: "modprobe overlay; or, where this disk is an overlay itself (a container), use a real one",
      run: () => inTrial(["--mount"], OVERLAY_TRIAL, "", dirs.state),
    },
  ];
  const failed: string[] = [];
  for (const { what, cure, run } of trials) {
    await run().catch((error: unknown) => failed.push(`${what}: ${reason(error)}\n  try: ${cure}`));
  }
  if (failed.length > 0)
    throw new Error(`this kernel, or this container, lacks what the lab needs:\n${failed.join("\n")}`);
}

const NFT_TRIAL =
  'table inet trial { chain post { type nat hook postrouting priority srcnat; oifname "x" masquerade; }; chain forward { type filter hook forward priority filter; ct state established accept; }; }';
const OVERLAY_TRIAL =
  'd=$(mktemp -d "$1/trial.XXXXXX") && mkdir "$d/l" "$d/u" "$d/w" "$d/m" && { mount -t overlay none -o "lowerdir=$d/l,upperdir=$d/u,workdir=$d/w" "$d/m"; s=$?; umount "$d/m" 2>/dev/null; rm -rf "$d"; exit $s; }';

function inTrial(namespaces: readonly string[], script: string, stdin = "", argument = ""): Promise<unknown> {
  return command(["unshare", ...namespaces, "sh", "-c", script, "sh", argument], { stdin, timeout: 20_000 });
}

function reason(error: unknown): string {
  if (error instanceof CommandError) return error.result.stderr.trim().split("\n").at(-1) ?? error.message;
  return error instanceof Error ? error.message : String(error);
}

function freeGib(dir: string): number {
  let existing = dir;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  return (bavail * bsize) / GIB;
}
