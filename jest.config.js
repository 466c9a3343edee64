// Two kinds of tests: `unit` needs neither root nor network; `lab` needs root, and runs one file after the other.
const common = {
  rootDir: __dirname,
  testEnvironment: "node",
  // Programs that use this package.
  moduleNameMapper: { "^chatmail-proxy$": "<rootDir>/components/index.ts" },
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
    ],
  },
};

module.exports = {
  // Whole runs of the program take a second each, and several where the machine has much else to do.
  testTimeout: 30_000,
  projects: [
    {
      ...common,
      displayName: "unit",
      testMatch: ["<rootDir>/test/{unit,golden}/**/*.test.ts"],
    },
    { ...common, displayName: "lab", testMatch: ["<rootDir>/test/lab/**/*.test.ts"] },
  ],
};
