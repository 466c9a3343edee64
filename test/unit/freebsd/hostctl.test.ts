// hostctl for FreeBSD under dash. busybox's ash, and tools that are not GNU's, are tried in the lab's part.
import { existsSync } from "node:fs";
import { hostSuite } from "./hostSuite";
import { rulesSuite } from "./rulesSuite";

jest.setTimeout(60_000);

const DASH = "/bin/dash";

if (existsSync(DASH)) {
  describe("hostctl on FreeBSD, under dash: new rules", () => rulesSuite({ interpreter: DASH }));
  describe("hostctl on FreeBSD, under dash: the host", () => hostSuite({ interpreter: DASH }));
} else {
  it("needs dash", () => { throw new Error("there is no /bin/dash here; install the package dash"); });
}
