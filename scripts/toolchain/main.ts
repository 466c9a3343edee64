// main.ts: the toolchain by itself, for trying it:
//   node -r ./scripts/register.js scripts/toolchain/main.ts --cache DIR --home DIR [--only-built]

import { parseArgs } from "node:util";

import { duration } from "./run";
import { ensureToolchain, type Toolchain } from "./toolchain";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { cache: { type: "string" }, home: { type: "string" }, "only-built": { type: "boolean" } },
  });
  if (values.cache === undefined || values.home === undefined) {
    throw new Error("usage: main.ts --cache DIR --home DIR [--only-built]");
  }
  const start = Date.now();
  const toolchain = await ensureToolchain({
    cacheDir: values.cache,
    pulumiHome: values.home,
    log: (line) => console.error(line),
    only: values["only-built"] === true ? "built" : undefined,
  });
  console.log(report(toolchain));
  console.log(`ready after ${duration(Date.now() - start)}`);
}

function report(toolchain: Toolchain): string {
  const { pulumi, pulumiOrigin, pulumiVersion, plugins, env } = toolchain;
  return [
    `pulumi    ${pulumiVersion}  ${pulumiOrigin}  ${pulumi}`,
    `          Node.js language host: ${pulumiOrigin === "built" ? "STAND-IN" : "the vendor's"}`,
    ...plugins.map(
      ({ name, version, origin, standIn }) => `${name.padEnd(9)} ${version}  ${origin}${standIn ? "  STAND-IN" : ""}`,
    ),
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
  ].join("\n");
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
