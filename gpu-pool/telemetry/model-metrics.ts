export const OUTCOMES = ["ok", "rejected", "failed", "cancelled"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Where one model version's figures go. */
export interface ModelMetrics {
  /** A request has been answered, `totalMs` after it was read. */
  answered(outcome: Outcome, totalMs: number): void;
  /** A request waited this long for its batch to start. */
  waited(queuedMs: number): void;
  /** A batch has been run. */
  ran(rows: number, computeMs: number): void;
}
