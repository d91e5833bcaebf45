/** What became of the jobs that this isolate has accepted, or run for their owners (`objects/job-store.ts`). */
export const JOB_EVENTS = ["queued", "succeeded", "failed"] as const;
export type JobEvent = (typeof JOB_EVENTS)[number];

export class JobCounts {
  readonly #counts = new Map<JobEvent, number>();

  count(event: JobEvent): void {
    this.#counts.set(event, this.of(event) + 1);
  }

  of(event: JobEvent): number {
    return this.#counts.get(event) ?? 0;
  }
}

/** The isolate's. */
export const jobCounts = new JobCounts();
