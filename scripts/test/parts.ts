// The parts of `npm test`, and what each one's run says in numbers. Pure but for jest's report, which it is handed.

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What failed, each with its place and its reason, where that is known. */
  readonly failures?: readonly string[];
}

export const sum = (counts: readonly Count[]): Count =>
  counts.reduce(
    (all, each) => ({
      passed: all.passed + each.passed,
      failed: all.failed + each.failed,
      skipped: all.skipped + each.skipped,
      failures: [...(all.failures ?? []), ...(each.failures ?? [])],
    }),
    { passed: 0, failed: 0, skipped: 0, failures: [] },
  );

/** The closing line: alone on a line, skipped ones only where there are any. */
export const closingLine = ({ passed, failed, skipped }: Count): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

/** A check that is a single yes or no, such as the type check. */
export const verdict = (status: number): Count => ({
  passed: status === 0 ? 1 : 0,
  failed: status === 0 ? 0 : 1,
  skipped: 0,
});

/** What jest's JSON report counts; a file that could not even be run counts as failed, and so does a run without a report. */
export function jestCount(report: string | undefined, status: number): Count {
  if (report === undefined) return verdict(status || 1);
  const {
    numPassedTests,
    numFailedTests,
    numPendingTests,
    numTodoTests,
    numRuntimeErrorTestSuites,
    testResults = [],
  } = JSON.parse(report) as JestReport;
  const failed = (numFailedTests ?? 0) + (numRuntimeErrorTestSuites ?? 0);
  return {
    passed: numPassedTests ?? 0,
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: (numPendingTests ?? 0) + (numTodoTests ?? 0),
    failures: testResults.flatMap(failuresIn),
  };
}

/** Of jest's own report, what is read here. */
type JestReport = Partial<
  Record<"numPassedTests" | "numFailedTests" | "numPendingTests" | "numTodoTests" | "numRuntimeErrorTestSuites", number>
> & { readonly testResults?: readonly JestFile[] };

interface JestFile {
  /** Path of the file. */
  readonly name: string;
  /** Why it could not be run. */
  readonly message?: string;
  readonly assertionResults: readonly {
    readonly status: string;
    readonly fullName: string;
    readonly failureMessages: readonly string[];
  }[];
}

/** The end of a long reason says most: an output's last lines. */
const MOST = 1500;

function failuresIn({ name, message = "", assertionResults }: JestFile): string[] {
  const file = name.split("/").slice(-2).join("/");
  if (assertionResults.length === 0 && message !== "") return [`${file}: ${shortened(message)}`];
  return assertionResults
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => `${file}: ${fullName}\n${shortened(failureMessages.join("\n"))}`);
}

function shortened(text: string): string {
  // Without colours and the places in the sources.
  const plain = text
    .replace(/\u001b\[[0-9;]*m/g, "")
    .replace(/^ +at .*\n?/gm, "")
    .trim();
  return plain.length <= 2 * MOST ? plain : `${plain.slice(0, MOST)}\n[…]\n${plain.slice(-MOST)}`;
}

/** What failed, all together at the end, where a reader of a long log looks first. */
export const failureList = ({ failures = [] }: Count): string =>
  failures.length === 0 ? "" : `\n== what failed\n${failures.map((failure) => `\n* ${failure}\n`).join("")}`;

/** Why the lab part cannot run here, or undefined. */
export function labObstacle(platform: string, uid: number | undefined): string | undefined {
  if (platform !== "linux") return `the lab needs Linux, this is ${platform}`;
  return uid === 0 ? undefined : "the lab needs root";
}

/** Files of which the size says little: many runs by few lines, or the other way round. */
const SECONDS: Readonly<Record<string, number>> = {
  killed: 320,
  setBack: 200,
  nameServers: 20,
  kernel: 20,
  twoWans: 20,
};

/** How long a file of the lab's tests may take beside another. Only their order comes of it. */
export const expectedSeconds = (file: string, bytes: number): number => SECONDS[file] ?? bytes / 40;

/**
 * How many labs are up at once: three on two cores, since much of a lab's time is waiting. With its machines, each wants up to
 * 3 GB of memory.
 */
export const lanesFor = (cores: number, bytes: number): number =>
  Math.max(1, Math.min(3, Math.floor(cores * 1.5), Math.floor(bytes / 3e9)));
