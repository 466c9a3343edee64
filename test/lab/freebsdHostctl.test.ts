// hostctl for FreeBSD, whole, in a scratch directory with recording stand-ins. What is nearest to FreeBSD's own of what Debian
// has: dash, a child of the same shell as FreeBSD's sh; the awk of FreeBSD, at an earlier version; and busybox's sed, grep ...
// in place of GNU's, so that nothing passes that is a speciality of those. Needs these packages, not the lab; it stands here
// because it takes its time.
import { existsSync } from "node:fs";
import { hostSuite } from "../unit/freebsd/hostSuite";
import { pfConfSuite } from "../unit/freebsd/pfConfSuite";
import { rulesSuite } from "../unit/freebsd/rulesSuite";

jest.setTimeout(60_000);

const there = (...paths: string[]) => paths.find((path) => existsSync(path));
const tools = there("/usr/bin/busybox", "/bin/busybox");
const awk = there("/usr/bin/original-awk");

it("has busybox and FreeBSD's awk to run under", () => {
  if (!tools || !awk)
    throw new Error(
      "busybox or original-awk is missing; npm test installs these packages, and so does: apt-get install busybox original-awk",
    );
});

if (tools && awk) {
  const shell = { interpreter: "/bin/dash", tools, awk };
  describe("hostctl on FreeBSD", () => {
    describe("new rules", () => rulesSuite(shell));
    describe("the host's own pf", () => pfConfSuite(shell));
    describe("the host", () => hostSuite(shell));
  });
}
