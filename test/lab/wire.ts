// What happens on the wire: a host that falls silent, and packets caught in a host's network.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { enter } from "../../scripts/lab/enter";
import type { LabHandle } from "../../scripts/lab/lab";
import { findHost } from "../../scripts/lab/run";
import { sleep, waitFor } from "../../scripts/lab/wait";

/** Drops every packet to and from a host on its link, as when its provider dies. Outlives reboots of the host. */
export const silence = (lab: LabHandle, host: string): Promise<void> => lab.control.silence(host, true);

export const unsilence = (lab: LabHandle, host: string): Promise<void> => lab.control.silence(host, false);

export interface Capture {
  /** The packets so far, a line each, as tcpdump writes them (-n, with the time of day). */
  stop(): Promise<string[]>;
}

export interface CaptureBounds {
  readonly seconds?: number;
  readonly packets?: number;
}

/** Catches packets on an interface of any host ("any" for all of them), with this machine's tcpdump in the host's network. */
export async function capture(
  lab: LabHandle,
  host: string,
  iface: string,
  filter: string,
  { seconds = 300, packets = 20_000 }: CaptureBounds = {},
): Promise<Capture> {
  const { namespace } = findHost(await lab.status(), host);
  const [program = "", ...args] = enter(namespace, [
    "tcpdump",
    "-n",
    "-l",
    "--immediate-mode",
    "-i",
    iface,
    "-c",
    String(packets),
    filter,
  ]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  let said = "";
  const ended = new Promise<void>((resolve) => {
    child.on("error", (error) => (said += error.message));
    child.on("close", () => resolve());
  });
  createInterface({ input: child.stdout }).on("line", (line) => line !== "" && lines.push(line));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const timer = setTimeout(() => child.kill("SIGINT"), seconds * 1000);
  void ended.then(() => clearTimeout(timer));
  await waitFor(`tcpdump on ${iface} of ${host}`, 10, () => {
    if (said.includes("listening on")) return true;
    if (child.exitCode !== null || child.pid === undefined) throw new Error(said.trim());
    return false;
  }).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  return {
    stop: async () => {
      // What was caught a moment ago is on its way through the pipe.
      await sleep(200);
      child.kill("SIGINT");
      await ended;
      return lines;
    },
  };
}
