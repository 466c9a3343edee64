// hostctl for FreeBSD, whole, in a scratch directory with recording stand-ins: under dash, and under busybox's ash with
// busybox's awk, sed, grep ... in place of GNU's. Neither shell nor tools are FreeBSD's own, but what both take is no
// speciality of one. Needs the package busybox, not the lab; it stands here because it takes its time.
import { existsSync } from "node:fs";
import { hostSuite } from "../unit/freebsd/hostSuite";
import { pfConfSuite } from "../unit/freebsd/pfConfSuite";
import { rulesSuite } from "../unit/freebsd/rulesSuite";

jest.setTimeout(60_000);

const busybox = ["/usr/bin/busybox", "/bin/busybox"].find((path) => existsSync(path));

it("has busybox to run under", () => {
  if (busybox === undefined)
    throw new Error(
      "there is no busybox here; npm test installs the package busybox, and so does: apt-get install busybox",
    );
});

const shells = {
  dash: { interpreter: "/bin/dash" },
  ...(busybox === undefined ? {} : { busybox: { interpreter: `${busybox} ash`, tools: busybox } }),
};

describe.each(Object.entries(shells))("hostctl on FreeBSD, under %s", (_name, shell) => {
  describe("new rules", () => rulesSuite(shell));
  describe("the host's own pf", () => pfConfSuite(shell));
  describe("the host", () => hostSuite(shell));
});
