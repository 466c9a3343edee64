// hostctl for FreeBSD under busybox's ash, with busybox's awk, sed, grep ... in place of GNU's: neither shell nor tools
// are FreeBSD's own, but what both take is no speciality of one. Needs the package, not the lab.
import { existsSync } from "node:fs";
import { hostSuite } from "../unit/freebsd/hostSuite";
import { rulesSuite } from "../unit/freebsd/rulesSuite";

jest.setTimeout(60_000);

const busybox = ["/usr/bin/busybox", "/bin/busybox"].find((path) => existsSync(path));

if (busybox !== undefined) {
  const shell = { interpreter: `${busybox} ash`, tools: busybox };
  describe("hostctl on FreeBSD, under busybox: new rules", () => rulesSuite(shell));
  describe("hostctl on FreeBSD, under busybox: the host", () => hostSuite(shell));
} else {
  it("needs busybox", () => { throw new Error("there is no busybox here; npm test installs the package busybox, and so does: apt-get install busybox"); });
}
