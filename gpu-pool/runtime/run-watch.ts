/**
 * Notices runs that do not end. ONNX Runtime cannot cancel a run and a thread cannot be ended in the middle of one, so
 * all that is left is to end the process; whoever waits for the run is answered at his deadline by the scheduler.
 *
 *     const watch = new RunWatch({ completions, limitMs: 30_000, onHung: (reason) => stop(reason) });
 *
 * A run hangs when it has gone on for `limitMs` and for `HUNG_FACTOR` times what runs of its size are known to take: a slow
 * model on a busy machine is slow by factors of two, not of twenty. It must look so `LOOKS` times in a row: when the
 * whole process was stopped for a while, answers may be on their way.
 *
 * Worst case: noticed a tenth of `limitMs`, at most 3 s, after that.
 */
import type { Completions, Progress } from "./completions.ts";

const HUNG_FACTOR = 20;
const LOOKS = 3;
const MOST_OFTEN_MS = 20;
const LEAST_OFTEN_MS = 1_000;

export interface RunWatchOptions {
  readonly completions: Completions;
  /** Shortest time after which a run can count as hung, in milliseconds. */
  readonly limitMs: number;
  /** Called once; `model` is what the run's model is called. */
  readonly onHung: (reason: string, model: string) => void;
}

export function isHung({ runningMs, boundMs }: Omit<Progress, "model">, limitMs: number): boolean {
  return runningMs > Math.max(limitMs, HUNG_FACTOR * boundMs);
}

export class RunWatch {
  readonly #options: RunWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #looks = 0;

  /** Starts at once. It does not keep the process alive. */
  constructor(options: RunWatchOptions) {
    this.#options = options;
    const everyMs = Math.min(LEAST_OFTEN_MS, Math.max(MOST_OFTEN_MS, options.limitMs / 10 / LOOKS));
    this.#timer = setInterval(() => this.#look(), everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { completions, limitMs, onHung } = this.#options;
    completions.takeIn();
    const hung = [...completions.inProgress()].find((run) => isHung(run, limitMs));
    this.#looks = hung ? this.#looks + 1 : 0;
    if (!hung || this.#looks < LOOKS) return;
    this.stop();
    const { model, runningMs, boundMs } = hung;
    onHung(
      `a run of ${model} has not ended after ${Math.round(runningMs)} ms; ${Math.round(boundMs)} ms was the most expected`,
      model,
    );
  }
}
