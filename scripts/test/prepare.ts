// What the lab's tests need besides the lab: Debian packages that only they use, and an empty place. Says what it does.
import { destroy } from "../lab/destroy";
import { labDirs } from "../lab/dirs";
import { statusIfUp } from "../lab/control";
import { ensurePackages, type Need } from "../lab/packages";
import { terminalProgress } from "../lab/progress";

const NEEDED_BY_TESTS: readonly Need[] = [
  { package: "shellcheck", files: ["/usr/bin/shellcheck"], for: "checking the shell scripts" },
  { package: "busybox", files: ["/usr/bin/busybox", "/bin/busybox"], for: "running FreeBSD's host program under a shell and tools that are not Debian's" },
  { package: "hcloud-cli", files: ["/usr/bin/hcloud"], for: "trying the fake API with the vendor's own client" },
  { package: "python3-hcloud", files: ["/usr/lib/python3/dist-packages/hcloud/__init__.py"], for: "the same, from Python" },
];

async function main(): Promise<void> {
  const progress = terminalProgress();
  await ensurePackages(progress.say, NEEDED_BY_TESTS);
  const dirs = labDirs();
  if ((await statusIfUp(dirs)) !== undefined) progress.say("a lab is up; the tests take it down and build their own");
  await destroy(dirs, progress);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
