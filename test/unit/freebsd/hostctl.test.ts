// hostctl for FreeBSD under dash. busybox's ash, and tools that are not GNU's, are tried in the lab's part.
import { existsSync } from "node:fs";
import { hostctlSuite } from "./hostctlSuite";

const DASH = "/bin/dash";

if (existsSync(DASH)) describe("hostctl on FreeBSD, under dash", () => hostctlSuite({ interpreter: DASH }));
else it("needs dash", () => { throw new Error("there is no /bin/dash here; install the package dash"); });
