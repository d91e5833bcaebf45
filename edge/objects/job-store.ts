/**
 * The only owner of one tenant's jobs: predictions that could not be made when they were asked for, and are made later.
 *
 * Promises: a job that was acknowledged is stored, and is run until there is an answer, a refusal that stays or its time is over
 * (`shared/control/jobs/job-life.ts`), whatever becomes of this object in between: what ran when it ended is run again, so a model may
 * see a job twice, and it is metered once. At most `AT_ONCE` run at a time, in the lowest class; while nothing but failures comes of
 * them one is tried a second, however many wait.
 *
 * Bounded: `jobs/job-rows.ts`. Worst case: a run that takes all of its 30 seconds keeps a job that was added meanwhile waiting for as long.
 */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import { accepted, cancelled, ended, interrupted } from "../../shared/control/jobs/job-life.ts";
import { type Finished, failureSchema, type Running } from "../../shared/control/jobs/job-state.ts";
import { scopeCovers } from "../../shared/protocol/scope.ts";
import type { Bindings } from "../environment.ts";
import { jobCounts } from "../telemetry/job-counts.ts";
import { logCause } from "../telemetry/request-log.ts";
import { type Job, jobOrderSchema, LARGEST_INPUT, type Message, messageSchema } from "./jobs/job-order.ts";
import { JobRows } from "./jobs/job-rows.ts";
import { runJob, type Tried } from "./jobs/run-job.ts";

const AT_ONCE = 4;
/** Between two tries, after so many in a row as may run at once have failed for what is not their own fault. */
const PAUSE_MS = 1_000;
/** An alarm may go on for 15 minutes; then the next one does. */
const LONGEST_ALARM_MS = 600_000;
/** When this object is woken that has ended while jobs ran; one that goes on has no second alarm at a time. */
const WATCH_MS = 2_000;
const MOST_METER_TRIES = 3;
const HOUR_MS = 3_600_000;

const offerSchema = z.strictObject({
  order: jobOrderSchema,
  input: messageSchema,
  /** What the request would have been refused with. */
  failure: failureSchema.extend({ retryAfterSeconds: z.number().optional(), mayHaveRun: z.boolean() }),
});
export type JobOffer = z.infer<typeof offerSchema>;

/** A job without what only its runs need. */
export type JobView = Pick<Job, "seq" | "id" | "createdAt" | "state"> & { readonly model: string };

export class JobStore extends DurableObject<Bindings> {
  readonly #rows: JobRows;
  /** Tries in a row that were in vain, and will be made again. */
  #failedInRow = 0;
  #pausedUntil = 0;
  #inFlight = 0;

  constructor(state: DurableObjectState, bindings: Bindings) {
    super(state, bindings);
    this.#rows = new JobRows(state.storage);
    if (this.#recover() > 0) void state.blockConcurrencyWhile(() => this.#arm());
  }

  /** @returns the job, which is stored when this arrives; null where there is no room for another one */
  async add(given: JobOffer): Promise<JobView | null> {
    const { order, input, failure } = offerSchema.parse(given);
    if (input.body.byteLength > LARGEST_INPUT || !this.#rows.hasRoomFor(input.body.byteLength)) return null;
    const now = Date.now();
    const state = accepted(failure, now, Math.random());
    const job = this.#rows.add({ id: crypto.randomUUID(), createdAt: now, order, state }, input);
    await this.#arm();
    jobCounts.count("queued");
    return view(job);
  }

  find(id: string): JobView | null {
    const job = this.#rows.find(id, Date.now());
    return job ? view(job) : null;
  }

  /** The answer of a job that has succeeded, in its caller's form; null without one. */
  result(id: string): Message | null {
    const job = this.#rows.find(id, Date.now());
    return (job?.state.kind === "succeeded" && this.#rows.message(job)) || null;
  }

  /**
   * The newest first.
   *
   * @param before the `seq` of the last one of the page before
   * @param scopes those of the models that may be seen, as `scopeCovers` takes them
   */
  list(before: number, limit: number, scopes: readonly string[]): JobView[] {
    const page: JobView[] = [];
    for (const job of this.#rows.list(before)) {
      if (page.length >= limit) break;
      if (scopeCovers(scopes, `predict:${job.order.model}`)) page.push(view(job));
    }
    return page;
  }

  /** Cancels a job that waits. @returns it as it is now, which is as it was where it cannot be cancelled; null without one */
  async cancel(id: string): Promise<JobView | null> {
    const now = Date.now();
    const job = this.#rows.find(id, now);
    if (!job) return null;
    if (job.state.kind !== "queued") return view(job);
    const after = this.#rows.move(job, cancelled(job.state, now));
    await this.#arm();
    return view(after);
  }

  override async alarm(): Promise<void> {
    // Should this object end in the middle, it is woken again.
    await this.ctx.storage.setAlarm(Date.now() + WATCH_MS);
    // One alarm goes on at a time, and nobody else runs jobs.
    this.#recover();
    const until = Date.now() + LONGEST_ALARM_MS;
    if (this.#onlyFails()) {
      if (Date.now() >= this.#pausedUntil) await this.#runNext();
    } else await Promise.all(Array.from({ length: AT_ONCE }, () => this.#work(until)));
    await this.#arm();
  }

  /** Queues again what is said to run and is run by nobody. @returns how many these were */
  #recover(): number {
    const now = Date.now();
    const running = this.#rows.running();
    for (const job of running) {
      if (job.state.kind === "running") this.#rows.move(job, interrupted(job.state, now, Math.random()));
    }
    return running.length;
  }

  /** Runs what is due, one after the other. */
  async #work(until: number): Promise<void> {
    while (!this.#onlyFails() && Date.now() < until && (await this.#runNext()));
  }

  /** @returns whether there was a job to run */
  async #runNext(): Promise<boolean> {
    for (;;) {
      const job = this.#rows.takeUp(Date.now());
      if (!job) return false;
      if (job.state.kind === "failed") logEnd(job, job.state);
      if (job.state.kind !== "running") continue;
      this.#inFlight++;
      try {
        await this.#run(job, job.state);
      } catch (error) {
        // It is taken for one that was cut off, by the next alarm.
        this.#failedInRow++;
        logCause(error, job.order.requestId);
      } finally {
        this.#inFlight--;
      }
      return true;
    }
  }

  #onlyFails(): boolean {
    return this.#failedInRow >= AT_ONCE;
  }

  async #run(job: Job, running: Running): Promise<void> {
    const input = this.#rows.message(job) ?? { body: new Uint8Array(0), headerLength: null };
    const tried = await runJob(job.order, input, this.env, (pending) => this.ctx.waitUntil(pending));
    const [failure, result] = tried.kind === "failed" ? [tried.failure, undefined] : [null, tried.result];
    if (tried.kind === "answered") await this.#meter(job, tried.usage);
    else if (tried.failure.code === "internal") logCause(tried.cause, job.order.requestId);
    const state = ended(running, failure, Date.now(), Math.random());
    this.#rows.move(job, state, result);
    this.#failedInRow = state.kind === "queued" ? this.#failedInRow + 1 : 0;
    this.#pausedUntil = Date.now() + PAUSE_MS;
    if (state.kind !== "queued") logEnd(job, state);
  }

  /** Under the job's own id, so that a job which is run again counts once. */
  async #meter({ id, order: { tenant, model } }: Job, usage: Extract<Tried, { kind: "answered" }>["usage"]) {
    const hour = Math.floor(Date.now() / HOUR_MS);
    const entries = [{ model, hour, requests: 1, ...usage, cacheHits: 0 }];
    for (let tries = 1; tries <= MOST_METER_TRIES; tries++) {
      try {
        return await this.env.USAGE_LEDGER.getByName(tenant).record({ id, entries });
      } catch (error) {
        if (tries === MOST_METER_TRIES) {
          const cause = String(error);
          console.error(JSON.stringify({ level: "error", msg: "usage was lost", tenant, requests: 1, cause }));
        }
      }
    }
  }

  /** Sees to it that the next one that is due wakes this object, and what runs as well should it be cut off. */
  async #arm(): Promise<void> {
    const now = Date.now();
    const watch = this.#inFlight > 0 ? now + WATCH_MS : Number.POSITIVE_INFINITY;
    const at = Math.min(this.#rows.nextWake() ?? Number.POSITIVE_INFINITY, watch);
    if (at === Number.POSITIVE_INFINITY) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(Math.max(at, this.#onlyFails() ? this.#pausedUntil : now));
  }
}

function view({ seq, id, createdAt, order: { model }, state }: Job): JobView {
  return { seq, id, createdAt, model, state };
}

/** Counts it, and writes its one line. */
function logEnd({ id, order: { tenant, model, requestId } }: Job, state: Finished): void {
  if (state.kind !== "cancelled") jobCounts.count(state.kind);
  const { kind: status, attempts, finishedAt } = state;
  const code = state.kind === "failed" ? state.failure.code : undefined;
  const line = { ts: new Date(finishedAt).toISOString(), level: "info", msg: "job", request_id: requestId, job: id };
  console.log(JSON.stringify({ ...line, status, code, attempts, tenant, model }));
}
