// The parts of `npm test`, and what each one's run says in numbers. Pure but for jest's report, which it is handed.

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const sum = (counts: readonly Count[]): Count =>
  counts.reduce((all, each) => ({ passed: all.passed + each.passed, failed: all.failed + each.failed, skipped: all.skipped + each.skipped }), { passed: 0, failed: 0, skipped: 0 });

/** The closing line: alone on a line, skipped ones only where there are any. */
export const closingLine = ({ passed, failed, skipped }: Count): string => `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

/** A check that is a single yes or no, such as the type check. */
export const verdict = (status: number): Count => ({ passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 });

/** What jest's JSON report counts; a file that could not even be run counts as failed, and so does a run without a report. */
export function jestCount(report: string | undefined, status: number): Count {
  if (report === undefined) return verdict(status || 1);
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = JSON.parse(report) as Record<string, number>;
  const failed = (numFailedTests ?? 0) + (numRuntimeErrorTestSuites ?? 0);
  return { passed: numPassedTests ?? 0, failed: failed === 0 && status !== 0 ? 1 : failed, skipped: (numPendingTests ?? 0) + (numTodoTests ?? 0) };
}

/** Why the lab part cannot run here, or undefined. */
export function labObstacle(platform: string, uid: number | undefined): string | undefined {
  if (platform !== "linux") return `the lab needs Linux, this is ${platform}`;
  return uid === 0 ? undefined : "the lab needs root";
}

/** How many labs are up at once: each wants a core and, with its machines, up to 3 GB of memory. */
export const lanesFor = (cores: number, bytes: number): number => Math.max(1, Math.min(2, cores, Math.floor(bytes / 3e9)));
