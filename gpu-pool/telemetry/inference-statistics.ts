/** Cumulative counts and times of one model version, as the statistics extension reports them. */

export interface Duration {
  count: number;
  ns: number;
}

const NS_PER_MS = 1e6;

export class InferenceStatistics {
  readonly success: Duration = { count: 0, ns: 0 };
  readonly fail: Duration = { count: 0, ns: 0 };
  readonly queue: Duration = { count: 0, ns: 0 };
  readonly compute: Duration = { count: 0, ns: 0 };
  /** Batches run, and rows in them. */
  executions = 0;
  rows = 0;
  /** Milliseconds since 1970 of the last answer. */
  lastInference = 0;
  /** By batch size in rows; bounded by the model's largest batch. */
  readonly batches = new Map<number, Duration>();

  /** One batch has been run. */
  ran(rows: number, computeMs: number): void {
    this.executions++;
    this.rows += rows;
    const batch = this.batches.get(rows) ?? { count: 0, ns: 0 };
    add(batch, computeMs);
    this.batches.set(rows, batch);
  }

  /** One request has been answered with outputs. */
  answered(totalMs: number, queuedMs: number, computeMs: number, at: number): void {
    add(this.success, totalMs);
    add(this.queue, queuedMs);
    add(this.compute, computeMs);
    this.lastInference = at;
  }

  /** One request has been answered with an error. */
  refused(totalMs: number): void {
    add(this.fail, totalMs);
  }
}

function add(duration: Duration, ms: number): void {
  duration.count++;
  duration.ns += Math.round(ms * NS_PER_MS);
}
