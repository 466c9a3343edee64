import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  closingLine,
  expectedSeconds,
  failureList,
  jestCount,
  labObstacle,
  lanesFor,
  sum,
  verdict,
} from "../../scripts/test/parts";

describe("the closing line of npm test", () => {
  it("is the sum of all parts", () => {
    const counts = [verdict(0), verdict(2), { passed: 40, failed: 1, skipped: 0 }];
    expect(closingLine(sum(counts))).toBe("41 passed, 2 failed");
  });

  it("names skipped parts only where there are any", () =>
    expect(closingLine({ passed: 1, failed: 0, skipped: 1 })).toBe("1 passed, 0 failed, 1 skipped"));
});

describe("jestCount", () => {
  const report = (counts: Record<string, number>) =>
    JSON.stringify({
      numPassedTests: 3,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
      numRuntimeErrorTestSuites: 0,
      ...counts,
    });

  it("counts what jest counts", () =>
    expect(jestCount(report({ numFailedTests: 2, numPendingTests: 1 }), 1)).toEqual({
      passed: 3,
      failed: 2,
      skipped: 1,
      failures: [],
    }));
  it("counts a file that could not be run as failed", () =>
    expect(jestCount(report({ numRuntimeErrorTestSuites: 1 }), 1).failed).toBe(1));
  it("does not take a bad exit status for success", () => expect(jestCount(report({}), 1).failed).toBe(1));
  it("does not take a missing report for success", () =>
    expect(jestCount(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 }));
});

describe("what failed", () => {
  const tests = [
    { status: "passed", fullName: "mail flows", failureMessages: [] },
    {
      status: "failed",
      fullName: "mail is kept",
      failureMessages: [
        `\u001b[31mpulumi ended with status 1:\u001b[0m\n${"line\n".repeat(2000)}error: the reason\n    at there (file.ts:1:1)`,
      ],
    },
  ];
  const report = JSON.stringify({
    numFailedTests: 1,
    testResults: [
      { name: "/x/test/lab/mail.test.ts", assertionResults: tests },
      { name: "/x/test/unit/odd.test.ts", message: "no such module", assertionResults: [] },
    ],
  });

  it("is listed at the end with its place and its reason, a long one by its beginning and its end", () => {
    const text = failureList(sum([verdict(0), jestCount(report, 1)]));
    expect(text).toMatch(
      /^\n== what failed\n\n\* lab\/mail\.test\.ts: mail is kept\npulumi ended with status 1:\nline\n/,
    );
    expect(text).toMatch(
      /\[…\]\n(line\n|ine\n|ne\n|e\n|\n)(line\n)+error: the reason\n\n\* unit\/odd\.test\.ts: no such module\n$/,
    );
    expect(text).not.toContain("mail flows");
    expect(text.length).toBeLessThan(4000);
  });

  it("is nothing where all went well", () => expect(failureList(sum([verdict(0)]))).toBe(""));
});

describe("labObstacle", () => {
  it("is none for root on Linux", () => expect(labObstacle("linux", 0)).toBeUndefined());
  it("is told for others", () => {
    expect(labObstacle("linux", 1000)).toBe("the lab needs root");
    expect(labObstacle("darwin", 0)).toBe("the lab needs Linux, this is darwin");
  });
});

describe("the order of the lab's files", () => {
  it("begins with what takes longest, which is not always what is largest", () => {
    const files: [string, number][] = [
      ["kernel", 13000],
      ["killed", 3700],
      ["mail", 7500],
      ["many", 24000],
    ];
    expect(files.sort((a, b) => expectedSeconds(...b) - expectedSeconds(...a)).map(([name]) => name)).toEqual([
      "many",
      "killed",
      "mail",
      "kernel",
    ]);
  });

  it("names files that there are", () => {
    const files = readdirSync(join(__dirname, "../lab")).flatMap((name) => /^(.*)\.test\.ts$/.exec(name)?.[1] ?? []);
    for (const file of ["killed", "setBack", "nameServers", "kernel", "twoWans"]) expect(files).toContain(file);
  });
});

describe("lanesFor", () => {
  it("is three on two cores with memory for each, else fewer", () => {
    const machines: [number, number][] = [
      [2, 24e9],
      [16, 64e9],
      [2, 8e9],
      [1, 24e9],
      [2, 4e9],
      [1, 1e9],
    ];
    expect(machines.map(([cores, bytes]) => lanesFor(cores, bytes))).toEqual([3, 3, 2, 1, 1, 1]);
  });
});
