// scripts/lab/hetzner/faults.ts: trouble on demand, as plain data, for tests that want to see how a client takes it.
import { ApiError } from "./errors";

export interface AnswerFault {
  /** Method and path, such as "POST /servers" or "GET /zones/*"; a star stands for one part of the path, two for the rest. */
  on: string;
  /** The error's code, such as "resource_unavailable"; it gives the status too, unless `status` is set. */
  code: string;
  message?: string;
  status?: number;
  details?: unknown;
  /** How many calls get this answer; default 1. */
  times?: number;
}

export interface ActionFault {
  /** An action's command, such as "start_server". */
  command: string;
  code?: string;
  message?: string;
  /** How many actions fail; default 1. */
  times?: number;
}

export class Faults {
  private answers: { fault: AnswerFault; pattern: RegExp; left: number }[] = [];
  private actions: { fault: ActionFault; left: number }[] = [];
  private limited = 0;
  private delayMs = 0;

  /** The next matching calls answer with this error and change nothing. */
  answer(fault: AnswerFault): void {
    this.answers.push({ fault, pattern: toPattern(fault.on), left: fault.times ?? 1 });
  }

  /** The next actions with this command end in an error, without their work being done. */
  failAction(fault: ActionFault): void {
    this.actions.push({ fault, left: fault.times ?? 1 });
  }

  /** The next calls, whatever they are, answer rate_limit_exceeded. */
  rateLimit(calls: number): void {
    this.limited = calls;
  }

  /** Every answer comes this much later; 0: at once. */
  latency(milliseconds: number): void {
    this.delayMs = milliseconds;
  }

  clear(): void {
    this.answers = [];
    this.actions = [];
    this.limited = 0;
    this.delayMs = 0;
  }

  get currentLatency(): number {
    return this.delayMs;
  }

  takeRateLimit(): boolean {
    if (this.limited <= 0) return false;
    this.limited -= 1;
    return true;
  }

  takeAnswer(method: string, path: string): ApiError | undefined {
    const hit = this.answers.find((entry) => entry.left > 0 && entry.pattern.test(`${method} ${path}`));
    if (!hit) return undefined;
    hit.left -= 1;
    const { code, message, details, status } = hit.fault;
    return new ApiError(code, message ?? `injected fault: ${code}`, details ?? null, status);
  }

  takeActionError(command: string): { code: string; message: string } | undefined {
    const hit = this.actions.find((entry) => entry.left > 0 && entry.fault.command === command);
    if (!hit) return undefined;
    hit.left -= 1;
    return { code: hit.fault.code ?? "action_failed", message: hit.fault.message ?? "Action failed" };
  }
}

function toPattern(on: string): RegExp {
  const source = on
    .replace(/[.+?^${}()|[\]\\]/g, "\\$&")
    .replace(/\*\*|\*/g, (star) => (star === "**" ? ".*" : "[^/]+"));
  return new RegExp(`^${source}$`);
}
