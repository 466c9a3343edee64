// What the lab's tests need: Debian packages, disk images, the engine. What is slow the first time happens here, not within
// some test's time limit. Says what it does.
import { labDirs } from "../lab/dirs";
import { ensureImages, ensureNameServers } from "../lab/images/build";
import { OWN_RELEASE } from "../lab/images/recipes";
import { ensurePackages, NEEDED, type Need } from "../lab/packages";
import { terminalProgress } from "../lab/progress";
import { labToolchain } from "../lab/stack/runner";

const NEEDED_BY_TESTS: readonly Need[] = [
  { package: "shellcheck", files: ["/usr/bin/shellcheck"], for: "checking the shell scripts" },
  { package: "tcpdump", files: ["/usr/bin/tcpdump", "/usr/sbin/tcpdump"], for: "looking at packets on the wire" },
  { package: "knot-dnsutils", files: ["/usr/bin/knsupdate"], for: "sending signed updates to the name server" },
  {
    package: "busybox",
    files: ["/usr/bin/busybox", "/bin/busybox"],
    for: "running FreeBSD's host program with tools that are not GNU's",
  },
  { package: "original-awk", files: ["/usr/bin/original-awk"], for: "the same, with FreeBSD's awk" },
  { package: "hcloud-cli", files: ["/usr/bin/hcloud"], for: "trying the fake API with the vendor's own client" },
  {
    package: "python3-hcloud",
    files: ["/usr/lib/python3/dist-packages/hcloud/__init__.py"],
    for: "the same, from Python",
  },
];

async function main(): Promise<void> {
  const progress = terminalProgress();
  await ensurePackages(progress.say, [...NEEDED, ...NEEDED_BY_TESTS]);
  const dirs = labDirs();
  // Side by side: the one waits for downloads, the other for the compiler.
  const images = async () => {
    await ensureImages(dirs, OWN_RELEASE, progress.say);
    await ensureImages(dirs, "bookworm", progress.say);
    await ensureNameServers(dirs, progress.say);
  };
  await Promise.all([
    progress.step("images", images),
    progress.step("toolchain", () => labToolchain(dirs, progress.say)),
  ]);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
