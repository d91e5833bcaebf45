/**
 * One tenant's jobs in SQLite: a row a job, its bytes in pieces that a row can hold. Every change is one transaction.
 *
 * Bounded: `MOST_UNFINISHED` jobs that wait or run, `MOST_KEPT` of which something can be read, and no new one beside `MOST_BYTES` of inputs
 * and results. Worst case: results much larger than their inputs, of as many as wait then, come on top of that: 8 GiB of the 10 that an
 * object may have.
 */
import { z } from "zod";
import { aged, begun, wakeAt } from "../../../shared/control/jobs/job-life.ts";
import type { JobState } from "../../../shared/control/jobs/job-state.ts";
import { migrate } from "../control/schema.ts";
import { type Job, jobOrderSchema, type Message, storedJobSchema } from "./job-order.ts";

const MOST_UNFINISHED = 1_000;
const MOST_KEPT = 10_000;
const MOST_BYTES = 256 * 1024 * 1024;
/** A row holds 2 MB at the most. */
const PIECE_BYTES = 1024 * 1024;

const MIGRATIONS = [
  `CREATE TABLE jobs (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     created_at INTEGER NOT NULL,
     status TEXT NOT NULL,
     wake_at INTEGER,
     bytes INTEGER NOT NULL,
     job_order TEXT NOT NULL,
     state TEXT NOT NULL
   );
   CREATE INDEX jobs_by_wake ON jobs (wake_at) WHERE wake_at IS NOT NULL;
   CREATE INDEX jobs_by_status ON jobs (status, bytes);
   CREATE TABLE messages (job INTEGER PRIMARY KEY, header_length INTEGER);
   CREATE TABLE pieces (job INTEGER NOT NULL, piece INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (job, piece));`,
];

const JOB_COLUMNS = "seq, id, created_at, job_order, state";
const rowSchema = z.object({
  seq: z.int(),
  id: z.string(),
  created_at: z.int(),
  job_order: z.string(),
  state: z.string(),
});
const sumsSchema = z.object({ status: z.string(), jobs: z.int(), bytes: z.int() });

export class JobRows {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    storage.transactionSync(() => migrate(this.#sql, MIGRATIONS));
  }

  /** @returns whether there is room for another job with so many bytes */
  hasRoomFor(bytes: number): boolean {
    const rows = this.#sql.exec(
      "SELECT status, COUNT(*) AS jobs, COALESCE(SUM(bytes), 0) AS bytes FROM jobs GROUP BY status",
    );
    let [unfinished, kept, held] = [0, 0, 0];
    for (const row of rows) {
      const sums = sumsSchema.parse(row);
      if (sums.status === "queued" || sums.status === "running") unfinished += sums.jobs;
      if (sums.status !== "expired") kept += sums.jobs;
      held += sums.bytes;
    }
    return unfinished < MOST_UNFINISHED && kept < MOST_KEPT && held + bytes <= MOST_BYTES;
  }

  add(job: Omit<Job, "seq">, input: Message): Job {
    const { id, createdAt, order, state } = job;
    return this.#storage.transactionSync(() => {
      const row = this.#sql
        .exec(
          `INSERT INTO jobs (id, created_at, status, wake_at, bytes, job_order, state) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING seq`,
          ...[id, createdAt, state.kind, wakeAt(state), 0, JSON.stringify(order), JSON.stringify(state)],
        )
        .one();
      const added = { ...job, seq: z.int().parse(row.seq) };
      this.#putMessage(added.seq, input);
      return added;
    });
  }

  /** As it is now, whether or not it was woken in time. */
  find(id: string, now: number): Job | undefined {
    const [row] = this.#sql.exec(`SELECT ${JOB_COLUMNS} FROM jobs WHERE id = ?`, id);
    if (!row) return undefined;
    const job = read(row);
    const state = aged(job.state, now);
    return state && { ...job, state };
  }

  /** The newest first, those that have expired left out. @param before a `seq` */
  *list(before: number): Generator<Job> {
    const cursor = this.#sql.exec(
      `SELECT ${JOB_COLUMNS} FROM jobs WHERE seq < ? AND status <> 'expired' ORDER BY seq DESC`,
      before,
    );
    for (const row of cursor) yield read(row);
  }

  running(): Job[] {
    return [...this.#sql.exec(`SELECT ${JOB_COLUMNS} FROM jobs WHERE status = 'running'`)].map(read);
  }

  /**
   * Takes up the job that has been due for longest; on its way does what time alone has brought.
   *
   * @returns it running, or failed where its time is over; undefined when none is due
   */
  takeUp(now: number): Job | undefined {
    for (;;) {
      const [row] = this.#sql.exec(
        `SELECT ${JOB_COLUMNS} FROM jobs WHERE wake_at <= ? ORDER BY wake_at, seq LIMIT 1`,
        now,
      );
      if (!row) return undefined;
      const job = read(row);
      const state = aged(job.state, now);
      if (!state) this.#forget(job);
      else {
        const taken = this.move(job, state.kind === "queued" ? begun(state) : state);
        if (job.state.kind === "queued") return taken;
      }
    }
  }

  /** Stores the state that a job has come to. @param result of one that has succeeded, in the place of its input */
  move(job: Job, state: JobState, result?: Message): Job {
    this.#storage.transactionSync(() => {
      this.#sql.exec(
        "UPDATE jobs SET status = ?, wake_at = ?, state = ? WHERE seq = ?",
        ...[state.kind, wakeAt(state), JSON.stringify(state), job.seq],
      );
      if (state.kind === "queued" || state.kind === "running") return;
      if (result) this.#putMessage(job.seq, result);
      else if (state.kind !== "succeeded") this.#dropMessage(job.seq);
    });
    return { ...job, state };
  }

  /** When the next of them is to be woken; undefined: none. */
  nextWake(): number | undefined {
    const row = this.#sql.exec("SELECT MIN(wake_at) AS at FROM jobs WHERE wake_at IS NOT NULL").one();
    return z.int().nullable().parse(row.at) ?? undefined;
  }

  /** The input of a job that is not done, the result of one that has succeeded. */
  message({ seq }: Job): Message | undefined {
    const [head] = this.#sql.exec("SELECT header_length FROM messages WHERE job = ?", seq);
    if (!head) return undefined;
    const pieces = [...this.#sql.exec("SELECT bytes FROM pieces WHERE job = ? ORDER BY piece", seq)].map(
      ({ bytes }) => new Uint8Array(z.instanceof(ArrayBuffer).parse(bytes)),
    );
    const body = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let offset = 0;
    for (const piece of pieces) {
      body.set(piece, offset);
      offset += piece.length;
    }
    return { body, headerLength: z.int().nullable().parse(head.header_length) };
  }

  #forget({ seq }: Job): void {
    this.#storage.transactionSync(() => {
      this.#dropMessage(seq);
      this.#sql.exec("DELETE FROM jobs WHERE seq = ?", seq);
    });
  }

  #putMessage(seq: number, { body, headerLength }: Message): void {
    this.#dropMessage(seq);
    this.#sql.exec("INSERT INTO messages (job, header_length) VALUES (?, ?)", seq, headerLength);
    for (let piece = 0; piece * PIECE_BYTES < body.length; piece++) {
      const bytes = body.slice(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES);
      this.#sql.exec("INSERT INTO pieces (job, piece, bytes) VALUES (?, ?, ?)", seq, piece, bytes.buffer);
    }
    this.#sql.exec("UPDATE jobs SET bytes = ? WHERE seq = ?", body.length, seq);
  }

  #dropMessage(seq: number): void {
    this.#sql.exec("DELETE FROM messages WHERE job = ?", seq);
    this.#sql.exec("DELETE FROM pieces WHERE job = ?", seq);
    this.#sql.exec("UPDATE jobs SET bytes = 0 WHERE seq = ?", seq);
  }
}

function read(row: Record<string, SqlStorageValue>): Job {
  const { seq, id, created_at: createdAt, job_order: order, state } = rowSchema.parse(row);
  return storedJobSchema.parse({
    ...{ seq, id, createdAt },
    ...{ order: jobOrderSchema.parse(JSON.parse(order)), state: JSON.parse(state) },
  });
}
