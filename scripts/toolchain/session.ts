// session.ts: what all steps of one toolchain run share.

import type { Go } from "./go";
import type { Vendor } from "./vendor";
import type { Pins } from "./versions";

export interface Session {
  readonly cacheDir: string;
  readonly logs: string;
  /** The lab's own PULUMI_HOME, never the user's. */
  readonly pulumiHome: string;
  /** Settings for every call of pulumi. */
  readonly env: Readonly<Record<string, string>>;
  readonly pins: Pins;
  readonly only?: "built";
  readonly log: (line: string) => void;
  /** Found at the first use: a machine that has all it needs installed needs no Go. */
  readonly go: () => Promise<Go>;
  readonly vendor: Vendor;
}
