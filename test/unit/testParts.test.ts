import { closingLine, jestCount, labObstacle, lanesFor, sum, verdict } from "../../scripts/test/parts";

describe("the closing line of npm test", () => {
  it("is the sum of all parts", () => {
    const counts = [verdict(0), verdict(2), { passed: 40, failed: 1, skipped: 0 }];
    expect(closingLine(sum(counts))).toBe("41 passed, 2 failed");
  });

  it("names skipped parts only where there are any", () => expect(closingLine({ passed: 1, failed: 0, skipped: 1 })).toBe("1 passed, 0 failed, 1 skipped"));
});

describe("jestCount", () => {
  const report = (counts: Record<string, number>) => JSON.stringify({ numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, numRuntimeErrorTestSuites: 0, ...counts });

  it("counts what jest counts", () => expect(jestCount(report({ numFailedTests: 2, numPendingTests: 1 }), 1)).toEqual({ passed: 3, failed: 2, skipped: 1 }));
  it("counts a file that could not be run as failed", () => expect(jestCount(report({ numRuntimeErrorTestSuites: 1 }), 1).failed).toBe(1));
  it("does not take a bad exit status for success", () => expect(jestCount(report({}), 1).failed).toBe(1));
  it("does not take a missing report for success", () => expect(jestCount(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 }));
});

describe("labObstacle", () => {
  it("is none for root on Linux", () => expect(labObstacle("linux", 0)).toBeUndefined());
  it("is told for others", () => {
    expect(labObstacle("linux", 1000)).toBe("the lab needs root");
    expect(labObstacle("darwin", 0)).toBe("the lab needs Linux, this is darwin");
  });
});

describe("lanesFor", () => {
  it("is two where two labs find a core and memory each, else one", () => {
    expect([lanesFor(2, 24e9), lanesFor(16, 64e9), lanesFor(1, 24e9), lanesFor(2, 4e9), lanesFor(1, 1e9)]).toEqual([2, 2, 1, 1, 1]);
  });
});
