// scripts/lab/hetzner/runner.ts: runs actions. Each is "running" when the request is answered and ends as "success" or
// "error" when its work in the world is done.
import { ApiError } from "./errors";
import type { Faults } from "./faults";
import type { ResourceRef, State, StoredAction } from "./state";

/** Finished actions that are remembered; the oldest are forgotten first. */
const remembered = 2000;

export interface ActionSpec {
  command: string;
  resources: ResourceRef[];
  /** Work of one queue never overlaps and keeps its order; default: a queue of its own. */
  queue?: string;
  /** While it runs, the servers among the resources take no other change. */
  locks?: boolean;
  /** What happens in the world. It reads the state when its turn comes, not when it was asked for. */
  work?: () => Promise<void>;
  /** Changes to the state once the work is done. */
  done?: () => void;
  /** Changes to the state when the work failed. */
  failed?: () => void;
}

interface RunnerParts {
  state: State;
  faults: Faults;
  delayMs: number;
  now: () => string;
  nextId: () => number;
  onChange: () => void;
  onTrouble: (what: string, error: unknown) => void;
}

export class Runner {
  private readonly queues = new Map<string, Promise<void>>();
  private stopped = false;

  constructor(private readonly parts: RunnerParts) {}

  start(spec: ActionSpec): StoredAction {
    const { state, now, nextId, delayMs } = this.parts;
    const action: StoredAction = {
      id: nextId(),
      command: spec.command,
      status: "running",
      progress: 0,
      started: now(),
      finished: null,
      error: null,
      resources: spec.resources,
      locks: spec.locks ?? false,
    };
    this.forgetOld();
    state.actions.push(action);
    const queue = spec.queue ?? `action:${action.id}`;
    // Nothing to wait for: the real API answers such actions as finished, too.
    if (!spec.work && delayMs === 0 && !this.queues.has(queue)) {
      this.finish(action, spec, this.parts.faults.takeActionError(spec.command));
      return action;
    }
    this.enqueue(queue, async () => {
      await wait(delayMs);
      if (this.stopped) return;
      const error = this.parts.faults.takeActionError(spec.command) ?? (await attempt(spec.work));
      this.finish(action, spec, error);
      this.parts.onChange();
    });
    return action;
  }

  /** Work that no action stands for, such as the reverse name of a new address. Its failure is only reported. */
  background(queue: string, what: string, work: () => Promise<void>): void {
    this.enqueue(queue, async () => {
      try {
        await work();
      } catch (error) {
        this.parts.onTrouble(what, error);
      }
      this.parts.onChange();
    });
  }

  /** What waits for its turn is not begun any more, as when its process ends. */
  stop(): void {
    this.stopped = true;
  }

  /** Resolves once no work is under way or waiting. */
  async settled(): Promise<void> {
    while (this.queues.size > 0) await Promise.all(this.queues.values());
  }

  isRunning(test: (action: StoredAction) => boolean): boolean {
    return this.parts.state.actions.some((action) => action.status === "running" && test(action));
  }

  /** Refuses a change of a server on which a locking action runs. */
  refuseLocked(serverId: number): void {
    const refersTo = (ref: ResourceRef) => ref.type === "server" && ref.id === serverId;
    if (this.isRunning((action) => action.locks && action.resources.some(refersTo)))
      throw new ApiError("locked", `server ${serverId} is locked`);
  }

  private enqueue(queue: string, task: () => Promise<void>): void {
    const before = this.queues.get(queue) ?? Promise.resolve();
    const mine = before
      .then(() => (this.stopped ? undefined : task()))
      .finally(() => {
        if (this.queues.get(queue) === mine) this.queues.delete(queue);
      });
    this.queues.set(queue, mine);
  }

  private finish(action: StoredAction, spec: ActionSpec, error: { code: string; message: string } | undefined): void {
    action.finished = this.parts.now();
    action.progress = 100;
    action.status = error ? "error" : "success";
    action.error = error ?? null;
    if (error) this.parts.onTrouble(`${action.command} (action ${action.id})`, new Error(error.message));
    if (error) spec.failed?.();
    else spec.done?.();
  }

  private forgetOld(): void {
    const { actions } = this.parts.state;
    while (actions.length >= remembered) {
      const index = actions.findIndex((action) => action.status !== "running");
      if (index < 0) return;
      actions.splice(index, 1);
    }
  }
}

async function attempt(
  work: (() => Promise<void>) | undefined,
): Promise<{ code: string; message: string } | undefined> {
  try {
    await work?.();
    return undefined;
  } catch (error) {
    return { code: "action_failed", message: error instanceof Error ? error.message : String(error) };
  }
}

/** Even without a delay the work starts only after the request was answered. A program that ends does not wait for it. */
const wait = (milliseconds: number) => new Promise<void>((resolve) => void setTimeout(resolve, milliseconds).unref());

/** After a restart: what was under way is lost, and says so. */
export function abandonRunning(state: State, now: string): void {
  for (const action of state.actions.filter(({ status }) => status === "running")) {
    action.status = "error";
    action.progress = 100;
    action.finished = now;
    action.error = { code: "action_failed", message: "the cloud was stopped while this action ran" };
  }
  const inBetween: string[] = ["initializing", "starting", "stopping", "rebuilding", "migrating"];
  for (const server of state.servers) if (inBetween.includes(server.status)) server.status = "unknown";
  const gone = (id: number | null) => id !== null && !state.servers.some((server) => server.id === id);
  state.primaryIps = state.primaryIps.filter((ip) => !(gone(ip.assigneeId) && ip.autoDelete));
  for (const ip of state.primaryIps) if (gone(ip.assigneeId)) ip.assigneeId = null;
}
