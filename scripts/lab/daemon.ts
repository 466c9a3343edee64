// lab/daemon.ts: the process behind the lab. It lives in the internet router's network namespace, so that it can listen
// on the services' addresses, and in a mount namespace of its own, so that no mount outlives it. `lab/up.ts` starts it.
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { LabApi } from "./world/api";
import type { LabStatus, StepStatus } from "./control";
import { listenForControl } from "./controlServer";
import { controlSocket, labDirs, logFile, ownerFile } from "./dirs";
import { API_ENDPOINT } from "./plan";
import { processId } from "./processes";
import { labVersion } from "./version";
import { World } from "./world/world";

async function main(): Promise<void> {
  const dirs = labDirs();
  const say = (line: string) => process.stdout.write(`${new Date().toISOString()} ${line}\n`);
  // A machine that fails must not take the others along.
  process.on("unhandledRejection", (error) =>
    say(`unhandled: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
  );
  // Started from a terminal, it must outlive it.
  process.on("SIGHUP", () => undefined);

  const version = labVersion();
  writeFileSync(ownerFile(dirs), JSON.stringify({ ...processId(process.pid), project: dirs.project, version }));
  const steps: StepStatus[] = [];
  const world = new World(dirs, say);
  const api = new LabApi(dirs, world.room, world.names, say);
  let ready = false;
  let apiRunning = false;

  const status = (): LabStatus => ({
    pid: process.pid,
    project: dirs.project,
    version,
    ready,
    steps,
    ...world.status(),
    logs: dirname(logFile(dirs, "daemon")),
    api: { endpoint: API_ENDPOINT, running: apiRunning },
  });
  const stop = async () => {
    say("stopping");
    await world.shutDown();
    setTimeout(() => process.exit(0), 50);
  };
  await listenForControl(controlSocket(dirs), {
    status,
    stop,
    reboot: (host) => world.reboot(host),
    start: (host) => world.start(host),
    power: (host, wish) => world.power(host, wish),
    silence: (host, silenced) => world.silence(host, silenced),
    setHome: (wish) => world.setHome(wish),
    api: (request) => api.request(request),
    makeTrouble: (faults) => api.makeTrouble(faults),
  });

  const step = async (name: string, work: () => Promise<unknown>) => {
    const started = Date.now();
    const at = steps.push({ name }) - 1;
    try {
      await work();
      steps[at] = { name, ms: Date.now() - started };
    } catch (error) {
      steps[at] = { name, ms: Date.now() - started, error: error instanceof Error ? error.message : String(error) };
      throw error;
    }
  };
  await world.build(step);
  await step("Hetzner API", () => api.start());
  apiRunning = true;
  ready = true;
  say("ready");
}

main().catch((error: unknown) => {
  process.stdout.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  // Time for those who wait to read the step that failed.
  setTimeout(() => process.exit(1), 3000);
});
